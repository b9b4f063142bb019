import type { Policy } from "../../../policy/language/policy.ts"

/** A conduit and a set of roles that a peer there can have. */
export interface PeerClass {
  readonly conduit: string
  readonly roles: readonly string[]
}

/** Every MQTT conduit with every set of roles that the policy can give to a peer of it. */
export function* classesOf(policy: Policy): Generator<PeerClass> {
  for (const conduit of policy.conduits.filter(({ protocol }) => protocol === "mqtt")) {
    const seen = new Set<string>()
    for (const subject of policy.subjects.filter((s) => s.zone === conduit.from)) {
      const key = [...subject.roles].sort().join(" ")
      if (seen.has(key)) continue
      seen.add(key)
      yield { conduit: conduit.name, roles: subject.roles }
    }
  }
}

/** A topic that `filter` matches; wildcards are filled with a word of the probe's own, `%u` and `%c` with `subject`. */
export function exampleTopic(filter: string, subject: string): string {
  return filter
    .replace(/^\$share\/[^/]+\//, "")
    .split("/")
    .map((level) => (level === "%u" || level === "%c" ? subject : level === "+" || level === "#" ? "probe" : level))
    .join("/")
}
