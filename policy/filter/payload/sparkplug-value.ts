import { SPARKPLUG_TYPES } from "../../language/payload-form.ts"
import { readText } from "./sparkplug-details.ts"
import type { WireReader } from "./wire.ts"

/** Field numbers of a metric's choice of values. @see Sparkplug 3.0 section 6.4.1 */
export const VALUE_FIRST = 10
export const VALUE_LAST = 19
/** From here on they are bytes and messages, which no form allows. */
export const OPAQUE_FIRST = 16

const VALUE = { int: 0x50, long: 0x58, float: 0x65, double: 0x69, boolean: 0x70, string: 0x7a } as const
const TYPE = SPARKPLUG_TYPES
const TWO_32 = 2 ** 32

/** The value of one metric as it lies on the wire; used again for the next. */
export class MetricValue {
  /** Its tag, or 0 for none. */
  field: number = 0
  /** `long`: 64 bits in `high` and `low`; `number`: in `number`; `other`: bounds say nothing of it. Set by `isOf`. */
  kind: "number" | "long" | "other" = "other"
  /** The upper bits, signed if the datatype is. */
  high = 0
  low = 0
  number = 0

  /** Read it; false if it is not well-formed, or of a type that no form allows. */
  read(reader: WireReader, tag: number, end: number): boolean {
    this.field = tag
    switch (tag) {
      case VALUE.int:
      case VALUE.long:
        if (!(tag === VALUE.int ? reader.varint32(end) : reader.varint(end))) return false
        this.low = reader.low
        this.high = reader.high
        return true
      case VALUE.float:
        if (!reader.fixed32(end)) return false
        this.number = reader.float()
        return true
      case VALUE.double:
        if (!reader.fixed64(end)) return false
        this.number = reader.double()
        return true
      case VALUE.boolean:
        return reader.flag(end)
      case VALUE.string:
        return readText(reader, end) >= 0
      default:
        return false
    }
  }

  /**
   * True if the value is carried as the datatype demands and lies in its range.
   *
   * A negative Int8 or Int16 comes in two shapes, of as many bits as the type has or of 32: encoders differ, and every
   * reader that takes the lower bits reads the same. UInt32 comes as int or as long, for the same reason.
   *
   * @see Sparkplug 3.0 section 6.4.16
   */
  isOf(datatype: number): boolean {
    const { field, low, high } = this
    this.kind = "number"
    switch (datatype) {
      case TYPE.Int8:
        this.number = (low << 24) >> 24
        return field === VALUE.int && (low <= 0xff || low >= 0xffffff80)
      case TYPE.Int16:
        this.number = (low << 16) >> 16
        return field === VALUE.int && (low <= 0xffff || low >= 0xffff8000)
      case TYPE.Int32:
        this.number = low | 0
        return field === VALUE.int
      case TYPE.UInt8:
        this.number = low
        return field === VALUE.int && low <= 0xff
      case TYPE.UInt16:
        this.number = low
        return field === VALUE.int && low <= 0xffff
      case TYPE.UInt32:
        this.number = low
        return field === VALUE.int || (field === VALUE.long && high === 0)
      case TYPE.Float:
        return field === VALUE.float
      case TYPE.Double:
        return field === VALUE.double
      case TYPE.Int64:
      case TYPE.UInt64:
      case TYPE.DateTime:
        this.kind = "long"
        if (datatype === TYPE.Int64) this.high = high | 0
        return field === VALUE.long
      case TYPE.Boolean:
        this.kind = "other"
        return field === VALUE.boolean
      case TYPE.String:
      case TYPE.Text:
      case TYPE.UUID:
        this.kind = "other"
        return field === VALUE.string
      default:
        return false
    }
  }

  /** True if it lies in the bounds, exactly, 64 bits against a double too. NaN lies in none. */
  fitsBounds(min: number | null, max: number | null): boolean {
    switch (this.kind) {
      case "number":
        return (min === null || this.number >= min) && (max === null || this.number <= max)
      case "long":
        return (
          (min === null || this.#compare(Math.ceil(min)) >= 0) && (max === null || this.#compare(Math.floor(max)) <= 0)
        )
      case "other":
        return true
    }
  }

  isNaN(): boolean {
    return this.kind === "number" && Number.isNaN(this.number)
  }

  /** Against an integral double or an infinity: below zero if smaller. Splitting a double at 2^32 loses nothing. */
  #compare(bound: number): number {
    const high = Math.floor(bound / TWO_32)
    if (this.high !== high) return this.high - high
    return this.low - (bound - high * TWO_32)
  }
}
