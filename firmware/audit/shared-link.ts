import { LockgateError } from "../../policy/base/errors.ts"
import type { MqttLink, MqttMessage } from "./mqtt-link.ts"

type Listener = (message: MqttMessage) => void | Promise<void>

/** A link of which one listener thinks that it is its own. */
export type LinkPart = Pick<MqttLink, "subscribe" | "unsubscribe" | "onMessage" | "publish">

/** One connection to a broker, used by many: the readers of several logs, and who watches over what is said there. */
export interface SharedLink {
  /** Which connection this is: what was published on another one may be lost. */
  readonly name: string
  /** Hear everything that arrives; the returned function ends that. */
  listen(listener: Listener): () => void
  /** Subscribe to what stays subscribed, whatever a part gives up. @throws HardwareError `ERR_LINK` */
  watch(filters: readonly string[]): Promise<void>
  /** A link that one takes for its own; `close` ends what it listens to. */
  part(): LinkPart & { close(): void }
}

/** Shares out `link`, on which nobody else may call `onMessage` then. Listeners hear each message one after the other. */
export function shareLink(link: LinkPart, name = ""): SharedLink {
  const listeners = new Set<Listener>()
  const watched = new Set<string>()
  link.onMessage(async (message) => {
    for (const listener of [...listeners]) await listener(message)
  })
  function listen(listener: Listener): () => void {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }
  return {
    name,
    listen,
    async watch(filters) {
      for (const filter of filters) watched.add(filter)
      await link.subscribe(filters)
    },
    part() {
      const own: (() => void)[] = []
      return {
        subscribe: (filters) => link.subscribe(filters),
        unsubscribe: async (filters) => {
          const given = filters.filter((filter) => !watched.has(filter))
          if (given.length > 0) await link.unsubscribe(given)
        },
        publish: (topic, payload, retain) => link.publish(topic, payload, retain),
        onMessage: (listener) => void own.push(listen(listener)),
        close() {
          for (const end of own) end()
        },
      }
    },
  }
}

/** What a link or a disk does is not ours to die of. */
export function unlessOurs(error: unknown): void {
  if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
}
