/** Findings on Modbus denies that leave another function to do the same at the same place. */
import type { ModbusRule } from "../language/modbus-rule.ts"
import type { Policy } from "../language/policy.ts"
import { classesOf, RuleTables, type TableRule } from "./classes.ts"
import type { Finding } from "./finding.ts"
import { meet } from "./judge-modbus.ts"
import { functionName } from "./modbus-request.ts"
import { cellsOf, denialsOf, runsOf, without, type Cell } from "./modbus-space.ts"

/** Who denies one of `these` may forget that all of `all` do the same. */
const ALIKE: readonly { readonly these: readonly number[]; readonly all: readonly number[] }[] = [
  { these: [6, 16], all: [6, 16, 22, 23] },
  { these: [5, 15], all: [5, 15] },
  { these: [3], all: [3, 23] },
]

/**
 * A finding for each deny that names some functions, while an allow rule lets another one do the same at the same unit and
 * address, and no deny stops that. Exact in units and addresses.
 */
export function lintDenies(policy: Policy): readonly Finding[] {
  const open = new Map<number, Map<number, string>>()
  const partial = new Set(policy.rules.filter((rule) => rule.protocol === "modbus" && isPartial(rule)))
  if (partial.size === 0) return []
  const tables = new RuleTables(policy)
  for (const group of classesOf(policy)) {
    const rules = tables.modbusFor(group)
    if (!rules.some(({ rule }) => partial.has(rule))) continue
    const cells = cellsOf(rules.map(({ rule }) => rule))
    for (const cell of cells) {
      for (const { index, rule } of rules) {
        if (!partial.has(rule)) continue
        const by = wayAround(rule, cell, rules)
        if (by === null) continue
        const ways = open.get(index) ?? new Map<number, string>()
        if (!ways.has(cell.code)) ways.set(cell.code, by)
        open.set(index, ways)
      }
    }
  }
  return [...open].map(([index, ways]) => finding(policy, index, ways))
}

function isPartial({ effect, functions }: ModbusRule): boolean {
  const codes = functions.map(({ code }) => code)
  const some = ({ these, all }: (typeof ALIKE)[number]): boolean =>
    these.some((code) => codes.includes(code)) && !all.every((code) => codes.includes(code))
  return effect === "deny" && ALIKE.some(some)
}

/** Id of the allow rule by which the function of `cell` does what `deny` denies to others like it; null if none does. */
function wayAround(deny: ModbusRule, cell: Cell, rules: readonly TableRule<ModbusRule>[]): string | null {
  const codes = deny.functions.map(({ code }) => code)
  if (codes.includes(cell.code)) return null
  const alike = ALIKE.flatMap(({ these, all }) => (all.includes(cell.code) ? these : []))
  const denied = alike.flatMap((code) => (codes.includes(code) ? denialsOf(deny, { ...cell, code }) : []))
  if (denied.length === 0) return null
  const taken = rules.flatMap(({ rule }) => (rule.effect === "deny" ? denialsOf(rule, cell) : []))
  const isOpen = ({ rule }: TableRule<ModbusRule>): boolean =>
    rule.effect === "allow" && without(runsOf(rule, cell), taken).some((run) => denied.some((one) => meet(one, run)))
  return rules.find(isOpen)?.rule.id ?? null
}

function finding(policy: Policy, index: number, ways: ReadonlyMap<number, string>): Finding {
  const rule = policy.rules[index]
  const names = [...ways.keys()].map(functionName).join(" and ")
  const message = `${names} may still do the same at the same addresses, by rule ${[...new Set(ways.values())].join(", ")}`
  const advice = `add ${names} to what it denies`
  return { severity: "warning", code: "deny-with-gap", place: { kind: "rule", id: rule?.id ?? "?" }, message, advice }
}
