import { LockgateError } from "../../policy/base/errors.ts"
import { handoverFilter } from "../../policy/audit/witness/place.ts"
import type { Clock } from "../../hal/clock.ts"
import type { MqttLink, MqttMessage } from "./mqtt-link.ts"

/** A link that several listen on: each of them as if it had one of its own. */
export type SharedLink = Pick<MqttLink, "subscribe" | "unsubscribe" | "onMessage" | "publish">

/** Longest that is waited for changes of keys, from one to the next; and how many are taken. */
const QUIET_MS = 500
const MOST_HANDOVERS = 64
const MAX_HANDOVER_BYTES = 64 * 1024

/** Shares out `link`; each call gives a part that hears every message. Nobody else may call `link.onMessage` then. */
export function shareLink(link: SharedLink): () => SharedLink {
  const listeners: ((message: MqttMessage) => Promise<void>)[] = []
  link.onMessage(async (message) => {
    for (const listener of listeners) await listener(message)
  })
  return () => ({
    subscribe: (filters) => link.subscribe(filters),
    unsubscribe: (filters) => link.unsubscribe(filters),
    publish: (topic, payload, retain) => link.publish(topic, payload, retain),
    onMessage: (listener) => void listeners.push(listener),
  })
}

/** Asks what is retained of changes of the log's key of `gateway`: at most 64, as they came. */
export function handoversOver(
  link: SharedLink,
  gateway: string,
  clock: Pick<Clock, "after">,
): () => Promise<readonly string[]> {
  const filter = handoverFilter(gateway)
  const root = filter.slice(0, -1)
  let found: string[] | null = null
  let ring = (): void => undefined
  link.onMessage(async ({ topic, payload }) => {
    if (found === null || !topic.startsWith(root) || payload.length > MAX_HANDOVER_BYTES) return
    if (found.length < MOST_HANDOVERS) found.push(Buffer.from(payload).toString("utf8"))
    ring()
  })
  return async () => {
    found = []
    await link.subscribe([filter])
    for (let had = -1; found.length > had && found.length < MOST_HANDOVERS;) {
      had = found.length
      await new Promise<void>((resolve) => {
        const cancel = clock.after(QUIET_MS, resolve)
        ring = () => {
          cancel()
          resolve()
        }
      })
    }
    await link.unsubscribe([filter])
    const all = found
    found = null
    return all
  }
}

/** What a link or a disk does is not ours to die of. */
export function unlessOurs(error: unknown): void {
  if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
}
