import type { AuditEvent } from "../../policy/audit/event.ts"
import type { Clock } from "../../hal/clock.ts"
import { survivable } from "../bundles/refusal.ts"

/** Entries for what never became a request: a flood of them must not fill the log. */
export interface RefusalLog {
  /** The entry's number, or null if this one was only counted or could not be written. */
  note(reason: string): Promise<number | null>
  /** Write down what was counted. No timer is left; what comes after is not written. */
  stop(): Promise<void>
}

const INTERVALS_MS = [1000, 10_000, 60_000]

/**
 * The first refusal is written at once; those that follow are counted and written together after 1 s, then 10 s, then
 * every 60 s while it lasts. A quiet interval starts anew.
 *
 * @see IEC 62443-4-2 CR 2.8, CR 3.5
 */
export function createRefusalLog(
  clock: Clock,
  audit: (event: AuditEvent) => Promise<number>,
  source: string,
): RefusalLog {
  let counted = 0
  let last = ""
  let level = -1
  const write = async (reason: string, count: number): Promise<number | null> => {
    try {
      return await audit({
        id: "command.refused",
        outcome: "denied",
        source,
        subject: null,
        object: "?",
        reason,
        count,
      })
    } catch (error) {
      survivable(error)
      return null
    }
  }
  const flush = async (): Promise<void> => {
    const count = counted
    counted = 0
    if (count > 0) await write(last, count)
  }
  let cancel = (): void => undefined
  const wait = (): void => {
    cancel = clock.after(INTERVALS_MS[level] ?? 60_000, () => {
      if (counted === 0) {
        level = -1
        return
      }
      level = Math.min(level + 1, INTERVALS_MS.length - 1)
      // `write` survives what may be survived; the rest ends the process.
      void flush()
      wait()
    })
  }
  return {
    stop: () => {
      // One that waits its 60 s would keep a stopped gateway's process alive as long.
      cancel()
      level = INTERVALS_MS.length
      return flush()
    },
    async note(reason) {
      last = reason
      if (level >= 0) {
        counted++
        return null
      }
      level = 0
      wait()
      return write(reason, 1)
    },
  }
}
