import { readFileSync } from "node:fs"
import type { Clock } from "../clock.ts"

/** The battery-backed clock, as the kernel shows it: seconds since 1970, and whether it set the system clock at boot. */
const RTC = "/sys/class/rtc/rtc0"
/** Further apart, the system clock is no longer what the battery-backed one says: somebody has set one of them. */
const APART_MS = 3_000
const RECHECK_MS = 10_000
const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * The clocks of a Linux board.
 *
 * The wall clock is trusted in itself only where the board file says that the battery-backed one is (`trustRtc`), which set
 * it at boot, and while both agree. Whether a time daemon keeps it right is for `time-sync.ts` to say. Monotonic time counts from the kernel's start and is the same in
 * every thread and process.
 */
export function createLinuxClock(options: { readonly trustRtc?: boolean; readonly rtc?: string } = {}): Clock {
  const { trustRtc = false, rtc = RTC } = options
  let trusted = false
  let checkedMs = -Infinity
  return {
    wall() {
      const nowMs = monotonicMs()
      if (trustRtc && nowMs - checkedMs >= RECHECK_MS) {
        checkedMs = nowMs
        trusted = agrees(rtc, Date.now())
      }
      return { at: Date.now(), trusted }
    },
    monotonicMs,
    after,
  }
}

function agrees(rtc: string, wallAt: number): boolean {
  try {
    if (readFileSync(`${rtc}/hctosys`, "utf8").trim() !== "1") return false
    const seconds = readFileSync(`${rtc}/since_epoch`, "utf8").trim()
    return /^\d{1,12}$/.test(seconds) && Math.abs(Number(seconds) * 1000 - wallAt) <= APART_MS
  } catch {
    return false
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
