import type { Placed } from "./group-shapes.ts"
import type { ModbusEntry } from "./modbus-rule-shape.ts"
import type { Point, PointType } from "./modbus-rule.ts"
import type { Report } from "./report.ts"
import type { RuleEntry } from "./rule-shape.ts"
import type { Table } from "./modbus-rule-build.ts"
import { quote } from "./characters.ts"
import { faultAt } from "./locate.ts"
import { MODBUS_FUNCTIONS, POINT_WIDTH } from "./modbus-rule.ts"
import { SHORTHAND_CODES, TABLES, functionsOf, hasTable, tableOf } from "./modbus-rule-build.ts"

const TABLE_NAMES = Object.keys(TABLES) as Table[]

/** Adds what is wrong with a Modbus rule: addresses that no function uses, functions without addresses, faulty points. */
export function checkModbusRule(placed: Placed<RuleEntry>, entry: ModbusEntry, report: Report): void {
  const codes = new Set(functionsOf(entry).map(({ code }) => code))
  for (const table of TABLE_NAMES) {
    if (!hasTable(entry, table) || TABLES[table].some((code) => codes.has(code))) continue
    const key = entry[table] === null ? "points" : table
    const names = TABLES[table].map(functionName).join(", ")
    faultAt(report, placed, [key], `${key} bear on ${names}: this rule names none of them`, "remove the key")
  }
  if (!("allow" in entry)) return
  checkMissing(placed, entry, report)
  checkPoints(placed, entry.points, report)
}

type AllowEntry = Extract<ModbusEntry, { readonly allow: unknown }>

/** An allow rule says which addresses; none would be nothing, and all must be written. */
function checkMissing(placed: Placed<RuleEntry>, entry: AllowEntry, report: Report): void {
  const missing = new Map<Table, number[]>()
  for (const item of entry.allow) {
    if (!("kind" in item)) continue
    if (item.kind === "shorthand") {
      const tables = new Set(SHORTHAND_CODES[item.word].map(tableOf).filter((table) => table !== null))
      if ([...tables].some((table) => hasTable(entry, table))) continue
      const keys = [...tables].join(", ")
      faultAt(report, placed, ["allow"], `${quote(item.word)} needs at least one of the keys ${keys}`, ALL)
      continue
    }
    const table = tableOf(item.code)
    if (table === null || hasTable(entry, table)) continue
    missing.set(table, [...(missing.get(table) ?? []), item.code])
  }
  for (const [table, codes] of missing) {
    const names = codes.map(functionName).join(", ")
    const hint = table === "files" ? 'such as files: [{ file: 4, records: "0-9" }]' : ALL
    faultAt(report, placed, ["allow"], `${names} needs the key "${table}": where it may go`, hint)
  }
}

const ALL = "all there are is 0-65535"

function functionName(code: number): string {
  return Object.entries(MODBUS_FUNCTIONS).find(([, known]) => known === code)?.[0] ?? `function ${code}`
}

/** Least and greatest value of each type. 64-bit ones end where a document cannot say them exactly. */
const LIMITS: Readonly<Record<PointType, readonly [min: number, max: number]>> = {
  uint16: [0, 65_535],
  int16: [-32_768, 32_767],
  uint32: [0, 2 ** 32 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  float32: [-(2 - 2 ** -23) * 2 ** 127, (2 - 2 ** -23) * 2 ** 127],
  uint64: [0, Number.MAX_SAFE_INTEGER],
  int64: [-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  float64: [-Number.MAX_VALUE, Number.MAX_VALUE],
}

function checkPoints(placed: Placed<RuleEntry>, points: readonly Point[], report: Report): void {
  const names = new Map<string, number>()
  for (const [i, point] of points.entries()) {
    const steps = ["points", i]
    const earlier = names.get(point.name)
    if (earlier === undefined) names.set(point.name, i)
    else faultAt(report, placed, [...steps, "name"], `the point ${quote(point.name)} stands there twice`)
    checkBounds(placed, point, i, report)
    const last = lastOf(point)
    if (last > 65_535) {
      const message = `${point.type} takes ${POINT_WIDTH[point.type]} registers, and the last there is has address 65535`
      faultAt(report, placed, [...steps, "at"], message)
    }
  }
  let widest: Point | null = null
  for (const [index, point] of [...points.entries()].toSorted(([, a], [, b]) => a.at - b.at)) {
    if (widest !== null && lastOf(widest) >= point.at) {
      const message = `it begins within ${quote(widest.name)}, which takes ${widest.at}-${lastOf(widest)}`
      faultAt(report, placed, ["points", index, "at"], message)
    }
    if (widest === null || lastOf(point) > lastOf(widest)) widest = point
  }
}

function lastOf({ at, type }: Point): number {
  return at + POINT_WIDTH[type] - 1
}

function checkBounds(placed: Placed<RuleEntry>, point: Point, i: number, report: Report): void {
  const { type, min, max } = point
  if (min !== null && max !== null && min > max) {
    faultAt(report, placed, ["points", i, "min"], `min ${min} is above max ${max}: nothing could be written`)
    return
  }
  const [low, high] = LIMITS[type]
  for (const [key, value] of [
    ["min", min],
    ["max", max],
  ] as const) {
    if (value === null) continue
    if (value < low || value > high) {
      faultAt(report, placed, ["points", i, key], `${value} is outside of ${type}, which holds ${low}..${high}`)
    } else if (!type.startsWith("float") && !Number.isInteger(value)) {
      faultAt(report, placed, ["points", i, key], `${type} holds whole numbers, found ${value}`)
    }
  }
}
