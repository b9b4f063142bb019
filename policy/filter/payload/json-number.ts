/* eslint-disable @typescript-eslint/no-non-null-assertion -- every read is at an index below `end`, which the callers check against the bytes in hand */

/** A longer number never fits: no double needs more, and readers of big numbers take time in the square of their length. */
export const MAX_NUMBER_BYTES = 1024

/** Powers of ten that a double holds exactly. */
const EXACT_POWERS = Float64Array.from({ length: 23 }, (_, k) => Number(`1e${k}`))

/**
 * Where the number that begins at `bytes[start]` ends, or -1 if there is none by the grammar.
 *
 * @see RFC 8259 section 6
 */
export function endOfNumber(bytes: Uint8Array, start: number, end: number): number {
  let at = bytes[start] === 0x2d ? start + 1 : start
  const first = at
  at = skipDigits(bytes, at, end)
  if (at === first || (bytes[first] === 0x30 && at > first + 1)) return -1
  if (at < end && bytes[at] === 0x2e) {
    const fraction = at + 1
    at = skipDigits(bytes, fraction, end)
    if (at === fraction) return -1
  }
  if (at < end && (bytes[at]! | 0x20) === 0x65) {
    at++
    if (at < end && (bytes[at] === 0x2b || bytes[at] === 0x2d)) at++
    const exponent = at
    at = skipDigits(bytes, exponent, end)
    if (at === exponent) return -1
  }
  return at
}

function skipDigits(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++
  return at
}

/**
 * The double nearest to the well-formed number `bytes[start, end)`; an infinity if it is too large.
 *
 * Up to 15 digits and a power of ten that is exact need one rounding and no string; the rest is left to the engine.
 */
export function nearestDouble(bytes: Uint8Array, start: number, end: number): number {
  let at = bytes[start] === 0x2d ? start + 1 : start
  let digits = 0
  let mantissa = 0
  let scale = 0
  let inFraction = false
  for (; at < end; at++) {
    const byte = bytes[at]!
    if (byte === 0x2e) inFraction = true
    else if (byte > 0x39) break
    else {
      mantissa = mantissa * 10 + (byte - 0x30)
      if (mantissa !== 0) digits++
      if (inFraction) scale--
      if (digits > 15) return bigNumber(bytes, start, end)
    }
  }
  if (at < end) scale += exponentOf(bytes, at + 1, end)
  if (mantissa === 0) return bytes[start] === 0x2d ? -0 : 0
  if (scale < -22 || scale > 22) return bigNumber(bytes, start, end)
  const size = scale < 0 ? mantissa / EXACT_POWERS[-scale]! : mantissa * EXACT_POWERS[scale]!
  return bytes[start] === 0x2d ? -size : size
}

function bigNumber(bytes: Uint8Array, start: number, end: number): number {
  return Number(String.fromCharCode(...bytes.subarray(start, end)))
}

/** The exponent's value from its sign or first digit on; clamped, for no more than its size matters. */
function exponentOf(bytes: Uint8Array, at: number, end: number): number {
  const negative = bytes[at] === 0x2d
  if (negative || bytes[at] === 0x2b) at++
  let exponent = 0
  for (; at < end; at++) exponent = Math.min(exponent * 10 + (bytes[at]! - 0x30), 1e6)
  return negative ? -exponent : exponent
}

/**
 * True if the well-formed number `bytes[start, end)` has no fraction, decided on its digits and not on the double: `1.0`,
 * `1e2` and `120e-1` have none; `1e-400` has one, though its double is 0.
 */
export function isIntegral(bytes: Uint8Array, start: number, end: number): boolean {
  let digits = 0
  let beforePoint = -1
  let lastNonZero = 0
  let at = bytes[start] === 0x2d ? start + 1 : start
  for (; at < end; at++) {
    const byte = bytes[at]!
    if (byte === 0x2e) beforePoint = digits
    else if (byte > 0x39) break
    else {
      digits++
      if (byte !== 0x30) lastNonZero = digits
    }
  }
  if (lastNonZero === 0) return true
  const power = (beforePoint < 0 ? digits : beforePoint) - lastNonZero
  return power + (at < end ? exponentOf(bytes, at + 1, end) : 0) >= 0
}
