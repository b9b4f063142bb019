/**
 * Values of points as whole numbers that order as the values do, so that sets of values are intervals, with nothing between
 * two neighbours: whole numbers by themselves, floating-point numbers by their bits. A write that covers several points is a
 * box, one interval a point; sets of writes are lists of boxes, and the difference of two such lists is exact.
 */
import { POINT_WIDTH, type Point, type PointType } from "../language/modbus-rule.ts"
import { isRanged } from "./judge-modbus.ts"

/** Keys from `from` to `to`, inclusive. */
export interface Interval {
  readonly from: bigint
  readonly to: bigint
}

/** One point of a write: where it lies and how it is read. */
export interface Dimension {
  readonly at: number
  readonly type: PointType
  readonly words: Point["words"]
}

/** An interval for each dimension, in the order of the dimensions; a point without bounds has all of its domain. */
export type Box = readonly Interval[]

/** The dimensions that `points` span; null if two of them read one register in different ways. */
export function dimensionsOf(points: readonly Point[]): readonly Dimension[] | null {
  const found = new Map<string, Dimension>()
  for (const { at, type, words } of points) found.set(`${at} ${type} ${words}`, { at, type, words })
  const sorted = [...found.values()].sort((a, b) => a.at - b.at)
  const clash = sorted.some((one, k) => k > 0 && one.at < (sorted[k - 1]?.at ?? 0) + POINT_WIDTH[sorted[k - 1]?.type ?? "uint16"]) // prettier-ignore
  return clash ? null : sorted
}

/** What a rule with these points lets be written, in these dimensions. */
export function boxOf(points: readonly Point[], dimensions: readonly Dimension[]): Box {
  return dimensions.map(({ at, type }) => {
    const point = points.find((one) => one.at === at && isRanged(one))
    if (point === undefined) return domainOf(type)
    const lowest = isFloat(type) ? keyOf(type, -Infinity) : domainOf(type).from
    const highest = isFloat(type) ? keyOf(type, Infinity) : domainOf(type).to
    return {
      from: point.min === null ? lowest : firstFrom(type, point.min),
      to: point.max === null ? highest : lastUpTo(type, point.max),
    }
  })
}

/** Which values of its type fit a point's bounds. No bound of a floating-point number lets every value pass: NaN fits none. */
export function fitOf(point: Point): "every" | "some" | "none" {
  const [own] = boxOf([point], [point])
  const all = domainOf(point.type)
  if (own === undefined || own.from > own.to) return "none"
  return own.from === all.from && own.to === all.to ? "every" : "some"
}

/** What is in some box of `boxes` and in none of `others`. */
export function subtract(boxes: readonly Box[], others: readonly Box[]): readonly Box[] {
  let left = boxes.filter(isFull)
  for (const other of others) left = left.flatMap((box) => cut(box, other))
  return left
}

/** What is in both. */
export function intersect(boxes: readonly Box[], others: readonly Box[]): readonly Box[] {
  return boxes.flatMap((box) => others.map((other) => overlap(box, other))).filter(isFull)
}

function overlap(a: Box, b: Box): Box {
  return a.map((own, k) => {
    const other = b[k] ?? own
    return { from: own.from > other.from ? own.from : other.from, to: own.to < other.to ? own.to : other.to }
  })
}

function isFull(box: Box): boolean {
  return box.every(({ from, to }) => from <= to)
}

/** `box` without `other`, in at most two pieces a dimension. */
function cut(box: Box, other: Box): readonly Box[] {
  const shared = overlap(box, other)
  if (!isFull(shared)) return [box]
  const pieces: Box[] = []
  let rest = [...box]
  for (const [k, { from, to }] of shared.entries()) {
    const own = rest[k]
    if (own === undefined) continue
    const put = (interval: Interval): void => void pieces.push(rest.with(k, interval))
    if (own.from < from) put({ from: own.from, to: from - 1n })
    if (to < own.to) put({ from: to + 1n, to: own.to })
    rest = rest.with(k, { from, to })
  }
  return pieces
}

/** Register words of a value in the interval, a plain one if there is: zero, else its first. */
export function exampleWords({ type, words }: Dimension, { from, to }: Interval): readonly number[] {
  const zero = keyOf(type, 0)
  const bits = bitsOf(type, from <= zero && zero <= to ? zero : from)
  const width = POINT_WIDTH[type]
  const high = Array.from({ length: width }, (_, k) => Number((bits >> BigInt(16 * (width - 1 - k))) & 0xffffn))
  return words === "high-first" ? high : high.toReversed()
}

function isFloat(type: PointType): boolean {
  return type === "float32" || type === "float64"
}

function widthOf(type: PointType): bigint {
  return BigInt(POINT_WIDTH[type] * 16)
}

function domainOf(type: PointType): Interval {
  return { from: 0n, to: (1n << widthOf(type)) - 1n }
}

/** The key of a value that the type can hold. */
function keyOf(type: PointType, value: number): bigint {
  const width = widthOf(type)
  const sign = 1n << (width - 1n)
  if (!isFloat(type)) return type.startsWith("u") ? BigInt(value) : BigInt(value) + sign
  const view = new DataView(new ArrayBuffer(8))
  if (type === "float32") view.setFloat32(0, value)
  else view.setFloat64(0, value)
  const bits = type === "float32" ? BigInt(view.getUint32(0)) : view.getBigUint64(0)
  return (bits & sign) === 0n ? bits | sign : ~bits & (2n * sign - 1n)
}

/** The bits that a key stands for. */
function bitsOf(type: PointType, key: bigint): bigint {
  const sign = 1n << (widthOf(type) - 1n)
  if (!isFloat(type)) return type.startsWith("u") ? key : (key + sign) & (2n * sign - 1n)
  return (key & sign) === 0n ? ~key & (2n * sign - 1n) : key & (sign - 1n)
}

/** The first key of the type that is not below `min`. */
function firstFrom(type: PointType, min: number): bigint {
  if (!isFloat(type)) {
    const { from, to } = domainOf(type)
    const offset = type.startsWith("u") ? 0n : 1n << (widthOf(type) - 1n)
    const key = min === Infinity ? to + 1n : min === -Infinity ? from : BigInt(Math.ceil(min)) + offset
    return key < from ? from : key
  }
  // Minus zero is zero.
  if (min === 0) return keyOf(type, -0)
  const key = keyOf(type, min)
  return type === "float32" && Math.fround(min) < min ? key + 1n : key
}

/** The last key of the type that is not above `max`. */
function lastUpTo(type: PointType, max: number): bigint {
  if (!isFloat(type)) {
    const { from, to } = domainOf(type)
    const offset = type.startsWith("u") ? 0n : 1n << (widthOf(type) - 1n)
    const key = max === Infinity ? to : max === -Infinity ? from - 1n : BigInt(Math.floor(max)) + offset
    return key > to ? to : key
  }
  if (max === 0) return keyOf(type, 0)
  const key = keyOf(type, max)
  return type === "float32" && Math.fround(max) > max ? key - 1n : key
}
