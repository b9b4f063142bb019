/**
 * What the Modbus filter means, written from the definition of the language over objects: slow, obvious, and the judge of
 * the fast one. The message path never uses it.
 */
import { POINT_WIDTH, type ModbusRule, type Point, type Range } from "../../language/modbus-rule.ts"
import type { ModbusConduit, Policy } from "../../language/policy.ts"
import { REASON, verdict, type Reason, type Verdict } from "../verdict.ts"
import { pointValue } from "./point-value.ts"
import { readRequest, type Access, type FileAccess, type ModbusRequest } from "./reference-request.ts"

/** Who asks, in which posture, and what is known of the time, the overrides and the inputs. */
export interface ModbusAsked {
  readonly policy: Policy
  readonly conduit: string
  readonly roles: readonly string[]
  readonly essentialOnly: boolean
  /** Whether it is now surely within the rule's hours, perhaps, or surely not. */
  readonly within: (rule: ModbusRule) => "yes" | "uncertain" | "no"
  /** Whether an override has switched this emergency on. */
  readonly isOn: (emergency: string) => boolean
  /** Whether all conditions on inputs hold, perhaps hold, or surely do not; asked of rules that have some. Absent: perhaps. */
  readonly holds?: (rule: ModbusRule) => "yes" | "uncertain" | "no"
}

/** Tokens left per rule and when they were counted. */
export type ModbusReferenceBuckets = Map<ModbusRule, { tokens: number; atMs: number }>

const READING = [1, 2, 3, 4, 7, 11, 12, 17, 20, 24]
const WRITING = [5, 6, 15, 16, 21, 22]
const DEFINED = [...READING, ...WRITING, 8, 23, 43]

/** Whether the request only brings data from the unit. */
function onlyReads({ code, sub }: ModbusRequest): boolean {
  if (code === 8) return [2, 11, 12, 13, 14, 15, 16, 17, 18].includes(sub ?? -1)
  return READING.includes(code) || (code === 43 && sub === 14)
}

function conduitOf({ policy, conduit }: ModbusAsked): ModbusConduit | null {
  const found = policy.conduits.find(({ name }) => name === conduit)
  return found?.protocol === "modbus" ? found : null
}

/** True if some subject of the conduit's zone can have exactly these roles. */
function isKnown({ policy, roles }: ModbusAsked, { from }: ModbusConduit): boolean {
  const same = (a: readonly string[], b: readonly string[]): boolean =>
    a.every((x) => b.includes(x)) && b.every((x) => a.includes(x))
  return policy.subjects.some((subject) => subject.zone === from && same(subject.roles, roles))
}

/** The verdict on a request (unit, function, data), and its price taken from `buckets`. */
export function decideModbusReference(
  asked: ModbusAsked,
  bytes: Uint8Array,
  nowMs: number,
  buckets: ModbusReferenceBuckets,
): Verdict {
  const conduit = conduitOf(asked)
  if (conduit === null || !isKnown(asked, conduit)) return verdict(REASON["no-rule"], -1)
  const request = readRequest([...bytes])
  if (request === null) return verdict(REASON["bad-request"], -1)
  const broadcast = request.unit === 0 && conduit.transport.to === "rtu"
  const mayBroadcast = WRITING.includes(request.code) || !DEFINED.includes(request.code)
  if (broadcast && !mayBroadcast) return verdict(REASON["bad-request"], -1)

  const rules = [...asked.policy.rules.entries()]
    .flatMap(([index, rule]) => (rule.protocol === "modbus" ? [{ index, rule }] : []))
    .filter(({ rule }) => rule.conduits.includes(conduit.name) && rule.roles.some((r) => asked.roles.includes(r)))
  const denying = rules.find(({ rule }) => rule.effect === "deny" && denies(asked, rule, request))
  if (denying !== undefined) return verdict(REASON["deny-rule"], denying.index)
  const against = conduit.direction === "in" ? !onlyReads(request) : !WRITING.includes(request.code)
  if (conduit.direction !== "both" && against) return verdict(REASON.function, -1)

  const checks: readonly (readonly [Reason, (rule: ModbusRule) => boolean])[] = [
    ["unit", (rule) => holds(rule.units, request.unit)],
    ["function", (rule) => rule.functions.some(({ code }) => code === request.code)],
    ["function", (rule) => namesSub(rule, request)],
    ["address", (rule) => request.accesses.slice(0, 1).every((a) => covers(rule, { ...a, to: a.from }))],
    ["address", (rule) => request.accesses.every((a) => covers(rule, a))],
    ["part-of-point", (rule) => request.accesses.every((a) => valuedPoints(rule, a).every((p) => isWhole(p, a)))],
    ["value", (rule) => request.accesses.every((a) => valuedPoints(rule, a).every((p) => mayBe(p, valueOf(p, a))))],
    ["not-essential", (rule) => rule.essential || !asked.essentialOnly],
    ["emergency", (rule) => rule.emergency === null || asked.isOn(rule.emergency)],
    ["hours", (rule) => rule.hours === null || asked.within(rule) === "yes"],
    ["when", (rule) => rule.when === null || asked.holds?.(rule) === "yes"],
    ["rate", (rule) => tokensOf(rule, buckets, nowMs) >= 1],
  ]
  const judged = rules
    .filter(({ rule }) => rule.effect === "allow")
    .map((one) => ({ ...one, failed: checks.findIndex(([, check]) => !check(one.rule)) }))
  const passing = judged.filter(({ failed }) => failed === -1)
  const chosen = passing.find(({ rule }) => rule.rate === null) ?? passing[0]
  if (chosen !== undefined) {
    pay(chosen.rule, buckets, nowMs)
    return verdict(REASON.allowed, chosen.index)
  }
  const furthest = Math.max(...judged.map(({ failed }) => failed))
  const nearest = judged.find(({ failed }) => failed === furthest)
  const reason = checks[furthest]?.[0]
  if (nearest === undefined || reason === undefined) return verdict(REASON["no-rule"], -1)
  return verdict(REASON[reason], nearest.index)
}

