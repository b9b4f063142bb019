/* eslint-disable @typescript-eslint/no-non-null-assertion -- dense arrays indexed by numbers that this file gave out */
import {
  RECORD_BITS,
  RULE_GATE,
  RULE_NOT_ESSENTIAL,
  RULE_POINTS,
  RULE_RATE,
  RECORD_POINTS,
  POINT_WORDS,
} from "../filter/modbus/layout.ts"
import { spaceOf } from "../filter/modbus/functions.ts"
import type { ModbusGate } from "../filter/modbus/table.ts"
import type { ModbusRule, Range } from "../language/modbus-rule.ts"
import type { Policy } from "../language/policy.ts"
import type { GrowingWords } from "./growing.ts"
import { pointWords } from "./modbus-points.ts"
import { gateOf } from "./rules.ts"

/** What the tables say of each Modbus rule. */
export interface ModbusFacts {
  /** By number: the rule, its word, and 1 for a deny. Numbers are dense and ascend as the rules do in the policy. */
  readonly rules: readonly ModbusRule[]
  readonly words: Int32Array
  readonly denies: Uint8Array
  /** By number: which set of function codes it names; and these sets. */
  readonly setOf: Int32Array
  readonly sets: readonly (readonly number[])[]
  readonly gates: readonly ModbusGate[]
  /** By number: the index into `gates`, or -1. */
  readonly gateOf: Int32Array
  /** As in `ModbusTable`. */
  readonly records: Int32Array
  readonly firstRule: number
  readonly numbers: Float64Array
  readonly refusals: Uint8Array
  readonly slots: Uint8Array
  readonly slotCount: number
}

/** The facts of all Modbus rules of `policy`; their records are written to `out`. */
export function modbusFacts(policy: Policy, out: GrowingWords): ModbusFacts {
  const indices: number[] = []
  const rules: ModbusRule[] = []
  policy.rules.forEach((rule, index) => {
    if (rule.protocol !== "modbus") return
    indices.push(index)
    rules.push(rule)
  })
  const firstRule = indices[0] ?? 0
  const span = indices.length === 0 ? 0 : indices[indices.length - 1]! - firstRule + 1
  const words = new Int32Array(rules.length)
  const denies = new Uint8Array(rules.length)
  const setOf = new Int32Array(rules.length)
  const sets = new CodeSets()
  const gateNumbers = new Int32Array(rules.length).fill(-1)
  const records = new Int32Array(span)
  const refusals = new Uint8Array(span)
  const slots = new Uint8Array(128)
  const gates: ModbusGate[] = []
  const numbers: number[] = []
  const known = new Map<string, number>()
  let slotCount = 0
  rules.forEach((rule, number) => {
    const index = indices[number]!
    const allows = rule.effect === "allow"
    denies[number] = allows ? 0 : 1
    setOf[number] = sets.numberOf(rule)
    for (const { code } of rule.functions) if (slots[code] === 0) slots[code] = ++slotCount
    refusals[index - firstRule] = rule.refusal ?? 0
    const points = allows ? pointWords(rule.points) : []
    let bucket = 0
    if (rule.rate !== null && allows) {
      bucket = numbers.length / 2
      numbers.push(rule.rate.perSecond / 1000, rule.rate.burst)
    }
    const own = gateOf(rule)
    if (own !== null) {
      const key = JSON.stringify(own)
      const gate = known.get(key) ?? gates.push(own) - 1
      known.set(key, gate)
      gateNumbers[number] = gate
    }
    const gate = gateNumbers[number]!
    words[number] =
      ((index + 1) << 8) |
      (rule.rate !== null && allows ? RULE_RATE : 0) |
      (gate >= 0 ? RULE_GATE : 0) |
      (points.length > 0 ? RULE_POINTS : 0) |
      (rule.essential || !allows ? 0 : RULE_NOT_ESSENTIAL)
    if ((words[number] & (RULE_RATE | RULE_GATE | RULE_POINTS)) === 0) return
    const at = out.reserve(RECORD_POINTS + points.length)
    records[index - firstRule] = at
    // As `RECORD_...` of the layout.
    const record = [bucket, Math.max(gate, 0), points.length / POINT_WORDS]
    out.array.set([...record, ...points], at)
  })
  const rates = Float64Array.from(numbers)
  return {
    rules,
    words,
    denies,
    setOf,
    sets: sets.sets,
    gates,
    gateOf: gateNumbers,
    records,
    firstRule,
    numbers: rates,
    refusals,
    slots,
    slotCount,
  }
}

/** Distinct sets of function codes, numbered as they come. */
class CodeSets {
  readonly sets: number[][] = []
  readonly #known = new Map<string, number>()

  numberOf({ functions }: ModbusRule): number {
    let key = ""
    for (const { code } of functions) key += String.fromCharCode(code)
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const number = this.sets.push([...new Set(functions.map(({ code }) => code))]) - 1
    this.#known.set(key, number)
    return number
  }
}

const EVERYTHING: readonly Range[] = [{ from: 0, to: 0x3fffffff }]
const NO_ADDRESS: readonly Range[] = [{ from: 0, to: 0 }]
const LAST_RECORD = 9999

/** The keys of function `code` that a rule speaks of: ascending, disjoint, apart. Empty for an allow without addresses. */
export function keysOf(rule: ModbusRule, code: number): readonly Range[] {
  const space = spaceOf(code)
  if (space === "none") return NO_ADDRESS
  if (space === "diagnostics" || space === "mei") {
    const named = rule.functions.filter((one) => one.code === code)
    if (named.some((one) => one.sub === null)) return EVERYTHING
    return merged(named.flatMap((one) => (one.sub ?? []).map((sub) => ({ from: sub, to: sub }))))
  }
  const ranges =
    space === "files"
      ? rule.files.map(({ file, records }) => ({
          from: (file << RECORD_BITS) | Math.min(records.from, LAST_RECORD + 1),
          to: (file << RECORD_BITS) | Math.min(records.to, LAST_RECORD),
        }))
      : rule[space]
  if (ranges.length === 0 && rule.effect === "deny") return EVERYTHING
  return merged(ranges)
}

/** The same keys in as few ranges as can be. */
function merged(ranges: readonly Range[]): readonly Range[] {
  if (ranges.length === 1 && ranges[0]!.from <= ranges[0]!.to) return ranges
  if (ranges.every((range, k) => range.from <= range.to && (k === 0 || range.from > ranges[k - 1]!.to + 1)))
    return ranges
  const result: { from: number; to: number }[] = []
  for (const { from, to } of ranges.filter((range) => range.from <= range.to).sort((a, b) => a.from - b.from)) {
    const last = result[result.length - 1]
    if (last !== undefined && from <= last.to + 1) last.to = Math.max(last.to, to)
    else result.push({ from, to })
  }
  return result
}
