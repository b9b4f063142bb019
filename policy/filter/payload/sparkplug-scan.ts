/* eslint-disable @typescript-eslint/no-non-null-assertion -- indexes come from the compiled table */
import type { SparkplugMetric } from "../../language/payload-form.ts"
import { aliasKey, findAlias, MAX_ALIAS_NAME_BYTES, type AliasScope, type Birth } from "./alias-memory.ts"
import type { SparkplugTable } from "./compile-form.ts"
import { firstSlot, HASH_START, mix } from "./name-table.ts"
import { isDetail, readText } from "./sparkplug-details.ts"
import { MetricValue, OPAQUE_FIRST, VALUE_FIRST, VALUE_LAST } from "./sparkplug-value.ts"
import { codePointAt, isText, sizeOf } from "./utf8.ts"
import { WIRE, WireReader } from "./wire.ts"

/** Tags of Payload and Metric that are not values: field number times 8 plus wire type. @see Sparkplug 3.0 section 6.4.1 */
const PAYLOAD = { timestamp: 0x08, metric: 0x12, seq: 0x18, uuid: 0x22, body: 0x2a } as const
const METRIC = {
  name: 0x0a,
  alias: 0x10,
  timestamp: 0x18,
  datatype: 0x20,
  historical: 0x28,
  transient: 0x30,
  null: 0x38,
  metadata: 0x42,
  properties: 0x4a,
} as const

/** How far a metric came against the one of the form that is nearest to it. */
const NO_NAME = 0
const NO_TYPE = 1
const BELOW = 2
const ABOVE = 3
const NOT_A_NUMBER = 4

const NO_BYTES = new Uint8Array(0)

/**
 * One pass over a Sparkplug B payload that holds each metric against the table on the way. Use once.
 *
 * Without table it only gathers births, and leaves alone what the form would refuse for what it is.
 */
export class SparkplugScan {
  /** What is wrong, in words. Without names: see `explain`. */
  fault: string | null = null
  /** Of the metric where it stopped, 0-based; -1 when the fault is not in a metric. */
  metric = -1
  /** What a birth said, if the scope's topic is one. */
  readonly births: Birth[] = []

  readonly #table: SparkplugTable | null
  readonly #scope: AliasScope | null
  readonly #reader: WireReader
  readonly #end: number
  readonly #value = new MetricValue()
  /** Of the metric in hand. */
  #nameStart = -1
  #nameEnd = -1
  #datatype = -1
  #alias: string | null = null
  #isNull = false
  /** Its name, or that for which its alias stands. */
  #nameBytes: Uint8Array = NO_BYTES
  #nearest = NO_NAME
  #nearestMetric: SparkplugMetric | null = null

  constructor(table: SparkplugTable | null, bytes: Uint8Array, start: number, end: number, scope: AliasScope | null) {
    this.#table = table
    this.#scope = scope
    this.#reader = new WireReader(bytes, start)
    this.#end = end
  }

  /** True if the payload is well-formed and each metric fits. */
  payload(): boolean {
    const reader = this.#reader
    const end = this.#end
    let seen = 0
    let count = 0
    while (reader.at < end) {
      const tag = reader.tag(end)
      if (tag !== PAYLOAD.metric) {
        const bit = 1 << (tag >> 3)
        if (tag > 0 && (seen & bit) !== 0) return this.#fail("a field stands twice")
        seen |= bit
      }
      let good: boolean
      switch (tag) {
        case PAYLOAD.metric: {
          const stop = reader.span(end)
          this.metric = count++
          if (stop < 0) return this.#fail("is cut short")
          if (!this.#metric(stop)) return false
          this.metric = -1
          continue
        }
        case PAYLOAD.timestamp:
        case PAYLOAD.seq:
          good = reader.varint(end)
          break
        case PAYLOAD.uuid:
          good = readText(reader, end) >= 0
          break
        case PAYLOAD.body:
          // It may say anything at all, in place of the metrics.
          if (this.#table !== null) return this.#fail("has a body, of which the form knows nothing")
          good = this.#skipBytes(end)
          break
        default:
          return this.#fail("is not Sparkplug B: a field that it does not know, or of the wrong wire type")
      }
      if (!good) return this.#fail("is not well-formed")
    }
    return true
  }

  #fail(fault: string): false {
    this.fault = fault
    return false
  }

  #skipBytes(end: number): boolean {
    const stop = this.#reader.span(end)
    if (stop >= 0) this.#reader.at = stop
    return stop >= 0
  }

