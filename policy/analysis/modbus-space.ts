/**
 * All Modbus requests at once, cell by cell: a run of units that rules treat alike, one function, and where it has them one
 * sub-function or file. Within a cell a rule allows whole runs of addresses, so a request is an interval that lies in one
 * run of one rule; what is said of every request is a statement on intervals, and exact.
 */
import { MODBUS_FUNCTIONS, type ModbusRule, type Range } from "../language/modbus-rule.ts"
import type { ModbusConduit } from "../language/policy.ts"
import { isBroadcast, kindOf, reachesAll, READS, WRITES } from "../filter/modbus/functions.ts"
import { isRanged, pointRange } from "./judge-modbus.ts"
import { contains, meet } from "./judge-modbus.ts"
import { ADDRESS_KIND, MAX_QUANTITY, type ModbusRequest } from "./modbus-request.ts"

/** One kind of request. */
export interface Cell {
  /** Units that no rule tells apart. */
  readonly units: Range
  readonly code: number
  /** Null where the function has none. A number that no rule names stands for all such. */
  readonly sub: number | null
  readonly file: number | null
}

/** An interval that a cell without addresses has: the function as such. */
const WHOLE: Range = { from: 0, to: 0 }
/** Most records of one request of functions 20 and 21. */
const MAX_RECORDS = 124

/** Every cell that `rules` tell apart, of the functions that some allow rule names. */
export function cellsOf(rules: readonly ModbusRule[]): readonly Cell[] {
  const codes = new Set(
    rules.flatMap((rule) => (rule.effect === "allow" ? rule.functions.map(({ code }) => code) : [])),
  )
  // Unit 0 may be everybody: it is always told apart.
  const units = split([{ from: 0, to: 0 }, ...rules.flatMap((rule) => rule.units)], 0, 255)
  const cells: Cell[] = []
  for (const code of [...codes].sort((a, b) => a - b)) {
    for (const sub of subsOf(rules, code)) {
      for (const file of filesOf(rules, code)) for (const range of units) cells.push({ units: range, code, sub, file })
    }
  }
  return cells
}

/** True if the conduit lets requests of the cell through, whatever the rules: its direction, and what nobody may be asked on a serial line. */
export function passes({ code, sub, units }: Cell, { direction, transport }: ModbusConduit): boolean {
  if (units.from === 0 && transport.to === "rtu" && !isBroadcast(code)) return false
  return direction === "both" || kindOf(code, sub ?? 0) === (direction === "in" ? READS : WRITES)
}

function subsOf(rules: readonly ModbusRule[], code: number): readonly (number | null)[] {
  if (code !== 8 && code !== 43) return [null]
  const named = rules.flatMap(({ functions }) => functions.filter((own) => own.code === code).flatMap(({ sub }) => sub ?? [])) // prettier-ignore
  return [...new Set([...named, unnamed(named)])].sort((a, b) => a - b)
}

function filesOf(rules: readonly ModbusRule[], code: number): readonly (number | null)[] {
  if (code !== 20 && code !== 21) return [null]
  const named = rules.flatMap(({ files }) => files.map(({ file }) => file))
  return [...new Set([...named, unnamed(named)])].sort((a, b) => a - b)
}

function unnamed(named: readonly number[]): number {
  let number = 1
  while (named.includes(number)) number++
  return number
}

/** `from..to` cut so that every range of `ranges` is made of whole pieces. */
function split(ranges: readonly Range[], from: number, to: number): readonly Range[] {
  const starts = new Set([from])
  for (const range of ranges) {
    starts.add(Math.max(from, range.from))
    if (range.to < to) starts.add(range.to + 1)
  }
  const sorted = [...starts].sort((a, b) => a - b)
  return sorted.map((start, k) => ({ from: start, to: (sorted[k + 1] ?? to + 1) - 1 }))
}

/** True if the rule speaks of the cell's units and function at all. */
export function speaksOf(rule: ModbusRule, { units, code, sub }: Cell): boolean {
  return (
    rule.units.some((range) => contains(range, units)) &&
    rule.functions.some((own) => own.code === code && (own.sub === null || (sub !== null && own.sub.includes(sub))))
  )
}

/** The intervals of a cell that an allow rule holds whole. */
export function runsOf(rule: ModbusRule, cell: Cell): readonly Range[] {
  if (!speaksOf(rule, cell)) return []
  if (cell.file !== null) return rule.files.flatMap(({ file, records }) => (file === cell.file ? [records] : []))
  const kind = ADDRESS_KIND[cell.code]
  return kind === undefined ? [WHOLE] : rule[kind]
}

