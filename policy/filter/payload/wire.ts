/* eslint-disable @typescript-eslint/no-non-null-assertion -- every read is at an index below `end`, which the callers check against the bytes in hand */

/** How a field's value is laid out. @see Protocol Buffers, Encoding, Message Structure */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

/**
 * Reads the protobuf wire format strictly: what a reader could take in two ways is refused. A varint has no byte more than
 * it needs and at most 64 bits, a length ends inside its message, a field number is at most 2,047, and there are no groups.
 *
 * Methods move `at` behind what they read and return false (or -1) when it is not well-formed; then `at` is anywhere.
 *
 * @see Protocol Buffers, Encoding
 */
export class WireReader {
  readonly bytes: Uint8Array
  at: number
  /** The varint read last: its lower and its upper 32 bits, unsigned. */
  low = 0
  high = 0
  #view: DataView | null = null

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes
    this.at = at
  }

  /** The next tag: field number times 8 plus wire type. */
  tag(end: number): number {
    if (this.at >= end) return -1
    const first = this.bytes[this.at++]!
    if (first < 0x80) return first
    if (this.at >= end) return -1
    const second = this.bytes[this.at++]!
    return second === 0 || second >= 0x80 ? -1 : (first & 0x7f) | (second << 7)
  }

  /** Up to 64 bits into `low` and `high`. */
  varint(end: number): boolean {
    const bytes = this.bytes
    let low = 0
    let high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= end) return false
      const byte = bytes[this.at++]!
      const part = byte & 0x7f
      if (shift < 28) low |= part << shift
      else if (shift === 28) {
        low |= part << 28
        high = part >>> 4
      } else high |= part << (shift - 32)
      if (byte >= 0x80) continue
      // A last byte of nothing is one too many, and the tenth has room for one bit.
      if ((byte === 0 && shift > 0) || (shift === 63 && byte > 1)) return false
      this.low = low >>> 0
      this.high = high >>> 0
      return true
    }
    return false
  }

  /** A varint of at most 32 bits into `low`. */
  varint32(end: number): boolean {
    return this.varint(end) && this.high === 0
  }

  /** A varint that is 0 or 1 into `low`. */
  flag(end: number): boolean {
    return this.varint32(end) && this.low <= 1
  }

  /** Where what has its length here ends; `at` is then where it begins. */
  span(end: number): number {
    return this.varint32(end) && this.low <= end - this.at ? this.at + this.low : -1
  }

  /** Four bytes as they lie. */
  fixed32(end: number): boolean {
    this.at += 4
    return this.at <= end
  }

  /** Eight bytes as they lie. */
  fixed64(end: number): boolean {
    this.at += 8
    return this.at <= end
  }

  /** The float in the four bytes before `at`. */
  float(): number {
    return this.#viewed().getFloat32(this.at - 4, true)
  }

  /** The double in the eight bytes before `at`. */
  double(): number {
    return this.#viewed().getFloat64(this.at - 8, true)
  }

  #viewed(): DataView {
    return (this.#view ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength))
  }
}
