import type { Rate } from "../../../policy/language/policy.ts"

/**
 * Token buckets in rows of numbers that somebody else keeps: two cells a bucket, its fill and the time of its last change.
 *
 *     cells: [ fill | atMs ]
 *
 * Nothing here reads a clock. A time before the last change adds nothing.
 */
export const BUCKET_CELLS = 2

/** The fill at `nowMs`; negative while more was charged than there was. */
export function fillAt(cells: Float64Array, at: number, rate: Rate, nowMs: number): number {
  const fill = cells[at] ?? 0
  const elapsedMs = nowMs - (cells[at + 1] ?? 0)
  const filled = fill + (elapsedMs > 0 ? (elapsedMs * rate.perSecond) / 1000 : 0)
  return Math.min(filled, rate.burst)
}

/** Takes one if that leaves at least `reserve`; says whether it did. */
export function draw(cells: Float64Array, at: number, rate: Rate, nowMs: number, reserve = 0): boolean {
  const fill = fillAt(cells, at, rate, nowMs)
  if (fill - 1 < reserve) return false
  settle(cells, at, fill - 1, nowMs)
  return true
}

/** Takes `cost` in any case, into debt if need be; returns the milliseconds until the debt is paid off, 0 if there is none. */
export function charge(cells: Float64Array, at: number, rate: Rate, cost: number, nowMs: number): number {
  const fill = fillAt(cells, at, rate, nowMs) - cost
  settle(cells, at, fill, nowMs)
  return fill >= 0 ? 0 : (-fill / rate.perSecond) * 1000
}

function settle(cells: Float64Array, at: number, fill: number, nowMs: number): void {
  cells[at] = fill
  if (nowMs > (cells[at + 1] ?? 0)) cells[at + 1] = nowMs
}
