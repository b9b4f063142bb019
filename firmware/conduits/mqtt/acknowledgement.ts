import { requiredFlags, type Version } from "./packet-type.ts"
import { walkProperties } from "./properties.ts"
import { checkReasonCode } from "./reason-code.ts"
import { Reader } from "./reader.ts"

/** A PUBACK, PUBREC, PUBREL or PUBCOMP as one integer, for it is read once a message: code << 16 | packet id. */
export type Acknowledgement = number

/** The packet identifier, 1..65535. */
export function acknowledgedId(ack: Acknowledgement): number {
  return ack & 0xffff
}

/** The reason code; 0 in 3.1.1. */
export function acknowledgedCode(ack: Acknowledgement): number {
  return ack >>> 16
}

/**
 * Parse the body of a PUBACK, PUBREC, PUBREL or PUBCOMP in [start, end).
 *
 *      0    2      3                 (reason code and properties in MQTT 5 only; a missing code is success)
 *      +----+------+------------+
 *      | id | code | properties |
 *      +----+------+------------+
 *
 * @throws ERR_MQTT_PACKET_ID, ERR_MQTT_REASON_CODE and the codes of fields and properties.
 * @see MQTT 5.0 sections 3.4 to 3.7, MQTT 3.1.1 sections 3.4 to 3.7
 */
export function parseAcknowledgement(
  type: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  version: Version,
): Acknowledgement {
  const reader = new Reader(bytes, start, end)
  const id = reader.packetId()
  if (version === 4) reader.done()
  if (reader.at === end) return id
  const code = reader.u8()
  // Client and broker may say the same codes in these four.
  checkReasonCode(type, code, version, "client")
  if (reader.at < end) {
    const properties = reader.propertyList()
    walkProperties(type, bytes, properties.start, properties.end, null)
  }
  reader.done()
  return (code << 16) | id
}

/** A whole acknowledgement; the code is left out in 3.1.1 and where it is success. */
export function encodeAcknowledgement(
  type: number,
  id: number,
  code: number,
  version: Version,
): Uint8Array<ArrayBuffer> {
  const first = (type << 4) | requiredFlags(type)
  if (version === 4 || code === 0) return Uint8Array.of(first, 2, id >> 8, id & 0xff)
  return Uint8Array.of(first, 3, id >> 8, id & 0xff, code)
}
