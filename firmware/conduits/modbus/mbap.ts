/**
 * The framing of Modbus on TCP.
 *
 *      0             2          4        6      7        8         6+length
 *     +-------------+----------+--------+------+--------+--- - - ---+
 *     | transaction | protocol | length | unit | fn     | data      |
 *     |             | 0        | 2..254 |      |        |           |
 *     +-------------+----------+--------+------+--------+--- - - ---+
 *
 * @see MODBUS Messaging on TCP/IP Implementation Guide 1.0b section 3.1.3
 */

/** Bytes before the unit. */
const HEADER_BYTES = 6
/** Unit and a PDU of 253 bytes. */
const MAX_LENGTH = 254

/** One frame. */
export interface MbapFrame {
  readonly transaction: number
  /** Unit, function and data, 2..254 bytes: a copy, owned by whoever is given it. */
  readonly adu: Uint8Array
}

/** Why bytes are no Modbus. After it nothing can be read from them: where the next frame begins nobody knows. */
export type MbapFault = "protocol-id" | "frame-length"

/** Cuts a stream of bytes into frames, one at a time. Holds the bytes that were not yet asked for, and no others. */
export class MbapReader {
  #held: Uint8Array = new Uint8Array(0)
  #at = 0

  /** Add bytes, which are not kept where they are: the caller may overwrite them. */
  push(chunk: Uint8Array): void {
    const left = this.#held.subarray(this.#at)
    const held = new Uint8Array(left.length + chunk.length)
    held.set(left)
    held.set(chunk, left.length)
    this.#held = held
    this.#at = 0
  }

  /** Bytes that were pushed and are not in a frame yet. */
  get heldBytes(): number {
    return this.#held.length - this.#at
  }

  /** The next frame; null if it is not whole yet; or why there can be none. The header is judged as soon as it is there. */
  next(): MbapFrame | MbapFault | null {
    const bytes = this.#held
    const at = this.#at
    const there = bytes.length - at
    // Checked byte by byte, so that garbage is not waited for.
    if ((there > 2 && bytes[at + 2] !== 0) || (there > 3 && bytes[at + 3] !== 0)) return "protocol-id"
    if (there > 4 && bytes[at + 4] !== 0) return "frame-length"
    if (there < HEADER_BYTES) return null
    const length = bytes[at + 5] ?? 0
    if (length < 2 || length > MAX_LENGTH) return "frame-length"
    const end = at + HEADER_BYTES + length
    if (end > bytes.length) return null
    this.#at = end
    const transaction = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
    return { transaction, adu: Uint8Array.from(bytes.subarray(at + HEADER_BYTES, end)) }
  }
}

/** The bytes of one frame. `pdu` is 1..253 bytes. */
export function encodeMbap(transaction: number, unit: number, pdu: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + 1 + pdu.length)
  bytes[0] = transaction >> 8
  bytes[1] = transaction & 0xff
  bytes[5] = pdu.length + 1
  bytes[6] = unit
  bytes.set(pdu, HEADER_BYTES + 1)
  return bytes
}
