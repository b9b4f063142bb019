/**
 * What goes through the conduits under measurement: the topics, the packets, and the digest by which both ends agree
 * that the same bytes arrived in the same order.
 */

/** Length of every PUBLISH packet: a 38-byte topic and 99 bytes of payload at QoS 0. */
export const MESSAGE_BYTES = 142
/** Clients of a run; client `k` bears role `k % ROLES`. */
export const CLIENTS = 20
export const ROLES = 20
/** Topics in use: cells 0..999. */
export const CELLS = 1_000
/** Where in a packet the payload begins: fixed header, topic length, topic. */
const PAYLOAD_AT = 3 + 2 + 38
/** Offset in a packet of the time stamp of paced messages: the last eight bytes. */
export const STAMP_AT = MESSAGE_BYTES - 8
/**
 * How messages are cut into writes. `bulk`: 64 KiB, as fast as it goes; `eager`: one by one, as fast as it goes; `batch8`, `single`: in
 * step; `paced`: at a rate, stamped.
 */
export type Mode = "bulk" | "eager" | "batch8" | "single" | "paced"

/** Messages in one write. */
export const PER_WRITE: Readonly<Record<Mode, number>> = {
  bulk: Math.floor(65_536 / MESSAGE_BYTES),
  eager: 1,
  batch8: 8,
  single: 1,
  paced: 1,
}

/** The 38-byte topic of `cell` (0..99,999), which belongs to role `cell % ROLES`. */
export function topicOf(cell: number): string {
  const line = String(cell % ROLES).padStart(2, "0")
  return `plant/line-${line}/cell-${String(cell).padStart(5, "0")}/sensor-00/raw`
}

/** The line in whose topic the packet that begins at `start` was published: 0..19. */
export function lineOf(bytes: Uint8Array, start: number): number {
  const digit = PAYLOAD_AT - 38 + "plant/line-".length
  return 10 * (bytes[start + digit]! - 0x30) + bytes[start + digit + 1]! - 0x30
}

/** A CONNECT packet, MQTT 3.1.1, clean session; `user` without password. `keepAlive` 0: idle clients never need to ping. */
export function connectPacket(clientId: string, user: string | null = null): Buffer {
  const words = [clientId, ...(user === null ? [] : [user])].flatMap((word) => [
    Buffer.from([0, word.length]),
    Buffer.from(word),
  ])
  const body = Buffer.concat([Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, user === null ? 2 : 0x82, 0, 0]), ...words])
  return Buffer.concat([Buffer.from([0x10, body.length]), body])
}

/** A SUBSCRIBE packet, MQTT 3.1.1, for `filter` at QoS 0. */
export function subscribePacket(filter: string): Buffer {
  return Buffer.concat([
    Buffer.from([0x82, filter.length + 5, 0, 1, 0, filter.length]),
    Buffer.from(filter),
    Buffer.of(0),
  ])
}

/**
 * `count` PUBLISH packets of client `client`, one after another: the 50 topics of its role in turn, payloads all different.
 * The same arguments give the same bytes.
 */
export function publishPackets(client: number, count: number): Buffer {
  const topics: string[] = []
  for (let cell = client % ROLES; cell < CELLS; cell += ROLES) topics.push(topicOf(cell))
  const bytes = Buffer.alloc(count * MESSAGE_BYTES)
  for (let n = 0; n < count; n++) {
    const at = n * MESSAGE_BYTES
    bytes[at] = 0x30
    bytes[at + 1] = ((MESSAGE_BYTES - 3) & 0x7f) | 0x80
    bytes[at + 2] = (MESSAGE_BYTES - 3) >> 7
    bytes.writeUInt16BE(38, at + 3)
    bytes.write(topics[n % topics.length]!, at + 5, "latin1")
    let word = Math.imul((client + 1) * 65_536 + n + 1, 0x9e3779b1)
    for (let i = PAYLOAD_AT; i < MESSAGE_BYTES; i++) {
      word = Math.imul(word ^ (word >>> 15), 0x85ebca6b) + 0x6d2b79f5
      bytes[at + i] = word >>> 24
    }
  }
  return bytes
}

/** A 32-bit digest of the packet in `bytes[start, end)`. Not cryptographic: it finds faults, not forgers. */
export function digestPacket(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start
  let i = start
  for (; i + 4 <= end; i += 4) {
    const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
    hash = Math.imul(hash ^ word, 0x9e3779b1)
    hash ^= hash >>> 15
  }
  for (; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return hash ^ (hash >>> 13)
}

/** The digest of a connection's packets so far, given that of the newest: order counts. Begin with 0. */
export function chain(before: number, packet: number): number {
  return (Math.imul(before, 0x01000193) + packet) | 0
}

/** Microseconds on a clock that all processes of the machine share. */
export function nowUs(): number {
  return Number(process.hrtime.bigint()) / 1e3
}
