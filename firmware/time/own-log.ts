import { parseEntry } from "../../policy/audit/entry.ts"
import { LockgateError } from "../../policy/base/errors.ts"
import type { AuditLog } from "../audit/log.ts"
import type { TimeKeeper } from "../time-keeper.ts"

/**
 * Raise the floor by the newest entry of our own log: by its `earliest`, which rests on authenticated bounds alone, and never
 * by its wall time, for one boot with a clock in 2099 must not be believed ever after.
 *
 * Only the newest one counts, so that a floor that was lowered by a person stays low. A log that cannot be read says nothing.
 */
export async function raiseByNewestEntry(
  time: Pick<TimeKeeper, "entrySeen">,
  log: Pick<AuditLog, "size" | "read">,
): Promise<void> {
  if (log.size === 0) return
  try {
    const [newest] = await log.read(log.size - 1, 1)
    if (newest !== undefined) time.entrySeen(parseEntry(newest.line).earliest)
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
  }
}
