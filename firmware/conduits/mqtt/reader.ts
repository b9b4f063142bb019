import { mqttError } from "./protocol-error.ts"
import { isUtf8 } from "./text.ts"
import { readVariableInteger, variableIntegerSize } from "./variable-integer.ts"

/** A part of a packet: offsets into the bytes that were parsed. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A copy to keep. `slice` is none: on a Buffer, which is what sockets give, it returns a view. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}

/**
 * A cursor over one whole control packet. Every read is checked against the packet's end, so nothing is ever taken
 * from the packet behind it.
 */
export class Reader {
  readonly bytes: Uint8Array
  readonly end: number
  at: number

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes
    this.at = start
    this.end = end
  }

  /** Advance over `count` bytes; returns where they start. @throws ERR_MQTT_TRUNCATED */
  skip(count: number): number {
    const start = this.at
    if (start + count > this.end) throw mqttError("ERR_MQTT_TRUNCATED", "a field runs past the end of its packet")
    this.at = start + count
    return start
  }

  u8(): number {
    return this.bytes[this.skip(1)] as number
  }

  u16(): number {
    const at = this.skip(2)
    return ((this.bytes[at] as number) << 8) | (this.bytes[at + 1] as number)
  }

  /** A packet identifier. @throws ERR_MQTT_PACKET_ID for zero. @see MQTT 5.0 section 2.2.1 */
  packetId(): number {
    const id = this.u16()
    if (id === 0) throw mqttError("ERR_MQTT_PACKET_ID", "a packet identifier is zero")
    return id
  }

  variableInteger(): number {
    const value = readVariableInteger(this.bytes, this.at, this.end)
    this.at += variableIntegerSize(value)
    return value
  }

  /** Two bytes of length and as many bytes. */
  binary(): Span {
    const length = this.u16()
    const start = this.skip(length)
    return { start, end: this.at }
  }

  /** Like `binary`, and the bytes are a UTF-8 string. @throws ERR_MQTT_UTF8 */
  text(): Span {
    const span = this.binary()
    if (!isUtf8(this.bytes, span.start, span.end)) throw mqttError("ERR_MQTT_UTF8", "a string is not UTF-8")
    return span
  }

  /** The bytes of a property list, without its length. */
  propertyList(): Span {
    const length = this.variableInteger()
    const start = this.skip(length)
    return { start, end: this.at }
  }

  /** @throws ERR_MQTT_TRAILING_BYTES if anything is left. */
  done(): void {
    if (this.at !== this.end) throw mqttError("ERR_MQTT_TRAILING_BYTES", "a packet is longer than its fields")
  }
}
