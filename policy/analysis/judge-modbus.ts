/** What keeps a Modbus rule from covering a request, in steps that can be told; by `policy/language/modbus-rule.ts`. */
import { POINT_WIDTH, type ModbusRule, type Point, type Range } from "../language/modbus-rule.ts"
import { pointValue } from "../filter/modbus/point-value.ts"
import type { Reason } from "../filter/verdict.ts"
import { ADDRESS_KIND, type ModbusRequest } from "./modbus-request.ts"

/** The first thing that keeps an allow rule from covering the request whole, or null. */
export function obstacle(rule: ModbusRule, request: ModbusRequest): Reason | null {
  if (!holds(rule.units, request.unit)) return "unit"
  if (!namesFunction(rule, request)) return "function"
  const { file, reads, writes } = request
  if (file !== null) {
    const inside = (own: ModbusRule["files"][number]): boolean =>
      own.file === file.file && contains(own.records, file.records)
    return rule.files.some(inside) ? null : "address"
  }
  const ranges = rangesOf(rule, request)
  if (ranges === null) return null
  for (const span of [reads, writes]) {
    if (span !== null && !ranges.some((range) => contains(range, span))) return "address"
  }
  return writes === null || ADDRESS_KIND[request.code] !== "registers"
    ? null
    : pointObstacle(rule.points, request, writes)
}

function pointObstacle(points: readonly Point[], request: ModbusRequest, writes: Range): Reason | null {
  const touched = points.filter((point) => isRanged(point) && meet(pointRange(point), writes))
  // A mask changes single bits: what the whole becomes is not known here.
  if (touched.some((point) => request.code === 22 || !contains(writes, pointRange(point)))) return "part-of-point"
  const fits = (point: Point): boolean => {
    const { at, type } = point
    const words = request.values.slice(at - writes.from, at - writes.from + POINT_WIDTH[type])
    return isWithin(point, pointValue(point, words))
  }
  return touched.every(fits) ? null : "value"
}

/** True if the point has a value rule. */
export function isRanged({ min, max }: Point): boolean {
  return min !== null || max !== null
}

/** Registers of a point. */
export function pointRange({ at, type }: Point): Range {
  return { from: at, to: at + POINT_WIDTH[type] - 1 }
}

function isWithin({ min, max }: Point, value: number | bigint): boolean {
  // Comparisons of big and plain numbers are exact; NaN fails them all.
  return value === value && (min === null || value >= min) && (max === null || value <= max)
}

function namesFunction(rule: ModbusRule, { code, sub }: ModbusRequest): boolean {
  return rule.functions.some(
    (own) => own.code === code && (own.sub === null || (sub !== null && own.sub.includes(sub))),
  )
}

/** The rule's ranges of the kind that the request's function counts; null if it names no addresses. */
export function rangesOf(rule: ModbusRule, { code }: Pick<ModbusRequest, "code">): readonly Range[] | null {
  const kind = ADDRESS_KIND[code]
  return kind === undefined ? null : rule[kind]
}

function holds(ranges: readonly Range[], value: number): boolean {
  return ranges.some(({ from, to }) => from <= value && value <= to)
}

/** True if every number of `inner` is in `outer`. */
export function contains(outer: Range, inner: Range): boolean {
  return outer.from <= inner.from && inner.to <= outer.to
}

/** True if some number is in both. */
export function meet(a: Range, b: Range): boolean {
  return a.from <= b.to && b.from <= a.to
}