function holds(ranges: readonly Range[], x: number): boolean {
  return ranges.some(({ from, to }) => from <= x && x <= to)
}

/** Whether a deny rule that may be in force touches the request. Unit 0 may be everybody, for all that does not only read. */
function denies(asked: ModbusAsked, rule: ModbusRule, request: ModbusRequest): boolean {
  if (rule.hours !== null && asked.within(rule) === "no") return false
  if (rule.when !== null && asked.holds?.(rule) === "no") return false
  const { unit, code, accesses } = request
  const reachesAll = unit === 0 && code !== 43 && !READING.includes(code)
  if (!holds(rule.units, unit) && !reachesAll) return false
  if (!rule.functions.some((one) => one.code === code)) return false
  if (accesses.length === 0) return namesSub(rule, request)
  return accesses.some((access) => touches(rule, access))
}

function touches(rule: ModbusRule, access: Access | FileAccess): boolean {
  const meets = ({ from, to }: Range): boolean => from <= access.to && access.from <= to
  if (access.of === "file") {
    return rule.files.length === 0 || rule.files.some((one) => one.file === access.file && meets(one.records))
  }
  return rule[access.of].length === 0 || rule[access.of].some(meets)
}

function namesSub(rule: ModbusRule, { code, sub }: ModbusRequest): boolean {
  return rule.functions.some((one) => one.code === code && (sub === null || one.sub === null || one.sub.includes(sub)))
}

/** Whether the rule has every address of it. */
function covers(rule: ModbusRule, access: Access | FileAccess): boolean {
  const ranges =
    access.of === "file"
      ? rule.files.filter(({ file }) => file === access.file).map(({ records }) => records)
      : rule[access.of]
  let next = access.from
  while (next <= access.to) {
    const range = ranges.find(({ from, to }) => from <= next && next <= to)
    if (range === undefined) return false
    next = range.to + 1
  }
  return true
}

/** The points with a value rule that a write of registers touches. */
function valuedPoints(rule: ModbusRule, access: Access | FileAccess): readonly Point[] {
  if (access.of === "file" || access.written === null) return []
  return rule.points.filter(
    ({ at, type, min, max }) =>
      (min !== null || max !== null) && at <= access.to && access.from < at + POINT_WIDTH[type],
  )
}

/** Whether the write replaces the point whole. */
function isWhole({ at, type }: Point, access: Access | FileAccess): boolean {
  if (access.of === "file" || access.written === "bits") return false
  return access.from <= at && at + POINT_WIDTH[type] - 1 <= access.to
}

/** What a whole write puts into the point. */
function valueOf(point: Point, access: Access | FileAccess): number | bigint {
  if (access.of === "file" || access.written === "bits" || access.written === null) return NaN
  const first = point.at - access.from
  return pointValue(point, access.written.slice(first, first + POINT_WIDTH[point.type]))
}

/** Numbers of both kinds compare by their mathematical value; NaN is neither above nor below anything. */
function mayBe({ min, max }: Point, value: number | bigint): boolean {
  return value >= (min ?? -Infinity) && value <= (max ?? Infinity)
}

function tokensOf(rule: ModbusRule, buckets: ModbusReferenceBuckets, nowMs: number): number {
  if (rule.rate === null) return Infinity
  const { tokens, atMs } = buckets.get(rule) ?? { tokens: rule.rate.burst, atMs: 0 }
  return Math.min(rule.rate.burst, tokens + Math.max(0, nowMs - atMs) * (rule.rate.perSecond / 1000))
}

function pay(rule: ModbusRule, buckets: ModbusReferenceBuckets, nowMs: number): void {
  if (rule.rate === null) return
  const atMs = Math.max(nowMs, buckets.get(rule)?.atMs ?? 0)
  buckets.set(rule, { tokens: tokensOf(rule, buckets, nowMs) - 1, atMs })
}
