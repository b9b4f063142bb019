/** Small MQTT 3.1.1 packets for probes: just enough to knock on the door. */
const encoder = new TextEncoder()

function text(value: string): number[] {
  const bytes = encoder.encode(value)
  return [bytes.length >> 8, bytes.length & 0xff, ...bytes]
}

function packet(header: number, body: readonly number[]): Uint8Array {
  const length: number[] = []
  for (let rest = body.length; ;) {
    const digit = rest & 0x7f
    rest >>>= 7
    length.push(rest > 0 ? digit | 0x80 : digit)
    if (rest === 0) break
  }
  return Uint8Array.of(header, ...length, ...body)
}

/** CONNECT with a clean session. */
export function connectPacket(clientId: string): Uint8Array {
  return packet(0x10, [...text("MQTT"), 4, 2, 0, 60, ...text(clientId)])
}

/** PUBLISH, QoS 0. */
export function publishPacket(topic: string, payload: string): Uint8Array {
  return packet(0x30, [...text(topic), ...encoder.encode(payload)])
}

/** SUBSCRIBE to one filter, QoS 0, packet id 1. */
export function subscribePacket(filter: string): Uint8Array {
  return packet(0x82, [0, 1, ...text(filter), 0])
}

/** The packets one after the other. */
export function concat(...packets: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(packets.flatMap((p) => [...p]))
}

/** True if `needle` occurs in `haystack`. */
export function contains(haystack: Uint8Array, needle: string): boolean {
  return Buffer.from(haystack).includes(needle)
}
