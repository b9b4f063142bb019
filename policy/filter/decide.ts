/* eslint-disable @typescript-eslint/no-non-null-assertion -- offsets come from the compiler; packet offsets are checked against `end` */
import * as layout from "./layout.ts"
import { match } from "./match.ts"
import { MAX_INSPECTED_BYTES } from "../language/payload-form.ts"
import { aliasScope, mayBeBirth, type AliasScope } from "./payload/alias-memory.ts"
import { takeToken, tokensIn } from "./buckets.ts"
import { checkPayload } from "./payload/check-payload.ts"
import { isReserved, splitTopic } from "./topic.ts"
import {
  STATE_ESSENTIAL_ONLY,
  STATE_KNOWN,
  STATE_RECEIVING,
  STATE_VERSION_5,
  refuseStale,
  type FilterState,
} from "./state.ts"
import type { FilterTable } from "./table.ts"
import { REASON, type Verdict } from "./verdict.ts"

export { payloadSpan } from "./payload-span.ts"
export { classOf, createBuckets, createFilterState, type FilterState } from "./state.ts"

// V8 folds a module's own constants into the code, but reads imported ones from memory each time.
const RULE_DENY = layout.RULE_DENY
const RULE_QOS_SHIFT = layout.RULE_QOS_SHIFT
const RULE_RETAIN = layout.RULE_RETAIN
const RULE_ESSENTIAL = layout.RULE_ESSENTIAL
const RULE_MORE = layout.RULE_MORE
const RULE_LAST = layout.RULE_LAST
const MORE_BUCKET = layout.MORE_BUCKET
const MORE_GATE = layout.MORE_GATE
const MORE_FORM = layout.MORE_FORM
const MORE_WORDS = layout.MORE_WORDS
const GATE_ON = layout.GATE_ON
const GATE_WITHIN = layout.GATE_WITHIN
const GATE_OUTSIDE = layout.GATE_OUTSIDE
const GATE_HOLDS = layout.GATE_HOLDS
const GATE_OPEN = layout.GATE_OPEN
const RULES_SHIFT = layout.FILTER_RULES_SHIFT
const LEAVES = layout.SCRATCH_LEAVES
const KNOWN = STATE_KNOWN
const RECEIVING = STATE_RECEIVING
const VERSION_5 = STATE_VERSION_5
const ESSENTIAL_ONLY = STATE_ESSENTIAL_ONLY
const BAD_TOPIC = REASON["bad-topic"]
const NO_RULE = REASON["no-rule"]
const RESERVED = REASON.reserved
const INCOMPLETE = REASON.incomplete

/** In place of where a payload begins: it is not in hand. */
const NOT_IN_HAND = -1

/** Larger than any rule word: "none yet" where the lowest rule is sought. */
const NONE = 0x7fffffff

/**
 * The verdict on one PUBLISH whose first byte is `bytes[start]`.
 *
 *     start
 *     +---------+------------------+---------------+-------+----------------+--------------------+---- - -
 *     | 3 flags | remaining length | topic length  | topic | id, if QoS > 0 | properties, if 5   | payload
 *     | 1       | 1..4             | 2             |       | 2              | 1..4 + that many   |
 *     +---------+------------------+---------------+-------+----------------+--------------------+---- - -
 *
 * `end` bounds what is in hand: at least up to the property length (version 5) or the payload. What cannot be read
 * before `end` is `bad-topic`. An empty topic (topic alias) is `bad-topic` too: resolve it and call `decideMessage`.
 *
 * If the verdict depends on a payload that is not all in hand, it is `incomplete`: never final, no token is taken. Ask
 * again with the whole packet before `end`. Allocates nothing, unless a rule looks into the payload.
 *
 * @see MQTT 5.0 section 3.3, IEC 62443-4-2 NDR 5.2
 */
