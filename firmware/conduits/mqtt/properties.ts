import { mqttError } from "./protocol-error.ts"
import { checkTopicName, isUtf8 } from "./text.ts"
import {
  AUTH,
  CONNACK,
  CONNECT,
  DISCONNECT,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  SUBACK,
  SUBSCRIBE,
  typeSet,
  UNSUBACK,
  UNSUBSCRIBE,
} from "./packet-type.ts"
import { readVariableInteger, variableIntegerSize } from "./variable-integer.ts"
import { Writer } from "./writer.ts"

export const PROPERTY = {
  payloadFormat: 1,
  messageExpiry: 2,
  contentType: 3,
  responseTopic: 8,
  correlationData: 9,
  subscriptionIdentifier: 11,
  sessionExpiry: 17,
  assignedClientIdentifier: 18,
  serverKeepAlive: 19,
  authenticationMethod: 21,
  authenticationData: 22,
  requestProblemInformation: 23,
  willDelay: 24,
  requestResponseInformation: 25,
  responseInformation: 26,
  serverReference: 28,
  reasonString: 31,
  receiveMaximum: 33,
  topicAliasMaximum: 34,
  topicAlias: 35,
  maximumQos: 36,
  retainAvailable: 37,
  userProperty: 38,
  maximumPacketSize: 39,
  wildcardAvailable: 40,
  subscriptionIdentifierAvailable: 41,
  sharedAvailable: 42,
} as const

/** Stands beside the packet types for the property list of a will. */
export const WILL = 0

/** `flag` is a byte 0 or 1, `topic` a string that must be a topic name, `pair` two strings. */
type Shape = "flag" | "u16" | "u32" | "variable" | "text" | "topic" | "binary" | "pair"

interface Row {
  readonly shape: Shape
  /** Packet types (and `WILL`) whose property list may hold it. */
  readonly places: number
  readonly nonZero?: true
}

const MESSAGE = typeSet(PUBLISH, WILL)
const CONNECTING = typeSet(CONNECT, CONNACK)
const ACKS = typeSet(PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK)
const EVERYWHERE = MESSAGE | CONNECTING | ACKS | typeSet(SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, AUTH)

/** @see MQTT 5.0 section 2.2.2.2, table 2-4 */
const ROWS: readonly (readonly [id: number, row: Row])[] = [
  [PROPERTY.payloadFormat, { shape: "flag", places: MESSAGE }],
  [PROPERTY.messageExpiry, { shape: "u32", places: MESSAGE }],
  [PROPERTY.contentType, { shape: "text", places: MESSAGE }],
  [PROPERTY.responseTopic, { shape: "topic", places: MESSAGE }],
  [PROPERTY.correlationData, { shape: "binary", places: MESSAGE }],
  [PROPERTY.subscriptionIdentifier, { shape: "variable", places: typeSet(PUBLISH, SUBSCRIBE), nonZero: true }],
  [PROPERTY.sessionExpiry, { shape: "u32", places: CONNECTING | typeSet(DISCONNECT) }],
  [PROPERTY.assignedClientIdentifier, { shape: "text", places: typeSet(CONNACK) }],
  [PROPERTY.serverKeepAlive, { shape: "u16", places: typeSet(CONNACK) }],
  [PROPERTY.authenticationMethod, { shape: "text", places: CONNECTING | typeSet(AUTH) }],
  [PROPERTY.authenticationData, { shape: "binary", places: CONNECTING | typeSet(AUTH) }],
  [PROPERTY.requestProblemInformation, { shape: "flag", places: typeSet(CONNECT) }],
  [PROPERTY.willDelay, { shape: "u32", places: typeSet(WILL) }],
  [PROPERTY.requestResponseInformation, { shape: "flag", places: typeSet(CONNECT) }],
  [PROPERTY.responseInformation, { shape: "text", places: typeSet(CONNACK) }],
  [PROPERTY.serverReference, { shape: "text", places: typeSet(CONNACK, DISCONNECT) }],
  [PROPERTY.reasonString, { shape: "text", places: ACKS | typeSet(CONNACK, DISCONNECT, AUTH) }],
  [PROPERTY.receiveMaximum, { shape: "u16", places: CONNECTING, nonZero: true }],
  [PROPERTY.topicAliasMaximum, { shape: "u16", places: CONNECTING }],
  // Zero is refused by whoever holds the alias tables, with the reason code made for it.
  [PROPERTY.topicAlias, { shape: "u16", places: typeSet(PUBLISH) }],
  [PROPERTY.maximumQos, { shape: "flag", places: typeSet(CONNACK) }],
  [PROPERTY.retainAvailable, { shape: "flag", places: typeSet(CONNACK) }],
  [PROPERTY.userProperty, { shape: "pair", places: EVERYWHERE }],
  [PROPERTY.maximumPacketSize, { shape: "u32", places: CONNECTING, nonZero: true }],
  [PROPERTY.wildcardAvailable, { shape: "flag", places: typeSet(CONNACK) }],
  [PROPERTY.subscriptionIdentifierAvailable, { shape: "flag", places: typeSet(CONNACK) }],
  [PROPERTY.sharedAvailable, { shape: "flag", places: typeSet(CONNACK) }],
]

