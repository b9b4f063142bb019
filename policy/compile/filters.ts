/* eslint-disable @typescript-eslint/no-non-null-assertion -- dense arrays indexed by numbers that this file gave out */
import { InvariantError } from "../base/errors.ts"
import {
  FILTER_HASH,
  FILTER_SEGMENTS_SHIFT,
  FILTER_WILD_FIRST,
  SEGMENT_CLIENT,
  SEGMENT_LAST_SHIFT,
  SEGMENT_LENGTH_SHIFT,
  SEGMENT_NAME,
} from "../filter/layout.ts"
import { Dictionary, FIRST_LITERAL, WORD_CLIENT, WORD_NAME, WORD_PLUS } from "./dictionary.ts"
import { GrowingWords } from "./growing.ts"

const encoder = new TextEncoder()

const SLASH = 0x2f
const PLUS = 0x2b
const HASH = 0x23
const PERCENT = 0x25

/** Bits of `kind`. */
const OPEN = 1
const WILD_FIRST = 2

/**
 * The filters of a policy as rows of words, numbered from 0 in the order in which they were added.
 *
 * A record is the form in which a filter is compared with topics:
 *
 *     record   | levels, flags, segments | segment | ...
 *     literal  | first level, last level, length of the text | the levels with their slashes, four bytes a word
 *     %c, %u   | level, 0xfe or 0xff |
 *
 * `+` leaves no trace but the gap in the levels; a closing `#` is a flag.
 */
export class Filters {
  readonly dictionary = new Dictionary()
  /** The words of all filters, without a closing `#`; filter `k` has those from `at[k]` up to `at[k + 1]`. */
  readonly words = new GrowingWords()
  readonly at = new GrowingWords()
  readonly #kind = new GrowingWords()
  #buffer = new Uint8Array(1024)

  constructor() {
    this.at.push(0)
  }

  /**
   * The number of `filter`. With `shared`, its first level is the name of a group, literally, before the filter proper.
   *
   * @throws InvariantError `ERR_POLICY_FILTER` if it is not a filter: the parser should have refused it.
   */
  add(filter: string, shared: boolean): number {
    if (filter.length * 3 > this.#buffer.length) this.#buffer = new Uint8Array(filter.length * 3)
    const bytes = this.#buffer
    const end = encoder.encodeInto(filter, bytes).written
    const first = this.words.length
    let open = false
    for (let start = 0; start <= end;) {
      let stop = start
      while (stop < end && bytes[stop] !== SLASH) stop++
      const literally = shared && start === 0
      if (stop === end && end - start === 1 && bytes[start] === HASH) open = true
      else
        this.words.push(literally ? this.dictionary.word(bytes, start, stop) : this.#word(bytes, start, stop, filter))
      start = stop + 1
    }
    const own = first + (shared ? 1 : 0)
    if (end === 0 || (own >= this.words.length && !(open && own === this.words.length))) throw notAFilter(filter)
    const wildFirst = own < this.words.length ? this.words.array[own] === WORD_PLUS : open
    this.#kind.push((open ? OPEN : 0) | (wildFirst ? WILD_FIRST : 0))
    this.at.push(this.words.length)
    return this.#kind.length - 1
  }

  #word(bytes: Uint8Array, start: number, end: number, filter: string): number {
    const length = end - start
    if (length === 1 && bytes[start] === PLUS) return WORD_PLUS
    if (length === 1 && bytes[start] === HASH) throw notAFilter(filter)
    if (length === 2 && bytes[start] === PERCENT) {
      if (bytes[start + 1] === 0x63) return WORD_CLIENT
      if (bytes[start + 1] === 0x75) return WORD_NAME
    }
    return this.dictionary.word(bytes, start, end)
  }

  /** Levels without a closing `#`. */
  depth(filter: number): number {
    return this.at.array[filter + 1]! - this.at.array[filter]!
  }

  endsInHash(filter: number): boolean {
    return (this.#kind.array[filter]! & OPEN) !== 0
  }

  /** Append the record of a filter of at most 255 levels to `out`; returns its offset. */
  writeRecord(filter: number, out: GrowingWords): number {
    const header = out.reserve(1)
    const at = this.at.array[filter]!
    const depth = this.depth(filter)
    const words = this.words.array
    let segments = 0
    for (let level = 0; level < depth; level++) {
      const word = words[at + level]!
      if (word === WORD_PLUS) continue
      segments++
      if (word < FIRST_LITERAL) {
        out.push(level | ((word === WORD_NAME ? SEGMENT_NAME : SEGMENT_CLIENT) << SEGMENT_LAST_SHIFT))
        continue
      }
      let last = level
      while (last + 1 < depth && words[at + last + 1]! >= FIRST_LITERAL) last++
      this.#writeRun(at, level, last, out)
      level = last
    }
    const kind = this.#kind.array[filter]!
    out.array[header] =
      depth |
      ((kind & OPEN) === 0 ? 0 : FILTER_HASH) |
      ((kind & WILD_FIRST) === 0 ? 0 : FILTER_WILD_FIRST) |
      (segments << FILTER_SEGMENTS_SHIFT)
    return header
  }

  #writeRun(at: number, first: number, last: number, out: GrowingWords): void {
    const { texts, textAt } = this.dictionary
    const words = this.words.array
    let length = last - first
    for (let k = first; k <= last; k++) length += this.dictionary.length(words[at + k]!)
    out.push(first | (last << SEGMENT_LAST_SHIFT) | (length << SEGMENT_LENGTH_SHIFT))
    let packed = 0
    let bits = 0
    for (let k = first; k <= last; k++) {
      const word = words[at + k]!
      const stop = textAt.array[word + 1]!
      for (let n = textAt.array[word]!; n <= stop; n++) {
        // Behind each level but the last stands a slash.
        if (n === stop && k === last) break
        packed |= (n < stop ? texts[n]! : SLASH) << bits
        bits += 8
        if (bits === 32) {
          out.push(packed)
          packed = 0
          bits = 0
        }
      }
    }
    if (bits > 0) out.push(packed)
  }
}

function notAFilter(filter: string): InvariantError {
  return new InvariantError("ERR_POLICY_FILTER", "a rule holds what is not a topic filter", { detail: { filter } })
}
