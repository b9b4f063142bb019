import { CONNACK, type Version } from "./packet-type.ts"
import { walkProperties } from "./properties.ts"
import { mqttError } from "./protocol-error.ts"
import { checkReasonCode } from "./reason-code.ts"
import { Reader } from "./reader.ts"
import { Writer } from "./writer.ts"

/** A CONNACK, read; its properties as they came. */
export interface ConnackPacket {
  readonly sessionPresent: boolean
  /** Return code in 3.1.1, reason code in 5; 0 is success in both. */
  readonly code: number
  /** Checked property list, encoded, a view of the input; empty in 3.1.1. */
  readonly properties: Uint8Array
}

/**
 * Parse the body of a CONNACK in [start, end).
 *
 * @throws ERR_MQTT_CONNACK if a failure claims a present session or a reserved flag is set; ERR_MQTT_REASON_CODE and
 *   the codes of fields and properties.
 * @see MQTT 5.0 section 3.2, MQTT 3.1.1 section 3.2
 */
export function parseConnack(bytes: Uint8Array, start: number, end: number, version: Version): ConnackPacket {
  const reader = new Reader(bytes, start, end)
  const flags = reader.u8()
  const code = reader.u8()
  checkReasonCode(CONNACK, code, version, "broker")
  const properties = version === 5 ? reader.propertyList() : { start: 0, end: 0 }
  walkProperties(CONNACK, bytes, properties.start, properties.end, null)
  reader.done()
  if (flags > 1 || (flags === 1 && code !== 0)) {
    throw mqttError("ERR_MQTT_CONNACK", "the flags of a CONNACK contradict its code", { flags, reason: code })
  }
  return { sessionPresent: flags === 1, code, properties: bytes.subarray(properties.start, properties.end) }
}

/** Encode a whole CONNACK; the inverse of `parseConnack`. */
export function encodeConnack(packet: ConnackPacket, version: Version): Uint8Array<ArrayBuffer> {
  const writer = new Writer().u8(packet.sessionPresent ? 1 : 0).u8(packet.code)
  if (version === 5) writer.propertyList(packet.properties)
  return writer.packet(CONNACK << 4)
}

/** A CONNACK that refuses, without properties. */
export function refuseConnect(code: number, version: Version): Uint8Array<ArrayBuffer> {
  return encodeConnack({ sessionPresent: false, code, properties: new Uint8Array(0) }, version)
}
