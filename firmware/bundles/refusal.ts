import { InputError, LockgateError } from "../../policy/base/errors.ts"
import type { ErrorDetail } from "../../policy/base/errors.ts"

/**
 * Why a bundle did not come into force, for those inside. `detail.reason` is the code of the actual fault: one of
 * `policy/bundle`, of the envelope, `ERR_POLICY_FAULTS` (then `detail.fault` is the first fault with its place and
 * `detail.faults` their number), `ERR_BUNDLE_CASES` (then `detail.case` is the first that fails), `ERR_BUNDLE_OTHER_VERSION`, or what the compiler or the engine said. Outside, only its
 * own code, `ERR_POLICY_REFUSED`, is seen.
 */
export type PolicyRefused = InputError<"ERR_POLICY_REFUSED">

/** A refusal with a reason. */
export function refused(reason: string, message: string, detail: ErrorDetail = {}, cause?: unknown): PolicyRefused {
  return new InputError("ERR_POLICY_REFUSED", message, { detail: { ...detail, reason }, cause })
}

/**
 * What `work` resolves to; an error of ours becomes a refusal with that error's code as reason.
 *
 * @throws InputError `ERR_POLICY_REFUSED`; an InvariantError and anything that is not ours go through as they are.
 */
export async function refuseOn<T>(work: () => Promise<T>, detail: ErrorDetail = {}): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    const known = error as LockgateError
    throw refused(known.code, known.message, { ...known.detail, ...detail }, known)
  }
}

/** Reasons of ours that say nothing about the bundle's bytes: it is what was signed, and we do not take it. */
const NO_DAMAGE: readonly string[] = ["ERR_BUNDLE_GATEWAY", "ERR_BUNDLE_CASES"]

/** A stored bundle that does not verify was altered; one whose signers, gateway or cases we no longer accept was not. */
export function isDamage(error: LockgateError): boolean {
  if (error.code !== "ERR_POLICY_REFUSED") return error.kind === "integrity"
  const reason = reasonOf(error)
  if (reason === "ERR_BUNDLE_SIGNATURES") return Number(error.detail["badSignatures"] ?? 0) > 0
  return reason.startsWith("ERR_BUNDLE_") && !NO_DAMAGE.includes(reason)
}

/** The code of the actual fault. */
export function reasonOf(error: LockgateError): string {
  const { reason } = error.detail
  return typeof reason === "string" ? reason : error.code
}

/** The error, if it is ours and no invariant; anything else goes on up. */
export function survivable(error: unknown): LockgateError {
  if (error instanceof LockgateError && error.kind !== "invariant") return error as LockgateError
  throw error
}
