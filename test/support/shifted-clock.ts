import { createLinuxClock } from "../../hal/linux/clock.ts"
import type { Clock } from "../../hal/clock.ts"

/** This machine's clock, whose monotonic time a test can move on: an approval of minutes is over at once. */
export interface ShiftedClock extends Clock {
  /** Let that much time pass now; timers that are due by then run before this returns. */
  skip(ms: number): void
}

export function createShiftedClock(real: Clock = createLinuxClock()): ShiftedClock {
  let aheadMs = 0
  const waiting = new Set<{ readonly dueMs: number; readonly run: () => void }>()
  const monotonicMs = (): number => real.monotonicMs() + aheadMs
  return {
    wall: () => real.wall(),
    monotonicMs,
    after(delayMs, action) {
      const run = (): void => {
        cancel()
        waiting.delete(timer)
        action()
      }
      const timer = { dueMs: monotonicMs() + delayMs, run }
      const cancel = real.after(delayMs, run)
      waiting.add(timer)
      return () => {
        cancel()
        waiting.delete(timer)
      }
    },
    skip(ms) {
      aheadMs += ms
      for (const { dueMs, run } of [...waiting].sort((a, b) => a.dueMs - b.dueMs)) if (dueMs <= monotonicMs()) run()
    },
  }
}