export function decide(
  table: FilterTable,
  state: FilterState,
  bytes: Uint8Array,
  start: number,
  end: number,
  nowMs: number,
): Verdict {
  if (start < 0 || end > bytes.length || end - start < 4) return refuse(state)
  const first = bytes[start]!
  if (first >> 4 !== 3) return refuse(state)
  let at = start + 1
  let remaining = bytes[at++]!
  if (remaining >= 0x80) {
    remaining &= 0x7f
    for (let shift = 7; ; shift += 7) {
      if (shift > 21 || at >= end) return refuse(state)
      const byte = bytes[at++]!
      remaining |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
  }
  const stop = at + remaining
  if (end - at < 2 || remaining < 2) return refuse(state)
  const topic = at + 2
  const topicEnd = topic + ((bytes[at]! << 8) | bytes[at + 1]!)
  at = (first & 6) === 0 ? topicEnd : topicEnd + 2
  if (at > end || at > stop) return refuse(state)
  if ((state.flags & VERSION_5) !== 0) {
    let length = 0
    for (let shift = 0; ; shift += 7) {
      if (shift > 21 || at >= end || at >= stop) return refuse(state)
      const byte = bytes[at++]!
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    at += length
    if (at > stop) return refuse(state)
  }
  const inHand = stop <= end ? at : NOT_IN_HAND
  return decideMessage(table, state, bytes, topic, topicEnd, first & 0x0f, stop - at, nowMs, bytes, inHand)
}

function refuse(state: FilterState): Verdict {
  return (state.flags & KNOWN) !== 0 ? BAD_TOPIC : NO_RULE
}

/** As `decideMessage`, with no payload in hand: `incomplete` if the verdict depends on it. */
export function decideTopic(
  table: FilterTable,
  state: FilterState,
  bytes: Uint8Array,
  start: number,
  end: number,
  flags: number,
  payloadBytes: number,
  nowMs: number,
): Verdict {
  return decideMessage(table, state, bytes, start, end, flags, payloadBytes, nowMs, bytes, NOT_IN_HAND)
}

/**
 * The verdict on a message to the topic `bytes[start, end)`; `flags` is the low nibble of the PUBLISH header. Its payload
 * is the `payloadBytes` of `payload` from `payloadAt` on, or not in hand if `payloadAt` is negative.
 *
 * In this order: a peer without class is `no-rule`; a topic that is not well-formed `bad-topic`; the gateway's own
 * `reserved`; a matching deny in force `deny-rule`; then a matching allow rule whose constraints hold lets it pass. One
 * without rate goes before one with, so that no token is spent, and of the former one that does not look into the
 * payload before one that does; of those with rate the first in the policy that has a token pays. If it hangs on a
 * payload that is not in hand, `incomplete`. Otherwise the nearest rule is named (see `README.md`).
 *
 * With an alias memory a Sparkplug birth that some rule matches is `incomplete` until it is in hand, whatever the rule, if
 * it is small enough to be looked into: who lets it pass must have heard it.
 *
 * @throws InvariantError `ERR_FILTER_STATE` if `state` was made for another table.
 * @see MQTT 5.0 section 4.7, IEC 62443-4-2 NDR 5.2
 */
export function decideMessage(
  table: FilterTable,
  state: FilterState,
  bytes: Uint8Array,
  start: number,
  end: number,
  flags: number,
  payloadBytes: number,
  nowMs: number,
  payload: Uint8Array,
  payloadAt: number,
): Verdict {
  if (state.table !== table) refuseStale()
  if ((state.flags & KNOWN) === 0) return NO_RULE
  if (start < 0 || end <= start || end > bytes.length || end - start > 65_535 || (flags & 6) === 6) return BAD_TOPIC
  const { words, scratch } = table
  const levels = splitTopic(bytes, start, end, scratch, state.depth)
  if (levels === 0) return BAD_TOPIC
  const first = bytes[start]
  if ((first === 0x6c || first === 0x24) && isReserved(bytes, start, end)) return RESERVED
  const count = match(table, state, state.root, bytes, levels, start)
  if (count === 0) return NO_RULE
  if (first === 0x73 && state.aliases !== null)
    return judgeHeard(table, state, count, bytes, start, end, flags, payloadBytes, nowMs, payload, payloadAt)
  if (count === 1 && flags === 0 && (state.flags & ESSENTIAL_ONLY) === 0) {
    // One filter with one rule that allows without further ado, and a plain message: most of the traffic.
    const leaf = scratch[LEAVES]!
    const at = leaf + (words[leaf]! >>> RULES_SHIFT)
    const rule = words[at]! | 0
    if ((rule & (RULE_LAST | RULE_DENY | RULE_MORE)) === RULE_LAST && payloadBytes <= words[at + 1]!)
      return rule & ~0xff
  }
  return judge(table, state, count, flags, payloadBytes, nowMs, payload, payloadAt, null, false)
}

/** As `judge`, where births are remembered and the topic may be Sparkplug's. A birth that is not in hand must be heard first. */
function judgeHeard(
  table: FilterTable,
  state: FilterState,
  count: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  flags: number,
  payloadBytes: number,
  nowMs: number,
  payload: Uint8Array,
  payloadAt: number,
): Verdict {
  const isUnheard = !isInHand(payloadBytes, payload, payloadAt) && payloadBytes <= MAX_INSPECTED_BYTES
  if (isUnheard && mayBeBirth(bytes, start, end)) return INCOMPLETE
  const scope = state.aliases === null ? null : aliasScope(state.aliases, bytes, start, end)
  return judge(table, state, count, flags, payloadBytes, nowMs, payload, payloadAt, scope, false)
}

function isInHand(payloadBytes: number, payload: Uint8Array, payloadAt: number): boolean {
  return payloadBytes === 0 || (payloadAt >= 0 && payloadAt + payloadBytes <= payload.length)
}

/**
 * The verdict of the `count` leaves that `match` left in the scratch space.
 *
 * A rule word holds its index above its flags, so the lowest word of a kind is the first rule in the policy. Of the rules
 * that fail, the one that came furthest in the order of the checks is the nearest. `look` is set the second time, when
 * the verdict was found to hang on the payload.
 */
function judge(
  table: FilterTable,
  state: FilterState,
  count: number,
  flags: number,
  payloadBytes: number,
  nowMs: number,
  payload: Uint8Array,
  payloadAt: number,
  scope: AliasScope | null,
  look: boolean,
): Verdict {
  const { words, scratch } = table
  const receiving = (state.flags & RECEIVING) !== 0
  const essentialOnly = (state.flags & ESSENTIAL_ONLY) !== 0
  const qos = receiving ? 0 : (flags >> 1) & 3
  const retain = !receiving && (flags & 1) !== 0
  let denied = NONE
  let free = NONE
  let paying = NONE
  let payingBucket = 0
  let nearest = NONE
  let nearestRank = 0
  let unread = false
  for (let k = 0; k < count; k++) {
    const leaf = scratch[LEAVES + k]!
    let at = leaf + (words[leaf]! >>> RULES_SHIFT)
    let rule: number
    do {
      rule = words[at]! | 0
      const limit = words[at + 1]!
      at += 2
      let bucket = 0
      let form = 0
      let gate = GATE_OPEN
      if ((rule & RULE_MORE) !== 0) {
        bucket = words[at + MORE_BUCKET]!
        form = words[at + MORE_FORM]!
        const number = words[at + MORE_GATE]!
        if (number !== 0) gate = table.gateStates[number - 1]!
        at += MORE_WORDS
      }
      if ((rule & RULE_DENY) !== 0) {
        if (rule < denied && (gate & GATE_OUTSIDE) === 0) denied = rule
        continue
      }
      let rank: number
      if (essentialOnly && (rule & RULE_ESSENTIAL) === 0) rank = 1
      else if ((gate & GATE_ON) === 0) rank = 2
      else if ((gate & GATE_WITHIN) === 0) rank = 3
      else if ((gate & GATE_HOLDS) === 0) rank = 4
      else if (qos > ((rule >> RULE_QOS_SHIFT) & 3)) rank = 5
      else if (retain && (rule & RULE_RETAIN) === 0) rank = 6
      else if (payloadBytes > limit) rank = 7
      else if (form !== 0 && !look) {
        unread = true
        continue
      } else if (form !== 0 && rule < free && !fits(table, form, payload, payloadAt, payloadBytes, scope)) rank = 8
      else if (bucket === 0) {
        if (rule < free) free = rule
        continue
      } else if (tokensIn(state.buckets, state.lock, table.numbers, bucket - 1, nowMs) < 1) rank = 9
      else {
        if (rule < paying) {
          paying = rule
          payingBucket = bucket - 1
        }
        continue
      }
      if (rank > nearestRank || (rank === nearestRank && rule < nearest)) {
        nearestRank = rank
        nearest = rule
      }
    } while ((rule & RULE_LAST) === 0)
  }
  if (denied !== NONE) return REASON["deny-rule"] | (denied & ~0xff)
  if (free !== NONE) return free & ~0xff
  if (unread) {
    if (!isInHand(payloadBytes, payload, payloadAt)) return INCOMPLETE
    return judge(table, state, count, flags, payloadBytes, nowMs, payload, payloadAt, scope, true)
  }
  if (paying !== NONE) {
    if (takeToken(state.buckets, state.lock, table.numbers, payingBucket, nowMs)) return paying & ~0xff
    // Another thread took the last one meanwhile.
    return judge(table, state, count, flags, payloadBytes, nowMs, payload, payloadAt, scope, look)
  }
  // Deny rules that are not in force leave nothing to name.
  return nearestRank === 0 ? NO_RULE : RANKS[nearestRank]! | (nearest & ~0xff)
}

/** Reasons by how far a rule got: the checks in their order. */
const RANKS = [
  NO_RULE,
  REASON["not-essential"],
  REASON.emergency,
  REASON.hours,
  REASON.when,
  REASON.qos,
  REASON.retain,
  REASON["payload-size"],
  REASON["payload-form"],
  REASON.rate,
] as const

/** True if the payload is of the form numbered `form`, from 1. */
function fits(
  table: FilterTable,
  form: number,
  payload: Uint8Array,
  at: number,
  length: number,
  scope: AliasScope | null,
): boolean {
  // Of an empty payload nothing is in hand, and need not be.
  const start = length === 0 ? 0 : at
  return checkPayload(table.forms[form - 1]!, payload, start, start + length, scope)
}
