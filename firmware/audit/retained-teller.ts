import type { AuditEvent } from "../../policy/audit/event.ts"
import type { Clock } from "../../hal/clock.ts"

/** One alarm at once, then at most one in this time, with a count. */
const TELL_MS = 60_000

/** Tells that somebody else changed what the broker keeps of ours. */
export interface AlterationTeller {
  tell(reason: string, object: string): void
  /** Say what is left to say. */
  stop(): void
}

/** Tells the first at once and the rest as one entry a minute: who overwrites in a loop must not fill the log. @see IEC 62443-4-2 CR 3.9 */
export function createAlterationTeller(
  { clock, report }: { readonly clock: Pick<Clock, "after">; readonly report: (event: AuditEvent) => void },
  id: "audit.retained-altered" | "audit.alarm-altered",
): AlterationTeller {
  let untold = { count: 0, reason: "", object: "" }
  let cancel: (() => void) | null = null
  const say = (reason: string, object: string, count: number): void => {
    const many = count > 1 ? { count } : {}
    report({ id, outcome: "failure", source: "audit", reason, object, ...many })
  }
  const flush = (): void => {
    cancel = null
    const { count, reason, object } = untold
    if (count === 0) return
    untold = { count: 0, reason: "", object: "" }
    say(reason, object, count)
    cancel = clock.after(TELL_MS, flush)
  }
  return {
    tell(reason, object) {
      if (cancel !== null) {
        untold = { count: untold.count + 1, reason, object }
        return
      }
      say(reason, object, 1)
      cancel = clock.after(TELL_MS, flush)
    },
    stop() {
      cancel?.()
      if (untold.count > 0) say(untold.reason, untold.object, untold.count)
    },
  }
}
