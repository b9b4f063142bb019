/** Control packet types, as they stand in the high nibble of the first byte. @see MQTT 5.0 section 2.1.2 */
export const CONNECT = 1
export const CONNACK = 2
export const PUBLISH = 3
export const PUBACK = 4
export const PUBREC = 5
export const PUBREL = 6
export const PUBCOMP = 7
export const SUBSCRIBE = 8
export const SUBACK = 9
export const UNSUBSCRIBE = 10
export const UNSUBACK = 11
export const PINGREQ = 12
export const PINGRESP = 13
export const DISCONNECT = 14
export const AUTH = 15

export type Version = 4 | 5

/** A set of packet types as bits, for `PacketScan.accepted`. */
export function typeSet(...types: readonly number[]): number {
  return types.reduce((set, type) => set | (1 << type), 0)
}

/** What a client may send after its CONNECT; AUTH only after one with an authentication method that may pass. */
export const FROM_CLIENT = typeSet(
  PUBLISH,
  PUBACK,
  PUBREC,
  PUBREL,
  PUBCOMP,
  SUBSCRIBE,
  UNSUBSCRIBE,
  PINGREQ,
  DISCONNECT,
)

/** What a broker may send after its CONNACK; a DISCONNECT from it exists in MQTT 5 only. */
export const FROM_BROKER: Readonly<Record<Version, number>> = {
  4: typeSet(PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, PINGRESP),
  5: typeSet(PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, PINGRESP, DISCONNECT),
}

/** The low nibble that every packet but PUBLISH must bear. @see MQTT 5.0 section 2.1.3 */
export function requiredFlags(type: number): number {
  return type === PUBREL || type === SUBSCRIBE || type === UNSUBSCRIBE ? 2 : 0
}

/** PINGREQ whole. */
export const PINGREQ_PACKET: Uint8Array = Uint8Array.of(PINGREQ << 4, 0)

/** PINGRESP whole. */
export const PINGRESP_PACKET: Uint8Array = Uint8Array.of(PINGRESP << 4, 0)
