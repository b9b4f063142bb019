import { DRIFT } from "./floor.ts"
import type { TimeInterval } from "./interval.ts"

/** What an interval has become after `elapsedMs` on a monotonic clock, at its worst drift: it can only widen. */
export function advance(now: TimeInterval, elapsedMs: number): TimeInterval {
  const elapsed = Math.max(0, elapsedMs)
  return { earliestAt: now.earliestAt + elapsed / (1 + DRIFT), latestAt: now.latestAt + elapsed / (1 - DRIFT) }
}
