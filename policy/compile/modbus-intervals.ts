/* eslint-disable @typescript-eslint/no-non-null-assertion -- dense arrays indexed by numbers that this file gave out */
import {
  BLOCK,
  BLOCK_FACTS,
  BLOCK_LAST,
  BLOCK_RULE,
  DENY_STARTS,
  ENTRY_DENIED,
  ENTRY_LAST,
  ENTRY_LIST,
  ENTRY_TREE,
  ENTRY_WORDS,
  FACT_DENY,
  FACT_FIRST,
  FACT_WORDS,
  KEY_BITS,
  LINE_SKEW,
  LINE_WORDS,
  MAX_DENY_STEPS,
  MAX_OVERLAP,
  MAX_QUANTITY,
  NO_START,
  RULE_GATE,
  RULE_NOT_ESSENTIAL,
  RULE_RATE,
  TREE_STARTS,
} from "../filter/modbus/layout.ts"
import { spaceOf } from "../filter/modbus/functions.ts"
import { firstBlock } from "../filter/modbus/intervals.ts"
import { tooComplex } from "./bound.ts"
import type { GrowingWords } from "./growing.ts"
import { keysOf, type ModbusFacts } from "./modbus-rules.ts"

/** More than ranges can be, and with a key of 30 bits still exact. */
const PLACES = 2 ** 23

/** Ranges of keys and whose they are, ascending by first key, then by rule; used again and again. */
export class RangeList {
  from = new Int32Array(64)
  to = new Int32Array(64)
  rule = new Int32Array(64)
  length = 0
  /** First key and place as they came, then sorted as one number; what belongs to a place. */
  #order = new Float64Array(64)
  #last = new Int32Array(64)
  #owner = new Int32Array(64)

