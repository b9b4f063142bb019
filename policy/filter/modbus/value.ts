/* eslint-disable @typescript-eslint/no-non-null-assertion -- offsets come from the compiler; the request's are checked before */
import * as layout from "./layout.ts"

const AT = layout.POINT_AT
const LAST = layout.POINT_LAST
const POINT_WORDS = layout.POINT_WORDS

/** What a write does to the points of a rule that have a value rule. */
export const POINTS_FIT = 0
export const POINTS_PART = 1
export const POINTS_VALUE = 2

/**
 * Whether a write of the registers `from..to` keeps the value rules of the rule with this record: `POINTS_PART` if it
 * covers a part of a point, else `POINTS_VALUE` if a value does not fit.
 *
 * The values lie from `bytes[data]` on, two bytes a register; `data` -1 says that they are not known (a mask write changes
 * single bits), which is a part of every point it touches.
 *
 * A value is compared as a *key*: two 32-bit words, compared as signed numbers, that order as the values of the type do.
 * The compiler has made such keys of the bounds, so there is neither a floating-point number nor rounding here.
 *
 *     type            high word                     low word
 *     16 bits         0                             the value
 *     32 bits         0                             uint32: sign bit flipped; int32: as is; float32: see below
 *     64 bits         as 32 bits                    sign bit flipped
 *
 * A float's bits order as its values do while it is positive; if the sign is set, all others are flipped. So -0 lies just
 * below 0, and NaN beyond the infinities, where no bound reaches.
 */
export function checkPoints(
  words: Int32Array,
  record: number,
  from: number,
  to: number,
  bytes: Uint8Array,
  data: number,
): number {
  const first = record + layout.RECORD_POINTS
  // The first point that ends at `from` or later.
  let low = 0
  let high = words[record + layout.RECORD_COUNT]!
  const stop = first + high * POINT_WORDS
  while (low < high) {
    const middle = (low + high) >>> 1
    if (words[first + middle * POINT_WORDS + LAST]! < from) low = middle + 1
    else high = middle
  }
  let found = POINTS_FIT
  for (let point = first + low * POINT_WORDS; point < stop; point += POINT_WORDS) {
    const at = words[point + AT]!
    if (at > to) break
    if (data < 0 || at < from || words[point + LAST]! > to) return POINTS_PART
    if (found === POINTS_FIT && !fits(words, point, bytes, data + (at - from) * 2)) found = POINTS_VALUE
  }
  return found
}

/** Whether the value at `bytes[at]` lies in the bounds of the point. */
function fits(words: Int32Array, point: number, bytes: Uint8Array, at: number): boolean {
  const form = words[point + layout.POINT_FORM]!
  const width = form & layout.FORM_WIDTH
  const lowFirst = (form & layout.FORM_LOW_FIRST) !== 0
  let high = 0
  let low: number
  if (width === 1) {
    low = (bytes[at]! << 8) | bytes[at + 1]!
    if ((form & layout.FORM_SIGNED) !== 0) low = (low << 16) >> 16
  } else if (width === 2) {
    low = ordered(lowFirst ? pair(bytes, at + 2, at) : pair(bytes, at, at + 2), form)
  } else {
    high = lowFirst ? pair(bytes, at + 6, at + 4) : pair(bytes, at, at + 2)
    low = lowFirst ? pair(bytes, at + 2, at) : pair(bytes, at + 4, at + 6)
    if ((form & layout.FORM_FLOAT) !== 0) low ^= high >> 31
    low ^= 0x80000000
    high = ordered(high, form)
  }
  const minHigh = words[point + layout.POINT_MIN_HIGH]!
  const maxHigh = words[point + layout.POINT_MAX_HIGH]!
  if (high < minHigh || (high === minHigh && low < words[point + layout.POINT_MIN_LOW]!)) return false
  return high < maxHigh || (high === maxHigh && low <= words[point + layout.POINT_MAX_LOW]!)
}

/** The 32 bits of two registers, the significant one first. */
function pair(bytes: Uint8Array, high: number, low: number): number {
  return (bytes[high]! << 24) | (bytes[high + 1]! << 16) | (bytes[low]! << 8) | bytes[low + 1]!
}

/** The most significant 32 bits of a value as a signed number that orders as the values do. */
export function ordered(bits: number, form: number): number {
  if ((form & layout.FORM_FLOAT) !== 0) return bits ^ ((bits >> 31) >>> 1)
  if ((form & layout.FORM_SIGNED) !== 0) return bits | 0
  return bits ^ 0x80000000
}
