/**
 * Every message between the gateway and the thread that prepares one policy. Plain data only; nothing else is shared.
 *
 * The thread is given the source when it starts. It answers `refused`, or `rules` in slices, each sent after the gateway
 * has asked for `more`, so that a hundred thousand of them do not hold up the gateway's loop, and at the end `done`.
 */
import type { ErrorDetail } from "../../policy/base/errors.ts"
import type { CompiledPolicy } from "../../policy/filter/table.ts"
import type { Policy, Rule } from "../../policy/language/policy.ts"

export type ToCompiler = "more"

export type FromCompiler =
  | { readonly kind: "rules"; readonly rules: readonly Rule[] }
  /** The typed arrays of `compiled` have moved, not been copied. */
  | { readonly kind: "done"; readonly policy: Omit<Policy, "rules">; readonly compiled: CompiledPolicy }
  /** What `preparePolicy` threw. */
  | { readonly kind: "refused"; readonly code: string; readonly message: string; readonly detail: ErrorDetail }