/**
 * The intervals of a cell that a deny rule takes away: every request that meets one of them. Whatever its units, it holds for
 * unit 0 as well, for all that does not only read.
 */
export function denialsOf(rule: ModbusRule, cell: Cell): readonly Range[] {
  const everybody = cell.units.from === 0 && reachesAll(cell.code)
  if (!speaksOf(everybody ? { ...rule, units: [cell.units] } : rule, cell)) return []
  const everything = [{ from: 0, to: 65_535 }]
  if (cell.file !== null) {
    const records = rule.files.flatMap((own) => (own.file === cell.file ? [own.records] : []))
    return rule.files.length === 0 ? everything : records
  }
  const kind = ADDRESS_KIND[cell.code]
  if (kind === undefined) return everything
  return rule[kind].length === 0 ? everything : rule[kind]
}

/** What is left of `runs` without any number of `taken`. */
export function without(runs: readonly Range[], taken: readonly Range[]): readonly Range[] {
  let left = [...runs]
  for (const range of taken) {
    left = left.flatMap((run) =>
      !meet(run, range)
        ? [run]
        : [
            ...(run.from < range.from ? [{ from: run.from, to: range.from - 1 }] : []),
            ...(run.to > range.to ? [{ from: range.to + 1, to: run.to }] : []),
          ],
    )
  }
  return left
}

/** Most addresses that one request of the cell has. */
export function mostOf({ code }: Cell): number {
  return MAX_QUANTITY[code] ?? (code === 20 || code === 21 ? MAX_RECORDS : 1)
}

/**
 * The smallest interval of at most `most` numbers that lies in `run` and not in any one of `others`; null if there is none.
 *
 * An interval of `n` numbers that begins at `a` lies in `o` iff `a` is in `[o.from, o.to - n + 1]`; and if one of `n` is
 * left out, so is a longer one around it. So the least `n` is found by halving.
 */
export function firstUncovered(run: Range, others: readonly Range[], most: number): Range | null {
  const sorted = others.toSorted((a, b) => a.from - b.from)
  const at = (n: number): Range | null => {
    let next = run.from
    for (const { from, to } of sorted) {
      if (from > next) break
      next = Math.max(next, to - n + 2)
    }
    return next + n - 1 <= run.to ? { from: next, to: next + n - 1 } : null
  }
  let low = 1
  let high = Math.min(most, run.to - run.from + 1)
  let found = at(high)
  if (found === null) return null
  while (low < high) {
    const middle = (low + high) >> 1
    const here = at(middle)
    if (here === null) low = middle + 1
    else {
      found = here
      high = middle
    }
  }
  return at(low) ?? found
}

/** Whether functions of this code write registers, whose values points may bound. */
export function writesRegisters(code: number): boolean {
  return code === 6 || code === 16 || code === 22 || code === 23
}

/** True if in `run` the value rules of `wide` refuse nothing that those of `narrow` let pass. */
export function pointsAsWide(wide: ModbusRule, narrow: ModbusRule, run: Range): boolean {
  return wide.points.every((point) => {
    if (!isRanged(point) || !meet(pointRange(point), run)) return true
    return narrow.points.some(
      (own) =>
        isRanged(own) &&
        own.at === point.at &&
        own.type === point.type &&
        own.words === point.words &&
        (point.min === null || (own.min !== null && own.min >= point.min)) &&
        (point.max === null || (own.max !== null && own.max <= point.max)),
    )
  })
}

/** A request of the cell on these addresses, as an example. */
export function exampleOf(cell: Cell, span: Range, values: readonly number[] = []): ModbusRequest {
  const { units, code, sub, file } = cell
  const bare = { unit: units.from, code, sub, reads: null, writes: null, values: [], file: null }
  if (file !== null) return { ...bare, file: { file, records: span } }
  const kind = ADDRESS_KIND[code]
  if (kind === undefined) return bare
  const written = Array.from({ length: code === 22 ? 2 : span.to - span.from + 1 }, (_, k) => values[k] ?? 0)
  if (code === 23) return { ...bare, reads: { from: span.from, to: span.from }, writes: span, values: written }
  return WRITERS.includes(code) ? { ...bare, writes: span, values: written } : { ...bare, reads: span }
}

const WRITERS: readonly number[] = [
  MODBUS_FUNCTIONS["write-single-coil"],
  MODBUS_FUNCTIONS["write-single-register"],
  MODBUS_FUNCTIONS["write-multiple-coils"],
  MODBUS_FUNCTIONS["write-multiple-registers"],
  MODBUS_FUNCTIONS["mask-write-register"],
]
