/* eslint-disable @typescript-eslint/no-non-null-assertion -- offsets come from the compiler */
import { takeToken, tokensIn } from "../buckets.ts"
import { REASON, type Verdict } from "../verdict.ts"
import { factsOf, firstAt, lastStart } from "./intervals.ts"
import * as layout from "./layout.ts"
import type { ModbusState } from "./state.ts"
import { checkPoints, POINTS_FIT, POINTS_PART, POINTS_VALUE } from "./value.ts"

/** Larger than any rule word: "none yet" where the lowest rule is sought. */
const NONE = 0x7fffffff

/** Reasons by how far a rule got that allows all addresses: the checks in their order. */
const RANKS = [
  REASON.address,
  REASON["part-of-point"],
  REASON.value,
  REASON["not-essential"],
  REASON.emergency,
  REASON.hours,
  REASON.when,
  REASON.rate,
] as const
const PART = 1
const VALUE = 2
const NOT_ESSENTIAL = 3
const EMERGENCY = 4
const HOURS = 5
const WHEN = 6
const RATE = 7

/** The offset of a rule's record; only of one whose word says that it has one. */
function recordOf(state: ModbusState, rule: number): number {
  const { records, firstRule } = state.table
  return records[(rule >> 8) - 1 - firstRule]!
}

/**
 * The word of the first deny rule in force that has any key of `from..to`, or 0; `denies` is a node's deny list.
 *
 * Looks at every interval that the range meets, of which there is at most one a key.
 */
export function firstDeny(state: ModbusState, denies: number, from: number, to: number): number {
  const { words } = state.table
  const starts = denies + layout.DENY_STARTS
  const count = words[denies]!
  let start = lastStart(words, starts, count, from)
  let best = NONE
  for (const stop = starts + count; start < stop && words[start]! <= to; start++) {
    let at = starts + count + (start - starts) * layout.ENTRY_WORDS
    if ((words[at]! & layout.ENTRY_LIST) !== 0) at = words[at + 1]!
    for (;;) {
      const rule = words[at]!
      if (rule >= best) break
      if (words[at + 1]! >= from && ((rule & layout.RULE_GATE) === 0 || mayDeny(state, rule))) {
        best = rule
        break
      }
      if ((rule & layout.ENTRY_LAST) !== 0) break
      at += layout.ENTRY_WORDS
    }
  }
  return best === NONE ? 0 : best
}

function mayDeny(state: ModbusState, rule: number): boolean {
  return (gateOf(state, rule) & layout.GATE_OUTSIDE) === 0
}

/** The state of a gated rule's gate. */
function gateOf(state: ModbusState, rule: number): number {
  const { words, gateStates } = state.table
  return gateStates[words[recordOf(state, rule) + layout.RECORD_GATE]!]!
}

/** Whether a write keeps the value rules of this rule, which has some. */
export function valuesFit(
  state: ModbusState,
  rule: number,
  from: number,
  to: number,
  bytes: Uint8Array,
  data: number,
): boolean {
  return checkPoints(state.table.words, recordOf(state, rule), from, to, bytes, data) === POINTS_FIT
}

/**
 * The verdict among the first `count` rule words of the scratch space: allow rules that cover every address, ascending.
 *
 * The first in the policy that holds and has no rate allows; else the first with rate that has a token, which is taken;
 * else the rule that came furthest is named. `count` is not 0. A request that writes registers has `data` 0 or more, the
 * offset of the value of register `from`, or -1 if it changes single bits; one that does not has `NO_DATA`.
 */
export function judge(
  state: ModbusState,
  count: number,
  bytes: Uint8Array,
  from: number,
  to: number,
  data: number,
  nowMs: number,
): Verdict {
  const { words, scratch } = state.table
  const essentialOnly = (state.mask & layout.RULE_NOT_ESSENTIAL) !== 0
  let paying = 0
  let payingBucket = 0
  let nearest = 0
  let nearestRank = 0
  for (let k = 0; k < count; k++) {
    const rule = scratch[k]!
    let rank = 0
    if ((rule & layout.RULE_POINTS) !== 0 && data !== NO_DATA) {
      const found = checkPoints(words, recordOf(state, rule), from, to, bytes, data)
      rank = found === POINTS_PART ? PART : found === POINTS_VALUE ? VALUE : 0
    }
    if (rank === 0) {
      if (essentialOnly && (rule & layout.RULE_NOT_ESSENTIAL) !== 0) rank = NOT_ESSENTIAL
      else if ((rule & layout.RULE_GATE) !== 0) rank = closedRank(state, rule)
    }
    if (rank === 0) {
      if ((rule & layout.RULE_RATE) === 0) return rule & ~0xff
      const bucket = words[recordOf(state, rule) + layout.RECORD_BUCKET]!
      if (tokensIn(state.buckets, state.lock, state.table.numbers, bucket, nowMs) < 1) rank = RATE
      else {
        if (paying === 0) {
          paying = rule
          payingBucket = bucket
        }
        continue
      }
    }
    if (rank > nearestRank) {
      nearestRank = rank
      nearest = rule
    }
  }
  if (paying !== 0) {
    if (takeToken(state.buckets, state.lock, state.table.numbers, payingBucket, nowMs)) return paying & ~0xff
    // Another thread took the last one meanwhile.
    return judge(state, count, bytes, from, to, data, nowMs)
  }
  return RANKS[nearestRank]! | (nearest & ~0xff)
}

/** `data` of a request that writes no register. */
export const NO_DATA = -2

/** What keeps a gated rule shut: `EMERGENCY`, `HOURS`, `WHEN`, or 0 if it is in force. */
function closedRank(state: ModbusState, rule: number): number {
  const gate = gateOf(state, rule)
  if ((gate & layout.GATE_ON) === 0) return EMERGENCY
  if ((gate & layout.GATE_WITHIN) === 0) return HOURS
  return (gate & layout.GATE_HOLDS) === 0 ? WHEN : 0
}

/**
 * The verdict on a request that no rule covers whole: names the rule that came furthest.
 *
 * `group` is the offset of the request's units, `node` refers to its function's node, `key` is the first address that it
 * names, and `at` where `findDeep` finds that.
 */
export function refuse(
  state: ModbusState,
  group: number,
  node: number,
  code: number,
  key: number,
  at: number,
): Verdict {
  const { words, slotCount } = state.table
  const named = node === 0 ? 0 : words[factsOf(words, node) + layout.FACT_FIRST]!
  if (named !== 0) {
    // Functions 8 and 43 have no addresses, but kinds.
    if (code === 8 || code === 43) return REASON.function | (named & ~0xff)
    const first = firstAt(words, at, key)
    return REASON.address | ((first === 0 ? named : first) & ~0xff)
  }
  const ofUnit = words[group + slotCount + 1]!
  if (ofUnit !== 0) return REASON.function | (ofUnit & ~0xff)
  return state.first === 0 ? REASON["no-rule"] : REASON.unit | (state.first & ~0xff)
}
