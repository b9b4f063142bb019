import { variableIntegerSize, writeVariableInteger } from "./variable-integer.ts"

/** Collects the body of a packet that this gateway writes itself, then puts the fixed header before it. */
export class Writer {
  #bytes = new Uint8Array(64)
  #length = 0

  u8(value: number): this {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
    return this
  }

  u16(value: number): this {
    return this.u8(value >> 8).u8(value & 0xff)
  }

  u32(value: number): this {
    return this.u16(value >>> 16).u16(value & 0xffff)
  }

  variableInteger(value: number): this {
    this.#reserve(4)
    this.#length = writeVariableInteger(this.#bytes, this.#length, value)
    return this
  }

  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
    return this
  }

  /** Two bytes of length, then the bytes (0..65535). */
  binary(bytes: Uint8Array): this {
    return this.u16(bytes.length).raw(bytes)
  }

  /** A property list: its length, then the encoded properties. */
  propertyList(properties: Uint8Array): this {
    return this.variableInteger(properties.length).raw(properties)
  }

  /** What was written, as a view that the next write may make stale. */
  body(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** A new packet: `first` (type and flags), remaining length, and what was written. */
  packet(first: number): Uint8Array<ArrayBuffer> {
    const packet = new Uint8Array(1 + variableIntegerSize(this.#length) + this.#length)
    packet[0] = first
    packet.set(this.body(), writeVariableInteger(packet, 1, this.#length))
    return packet
  }

  #reserve(count: number): void {
    const needed = this.#length + count
    if (needed <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
    larger.set(this.body())
    this.#bytes = larger
  }
}