  /** All ranges of these rules (ascending) for a function. */
  fill(facts: ModbusFacts, rules: readonly number[], code: number): void {
    let k = 0
    let sorted = true
    for (const rule of rules) {
      for (const range of keysOf(facts.rules[rule]!, code)) {
        if (k === this.#order.length) this.#grow()
        this.#order[k] = range.from * PLACES + k
        if (k > 0 && this.#order[k]! < this.#order[k - 1]!) sorted = false
        this.#last[k] = range.to
        this.#owner[k++] = rule
      }
    }
    this.length = k
    if (!sorted) this.#order.subarray(0, k).sort()
    for (let place = 0; place < k; place++) {
      const both = this.#order[place]!
      const from = Math.floor(both / PLACES)
      const came = both - from * PLACES
      this.from[place] = from
      this.to[place] = this.#last[came]!
      this.rule[place] = this.#owner[came]!
    }
  }

  #grow(): void {
    const size = this.#order.length * 2
    const larger = (of: Int32Array): Int32Array<ArrayBuffer> => {
      const array = new Int32Array(size)
      array.set(of)
      return array
    }
    const order = new Float64Array(size)
    order.set(this.#order)
    this.#order = order
    this.#last = larger(this.#last)
    this.#owner = larger(this.#owner)
    this.from = larger(this.from)
    this.to = larger(this.to)
    this.rule = larger(this.rule)
  }
}

/** One range that the sweep is in: the number of its rule, and its last key. */
interface Active {
  readonly rule: number
  readonly to: number
}

/**
 * Write the node of function `code` for the rules with these numbers (ascending); returns a reference to it.
 *
 * An interval begins where a range begins, and holds all ranges that have its first key. Where one ends, nothing need
 * begin: its end stands with it.
 *
 * @throws InputError `ERR_POLICY_TOO_COMPLEX` if too many rules name one address, or the denies of one request are too many.
 */
export function writeNode(
  facts: ModbusFacts,
  rules: readonly number[],
  code: number,
  where: string,
  ranges: RangeList,
  out: GrowingWords,
): number {
  const denying = rules.filter((rule) => facts.denies[rule] === 1)
  const allows = denying.length === 0 ? rules : rules.filter((rule) => facts.denies[rule] === 0)
  ranges.fill(facts, allows, code)
  const space = spaceOf(code)
  // Functions 20, 21 and 23 name several ranges: what is of no use at one address may be at the other.
  const several = space === "registers" || space === "files"
  const intervals = sweep(facts, ranges, where, out, several ? null : (active) => useful(facts, active))
  let denies = 0
  if (denying.length > 0) {
    ranges.fill(facts, denying, code)
    markDenied(intervals, ranges)
    const denied = sweep(facts, ranges, where, out, (active) => nameable(facts, active))
    const worst = worstRequest(denied)
    if (worst > MAX_DENY_STEPS) throw tooComplex(where, "denies that one request can touch", worst, MAX_DENY_STEPS)
    if (denied.length > 0) denies = writeDenies(denied, out)
  }
  const written = out.reserve(FACT_WORDS)
  out.array[written + FACT_DENY] = denies
  out.array[written + FACT_FIRST] = allows.length === 0 ? 0 : facts.words[allows[0]!]!
  return writeBlocks(intervals, space === "files" ? 0 : blockBits(intervals.length), written, out)
}

/** An interval: its first key, its entry, how many rules that has, and the last key of any of them. */
interface Interval {
  readonly from: number
  rule: number
  readonly last: number
  readonly count: number
  readonly reach: number
}

/** The log2 of how many blocks: so that two intervals begin in each, at most, if they are spread evenly. */
function blockBits(count: number): number {
  return count <= BLOCK ? 0 : Math.min(KEY_BITS - 1, Math.ceil(Math.log2(count / 2)))
}

/** Write a node of `2 ** bits` blocks; returns the reference. */
function writeBlocks(intervals: readonly Interval[], bits: number, facts: number, out: GrowingWords): number {
  const blocks = 2 ** bits
  out.reserve((LINE_SKEW - out.length) & (LINE_WORDS - 1))
  const first = out.reserve(blocks * LINE_WORDS)
  const keys = bits === 0 ? Infinity : 2 ** (KEY_BITS - bits)
  let next = 0
  for (let block = 0; block < blocks; block++) {
    const begins = block === 0 ? 0 : block * keys
    // Back to the one that the block's first key lies in, if any.
    if (next > 0 && intervals[next - 1]!.reach >= begins && intervals[next]?.from !== begins) next--
    const from = next
    while (next < intervals.length && intervals[next]!.from < begins + keys) next++
    writeBlock(intervals.slice(from, next), first + block * LINE_WORDS, out)
  }
  out.array[first + BLOCK_FACTS] = facts
  return (first - LINE_SKEW) | bits
}

/** Write a block of these intervals at `at`, or of a tree with them. */
function writeBlock(intervals: readonly Interval[], at: number, out: GrowingWords): void {
  if (intervals.length > BLOCK) {
    const tree = writeTree(intervals, out)
    const { from } = intervals[0]!
    writeBlock([{ from, rule: ENTRY_TREE, last: tree, count: 0, reach: 0 }], at, out)
    return
  }
  for (let k = 0; k < BLOCK; k++) {
    const interval = intervals[k]
    out.array[at + k] = interval?.from ?? NO_START
    // Where there is none, one that ends before it begins.
    out.array[at + BLOCK_RULE + k] = interval?.rule ?? ENTRY_LAST
    out.array[at + BLOCK_LAST + k] = interval?.last ?? -1
  }
}

/** Write a tree of these intervals; returns its offset. */
function writeTree(intervals: readonly Interval[], out: GrowingWords): number {
  const blocks = Math.ceil(intervals.length / BLOCK)
  const tree = out.reserve(TREE_STARTS + blocks)
  const first = firstBlock(tree, blocks)
  out.reserve(first + blocks * LINE_WORDS - out.length)
  out.array[tree] = blocks
  for (let k = 0; k < blocks; k++) {
    const some = intervals.slice(k * BLOCK, (k + 1) * BLOCK)
    out.array[tree + TREE_STARTS + k] = some[0]!.from
    writeBlock(some, first + k * LINE_WORDS, out)
  }
  return tree
}

function writeDenies(denied: readonly Interval[], out: GrowingWords): number {
  const at = out.reserve(DENY_STARTS + denied.length * (1 + ENTRY_WORDS))
  out.array[at] = denied.length
  denied.forEach(({ from, rule, last }, k) => {
    const entry = at + DENY_STARTS + denied.length + k * ENTRY_WORDS
    out.array[at + DENY_STARTS + k] = from
    out.array[entry] = rule
    out.array[entry + 1] = last
  })
  return at
}

/**
 * The intervals of these ranges, ascending; entries of several rules are written to `out`. Of those that hold a key only
 * what `select` leaves is kept, where it is given.
 */
function sweep(
  facts: ModbusFacts,
  { from: starts, to: lasts, rule: owners, length }: RangeList,
  where: string,
  out: GrowingWords,
  select: ((active: readonly Active[]) => readonly Active[]) | null,
): Interval[] {
  const intervals: Interval[] = []
  let active: Active[] = []
  // No range so far reaches beyond this.
  let reach = -1
  for (let k = 0; k < length;) {
    const from = starts[k]!
    if (reach < from && (k + 1 === length || starts[k + 1] !== from)) {
      // One rule alone, as nearly always.
      const rule = owners[k]!
      reach = lasts[k]!
      if (active.length > 0) active = []
      active.push({ rule, to: reach })
      intervals.push({ from, rule: facts.words[rule]! | ENTRY_LAST, last: reach, count: 1, reach })
      k++
      continue
    }
    active = active.filter(({ to }) => to >= from)
    for (; k < length && starts[k] === from; k++) {
      active.push({ rule: owners[k]!, to: lasts[k]! })
      reach = Math.max(reach, lasts[k]!)
    }
    if (active.length > 1) active.sort((a, b) => a.rule - b.rule)
    const chosen = select === null ? active : select(active)
    const [only] = chosen
    if (chosen.length === 1 && only !== undefined) {
      intervals.push({ from, rule: facts.words[only.rule]! | ENTRY_LAST, last: only.to, count: 1, reach })
      continue
    }
    if (chosen.length > MAX_OVERLAP) throw tooComplex(where, "rules that name one address", chosen.length, MAX_OVERLAP)
    const list = out.reserve(chosen.length * ENTRY_WORDS)
    chosen.forEach(({ rule, to }, place) => {
      out.array[list + place * ENTRY_WORDS] = facts.words[rule]! | (place === chosen.length - 1 ? ENTRY_LAST : 0)
      out.array[list + place * ENTRY_WORDS + 1] = to
    })
    intervals.push({ from, rule: ENTRY_LIST, last: list, count: chosen.length, reach })
  }
  return intervals
}

/** Mark every interval's entry that some of the denied ranges meets. */
function markDenied(intervals: readonly Interval[], denied: RangeList): void {
  // How far the ranges reach that begin no later; the next one that begins later.
  let reach = -1
  let next = 0
  for (const interval of intervals) {
    for (; next < denied.length && denied.from[next]! <= interval.from; next++) {
      reach = Math.max(reach, denied.to[next]!)
    }
    if (reach >= interval.from || (next < denied.length && denied.from[next]! <= interval.reach)) {
      interval.rule |= ENTRY_DENIED
    }
  }
}

/**
 * Of allow rules at one place (ascending), those that can ever be named: none that an earlier one outlasts which has neither
 * rate nor gate, and is essential if that one is.
 */
function useful(facts: ModbusFacts, active: readonly Active[]): readonly Active[] {
  let reach = -1
  let essentialReach = -1
  return active.filter(({ rule, to }) => {
    const word = facts.words[rule]!
    const normal = (word & RULE_NOT_ESSENTIAL) !== 0
    if (to <= (normal ? reach : essentialReach)) return false
    if ((word & (RULE_RATE | RULE_GATE)) === 0) {
      reach = Math.max(reach, to)
      if (!normal) essentialReach = Math.max(essentialReach, to)
    }
    return true
  })
}

/** Of deny rules at one place (ascending), those that can be the first in force: none that an earlier one outlasts. */
function nameable(facts: ModbusFacts, active: readonly Active[]): readonly Active[] {
  // By gate, and -1 for those that are always in force: how far the earlier ones reach.
  const reach = new Map<number, number>()
  return active.filter(({ rule, to }) => {
    const gate = facts.gateOf[rule]!
    const known = Math.max(reach.get(-1) ?? -1, reach.get(gate) ?? -1)
    if (known >= to) return false
    reach.set(gate, to)
    return true
  })
}

/** The most entries that lie in the intervals which one range of a request can meet. */
function worstRequest(intervals: readonly Interval[]): number {
  let worst = 0
  let sum = 0
  let next = 0
  intervals.forEach(({ count }, k) => {
    // A range that begins in this interval begins before the next one.
    const reach = (intervals[k + 1]?.from ?? Infinity) + MAX_QUANTITY - 1
    while (next < intervals.length && intervals[next]!.from < reach) sum += intervals[next++]!.count
    worst = Math.max(worst, sum)
    sum -= count
  })
  return worst
}
