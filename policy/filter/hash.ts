/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index below lies in [start, end), which callers bound */

/**
 * Hash of the level `bytes[start, end)` by its length, first and last four bytes: a constant number of steps.
 *
 * Levels up to five bytes are told apart wholly. It only proposes: who follows it compares the bytes afterwards.
 */
export function quickHash(bytes: Uint8Array, start: number, end: number): number {
  if (end <= start) return 1
  const second = end - 2 < start ? start : end - 2
  const third = end - 3 < start ? start : end - 3
  const fourth = end - 4 < start ? start : end - 4
  const last = bytes[end - 1]! | (bytes[second]! << 8) | (bytes[third]! << 16) | (bytes[fourth]! << 24)
  const rest = bytes[start]! | ((end - start) << 8)
  const h = Math.imul(last, 0x9e3779b1) ^ Math.imul(rest, 0x85ebca6b)
  return Math.imul(h ^ (h >>> 15), 0x2c1b3c6d) ^ (h >>> 7)
}

/** Hash of the level `bytes[start, end)` by all its bytes. */
export function fullHash(bytes: Uint8Array, start: number, end: number): number {
  let h = 0x811c9dc5 | 0
  for (let at = start; at < end; at++) h = Math.imul(h ^ bytes[at]!, 0x01000193)
  return Math.imul(h ^ (h >>> 15), 0x2c1b3c6d) ^ (h >>> 7)
}
