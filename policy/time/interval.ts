/**
 * Time as an interval: the true time lies in [earliestAt, latestAt], both in milliseconds since 1970.
 *
 * `latestAt` is Infinity while nothing bounds it (after a power-off of unknown length without a trusted clock).
 */
export interface TimeInterval {
  readonly earliestAt: number
  readonly latestAt: number
}

/** Freshness under an interval: `uncertain` is a third value, not a no. */
export type Certainty = "yes" | "no" | "uncertain"

/** Whether the true time lies in [notBeforeAt, notAfterAt]. */
export function within(now: TimeInterval, notBeforeAt: number, notAfterAt: number): Certainty {
  if (now.latestAt < notBeforeAt || now.earliestAt > notAfterAt) return "no"
  if (now.earliestAt >= notBeforeAt && now.latestAt <= notAfterAt) return "yes"
  return "uncertain"
}
