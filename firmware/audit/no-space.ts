import { LockgateError } from "../../policy/base/errors.ts"

/** Whether a disk has no room: it took nothing, and takes it again when something goes. */
export function isNoSpace(error: unknown): boolean {
  return (
    error instanceof LockgateError &&
    error.kind === "hardware" &&
    (error.detail["errno"] === "ENOSPC" || error.detail["errno"] === "EDQUOT")
  )
}

/** Passes over what a disk does that fails; throws anything else. */
export function unlessHardware(error: unknown): void {
  if (!(error instanceof LockgateError) || error.kind !== "hardware") throw error
}
