import type { Storage } from "../../hal/storage.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { LockgateError } from "../../policy/base/errors.ts"
import { openTimedSwitches } from "./timed-switches.ts"
import { OVERRIDE_WORDS } from "./overrides.ts"

/** What came of an emergency that was switched on for a minute. */
export interface OverrideRehearsal {
  /** Code of the refusal without a reason; null: it was switched on. */
  readonly withoutReason: string | null
  /** Whether it was on before its time was over, and after it. */
  readonly on: { readonly before: boolean; readonly after: boolean }
  /** Its entries: which, of whom, and for what reason. */
  readonly entries: readonly { readonly id: string; readonly by: string; readonly why: string }[]
}

const EMPTY: Pick<Storage, "read" | "write"> = { read: async () => null, write: async () => undefined }

/** What the mechanism of overrides makes of an emergency that nothing knows of, on a clock of its own: nothing opens or is written. */
export async function rehearseOverride(): Promise<OverrideRehearsal> {
  const entries: AuditEvent[] = []
  let nowMs = 0
  let due: () => void = () => undefined
  let on: readonly string[] = []
  const switches = await openTimedSwitches(OVERRIDE_WORDS, {
    storage: EMPTY,
    clock: {
      wall: () => ({ at: 0, trusted: false }),
      monotonicMs: () => nowMs,
      after: (_, action) => {
        due = action
        return () => undefined
      },
    },
    audit: async (event) => entries.push(event) - 1,
    apply: (names) => {
      on = names
    },
  })
  switches.rename(["rehearsal"])
  const withoutReason = await switches.start("rehearsal", 1, " ", "probe").then(
    () => null,
    (error: unknown) => {
      if (error instanceof LockgateError) return String(error.code)
      throw error
    },
  )
  await switches.start("rehearsal", 1, "a rehearsal", "probe")
  nowMs = 59_999
  due()
  const before = on.includes("rehearsal")
  nowMs = 60_000
  due()
  switches.stop()
  const told = entries.map(({ id, subject, detail, reason }) => ({
    id,
    by: subject ?? "",
    why: String(detail?.["why"] ?? reason ?? ""),
  }))
  return { withoutReason, on: { before, after: on.includes("rehearsal") }, entries: told }
}
