import { SUBACK, SUBSCRIBE, UNSUBACK, UNSUBSCRIBE, type Version } from "./packet-type.ts"
import { walkProperties } from "./properties.ts"
import { mqttError } from "./protocol-error.ts"
import { checkReasonCode } from "./reason-code.ts"
import { Reader, type Span } from "./reader.ts"
import { checkTopicFilter } from "./text.ts"
import { Writer } from "./writer.ts"

/** One filter of a SUBSCRIBE; the span is of the filter's text without its length. */
export interface RequestedFilter extends Span {
  /** As it stands in the packet: QoS in the two low bits, in MQTT 5 the options above. */
  readonly options: number
}

/** A SUBSCRIBE, read; its filters are views of the packet. */
export interface SubscribePacket {
  readonly packetId: number
  /** Checked property list, encoded, a view of the input; empty in 3.1.1. */
  readonly properties: Uint8Array
  readonly filters: readonly RequestedFilter[]
}

/** A SUBACK or UNSUBACK. `codes` is a view of the input; empty for an UNSUBACK of 3.1.1. */
export interface SubscriptionAnswer {
  readonly packetId: number
  readonly properties: Uint8Array
  readonly codes: Uint8Array
}

/** What an UNSUBSCRIBE asks, as far as its answer depends on it. */
export interface Unsubscribed {
  readonly packetId: number
  readonly count: number
}

const NO_LOCAL = 0x04

/**
 * Parse the body of a SUBSCRIBE in [start, end).
 *
 * @throws ERR_MQTT_NO_FILTERS, ERR_MQTT_TOPIC_FILTER, ERR_MQTT_QOS, ERR_MQTT_SUBSCRIPTION_OPTIONS and the codes of fields.
 * @see MQTT 5.0 section 3.8, MQTT 3.1.1 section 3.8
 */
export function parseSubscribe(bytes: Uint8Array, start: number, end: number, version: Version): SubscribePacket {
  const reader = new Reader(bytes, start, end)
  const packetId = reader.packetId()
  const properties = readProperties(reader, SUBSCRIBE, version)
  const filters: RequestedFilter[] = []
  while (reader.at < end) {
    const span = reader.binary()
    const shared = checkTopicFilter(bytes, span.start, span.end, version)
    const options = reader.u8()
    checkOptions(options, version, shared)
    filters.push({ start: span.start, end: span.end, options })
  }
  if (filters.length === 0) throw mqttError("ERR_MQTT_NO_FILTERS", "a SUBSCRIBE asks for nothing")
  return { packetId, properties, filters }
}

function checkOptions(options: number, version: Version, shared: boolean): void {
  if ((options & 3) === 3) throw mqttError("ERR_MQTT_QOS", "a SUBSCRIBE asks for QoS 3")
  const reserved = version === 4 ? 0xfc : 0xc0
  // Retain handling 3 does not exist; no-local on a shared subscription is a protocol error (MQTT-3.8.3-4).
  const wrong = version === 5 && ((options & 0x30) === 0x30 || (shared && (options & NO_LOCAL) !== 0))
  if ((options & reserved) !== 0 || wrong) {
    throw mqttError("ERR_MQTT_SUBSCRIPTION_OPTIONS", "the options of a subscription are not valid", { options })
  }
}

/** Encode a SUBSCRIBE with those `filters` only, which are spans of `bytes`. */
export function encodeSubscribe(
  packet: SubscribePacket,
  bytes: Uint8Array,
  filters: readonly RequestedFilter[],
  version: Version,
): Uint8Array<ArrayBuffer> {
  const writer = new Writer().u16(packet.packetId)
  if (version === 5) writer.propertyList(packet.properties)
  for (const filter of filters) writer.binary(bytes.subarray(filter.start, filter.end)).u8(filter.options)
  return writer.packet((SUBSCRIBE << 4) | 2)
}

/**
 * Check the body of an UNSUBSCRIBE in [start, end); returns its identifier and how many filters it gives up.
 *
 * @throws ERR_MQTT_NO_FILTERS, ERR_MQTT_TOPIC_FILTER and the codes of fields.
 * @see MQTT 5.0 section 3.10, MQTT 3.1.1 section 3.10
 */
export function checkUnsubscribe(bytes: Uint8Array, start: number, end: number, version: Version): Unsubscribed {
  const reader = new Reader(bytes, start, end)
  const packetId = reader.packetId()
  readProperties(reader, UNSUBSCRIBE, version)
  let count = 0
  if (reader.at === end) throw mqttError("ERR_MQTT_NO_FILTERS", "an UNSUBSCRIBE names nothing")
  while (reader.at < end) {
    const span = reader.binary()
    checkTopicFilter(bytes, span.start, span.end, version)
    count++
  }
  return { packetId, count }
}

/**
 * Parse the body of a SUBACK or UNSUBACK in [start, end).
 *
 * @throws ERR_MQTT_SUBACK_COUNT if it has no code where one is due, ERR_MQTT_REASON_CODE and the codes of fields.
 * @see MQTT 5.0 sections 3.9 and 3.11, MQTT 3.1.1 sections 3.9 and 3.11
 */
export function parseSubscriptionAnswer(
  type: typeof SUBACK | typeof UNSUBACK,
  bytes: Uint8Array,
  start: number,
  end: number,
  version: Version,
): SubscriptionAnswer {
  const reader = new Reader(bytes, start, end)
  const packetId = reader.packetId()
  const properties = readProperties(reader, type, version)
  const codes = bytes.subarray(reader.at, end)
  if (type === UNSUBACK && version === 4) reader.done()
  else if (codes.length === 0) throw mqttError("ERR_MQTT_SUBACK_COUNT", "an answer to subscriptions has no code")
  for (const code of codes) checkReasonCode(type, code, version, "broker")
  return { packetId, properties, codes }
}

/** Encode a whole SUBACK. */
export function encodeSuback(answer: SubscriptionAnswer, version: Version): Uint8Array<ArrayBuffer> {
  const writer = new Writer().u16(answer.packetId)
  if (version === 5) writer.propertyList(answer.properties)
  return writer.raw(answer.codes).packet(SUBACK << 4)
}

/** A whole UNSUBACK that says success `count` times. */
export function encodeUnsuback(packetId: number, count: number, version: Version): Uint8Array<ArrayBuffer> {
  const writer = new Writer().u16(packetId)
  if (version === 5) writer.propertyList(new Uint8Array(0)).raw(new Uint8Array(count))
  return writer.packet(UNSUBACK << 4)
}

function readProperties(reader: Reader, place: number, version: Version): Uint8Array {
  if (version === 4) return reader.bytes.subarray(0, 0)
  const span = reader.propertyList()
  walkProperties(place, reader.bytes, span.start, span.end, null)
  return reader.bytes.subarray(span.start, span.end)
}
