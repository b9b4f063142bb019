import { FORM_FLOAT, FORM_LOW_FIRST, FORM_SIGNED, POINT_WORDS } from "../filter/modbus/layout.ts"
import { ordered } from "../filter/modbus/value.ts"
import { POINT_WIDTH, type Point, type PointType } from "../language/modbus-rule.ts"

/** Two words that order as the values of a type do. @see checkPoints in `policy/filter/modbus/value.ts` */
type Key = readonly [high: number, low: number]

/** Bounds between which no value lies. */
const NOTHING: readonly [Key, Key] = [
  [0x7fffffff, 0x7fffffff],
  [-0x80000000, -0x80000000],
]

const SIGNED: readonly PointType[] = ["int16", "int32", "int64"]
const FLOATS: readonly PointType[] = ["float32", "float64"]

/** The points of a rule that have a value rule, as they stand in its record: `POINT_WORDS` words each. */
export function pointWords(points: readonly Point[]): number[] {
  return points.filter((point) => point.min !== null || point.max !== null).flatMap(wordsOf)
}

function wordsOf(point: Point): number[] {
  const width = POINT_WIDTH[point.type]
  const form =
    width |
    (point.words === "low-first" ? FORM_LOW_FIRST : 0) |
    (SIGNED.includes(point.type) ? FORM_SIGNED : 0) |
    (FLOATS.includes(point.type) ? FORM_FLOAT : 0)
  const [min, max] = boundsOf(point, form, width)
  const words = [point.at, point.at + width - 1, form, ...min, ...max]
  return words.length === POINT_WORDS ? words : []
}

function boundsOf(point: Point, form: number, width: number): readonly [Key, Key] {
  const min = point.min ?? -Infinity
  const max = point.max ?? Infinity
  if (!(min <= max)) return NOTHING
  if ((form & FORM_FLOAT) !== 0)
    return width === 2
      ? [
          [0, floatFrom(min)],
          [0, floatTo(max)],
        ]
      : doubleBounds(min, max)
  // From the lowest value up to, but not with, the limit.
  const lowest = (form & FORM_SIGNED) !== 0 ? -(2 ** (width * 16 - 1)) : 0
  const limit = lowest + 2 ** (width * 16)
  const low = Math.max(Math.ceil(min), lowest)
  const high = Math.floor(max)
  if (low >= limit || high < lowest || low > high) return NOTHING
  return [integerKey(low, form, width), high >= limit ? lastKey(width, form) : integerKey(high, form, width)]
}

/** The key of an integer in the range of its type; below 2^53, or a multiple of a power of two, so that nothing rounds. */
function integerKey(value: number, form: number, width: number): Key {
  if (width === 1) return [0, value]
  if (width === 2) return [0, ordered(value | 0, form)]
  const high = Math.floor(value / 2 ** 32)
  const low = value - high * 2 ** 32
  return [ordered(high | 0, form), low ^ 0x80000000]
}

/** The key of the largest value. */
function lastKey(width: number, form: number): Key {
  if (width === 1) return [0, (form & FORM_SIGNED) !== 0 ? 0x7fff : 0xffff]
  return width === 2 ? [0, 0x7fffffff] : [0x7fffffff, 0x7fffffff]
}

const view = (bytes: number): DataView => new DataView(new ArrayBuffer(bytes))

function singleKey(value: number): number {
  const bits = view(4)
  bits.setFloat32(0, value)
  return ordered(bits.getInt32(0), FORM_FLOAT)
}

/** The key of the least float32 that is not below `bound`; -0 counts as 0. */
function floatFrom(bound: number): number {
  const rounded = Math.fround(bound)
  if (rounded < bound) return singleKey(rounded) + 1
  return rounded === 0 ? -1 : singleKey(rounded)
}

/** The key of the greatest float32 that is not above `bound`. */
function floatTo(bound: number): number {
  const rounded = Math.fround(bound)
  if (rounded > bound) return singleKey(rounded) - 1
  return rounded === 0 ? 0 : singleKey(rounded)
}

function doubleBounds(min: number, max: number): readonly [Key, Key] {
  return [doubleKey(min === 0 ? -0 : min), doubleKey(max === 0 ? 0 : max)]
}

function doubleKey(value: number): Key {
  const bits = view(8)
  bits.setFloat64(0, value)
  const high = bits.getInt32(0)
  return [ordered(high, FORM_FLOAT), bits.getInt32(4) ^ (high >> 31) ^ 0x80000000]
}
