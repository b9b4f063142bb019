import { existsSync } from "node:fs"
import type { Clock } from "../clock.ts"

/** systemd-timesyncd makes this file once it has set the clock from a server, and a reboot removes it. */
const SYNCHRONISED = "/run/systemd/timesync/synchronized"
const RECHECK_MS = 10_000
const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * The clocks of a Linux board.
 *
 * The wall clock is trusted only while systemd-timesyncd says that it is synchronised. Node cannot ask the kernel
 * (adjtimex), so a board that keeps its time by other means (chrony, a battery alone) counts as not trusted: that
 * widens the time interval and never narrows it. Monotonic time counts from the kernel's start and is the same in
 * every thread and process.
 */
export function createLinuxClock(synchronisedFile: string = SYNCHRONISED): Clock {
  let trusted = false
  let checkedMs = -Infinity
  return {
    wall() {
      const nowMs = monotonicMs()
      if (nowMs - checkedMs >= RECHECK_MS) {
        checkedMs = nowMs
        trusted = existsSync(synchronisedFile)
      }
      return { at: Date.now(), trusted }
    },
    monotonicMs,
    after,
  }
}

function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}

function after(delayMs: number, action: () => void): () => void {
  const dueMs = monotonicMs() + delayMs
  let timer: NodeJS.Timeout
  const wait = (): void => {
    const leftMs = dueMs - monotonicMs()
    // Node turns a longer delay into 1 ms; it is waited for in parts.
    if (leftMs > LONGEST_TIMER_MS) timer = setTimeout(wait, LONGEST_TIMER_MS)
    else timer = setTimeout(action, Math.max(0, leftMs))
  }
  wait()
  return () => clearTimeout(timer)
}
