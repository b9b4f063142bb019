import type { Policy } from "../language/policy.ts"
import type { ModbusRule, Range } from "../language/modbus-rule.ts"
import { classesOf, RuleTables, type TableRule } from "./classes.ts"
import { meet } from "./judge-modbus.ts"
import { cellsOf, denialsOf, firstUncovered, mostOf, passes, pointsAsWide, runsOf, speaksOf, without, writesRegisters, type Cell } from "./modbus-space.ts" // prettier-ignore
import { denialKey, isAsWide, termsOf } from "./terms.ts"

type Own = TableRule<ModbusRule>

/** One cell and the rules of one class that speak of it. */
interface Context {
  readonly cell: Cell
  readonly allows: readonly Own[]
  readonly denies: readonly Own[]
  /** What is denied at every hour. */
  readonly taken: readonly Range[]
}

/**
 * Modbus rules that could be left out, one after the other, without any change, with the rules that decide instead: an
 * allow of which every request is denied, or allowed as widely by others; a deny that touches nothing that is allowed. Exact
 * in units, functions and addresses. As for values, another rule counts only if its points are those of this one, with
 * bounds at least as wide.
 */
export function deadModbusRules(policy: Policy): ReadonlyMap<number, readonly number[]> {
  const contexts = contextsOf(policy)
  const indices = new Set(contexts.applied)
  const dead = new Map<number, readonly number[]>()
  const gone = new Set<number>()
  for (const index of [...indices].sort((a, b) => b - a)) {
    const by = new Set<number>()
    if (contexts.contexts.some((context) => decides(index, context, gone, by))) continue
    if (policy.rules[index]?.effect === "allow") gone.add(index)
    dead.set(index, [...by].slice(0, 3))
  }
  return dead
}

function contextsOf(policy: Policy): { readonly contexts: readonly Context[]; readonly applied: ReadonlySet<number> } {
  const tables = new RuleTables(policy)
  const applied = new Set<number>()
  const contexts: Context[] = []
  const done = new Set<string>()
  for (const group of classesOf(policy)) {
    const rules = tables.modbusFor(group)
    const conduit = policy.conduits.find(({ name }) => name === group.conduit)
    if (conduit?.protocol !== "modbus") continue
    const key = JSON.stringify([conduit.direction, conduit.transport.to, ...rules.map(({ index }) => index)])
    if (done.has(key)) continue
    done.add(key)
    for (const { index } of rules) applied.add(index)
    for (const cell of cellsOf(rules.map(({ rule }) => rule))) {
      if (!passes(cell, conduit)) continue
      const allows = rules.filter(({ rule }) => rule.effect === "allow" && speaksOf(rule, cell))
      const denies = rules.filter(({ rule }) => rule.effect === "deny" && denialsOf(rule, cell).length > 0)
      const taken = denies.flatMap(({ rule }) => (denialKey(rule) === null ? denialsOf(rule, cell) : []))
      contexts.push({ cell, allows, denies, taken })
    }
  }
  return { contexts, applied }
}

/** True if something in the cell hangs on the rule; else those that decide instead are added to `by`. */
function decides(index: number, context: Context, gone: ReadonlySet<number>, by: Set<number>): boolean {
  const { cell, allows, denies, taken } = context
  const deny = denies.find((own) => own.index === index)
  if (deny !== undefined) {
    const ranges = denialsOf(deny.rule, cell)
    return allows.some(({ rule }) => runsOf(rule, cell).some((run) => ranges.some((range) => meet(run, range))))
  }
  const own = allows.find((one) => one.index === index)
  if (own === undefined) return false
  const held = runsOf(own.rule, cell)
  const left = without(held, taken)
  if (held.length > 0 && left.length === 0) {
    for (const { index: denying, rule } of denies) if (denialKey(rule) === null) by.add(denying)
  }
  for (const run of left) {
    const others = allows.filter((other) => other !== own && !gone.has(other.index) && replaces(other, own, cell, run))
    const covered = others.flatMap(({ rule }) => without(runsOf(rule, cell), taken))
    if (firstUncovered(run, covered, mostOf(cell)) !== null) return true
    for (const other of others) by.add(other.index)
  }
  return false
}

/** True if on what it holds of `run`, `other` allows all that `own` does. */
function replaces(other: Own, own: Own, cell: Cell, run: Range): boolean {
  if (!isAsWide(termsOf(other.rule, "modbus"), termsOf(own.rule, "modbus"))) return false
  if (writesRegisters(cell.code) && !pointsAsWide(other.rule, own.rule, run)) return false
  if (cell.code !== 23) return true
  // A request of function 23 names two intervals, which one rule must hold: it counts only if it holds all of them.
  const held = runsOf(other.rule, cell)
  return runsOf(own.rule, cell).every((mine) => firstUncovered(mine, held, mostOf(cell)) === null)
}
