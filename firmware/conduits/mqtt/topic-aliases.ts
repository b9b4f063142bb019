import { mqttError } from "./protocol-error.ts"
import { copyOf } from "./reader.ts"

/**
 * Topic aliases of one direction, twice: what the sender means by each, and what the receiver holds.
 *
 * The two differ as soon as a packet that sets an alias is denied. Alias 1 is set to topic A (allowed), then to B
 * (denied, so the receiver never hears of it), then used without a topic: passed on as it is, the message would go to A.
 *
 * @see MQTT 5.0 section 3.3.2.3.4
 */
export class TopicAliases {
  /** Highest alias that the sender may use. */
  limit = 0
  readonly #maxBytes: number
  #bytes = 0
  #meant: (Uint8Array | undefined)[] = []
  #held: (Uint8Array | undefined)[] = []

  /** `maxBytes` bounds the topics remembered. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Bytes of topics held. */
  get heldBytes(): number {
    return this.#bytes
  }

  /** @throws ERR_MQTT_TOPIC_ALIAS for zero and for what is beyond the limit. */
  check(alias: number): void {
    if (alias === 0 || alias > this.limit) {
      throw mqttError("ERR_MQTT_TOPIC_ALIAS", "a topic alias is zero or beyond the maximum", { alias })
    }
  }

  /** The sender sets `alias` to the topic in [start, end) of `bytes`; returns a copy of it. @throws ERR_MQTT_QUOTA */
  mean(alias: number, bytes: Uint8Array, start: number, end: number): Uint8Array {
    const topic = bytes.subarray(start, end)
    const known = [this.#meant[alias], this.#held[alias]].find((old) => old !== undefined && same(old, topic))
    this.#put(this.#meant, alias, known ?? copyOf(topic))
    return known ?? (this.#meant[alias] as Uint8Array)
  }

  /** The topic that the sender means. @throws ERR_MQTT_TOPIC_ALIAS_UNKNOWN */
  meant(alias: number): Uint8Array {
    const topic = this.#meant[alias]
    if (topic === undefined) throw mqttError("ERR_MQTT_TOPIC_ALIAS_UNKNOWN", "a topic alias was never set", { alias })
    return topic
  }

  /** True if the receiver takes `alias` for the topic that the sender means. */
  agree(alias: number): boolean {
    return this.#meant[alias] === this.#held[alias]
  }

  /** The receiver was sent `alias` together with the topic that the sender means. */
  pass(alias: number): void {
    this.#put(this.#held, alias, this.#meant[alias] as Uint8Array)
  }

  #put(table: (Uint8Array | undefined)[], alias: number, topic: Uint8Array): void {
    this.#bytes += topic.length - (table[alias]?.length ?? 0)
    table[alias] = topic
    if (this.#bytes > this.#maxBytes) throw mqttError("ERR_MQTT_QUOTA", "topic aliases stand for too many bytes")
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
