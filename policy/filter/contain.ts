/* eslint-disable @typescript-eslint/no-non-null-assertion -- offsets come from the compiler; filter offsets are checked against `end` */
import { overlapsRecord } from "./overlap.ts"
import {
  FILTER_RULES_SHIFT,
  GATE_HOLDS,
  GATE_ON,
  GATE_OPEN,
  GATE_OUTSIDE,
  GATE_WITHIN,
  MORE_GATE,
  MORE_WORDS,
  RULE_ANY_SIZE,
  RULE_DENY,
  RULE_ESSENTIAL,
  RULE_LAST,
  RULE_MORE,
  RULE_QOS_SHIFT,
  RULE_RETAIN,
  SCRATCH_LEAVES,
} from "./layout.ts"
import { match } from "./match.ts"
import { isFilter, isReserved, splitLevels } from "./topic.ts"
import { refuseStale, STATE_ESSENTIAL_ONLY, STATE_KNOWN, type FilterState } from "./state.ts"
import type { FilterTable } from "./table.ts"
import { REASON, type Verdict } from "./verdict.ts"

/** Most rules that one request may be held against, over all lengths of topics; and most denied filters for a shared one. */
export const MAX_CONTAIN_STEPS = 16_384

const SLASH = 0x2f
const PLUS = 0x2b
const HASH = 0x23

/**
 * The verdict on a SUBSCRIBE for the filter `bytes[start, end)` with the requested `qos`.
 *
 * Granted iff every topic that the filter matches is matched by an allowed filter of the class. This is exact: levels
 * are words over an unbounded alphabet, so for each `+` of the request there is a topic with a word there that stands in
 * no rule; only a rule with a wildcard at that place matches it, and then that rule contains the request by itself. So a
 * request without `#` lies in the union iff it lies in one member, which is what `match` finds when it reads the request
 * as if it were a topic: `+` equals no literal level. A request `p/#` is the union of `p`, `p/+`, `p/+/+`, ...; past the
 * deepest rule only rules with `#` are left, so finitely many lengths are judged, each by some one rule.
 *
 * A rule counts if its gate is open and its `maxQos` at least `qos` (and it is essential where only such count); rate and
 * payload speak of messages and are judged on receipt. Overlap with a deny does not refuse; lying wholly within denies does.
 *
 * @throws InvariantError `ERR_FILTER_STATE` if `state` was made for another table.
 * @see MQTT 5.0 sections 4.7 and 4.8.2, IEC 62443-4-2 NDR 5.2
 */
export function decideSubscription(
  table: FilterTable,
  state: FilterState,
  bytes: Uint8Array,
  start: number,
  end: number,
  qos: number,
): Verdict {
  if (state.table !== table) refuseStale()
  if ((state.flags & STATE_KNOWN) === 0) return REASON["no-rule"]
  if (start < 0 || end > bytes.length || !isFilter(bytes, start, end)) return REASON["bad-topic"]
  const filter = shareOf(bytes.subarray(start, end))
  if (filter === null) return REASON["bad-topic"]
  const { text, own } = filter
  if (isReserved(text, own, text.length)) return REASON.reserved
  const root = own > 0 ? state.sharedRoot : state.subscribeRoot
  const found = cover(table, state, root, text, own)
  if (found === null) return REASON["too-complex"]
  const essentialOnly = (state.flags & STATE_ESSENTIAL_ONLY) !== 0
  const verdict = judge(found, qos, essentialOnly)
  if (own === 0 || verdict.reason !== REASON.allowed) return verdict.reason | verdict.rule
  return judgeShared(table, state, text.subarray(own), verdict)
}

/** A request: its text without `$share/`, and where the filter proper begins in it (behind the group, or 0). */
interface Request {
  readonly text: Uint8Array
  readonly own: number
}

const SHARE = [0x24, 0x73, 0x68, 0x61, 0x72, 0x65] // $share

/** The request in `filter`; null for `$share` without a group's name and a filter after it. */
function shareOf(filter: Uint8Array): Request | null {
  const isShare = SHARE.every((byte, k) => filter[k] === byte) && (filter.length === 6 || filter[6] === SLASH)
  if (!isShare) return { text: filter, own: 0 }
  const text = filter.subarray(7)
  const slash = text.indexOf(SLASH)
  const group = text.subarray(0, slash)
  if (slash < 1 || slash + 1 === text.length || group.includes(PLUS) || group.includes(HASH)) return null
  return { text, own: slash + 1 }
}

/**
 * The rules that contain a request, per length of topic from the shortest: rule words as in a leaf, but with these two bits
 * for the gate. Deny rules that are not in force are left out.
 */
type Cover = readonly (readonly number[])[]

/** In place of bits of a rule word that say nothing of a subscription. */
const SHUT = RULE_RETAIN | RULE_LAST
/** What of its gate shuts a rule: the first of these in the order in which they are looked at. */
const EMERGENCY_OFF = RULE_RETAIN | RULE_LAST
const HOURS_CLOSED = RULE_LAST
const INPUT_CLOSED = RULE_RETAIN

