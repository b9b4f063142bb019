import { StateError } from "../../policy/base/errors.ts"
import { encodeNoteKey } from "../../policy/audit/tlog/note.ts"
import type { AuditLog } from "./log.ts"
import { nodeSha256 } from "./note-functions.ts"

/** Hands the log over to a new key, as a person commands. */
export interface LogKeyRotation {
  /**
   * The keys before and after, as text, and the size that both have signed. In force and on disk before this resolves.
   *
   * @throws StateError `ERR_AUDIT_ROTATING` while one is under way
   * @throws LockgateError whatever the disk or the key store throws; the old key is in force then
   */
  rotate(): Promise<{ readonly before: string; readonly after: string; readonly size: number }>
}

/** One change of the log's key at a time. @see IEC 62443-4-2 CR 3.9 */
export function createLogKeyRotation(log: Pick<AuditLog, "key" | "rotateKey">): LogKeyRotation {
  let isUnderWay = false
  const text = (): string => encodeNoteKey(nodeSha256, log.key)
  return {
    async rotate() {
      if (isUnderWay) throw new StateError("ERR_AUDIT_ROTATING", "the key of the log is being changed already")
      isUnderWay = true
      try {
        const before = text()
        const { size } = await log.rotateKey()
        return { before, after: text(), size }
      } finally {
        isUnderWay = false
      }
    },
  }
}