  #metric(end: number): boolean {
    const reader = this.#reader
    this.#nameStart = -1
    this.#datatype = -1
    this.#alias = null
    this.#isNull = false
    this.#value.field = 0
    let seen = 0
    while (reader.at < end) {
      const tag = reader.tag(end)
      const number = tag >> 3
      if (tag < 0 || number > VALUE_LAST) return this.#fail("has a field that Sparkplug B does not know")
      // All values are one choice: two of them are as bad as one twice.
      const bit = number >= VALUE_FIRST ? 1 << VALUE_FIRST : 1 << number
      if ((seen & bit) !== 0) return this.#fail("has a field or a value twice")
      seen |= bit
      const good =
        number < VALUE_FIRST
          ? this.#attribute(tag, end)
          : this.#table === null && number >= OPAQUE_FIRST
            ? (tag & 7) === WIRE.bytes && this.#skipBytes(end)
            : this.#value.read(reader, tag, end)
      if (!good) return this.fault !== null ? false : this.#fail("is not well-formed, or its value is of no plain type")
    }
    return this.#judge()
  }

  #attribute(tag: number, end: number): boolean {
    const reader = this.#reader
    switch (tag) {
      case METRIC.name:
        this.#nameStart = readText(reader, end)
        this.#nameEnd = reader.at
        return this.#nameStart >= 0
      case METRIC.alias:
        if (!reader.varint(end)) return false
        // Nobody remembers: then it need not be told from others.
        this.#alias = this.#scope === null ? "" : aliasKey(reader.low, reader.high)
        return true
      case METRIC.timestamp:
        return reader.varint(end)
      case METRIC.datatype:
        if (!reader.varint32(end)) return false
        this.#datatype = reader.low
        return true
      case METRIC.historical:
      case METRIC.transient:
        return reader.flag(end)
      case METRIC.null:
        if (!reader.flag(end)) return false
        this.#isNull = reader.low === 1
        return true
      case METRIC.metadata:
      case METRIC.properties: {
        const stop = reader.span(end)
        if (stop >= 0 && isDetail(reader, stop, tag === METRIC.metadata ? "MetaData" : "PropertySet")) return true
        return this.#fail("has metadata or properties that are not well-formed")
      }
      default:
        return false
    }
  }

  #judge(): boolean {
    if (!this.#resolveAlias()) return false
    if (this.#table === null) return true
    if (this.#nameStart < 0) return this.#fail("has no name")
    if (this.#datatype < 0) return this.#fail("has no datatype")
    const value = this.#value
    if (value.field === 0) {
      if (!this.#isNull) return this.#fail("has no value and is not null")
      // As if Boolean: without bounds.
      value.kind = "other"
    } else if (!value.isOf(this.#datatype)) return this.#fail("has a value that is not of its datatype")
    this.#nearest = NO_NAME
    return this.#isAllowed(this.#table) || this.#fail(this.#whyNot())
  }

  /** A birth teaches; elsewhere an alias must stand for what its birth said, or receiver and gateway would read two metrics. */
  #resolveAlias(): boolean {
    const scope = this.#scope
    const bytes = this.#reader.bytes
    this.#nameBytes = bytes
    if (scope === null || this.#alias === null) return true
    if (scope.birth !== null) {
      if (this.#nameStart < 0) return this.#fail("has an alias and no name, in a birth")
      if (this.#nameEnd - this.#nameStart > MAX_ALIAS_NAME_BYTES)
        return this.#fail(`has an alias and a name of more than ${MAX_ALIAS_NAME_BYTES} bytes`)
      // A copy: of a Buffer, which sockets give, `slice` would be a view, and the next message would rewrite the name.
      const name = new Uint8Array(bytes.subarray(this.#nameStart, this.#nameEnd))
      this.births.push({ alias: this.#alias, device: scope.device, name, datatype: this.#datatype })
      return true
    }
    const known = findAlias(scope, this.#alias)
    if (known === null) return this.#fail("has an alias that no birth gave")
    if (this.#nameStart >= 0 && !isSame(bytes, this.#nameStart, this.#nameEnd, known.name))
      return this.#fail("has an alias that its birth gave to another name")
    if (this.#datatype >= 0 && this.#datatype !== known.datatype)
      return this.#fail("has another datatype than its birth said")
    this.#nameBytes = known.name
    this.#nameStart = 0
    this.#nameEnd = known.name.length
    this.#datatype = known.datatype
    return true
  }

  /** True if the metric fits one that the table allows. Looks once at each byte of the name, however many there are. */
  #isAllowed({ prefixLengths, table: { slots } }: SparkplugTable): boolean {
    const bytes = this.#nameBytes
    const end = this.#nameEnd
    // Reading beyond a typed array is slow in V8.
    const longest = prefixLengths.length
    let hash = HASH_START
    let at = this.#nameStart
    for (let points = 0; ; points++) {
      const whole = at === end
      if (whole || (points < longest && prefixLengths[points] === 1)) {
        const mask = slots.length - 1
        for (let slot = firstSlot(hash, slots); slots[slot] !== 0; slot = (slot + 1) & mask)
          if (this.#fits(slots[slot]! - 1, hash, at, whole)) return true
      }
      if (whole) return false
      const byte = bytes[at]!
      const point = byte < 0x80 ? byte : codePointAt(bytes, at, end)
      hash = mix(hash, point)
      at += point < 0x80 ? 1 : sizeOf(point)
    }
  }

  #fits(index: number, hash: number, at: number, whole: boolean): boolean {
    const { metrics, types, isPrefix, table } = this.#table!
    if (table.hashes[index] !== hash || (!whole && !isPrefix[index]!)) return false
    if (!isText(this.#nameBytes, this.#nameStart, at, table.names[index]!, true)) return false
    const metric = metrics[index]!
    const { min, max } = metric
    let reached = NO_TYPE
    // A shift goes by the lowest five bits alone: 35 would be 3.
    if (this.#datatype < 32 && (types[index]! & (1 << this.#datatype)) !== 0) {
      if (this.#value.fitsBounds(min, max)) return true
      reached = this.#value.isNaN() ? NOT_A_NUMBER : min !== null && !this.#value.fitsBounds(min, null) ? BELOW : ABOVE
    }
    if (reached > this.#nearest) {
      this.#nearest = reached
      this.#nearestMetric = metric
    }
    return false
  }

  #whyNot(): string {
    const metric = this.#nearestMetric
    switch (this.#nearest) {
      case NO_TYPE:
        return `should be of type ${metric?.types.join(" or ") ?? ""}`
      case BELOW:
        return `is below the minimum ${metric?.min ?? ""}`
      case ABOVE:
        return `is above the maximum ${metric?.max ?? ""}`
      case NOT_A_NUMBER:
        return "is not a number, and has bounds"
      default:
        return "is none of the allowed metrics"
    }
  }

  /** The name of the metric where it stopped, as far as it was read, or null. */
  get name(): Uint8Array | null {
    return this.#nameStart < 0 ? null : this.#nameBytes.subarray(this.#nameStart, this.#nameEnd)
  }
}

function isSame(bytes: Uint8Array, start: number, end: number, other: Uint8Array): boolean {
  if (end - start !== other.length) return false
  for (let k = 0; k < other.length; k++) if (bytes[start + k] !== other[k]) return false
  return true
}
