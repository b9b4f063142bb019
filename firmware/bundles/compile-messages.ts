/**
 * Every message between the gateway and the thread that prepares one policy. Plain data only; nothing else is shared.
 *
 * The thread is given the source when it starts. It answers `refused`, or `rules` in slices, each sent after the gateway
 * has asked for `more`, so that a hundred thousand of them do not hold up the gateway's loop, and at the end `done`.
 */
import type { ErrorDetail } from "../../policy/base/errors.ts"
import type { Policy, Rule } from "../../policy/language/policy.ts"
import type { EnginePolicy } from "../conduits/engine-policy.ts"

export type ToCompiler = "more"

export type FromCompiler =
  | { readonly kind: "rules"; readonly rules: readonly Rule[] }
  /** The large arrays of `engine` are shared, the small ones have moved: nothing was copied. */
  | { readonly kind: "done"; readonly policy: Omit<Policy, "rules">; readonly engine: EnginePolicy }
  /** What `preparePolicy` threw. */
  | { readonly kind: "refused"; readonly code: string; readonly message: string; readonly detail: ErrorDetail }
