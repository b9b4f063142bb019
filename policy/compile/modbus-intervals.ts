/* eslint-disable @typescript-eslint/no-non-null-assertion -- dense arrays indexed by numbers that this file gave out */
import {
  DENY_STARTS,
  ENTRY_LAST,
  ENTRY_LIST,
  ENTRY_WORDS,
  MAX_DENY_STEPS,
  MAX_OVERLAP,
  MAX_QUANTITY,
  NODE_COUNT,
  NODE_DENY,
  NODE_FIRST,
  NODE_STARTS,
} from "../filter/modbus/layout.ts"
import { tooComplex } from "./bound.ts"
import type { GrowingWords } from "./growing.ts"
import { keysOf, type ModbusFacts } from "./modbus-rules.ts"

/** Ranges of keys and whose they are, ascending by first key, then by rule. */
interface Ranges {
  readonly from: Float64Array
  readonly to: Float64Array
  readonly rule: Int32Array
  readonly length: number
}

/** One range that the sweep is in: the number of its rule, and its last key. */
interface Active {
  readonly rule: number
  readonly to: number
}

/**
 * Write the node of function `code` for the rules with these numbers (ascending); returns its offset.
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
  out: GrowingWords,
): number {
  const allows = rules.filter((rule) => facts.rules[rule]!.effect === "allow")
  const denies = rules.filter((rule) => facts.rules[rule]!.effect === "deny")
  const ranges = rangesOf(facts, allows, code)
  const count = Math.max(distinct(ranges), 1)
  const node = out.reserve(NODE_STARTS + count * (1 + ENTRY_WORDS))
  out.array[node + NODE_COUNT] = count
  out.array[node + NODE_FIRST] = allows.length === 0 ? 0 : facts.words[allows[0]!]!
  writeIntervals(facts, ranges, node + NODE_STARTS, count, where, out, (active) => active)
  if (denies.length === 0) return node
  const denied = rangesOf(facts, denies, code)
  const deniedCount = Math.max(distinct(denied), 1)
  const at = out.reserve(DENY_STARTS + deniedCount * (1 + ENTRY_WORDS))
  out.array[at] = deniedCount
  const steps = writeIntervals(facts, denied, at + DENY_STARTS, deniedCount, where, out, (active) =>
    nameable(facts, active),
  )
  const worst = worstRequest(out.array.subarray(at + DENY_STARTS, at + DENY_STARTS + deniedCount), steps)
  if (worst > MAX_DENY_STEPS) throw tooComplex(where, "denies that one request can touch", worst, MAX_DENY_STEPS)
  out.array[node + NODE_DENY] = at
  return node
}

/** All ranges of these rules for a function. */
function rangesOf(facts: ModbusFacts, rules: readonly number[], code: number): Ranges {
  const keys = rules.map((rule) => keysOf(facts.rules[rule]!, code))
  const length = keys.reduce((sum, each) => sum + each.length, 0)
  // Sorted as numbers: the first key, then the place in the lists, which ascend by rule.
  const order = new Float64Array(length)
  const to = new Float64Array(length)
  const owner = new Int32Array(length)
  let k = 0
  let sorted = true
  for (let number = 0; number < keys.length; number++) {
    for (const range of keys[number]!) {
      order[k] = range.from * PLACES + k
      if (k > 0 && order[k]! < order[k - 1]!) sorted = false
      to[k] = range.to
      owner[k++] = rules[number]!
    }
  }
  if (!sorted) order.sort()
  const places = order.map((both) => both % PLACES)
  return {
    from: order.map((both) => Math.floor(both / PLACES)),
    to: places.map((place) => to[place]!),
    rule: Int32Array.from(places, (place) => owner[place]!),
    length,
  }
}

/** More than ranges can be, and with a key of 30 bits still exact. */
const PLACES = 2 ** 23

/** How many different first keys there are. */
function distinct({ from, length }: Ranges): number {
  let count = 0
  for (let k = 0; k < length; k++) if (k === 0 || from[k] !== from[k - 1]) count++
  return count
}

/** Write starts and entries; returns how many entries each interval has. */
function writeIntervals(
  facts: ModbusFacts,
  ranges: Ranges,
  starts: number,
  count: number,
  where: string,
  out: GrowingWords,
  select: (active: readonly Active[]) => readonly Active[],
): number[] {
  const steps: number[] = []
  let active: Active[] = []
  let k = 0
  for (let interval = 0; k < ranges.length; interval++) {
    const from = ranges.from[k]!
    active = active.filter(({ to }) => to >= from)
    for (; k < ranges.length && ranges.from[k] === from; k++) {
      active.push({ rule: ranges.rule[k]!, to: ranges.to[k]! })
    }
    if (active.length > 1) active.sort((a, b) => a.rule - b.rule)
    const chosen = select(active)
    if (chosen.length > MAX_OVERLAP) throw tooComplex(where, "rules that name one address", chosen.length, MAX_OVERLAP)
    steps.push(chosen.length)
    out.array[starts + interval] = from
    const entry = starts + count + interval * ENTRY_WORDS
    const [only] = chosen
    if (chosen.length === 1 && only !== undefined) {
      out.array[entry] = facts.words[only.rule]! | ENTRY_LAST
      out.array[entry + 1] = only.to
      continue
    }
    const list = out.reserve(chosen.length * ENTRY_WORDS)
    out.array[entry] = ENTRY_LIST
    out.array[entry + 1] = list
    chosen.forEach(({ rule, to }, place) => {
      out.array[list + place * ENTRY_WORDS] = facts.words[rule]! | (place === chosen.length - 1 ? ENTRY_LAST : 0)
      out.array[list + place * ENTRY_WORDS + 1] = to
    })
  }
  if (ranges.length === 0) {
    // One interval whose only entry ends before it begins.
    out.array[starts + 1] = ENTRY_LAST
    out.array[starts + 2] = -1
  }
  return steps
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
function worstRequest(starts: Uint32Array, steps: readonly number[]): number {
  let worst = 0
  let sum = 0
  let next = 0
  for (let k = 0; k < steps.length; k++) {
    // A range that begins in this interval begins before the next one.
    const reach = (starts[k + 1] ?? Infinity) + MAX_QUANTITY - 1
    while (next < steps.length && starts[next]! < reach) sum += steps[next++]!
    worst = Math.max(worst, sum)
    sum -= steps[k]!
  }
  return worst
}
