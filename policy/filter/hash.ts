/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index below lies in [start, end), which callers bound */

/**
 * Hash of the level `bytes[start, end)` by its length, first and last four bytes: a constant number of steps.
 *
 * Levels up to five bytes are told apart wholly. It only proposes: who follows it compares the bytes afterwards.
 */
export function quickHash(bytes: Uint8Array, start: number, end: number): number {
  const length = (end - start) | 0
  if (length <= 0) return 1
  const last = (end - 1) | 0
  let tail = bytes[last]! | 0
  if (length >= 4)
    tail |= (bytes[(last - 1) | 0]! << 8) | (bytes[(last - 2) | 0]! << 16) | (bytes[(last - 3) | 0]! << 24)
  else if (length > 1) tail |= (bytes[(last - 1) | 0]! << 8) | (bytes[(start + 1) | 0]! << 16)
  const h = Math.imul(tail, 0x9e3779b1) ^ Math.imul(bytes[start]! | (length << 8), 0x85ebca6b)
  return Math.imul(h ^ (h >>> 15), 0x2c1b3c6d) ^ (h >>> 7)
}

/** Hash of the level `bytes[start, end)` by all its bytes. */
export function fullHash(bytes: Uint8Array, start: number, end: number): number {
  let h = 0x811c9dc5 | 0
  for (let at = start; at < end; at++) h = Math.imul(h ^ bytes[at]!, 0x01000193)
  return Math.imul(h ^ (h >>> 15), 0x2c1b3c6d) ^ (h >>> 7)
}
