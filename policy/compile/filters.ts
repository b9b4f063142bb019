/* eslint-disable @typescript-eslint/no-non-null-assertion -- dense arrays indexed by numbers that this file gave out */
import { InvariantError } from "../base/errors.ts"
import { fullHash, quickHash } from "../filter/hash.ts"
import {
  FILTER_HASH,
  FILTER_HEADER,
  FILTER_WILD_FIRST,
  SEGMENT_CLIENT,
  SEGMENT_HEADER,
  SEGMENT_NAME,
} from "../filter/layout.ts"
import { GrowingBytes, GrowingWords } from "./growing.ts"

/** Numbers of the words that are not literal; literal ones follow. */
export const WORD_PLUS = 0
export const WORD_CLIENT = 1
export const WORD_NAME = 2
const FIRST_LITERAL = 3

const encoder = new TextEncoder()

/**
 * Every distinct filter of a policy and every distinct level in them, numbered from 0.
 *
 * Filters are shared by all classes: `records` holds each once, as it is compared with topics.
 *
 *     record   | depth | flags | segments | segment ...
 *     literal  | first level | last level | length, 2 bytes little-endian | the levels with their slashes
 *     %c, %u   | level | 0xfe or 0xff | 0 | 0 |
 *
 * `+` leaves no trace but the gap in the levels; a closing `#` is a flag.
 */
export class FilterDictionary {
  readonly records = new GrowingBytes()
  readonly #filters = new Map<string, number>()
  readonly #words = new Map<string, number>([
    ["+", WORD_PLUS],
    ["%c", WORD_CLIENT],
    ["%u", WORD_NAME],
  ])
  /** By filter: offset of its record, of its first level in `levels`, number of levels without `#`, whether it ends so. */
  readonly record: number[] = []
  readonly levelsAt: number[] = []
  readonly depth: number[] = []
  readonly endsInHash: boolean[] = []
  readonly levels = new GrowingWords()
  /** By word: offset and length of its text in `texts`, and its hashes. */
  readonly #textAt: number[] = [0, 0, 0]
  readonly #textLength: number[] = [0, 0, 0]
  readonly quick: number[] = [0, 0, 0]
  readonly full: number[] = [0, 0, 0]
  readonly #texts = new GrowingBytes()

  /**
   * The number of `filter`. With `shared`, its first level is the name of a group before the filter proper.
   *
   * Records are written for filters of any depth; who uses one checks its depth first.
   *
   * @throws InvariantError `ERR_POLICY_FILTER` if it is not a filter: the parser should have refused it.
   */
  number(filter: string, shared: boolean): number {
    const key = shared ? `$share/${filter}` : filter
    const known = this.#filters.get(key)
    if (known !== undefined) return known
    const levels = filter.split("/")
    const endsInHash = levels.at(-1) === "#"
    if (endsInHash) levels.pop()
    if (filter === "" || levels.includes("#") || (shared && levels.length < (endsInHash ? 1 : 2))) {
      throw new InvariantError("ERR_POLICY_FILTER", "a rule holds what is not a topic filter", { detail: { filter } })
    }
    const number = this.record.length
    this.#filters.set(key, number)
    const at = this.levels.reserve(levels.length)
    for (let k = 0; k < levels.length; k++) {
      this.levels.array[at + k] = shared && k === 0 ? this.#literal(levels[0]!) : this.#word(levels[k]!)
    }
    this.levelsAt.push(at)
    this.depth.push(levels.length)
    this.endsInHash.push(endsInHash)
    this.record.push(this.#write(at, levels.length, endsInHash, shared ? 1 : 0))
    return number
  }

  #word(text: string): number {
    return this.#words.get(text) ?? this.#literal(text)
  }

  /** The number of `text` as plain text, even where it looks like a placeholder. */
  #literal(text: string): number {
    const key = this.#words.get(text)
    if (key !== undefined && key >= FIRST_LITERAL) return key
    const number = this.#textAt.length
    if (key === undefined) this.#words.set(text, number)
    const at = this.#text(text)
    const bytes = this.#texts
    this.#textAt.push(at)
    this.#textLength.push(bytes.length - at)
    this.quick.push(quickHash(bytes.array, at, bytes.length))
    this.full.push(fullHash(bytes.array, at, bytes.length))
    return number
  }

  #text(text: string): number {
    const at = this.#texts.reserve(text.length)
    const { array } = this.#texts
    for (let k = 0; k < text.length; k++) {
      const code = text.charCodeAt(k)
      if (code >= 0x80) {
        this.#texts.length = at
        const encoded = encoder.encode(text)
        this.#texts.reserve(encoded.length)
        this.#texts.array.set(encoded, at)
        return at
      }
      array[at + k] = code
    }
    return at
  }

  #write(levelsAt: number, depth: number, endsInHash: boolean, firstOwn: number): number {
    const words = this.levels.array
    const header = this.records.reserve(FILTER_HEADER)
    const wildFirst = firstOwn < depth ? words[levelsAt + firstOwn] === WORD_PLUS : endsInHash
    let segments = 0
    for (let level = 0; level < depth;) {
      const word = words[levelsAt + level]!
      if (word === WORD_PLUS) {
        level++
        continue
      }
      segments++
      if (word === WORD_CLIENT || word === WORD_NAME) {
        const at = this.records.reserve(SEGMENT_HEADER)
        this.records.array[at] = level
        this.records.array[at + 1] = word === WORD_NAME ? SEGMENT_NAME : SEGMENT_CLIENT
        level++
        continue
      }
      let last = level
      while (last + 1 < depth && words[levelsAt + last + 1]! >= FIRST_LITERAL) last++
      this.#writeRun(levelsAt, level, last)
      level = last + 1
    }
    const { array } = this.records
    array[header] = depth
    array[header + 1] = (endsInHash ? FILTER_HASH : 0) | (wildFirst ? FILTER_WILD_FIRST : 0)
    array[header + 2] = segments
    return header
  }

  #writeRun(levelsAt: number, first: number, last: number): void {
    let length = last - first
    for (let k = first; k <= last; k++) length += this.#textLength[this.levels.array[levelsAt + k]!]!
    let at = this.records.reserve(SEGMENT_HEADER + length)
    const { array } = this.records
    array[at] = first
    array[at + 1] = last
    array[at + 2] = length & 0xff
    array[at + 3] = length >> 8
    at += SEGMENT_HEADER
    for (let k = first; k <= last; k++) {
      if (k > first) array[at++] = 0x2f
      const word = this.levels.array[levelsAt + k]!
      const text = this.#textAt[word]!
      const size = this.#textLength[word]!
      for (let n = 0; n < size; n++) array[at++] = this.#texts.array[text + n]!
    }
  }
}
