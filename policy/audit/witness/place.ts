/**
 * Where cosigners speak, below the topics of the gateway whose log they look at; all retained.
 *
 *     lockgate/<gateway>/witness/<cosigner>            the newest checkpoint of its log with the cosigner's line
 *     lockgate/<gateway>/witness/<cosigner>/refused    why the newest one has none, as a note signed by the cosigner
 *     lockgate/<gateway>/log/handover/<size>           a change of the log's key, as the proof of the entry that names the new one
 */

const NAME = /^[A-Za-z0-9._-]{1,64}$/

/** Whether a cosigner may be called so: its name is one level of a topic. */
export function isCosignerName(name: string): boolean {
  return NAME.test(name)
}

/** Where `cosigner` shows what it has cosigned of the log of `gateway`. */
export function witnessTopic(gateway: string, cosigner: string): string {
  return `lockgate/${gateway}/witness/${cosigner}`
}

/** Where it says what it has refused. */
export function refusedTopic(gateway: string, cosigner: string): string {
  return `${witnessTopic(gateway, cosigner)}/refused`
}

/** Everything that cosigners say to this gateway. */
export function witnessFilter(gateway: string): string {
  return `lockgate/${gateway}/witness/#`
}

/** Who speaks at this topic, and what of; null if it is no place of a cosigner of this gateway. Never throws. */
export function witnessAt(
  gateway: string,
  topic: string,
): { readonly cosigner: string; readonly says: "cosigned" | "refused" } | null {
  const root = witnessTopic(gateway, "")
  if (!topic.startsWith(root)) return null
  const [cosigner = "", word, ...more] = topic.slice(root.length).split("/")
  if (more.length > 0 || !isCosignerName(cosigner) || (word !== undefined && word !== "refused")) return null
  return { cosigner, says: word ?? "cosigned" }
}

/** Where the gateway shows the change of its log's key over the entry before `size`. */
export function handoverTopic(gateway: string, size: number): string {
  return `lockgate/${gateway}/log/handover/${size}`
}

/** All of them. */
export function handoverFilter(gateway: string): string {
  return `lockgate/${gateway}/log/handover/+`
}
