import { PUBLISH, type Version } from "./packet-type.ts"
import { numericProperties, PROPERTY, withoutProperties } from "./properties.ts"
import { Reader } from "./reader.ts"
import { measureVariableInteger } from "./variable-integer.ts"
import { Writer } from "./writer.ts"

/**
 * The PUBLISH (QoS 1 or 2, whole, checked) after it has waited `waitedMs`: as it was where it has no expiry, with the rest of
 * its expiry where it has one, null where that is over.
 *
 * @see MQTT 5.0 section 3.3.2.3.3 (MQTT-3.3.2-6)
 */
export function agedPublish(packet: Uint8Array, version: Version, waitedMs: number): Uint8Array | null {
  if (version === 4) return packet
  const body = 1 + measureVariableInteger(packet, 1, packet.length)
  const reader = new Reader(packet, body, packet.length)
  const topic = reader.binary()
  const id = reader.packetId()
  const span = reader.propertyList()
  const properties = packet.subarray(span.start, span.end)
  const expirySeconds = numericProperties(PUBLISH, properties).get(PROPERTY.messageExpiry)
  if (expirySeconds === undefined) return packet
  const restSeconds = expirySeconds - Math.floor(Math.max(0, waitedMs) / 1000)
  if (restSeconds <= 0) return null
  const aged = withoutProperties(PUBLISH, properties, [PROPERTY.messageExpiry])
  aged.u8(PROPERTY.messageExpiry).u32(restSeconds)
  return new Writer()
    .binary(packet.subarray(topic.start, topic.end))
    .u16(id)
    .propertyList(aged.body())
    .raw(packet.subarray(span.end))
    .packet(packet[0] ?? 0)
}