/** For each length of topic that `text` matches, the rules under `root` that match all topics of this length; null if too many. */
function cover(table: FilterTable, state: FilterState, root: number, text: Uint8Array, own: number): Cover | null {
  const open = text[text.length - 1] === HASH
  if (!open) return [rulesFor(table, state, root, text, own)]
  // What stands before the closing `/#`; a bare `#` stands for one level at least.
  const bare = text.length - own === 1
  const prefix = Math.max(text.length - 2, 0)
  const levels = bare && own === 0 ? 0 : levelsIn(text.subarray(0, prefix))
  // One more level than the deepest rule has: from there on nothing changes.
  const lengths = Math.max(state.depth + 1 - levels, 1)
  const longest = new Uint8Array(prefix + lengths * 2)
  longest.set(text.subarray(0, prefix))
  for (let k = 0; k < lengths; k++) {
    longest[prefix + k * 2] = SLASH
    longest[prefix + k * 2 + 1] = PLUS
  }
  const covered: number[][] = []
  let steps = 0
  // `/#` does not stand for the empty topic, which does not exist.
  for (let k = text.length - own <= 2 ? 1 : 0; k <= lengths; k++) {
    const rules = rulesFor(table, state, root, longest.subarray(bare && own === 0 ? 1 : 0, prefix + k * 2), own)
    steps += rules.length + 1
    if (steps > MAX_CONTAIN_STEPS) return null
    covered.push(rules)
    if (rules.length === 0) break
  }
  return covered
}

function levelsIn(text: Uint8Array): number {
  return text.reduce((count, byte) => count + Number(byte === SLASH), 1)
}

function rulesFor(table: FilterTable, state: FilterState, root: number, text: Uint8Array, own: number): number[] {
  const levels = splitLevels(text, 0, text.length, table.scratch, state.depth) >>> 8
  const count = match(table, state, root, text, levels, own)
  const rules: number[] = []
  for (let k = 0; k < count; k++) {
    const leaf = table.scratch[SCRATCH_LEAVES + k]!
    let at = leaf + (table.words[leaf]! >>> FILTER_RULES_SHIFT)
    let rule: number
    do {
      rule = table.words[at]!
      at += 2
      let gate = GATE_OPEN
      if ((rule & RULE_MORE) !== 0) {
        const number = table.words[at + MORE_GATE]!
        if (number !== 0) gate = table.gateStates[number - 1]!
        at += MORE_WORDS
      }
      if ((rule & RULE_DENY) === 0) rules.push(gated(rule, gate))
      else if ((gate & GATE_OUTSIDE) === 0) rules.push(rule)
    } while ((rule & RULE_LAST) === 0)
  }
  return rules
}

function gated(rule: number, gate: number): number {
  const shut =
    (gate & GATE_ON) === 0
      ? EMERGENCY_OFF
      : (gate & GATE_WITHIN) === 0
        ? HOURS_CLOSED
        : (gate & GATE_HOLDS) === 0
          ? INPUT_CLOSED
          : 0
  return (rule & ~SHUT) | shut
}

interface Judgement {
  readonly reason: number
  /** As the upper bits of a verdict. */
  readonly rule: number
}

function judge(cover: Cover, qos: number, essentialOnly: boolean): Judgement {
  const allows = (rule: number): boolean => (rule & RULE_DENY) === 0
  const essential = (rule: number): boolean => allows(rule) && (!essentialOnly || (rule & RULE_ESSENTIAL) !== 0)
  const on = (rule: number): boolean => essential(rule) && (rule & SHUT) !== EMERGENCY_OFF
  const within = (rule: number): boolean => on(rule) && (rule & SHUT) !== HOURS_CLOSED
  const inForce = (rule: number): boolean => within(rule) && (rule & SHUT) === 0
  const granted = (rule: number): boolean => inForce(rule) && ((rule >> RULE_QOS_SHIFT) & 3) >= qos
  const stages: readonly (readonly [number, (rule: number) => boolean])[] = [
    [REASON["deny-rule"], (rule) => !allows(rule)],
    [REASON.allowed, granted],
    // It would be, if what is left out here did not count.
    [REASON.qos, inForce],
    [REASON.when, within],
    [REASON.hours, on],
    [REASON.emergency, essential],
    [REASON["not-essential"], allows],
  ]
  for (const [reason, counts] of stages) {
    const rule = holder(cover, counts)
    if (rule !== -1) return { reason, rule }
  }
  return { reason: REASON["not-contained"], rule: 0 }
}

/**
 * The rule (as in a verdict) to name where rules that fulfil `counts` contain the request together, or -1 if they do not:
 * the first that contains it alone, else the first that contains its shortest topics.
 */
function holder(cover: Cover, counts: (rule: number) => boolean): number {
  const lists = cover.map((rules) => rules.filter(counts).map((rule) => rule & ~0xff))
  if (lists.some((rules) => rules.length === 0)) return -1
  const [shortest = [], ...others] = lists
  const alone = shortest.filter((rule) => others.every((rules) => rules.includes(rule)))
  return Math.min(...(alone.length > 0 ? alone : shortest))
}

/**
 * The verdict on a shared subscription that its group's rules contain. It is refused if a delivery could be dropped on
 * the way to this peer, now or at another hour, for then the whole group would lose it.
 */
function judgeShared(table: FilterTable, state: FilterState, filter: Uint8Array, granted: Judgement): Verdict {
  const refused = REASON["shared-subscription"] | granted.rule
  // A first level that is a wildcard matches `lockgate` too, which is never delivered.
  if (filter[0] === PLUS || filter[0] === HASH) return refused
  const received = cover(table, state, state.receiveRoot, filter, 0)
  if (received === null) return REASON["too-complex"]
  const essentialOnly = (state.flags & STATE_ESSENTIAL_ONLY) !== 0
  const passes = (rule: number): boolean =>
    (rule & (RULE_DENY | RULE_MORE | RULE_ANY_SIZE)) === RULE_ANY_SIZE &&
    (!essentialOnly || (rule & RULE_ESSENTIAL) !== 0)
  if (holder(received, passes) === -1) return refused
  const deniedAt = state.denied
  const denied = deniedAt === 0 ? 0 : table.words[deniedAt]!
  if (denied > MAX_CONTAIN_STEPS) return REASON["too-complex"]
  for (let k = 1; k <= denied; k++) {
    if (overlapsRecord(table.words, table.words[deniedAt + k]!, state, filter)) return refused
  }
  return granted.rule
}
