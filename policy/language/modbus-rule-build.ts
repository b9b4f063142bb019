import type { ModbusEntry } from "./modbus-rule-shape.ts"
import type { FileRange, ModbusFunction, ModbusRule, Range } from "./modbus-rule.ts"
import { mayWrite } from "./modbus-function.ts"
import { POINT_WIDTH } from "./modbus-rule.ts"
import { mergeRanges } from "./range-shapes.ts"
import { hoursOf } from "./hours-shape.ts"

/** Keys that say which addresses a rule speaks of, and the functions that have such addresses. */
export const TABLES = {
  coils: [1, 5, 15],
  "discrete-inputs": [2],
  registers: [3, 6, 16, 22, 23],
  "input-registers": [4],
  fifos: [24],
  files: [20, 21],
} as const

export type Table = keyof typeof TABLES

/** The words that stand for several functions. */
export const SHORTHAND_CODES: Readonly<Record<"read" | "write", readonly number[]>> = {
  read: [1, 2, 3, 4],
  write: [5, 6, 15, 16],
}

/** Whether the rule says addresses for a table. */
export function hasTable(entry: ModbusEntry, table: Table): boolean {
  return entry[table] !== null || (table === "registers" && "points" in entry && entry.points.length > 0)
}

/** The table of a function code, or null if it names no addresses. */
export function tableOf(code: number): Table | null {
  const tables = Object.keys(TABLES) as Table[]
  return tables.find((table) => (TABLES[table] as readonly number[]).includes(code)) ?? null
}

/**
 * The functions of a rule, sorted by code, each once. `read` and `write` stand for those of their functions whose
 * addresses the rule speaks of: `read` with nothing but `coils` is read-coils. If it speaks of none of them, for all.
 */
export function functionsOf(entry: ModbusEntry): readonly ModbusFunction[] {
  const subs = new Map<number, Set<number> | null>()
  const add = (code: number, sub: readonly number[] | null): void => {
    const known = subs.get(code)
    subs.set(code, known === null || sub === null ? null : new Set([...(known ?? []), ...sub]))
  }
  for (const item of "allow" in entry ? entry.allow : entry.deny) {
    if ("diagnostics" in item) add(8, item.diagnostics)
    else if ("encapsulated-interface" in item) add(43, item["encapsulated-interface"])
    else if (item.kind === "code") add(item.code, item.sub)
    else for (const code of codesOf(entry, item.word)) add(code, null)
  }
  return [...subs]
    .toSorted(([a], [b]) => a - b)
    .map(([code, sub]) => ({ code, sub: sub === null ? null : [...sub].toSorted((a, b) => a - b) }))
}

function codesOf(entry: ModbusEntry, word: "read" | "write"): readonly number[] {
  const codes = SHORTHAND_CODES[word]
  const meant = codes.filter((code) => {
    const table = tableOf(code)
    return table !== null && hasTable(entry, table)
  })
  return meant.length > 0 ? meant : codes
}

/** The rule as the policy holds it. */
export function buildModbusRule(entry: ModbusEntry, allConduits: readonly string[]): ModbusRule {
  const functions = functionsOf(entry)
  const allows = "allow" in entry
  const points = allows ? entry.points.toSorted((a, b) => a.at - b.at) : []
  const ofPoints = points.map(({ at, type }): Range => ({ from: at, to: at + POINT_WIDTH[type] - 1 }))
  const changes = functions.some(mayWrite) ? "changes" : "none"
  return {
    protocol: "modbus",
    id: entry.id,
    effect: allows ? "allow" : "deny",
    conduits: entry.conduits ?? allConduits,
    roles: entry.roles,
    units: mergeRanges(entry.units),
    functions,
    coils: mergeRanges(entry.coils ?? []),
    discreteInputs: mergeRanges(entry["discrete-inputs"] ?? []),
    registers: mergeRanges([...(entry.registers ?? []), ...ofPoints]),
    inputRegisters: mergeRanges(entry["input-registers"] ?? []),
    fifos: mergeRanges(entry.fifos ?? []),
    files: mergeFiles(entry.files ?? []),
    points,
    rate: allows ? entry.rate : null,
    essential: allows && entry.essential,
    record: allows ? (entry.record ?? changes) : "none",
    hours: entry.hours === null ? null : hoursOf(entry.hours),
    when: entry.when,
    emergency: allows ? entry.emergency : null,
    refusal: entry.refusal,
  }
}

function mergeFiles(files: NonNullable<ModbusEntry["files"]>): FileRange[] {
  const byFile = new Map<number, Range[]>()
  for (const { file, records } of files) byFile.set(file, [...(byFile.get(file) ?? []), ...records])
  return [...byFile]
    .toSorted(([a], [b]) => a - b)
    .flatMap(([file, records]) => mergeRanges(records).map((range) => ({ file, records: range })))
}
