/* eslint-disable @typescript-eslint/no-non-null-assertion -- every read is at an index below `end`, which `checkPayload` checks against the bytes in hand */
import { MAX_JSON_DEPTH } from "../../language/payload-form.ts"
import { TYPE_BIT, type JsonNode } from "./compile-form.ts"
import { endOfNumber, isIntegral, MAX_NUMBER_BYTES, nearestDouble } from "./json-number.ts"
import { jsonPoint, jsonStringAt, saysText, sayTheSame } from "./json-string.ts"
import { firstSlot, HASH_START, mix, type NameTable } from "./name-table.ts"

/** What is wrong: of the text itself, or of how it fits the form. */
export type JsonFault =
  | "cut"
  | "syntax"
  | "string"
  | "number"
  | "depth"
  | "trailing"
  | "collisions"
  | "repeated"
  | "type"
  | "values"
  | "minimum"
  | "maximum"
  | "exclusiveMinimum"
  | "exclusiveMaximum"
  | "minLength"
  | "maxLength"
  | "minItems"
  | "maxItems"
  | "unknown"
  | "required"

/** Names of one object with the same 32-bit hash: more are an attack on whoever compares them all. */
export const MAX_COLLISIONS = 8

/** Objects of no more members are held against themselves pair by pair, larger ones are sorted by hash. */
const FEW_MEMBERS = 16

/**
 * One pass over a JSON text that holds it against a form on the way. Use once.
 *
 * Nothing is made of the text but, for each open object, the hash and the place of each of its names, to find names that
 * stand twice. Steps are linear in the bytes, and n log n in the names of one object.
 */
export class JsonScan {
  /** Where it stands; after a fault, where that was found. */
  at: number
  fault: JsonFault | null = null
  /** The form that the fault is about, if it is about one. */
  faultNode: JsonNode | null = null
  /** Names and positions from the fault outwards: gathered on the way back, so that what fits pays nothing. */
  readonly trail: (string | number)[] = []
  /** The first required member that lacks, if that is the fault. Sought only when explaining: it takes time. */
  missing: string | null = null

  readonly #bytes: Uint8Array
  readonly #end: number
  readonly #explaining: boolean
  readonly #hashes: number[] = []
  readonly #places: number[] = []
  #names = 0
  /** Of the string read last. */
  #points = 0
  #hash = 0
  #plain = true

  constructor(bytes: Uint8Array, start: number, end: number, explaining: boolean) {
    this.#bytes = bytes
    this.at = start
    this.#end = end
    this.#explaining = explaining
  }

  /** True if it is one JSON text that fits. */
  text(node: JsonNode): boolean {
    if (!this.#value(node, 0)) return false
    this.#skip()
    return this.at === this.#end || this.#fail("trailing", null)
  }

  #fail(fault: JsonFault, node: JsonNode | null): false {
    this.fault = fault
    this.faultNode = node
    return false
  }

