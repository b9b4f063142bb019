import type { MqttLink } from "./mqtt-link.ts"

type Listener = (topic: string, payload: Uint8Array, retained: boolean) => void
/** What a reader of one log needs of a link. */
type ReaderLink = Pick<MqttLink, "subscribe" | "unsubscribe" | "onMessage" | "publish">

/** One connection to a broker, used by the readers of many logs. */
export interface SharedLink {
  readonly name: string
  /** Hear everything that arrives; the returned function ends that. */
  listen(listener: Listener): () => void
  /** Subscribe to what stays subscribed, whatever a reader gives up. @throws HardwareError `ERR_LINK` */
  watch(filters: readonly string[]): Promise<void>
  /** A link that one reader takes for its own. */
  view(): ReaderLink & { close(): void }
}

/** `link` for many. What arrives is handed on at once: readers ask piece by piece, so that nothing piles up. */
export function shareLink(link: MqttLink, name: string): SharedLink {
  const listeners = new Set<Listener>()
  const watched = new Set<string>()
  link.onMessage(async ({ topic, payload, retained }) => {
    for (const listener of [...listeners]) listener(topic, payload, retained)
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
    view() {
      const own: (() => void)[] = []
      return {
        subscribe: (filters) => link.subscribe(filters),
        unsubscribe: async (filters) => {
          const given = filters.filter((filter) => !watched.has(filter))
          if (given.length > 0) await link.unsubscribe(given)
        },
        publish: (topic, payload, retain) => link.publish(topic, payload, retain),
        onMessage(listener) {
          own.push(listen((topic, payload, retained) => void listener({ topic, payload, retained })))
        },
        close() {
          for (const end of own) end()
        },
      }
    },
  }
}
