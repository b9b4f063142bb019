import { isAllowed } from "../../../policy/filter/verdict.ts"
import { OUTCOME, type Outcome } from "./boundary.ts"
import { SUBACK } from "./packet-type.ts"
import { mqttError } from "./protocol-error.ts"
import { CODE, subscribeRefusal } from "./reason-code.ts"
import type { SessionContext } from "./session-context.ts"
import {
  encodeSuback,
  encodeSubscribe,
  parseSubscribe,
  parseSubscriptionAnswer,
  type RequestedFilter,
} from "./subscription-packets.ts"
import { printable } from "./text.ts"

/** Who subscribes to it is told once what it may do: rights of its own, and its last denials. */
export const RIGHTS_TOPIC = "$lockgate/rights"
const RIGHTS = new TextEncoder().encode(RIGHTS_TOPIC)

function isRights(bytes: Uint8Array, { start, end }: RequestedFilter): boolean {
  return end - start === RIGHTS.length && RIGHTS.every((byte, k) => bytes[start + k] === byte)
}

/** SUBSCRIBE packets that may wait for their SUBACK. */
export const MAX_PENDING = 1024

/** Stands in a row of codes where the broker's is to go; no reason code has this value. */
const FROM_BROKER = 0xff

/**
 * The SUBSCRIBE packets under way. A refused filter is taken out before the broker sees the packet, and its failure code
 * put back into the broker's SUBACK, in its position.
 *
 *     SUBSCRIBE 7: a allowed, b denied, c allowed   ->  SUBSCRIBE 7: a, c
 *     SUBACK 7:    a -> 1, b -> 0x87, c -> 0        <-  SUBACK 7:    1, 0
 */
export class Subscriptions {
  readonly #context: SessionContext
  /** By packet identifier: the codes to be filled in, or null if the packet went on as it was. */
  #pending = new Map<number, Uint8Array | null>()
  #heldBytes = 0

  constructor(context: SessionContext) {
    this.#context = context
  }

  /** Bytes of codes held. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /**
   * Decide a SUBSCRIBE that lies in [start, end) with its body from `body` on.
   *
   * @throws ERR_MQTT_PACKET_ID_IN_USE, ERR_MQTT_QUOTA, and what the parser throws.
   */
  request(bytes: Uint8Array, body: number, end: number): Outcome {
    const { judge, port, version, deps } = this.#context
    const packet = parseSubscribe(bytes, body, end, version)
    const { packetId } = packet
    if (this.#pending.has(packetId)) {
      throw mqttError("ERR_MQTT_PACKET_ID_IN_USE", "a SUBSCRIBE uses the identifier of one that is not answered")
    }
    const codes = new Uint8Array(packet.filters.length).fill(FROM_BROKER)
    const granted: RequestedFilter[] = []
    packet.filters.forEach((filter, i) => {
      if (deps.askRights !== undefined && isRights(bytes, filter)) {
        // Ours to answer, at QoS 0; the broker never hears of it.
        codes[i] = CODE.success
        deps.askRights()
        return
      }
      const judged = judge.subscribe(bytes, filter.start, filter.end, filter.options & 3)
      if (deps.tap?.on === true) {
        deps.tap.judged("subscribe", judged, bytes, filter.start, filter.end, (filter.options & 3) << 1, 0, false)
      }
      if (isAllowed(judged)) granted.push(filter)
      else {
        codes[i] = subscribeRefusal(judged, version)
        port.denied("subscribe", judged, printable(bytes, filter.start, filter.end), false)
      }
    })
    if (granted.length === 0) {
      this.#context.inject("down", encodeSuback({ packetId, properties: new Uint8Array(0), codes }, version))
      return OUTCOME.drop
    }
    const whole = granted.length === codes.length
    this.#hold(packetId, whole ? null : codes)
    if (whole) return OUTCOME.pass
    this.#context.replace("up", encodeSubscribe(packet, bytes, granted, version))
    return OUTCOME.replaced
  }

  /**
   * Deal with a SUBACK of the broker, its body in [body, end).
   *
   * @throws ERR_MQTT_SUBACK_COUNT if it answers more or less than was asked, and what the parser throws.
   */
  answer(bytes: Uint8Array, body: number, end: number): Outcome {
    const { version } = this.#context
    const answer = parseSubscriptionAnswer(SUBACK, bytes, body, end, version)
    const codes = this.#pending.get(answer.packetId)
    this.#pending.delete(answer.packetId)
    if (codes === undefined || codes === null) return OUTCOME.pass
    this.#heldBytes -= codes.length
    let next = 0
    const merged = codes.map((code) => (code === FROM_BROKER ? (answer.codes[next++] ?? FROM_BROKER) : code))
    if (next !== answer.codes.length) {
      throw mqttError("ERR_MQTT_SUBACK_COUNT", "a SUBACK answers more or fewer filters than were asked for")
    }
    this.#context.replace("down", encodeSuback({ ...answer, codes: merged }, version))
    return OUTCOME.replaced
  }

  #hold(packetId: number, codes: Uint8Array | null): void {
    this.#heldBytes += codes?.length ?? 0
    this.#pending.set(packetId, codes)
    if (this.#pending.size > MAX_PENDING || this.#heldBytes > this.#context.deps.limits.maxControlBytes) {
      throw mqttError("ERR_MQTT_QUOTA", "too many subscriptions wait for an answer")
    }
  }
}
