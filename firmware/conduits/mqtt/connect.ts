import { CONNECT, type Version } from "./packet-type.ts"
import { walkProperties, WILL } from "./properties.ts"
import { mqttError } from "./protocol-error.ts"
import { Reader, type Span } from "./reader.ts"
import { checkTopicName } from "./text.ts"
import { Writer } from "./writer.ts"

/** The will in a CONNECT. */
export interface Will {
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  /** Checked topic name, UTF-8. */
  readonly topic: Uint8Array
  readonly payload: Uint8Array
  /** Checked property list, encoded; empty in 3.1.1. */
  readonly properties: Uint8Array
}

/** A CONNECT. What `parseConnect` returns holds views of its input. */
export interface ConnectPacket {
  readonly version: Version
  /** Clean session in 3.1.1. */
  readonly cleanStart: boolean
  readonly keepAliveSeconds: number
  /** Checked property list, encoded; empty in 3.1.1. */
  readonly properties: Uint8Array
  /** UTF-8, may be empty. */
  readonly clientId: Uint8Array
  readonly will: Will | null
  readonly userName: Uint8Array | null
  readonly password: Uint8Array | null
}

const NAME = [0x4d, 0x51, 0x54, 0x54] // "MQTT"
const NAME_3 = [0x4d, 0x51, 0x49, 0x73, 0x64, 0x70] // "MQIsdp", the name that level 3 goes by

const RESERVED = 0x01
const CLEAN_START = 0x02
const WILL_FLAG = 0x04
const WILL_RETAIN = 0x20
const PASSWORD = 0x40
const USER_NAME = 0x80

/**
 * Parse the variable header and payload of a CONNECT, which lie in [start, end).
 *
 *     +------+--------+-------+-------+------------+--------------+-----------+------+------+----------+
 *     | name | level  | flags | keep  | properties | client id    | will ...  | user | password |
 *     |      | 4 or 5 |       | alive | (5)        |              | by the flags                 |
 *     +------+--------+-------+-------+------------+--------------+-----------+------+----------+
 *
 * @throws ERR_MQTT_PROTOCOL_NAME; ERR_MQTT_PROTOCOL_LEVEL with `detail.level` before anything behind it is read;
 *   ERR_MQTT_CONNECT_FLAGS and the codes of fields and properties.
 * @see MQTT 5.0 section 3.1, MQTT 3.1.1 section 3.1
 */
export function parseConnect(bytes: Uint8Array, start: number, end: number): ConnectPacket {
  const reader = new Reader(bytes, start, end)
  const view = (span: Span): Uint8Array => bytes.subarray(span.start, span.end)
  const version = readVersion(reader, view)
  const flags = reader.u8()
  checkFlags(flags, version)
  const keepAliveSeconds = reader.u16()
  const properties = version === 5 ? reader.propertyList() : { start: 0, end: 0 }
  walkProperties(CONNECT, bytes, properties.start, properties.end, null)
  const clientId = view(reader.text())
  const will = (flags & WILL_FLAG) === 0 ? null : readWill(reader, flags, version)
  const userName = (flags & USER_NAME) === 0 ? null : view(reader.text())
  const password = (flags & PASSWORD) === 0 ? null : view(reader.binary())
  reader.done()
  const cleanStart = (flags & CLEAN_START) !== 0
  return { version, cleanStart, keepAliveSeconds, properties: view(properties), clientId, will, userName, password }
}

function readVersion(reader: Reader, view: (span: Span) => Uint8Array): Version {
  const name = view(reader.binary())
  const is = (wanted: readonly number[]): boolean =>
    name.length === wanted.length && wanted.every((byte, i) => name[i] === byte)
  const old = is(NAME_3)
  if (!old && !is(NAME)) throw mqttError("ERR_MQTT_PROTOCOL_NAME", "a CONNECT names another protocol")
  const level = reader.u8()
  if (old || (level !== 4 && level !== 5)) {
    throw mqttError("ERR_MQTT_PROTOCOL_LEVEL", "a CONNECT asks for a version other than 3.1.1 and 5", { level })
  }
  return level
}

function checkFlags(flags: number, version: Version): void {
  const qos = (flags >> 3) & 3
  const will = (flags & WILL_FLAG) !== 0
  const sound =
    (flags & RESERVED) === 0 &&
    qos !== 3 &&
    (will || (qos === 0 && (flags & WILL_RETAIN) === 0)) &&
    // MQTT 5 allows a password without a user name (section 3.1.2.9), 3.1.1 does not.
    (version === 5 || (flags & PASSWORD) === 0 || (flags & USER_NAME) !== 0)
  if (!sound) throw mqttError("ERR_MQTT_CONNECT_FLAGS", "the flags of a CONNECT contradict each other", { flags })
}

function readWill(reader: Reader, flags: number, version: Version): Will {
  const { bytes } = reader
  const properties = version === 5 ? reader.propertyList() : { start: 0, end: 0 }
  walkProperties(WILL, bytes, properties.start, properties.end, null)
  const topic = reader.binary()
  checkTopicName(bytes, topic.start, topic.end)
  const payload = reader.binary()
  return {
    qos: ((flags >> 3) & 3) as 0 | 1 | 2,
    retain: (flags & WILL_RETAIN) !== 0,
    topic: bytes.subarray(topic.start, topic.end),
    payload: bytes.subarray(payload.start, payload.end),
    properties: bytes.subarray(properties.start, properties.end),
  }
}

/** Encode a whole CONNECT; the inverse of `parseConnect`. */
export function encodeConnect(packet: ConnectPacket): Uint8Array<ArrayBuffer> {
  const { will, userName, password, version } = packet
  const flags =
    (packet.cleanStart ? CLEAN_START : 0) |
    (will === null ? 0 : WILL_FLAG | (will.qos << 3) | (will.retain ? WILL_RETAIN : 0)) |
    (userName === null ? 0 : USER_NAME) |
    (password === null ? 0 : PASSWORD)
  const writer = new Writer().binary(Uint8Array.from(NAME)).u8(version).u8(flags).u16(packet.keepAliveSeconds)
  if (version === 5) writer.propertyList(packet.properties)
  writer.binary(packet.clientId)
  if (will !== null) {
    if (version === 5) writer.propertyList(will.properties)
    writer.binary(will.topic).binary(will.payload)
  }
  if (userName !== null) writer.binary(userName)
  if (password !== null) writer.binary(password)
  return writer.packet(CONNECT << 4)
}