  #skip(): void {
    const bytes = this.#bytes
    while (this.at < this.#end) {
      const byte = bytes[this.at]!
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return
      this.at++
    }
  }

  /** The byte behind white space, or -1 at the end. */
  #next(): number {
    this.#skip()
    return this.at < this.#end ? this.#bytes[this.at]! : -1
  }

  #value(node: JsonNode | null, depth: number): boolean {
    switch (this.#next()) {
      case 0x7b:
        return this.#object(node, depth + 1)
      case 0x5b:
        return this.#array(node, depth + 1)
      case 0x22:
        return this.#stringValue(node)
      case 0x74:
        return this.#literal("true", TYPE_BIT.boolean, node)
      case 0x66:
        return this.#literal("false", TYPE_BIT.boolean, node)
      case 0x6e:
        return this.#literal("null", TYPE_BIT.null, node)
      case -1:
        return this.#fail("cut", null)
      default:
        return this.#number(node)
    }
  }

  #literal(word: "true" | "false" | "null", bit: number, node: JsonNode | null): boolean {
    for (let k = 1; k < word.length; k++) {
      if (this.at + k >= this.#end) return this.#fail("cut", null)
      if (this.#bytes[this.at + k] !== word.charCodeAt(k)) return this.#fail("syntax", null)
    }
    if (node !== null) {
      if ((node.types & bit) === 0) return this.#fail("type", node)
      if (node.literals !== null && !node.literals[word]) return this.#fail("values", node)
    }
    this.at += word.length
    return true
  }

  #number(node: JsonNode | null): boolean {
    const bytes = this.#bytes
    const start = this.at
    const stop = endOfNumber(bytes, start, this.#end)
    if (stop < 0) return this.#fail("syntax", null)
    const value = stop - start > MAX_NUMBER_BYTES ? Infinity : nearestDouble(bytes, start, stop)
    if (value === Infinity || value === -Infinity) return this.#fail("number", null)
    if (node !== null) {
      const { form, types, numbers } = node
      if ((types & TYPE_BIT.number) === 0 && ((types & TYPE_BIT.integer) === 0 || !isIntegral(bytes, start, stop)))
        return this.#fail("type", node)
      if (numbers !== null && !holds(numbers, value)) return this.#fail("values", node)
      if (form.minimum !== null && value < form.minimum) return this.#fail("minimum", node)
      if (form.maximum !== null && value > form.maximum) return this.#fail("maximum", node)
      if (form.exclusiveMinimum !== null && value <= form.exclusiveMinimum) return this.#fail("exclusiveMinimum", node)
      if (form.exclusiveMaximum !== null && value >= form.exclusiveMaximum) return this.#fail("exclusiveMaximum", node)
    }
    this.at = stop
    return true
  }

  #stringValue(node: JsonNode | null): boolean {
    const start = this.at + 1
    if (!this.#string(node !== null && node.strings !== null)) return false
    if (node === null) return true
    const after = this.at
    // A fault is told at the string's beginning.
    this.at = start - 1
    const { form, types, strings } = node
    if ((types & TYPE_BIT.string) === 0) return this.#fail("type", node)
    if (strings !== null && this.#find(strings, start, after - 1) < 0) return this.#fail("values", node)
    if (form.minLength !== null && this.#points < form.minLength) return this.#fail("minLength", node)
    if (form.maxLength !== null && this.#points > form.maxLength) return this.#fail("maxLength", node)
    this.at = after
    return true
  }

  /** Read the string whose quote is here: its length in code points, whether it has no escapes, and its hash if wanted. */
  #string(hashed: boolean): boolean {
    const bytes = this.#bytes
    const end = this.#end
    let at = this.at + 1
    let points = 0
    let hash = HASH_START
    let plain = true
    for (; ; points++) {
      if (at >= end) return this.#fail("cut", null)
      const byte = bytes[at]!
      if (byte === 0x22) break
      let point = byte
      if (byte >= 0x20 && byte < 0x80 && byte !== 0x5c) at++
      else {
        if (byte === 0x5c) plain = false
        const read = jsonPoint(bytes, at, end)
        if (read < 0) {
          this.at = at
          return this.#fail("string", null)
        }
        point = read >> 4
        at += read & 15
      }
      if (hashed) hash = mix(hash, point)
    }
    this.at = at + 1
    this.#points = points
    this.#hash = hash
    this.#plain = plain
    return true
  }

  /** Index of the string read last, which is `bytes[start, end)`, in `table`, or -1. */
  #find({ names, hashes, slots }: NameTable, start: number, end: number): number {
    const hash = this.#hash
    const mask = slots.length - 1
    for (let slot = firstSlot(hash, slots); slots[slot] !== 0; slot = (slot + 1) & mask) {
      const index = slots[slot]! - 1
      if (hashes[index] === hash && saysText(this.#bytes, start, end, this.#plain, names[index]!)) return index
    }
    return -1
  }

  #array(node: JsonNode | null, depth: number): boolean {
    if (node !== null && (node.types & TYPE_BIT.array) === 0) return this.#fail("type", node)
    if (node !== null && node.strings !== null) return this.#fail("values", node)
    if (depth > MAX_JSON_DEPTH) return this.#fail("depth", null)
    const start = this.at++
    const items = node === null ? null : node.items
    let count = 0
    if (this.#next() !== 0x5d) {
      for (; ; this.at++) {
        if (!this.#value(items, depth)) {
          this.trail.push(count)
          return false
        }
        count++
        const byte = this.#next()
        if (byte === 0x5d) break
        if (byte !== 0x2c) return this.#fail(byte < 0 ? "cut" : "syntax", null)
      }
    }
    const after = this.at + 1
    this.at = start
    if (node !== null) {
      const { minItems, maxItems } = node.form
      if (minItems !== null && count < minItems) return this.#fail("minItems", node)
      if (maxItems !== null && count > maxItems) return this.#fail("maxItems", node)
    }
    this.at = after
    return true
  }

  #object(node: JsonNode | null, depth: number): boolean {
    if (node !== null && (node.types & TYPE_BIT.object) === 0) return this.#fail("type", node)
    if (node !== null && node.strings !== null) return this.#fail("values", node)
    if (depth > MAX_JSON_DEPTH) return this.#fail("depth", null)
    const start = this.at++
    const base = this.#names
    let required = 0
    if (this.#next() !== 0x7d) {
      for (; ; this.at++) {
        const quote = this.#next()
        if (quote !== 0x22) return this.#fail(quote < 0 ? "cut" : "syntax", null)
        const place = this.at + 1
        if (!this.#string(true)) return false
        this.#hashes[this.#names] = this.#hash
        this.#places[this.#names++] = place
        let child: JsonNode | null = null
        if (node !== null) {
          const property = this.#find(node.names, place, this.at - 1)
          if (property >= 0) {
            child = node.children[property]!
            if (node.required[property]!) required++
          } else if (node.open) child = node.additional
          else {
            this.at = place - 1
            return this.#lost(place, this.#fail("unknown", node))
          }
        }
        const colon = this.#next()
        if (colon !== 0x3a) return this.#fail(colon < 0 ? "cut" : "syntax", null)
        this.at++
        if (!this.#value(child, depth)) return this.#lost(place, false)
        const byte = this.#next()
        if (byte === 0x7d) break
        if (byte !== 0x2c) return this.#fail(byte < 0 ? "cut" : "syntax", null)
      }
    }
    const after = this.at + 1
    this.at = start
    if (!this.#areDistinct(base)) return false
    if (node !== null && required < node.requiredCount) {
      if (this.#explaining)
        this.missing = node.names.names.find((name, k) => node.required[k]! && !this.#has(base, name)) ?? null
      return this.#fail("required", node)
    }
    this.#names = base
    this.at = after
    return true
  }

  /** Pass `false` on from the member whose name is at `place`. */
  #lost(place: number, failed: false): false {
    this.trail.push(jsonStringAt(this.#bytes, place, this.#end, 41))
    return failed
  }

  #has(base: number, name: string): boolean {
    for (let k = base; k < this.#names; k++)
      if (jsonStringAt(this.#bytes, this.#places[k]!, this.#end, name.length + 1) === name) return true
    return false
  }

  /** True if no two names of the innermost object say the same; its names begin at `base`. */
  #areDistinct(base: number): boolean {
    const top = this.#names
    if (top - base > FEW_MEMBERS) return this.#areManyDistinct(base)
    for (let i = base + 1; i < top; i++)
      for (let j = base; j < i; j++)
        if (this.#hashes[i] === this.#hashes[j] && this.#repeats(this.#places[j]!, this.#places[i]!)) return false
    return true
  }

  /**
   * The same for many: sorted by hash, so that only neighbours need be held against each other. The hash has no secret, so
   * a sender can make as many names collide as it likes: `MAX_COLLISIONS` bounds what that costs.
   */
  #areManyDistinct(base: number): boolean {
    const count = this.#names - base
    // Hash above index: exact in a double.
    const keys = Float64Array.from({ length: count }, (_, k) => (this.#hashes[base + k]! >>> 0) * 2 ** 20 + k).sort()
    for (let i = 1, run = 0; i < count; i++) {
      const hash = Math.floor(keys[i]! / 2 ** 20)
      run = Math.floor(keys[i - 1]! / 2 ** 20) === hash ? run + 1 : 0
      for (let j = i - run; j < i; j++)
        if (this.#repeats(this.#placeOf(base, keys[j]!), this.#placeOf(base, keys[i]!))) return false
      if (run >= MAX_COLLISIONS) return this.#fail("collisions", null)
    }
    return true
  }

  #placeOf(base: number, key: number): number {
    return this.#places[base + (key % 2 ** 20)]!
  }

  #repeats(first: number, second: number): boolean {
    if (!sayTheSame(this.#bytes, first, second, this.#end)) return false
    this.at = second - 1
    this.#fail("repeated", null)
    this.#lost(second, false)
    return true
  }
}

/** Binary search. */
function holds(sorted: Float64Array, value: number): boolean {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! < value) low = middle + 1
    else high = middle
  }
  return low < sorted.length && sorted[low] === value
}