const TABLE: readonly (Row | undefined)[] = Array.from({ length: 43 }, (_, id) => ROWS.find((r) => r[0] === id)?.[1])

/** Told of every property in turn. */
export interface PropertyVisitor {
  /** `value` is the number of a numeric property, else 0; the property with its identifier lies in [start, end). */
  property(id: number, value: number, start: number, end: number): void
}

/**
 * Check the property list in [start, end) of a packet of type `place` (or `WILL`): identifiers that may stand there,
 * each once (user property, and subscription identifier in a PUBLISH, as often as they like), each of its type.
 *
 * @throws ERR_MQTT_PROPERTY, ERR_MQTT_PROPERTY_TWICE, ERR_MQTT_PROPERTY_VALUE, ERR_MQTT_TRUNCATED, ERR_MQTT_UTF8
 * @see MQTT 5.0 section 2.2.2
 */
export function walkProperties(
  place: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  visitor: PropertyVisitor | null,
): void {
  let seenLow = 0
  let seenHigh = 0
  let at = start
  while (at < end) {
    const from = at
    const id = bytes[at++] as number
    const row = TABLE[id]
    if (row === undefined || ((row.places >> place) & 1) === 0) {
      throw mqttError("ERR_MQTT_PROPERTY", "a property must not stand in this packet", { property: id })
    }
    const bit = 1 << (id & 31)
    const seen = id < 32 ? seenLow & bit : seenHigh & bit
    const repeats = id === PROPERTY.userProperty || (id === PROPERTY.subscriptionIdentifier && place === PUBLISH)
    if (seen !== 0 && !repeats) {
      throw mqttError("ERR_MQTT_PROPERTY_TWICE", "a property stands twice", { property: id })
    }
    if (id < 32) seenLow |= bit
    else seenHigh |= bit
    at = propertyEnd(row.shape, bytes, at, end)
    const value = numberOf(row.shape, bytes, from + 1)
    if ((row.nonZero === true && value === 0) || (row.shape === "flag" && value > 1)) {
      throw mqttError("ERR_MQTT_PROPERTY_VALUE", "a property has a value outside its range", { property: id })
    }
    visitor?.property(id, value, from, at)
  }
}

function propertyEnd(shape: Shape, bytes: Uint8Array, at: number, end: number): number {
  switch (shape) {
    case "flag":
      return within(at + 1, end)
    case "u16":
      return within(at + 2, end)
    case "u32":
      return within(at + 4, end)
    case "variable":
      return at + variableIntegerSize(readVariableInteger(bytes, at, end))
    case "binary":
      return lengthPrefixed(bytes, at, end)
    case "text":
      return text(bytes, at, end)
    case "topic": {
      const next = text(bytes, at, end)
      checkTopicName(bytes, at + 2, next)
      return next
    }
    case "pair":
      return text(bytes, text(bytes, at, end), end)
  }
}

function numberOf(shape: Shape, bytes: Uint8Array, at: number): number {
  switch (shape) {
    case "flag":
      return bytes[at] as number
    case "u16":
      return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
    case "u32": {
      const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
      return high * 0x1_0000 + (((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number))
    }
    case "variable":
      return readVariableInteger(bytes, at, bytes.length)
    case "text":
    case "topic":
    case "binary":
    case "pair":
      return 0
  }
}

function within(next: number, end: number): number {
  if (next > end) throw mqttError("ERR_MQTT_TRUNCATED", "a property runs past the end of its list")
  return next
}

function lengthPrefixed(bytes: Uint8Array, at: number, end: number): number {
  within(at + 2, end)
  return within(at + 2 + (((bytes[at] as number) << 8) | (bytes[at + 1] as number)), end)
}

function text(bytes: Uint8Array, at: number, end: number): number {
  const next = lengthPrefixed(bytes, at, end)
  if (!isUtf8(bytes, at + 2, next)) throw mqttError("ERR_MQTT_UTF8", "a property is not UTF-8")
  return next
}

/** A checked list without the properties in `ids`; a new array, to which the caller may add. */
export function withoutProperties(place: number, list: Uint8Array, ids: readonly number[]): Writer {
  const kept = new Writer()
  walkProperties(place, list, 0, list.length, {
    property(id, _value, start, end) {
      if (!ids.includes(id)) kept.raw(list.subarray(start, end))
    },
  })
  return kept
}

/** The numeric properties of a checked list by identifier; textual ones are there with the value 0. */
export function numericProperties(place: number, list: Uint8Array): ReadonlyMap<number, number> {
  const found = new Map<number, number>()
  walkProperties(place, list, 0, list.length, {
    property(id, value) {
      found.set(id, value)
    },
  })
  return found
}
