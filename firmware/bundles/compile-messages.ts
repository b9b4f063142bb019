/**
 * Every message between the gateway and the thread that prepares one policy. Plain data only; nothing else is shared.
 *
 * The thread is given its job when it starts. To `prepare` it answers `refused`, or `rules` in slices, each sent after the gateway
 * has asked for `more`, so that a hundred thousand of them do not hold up the gateway's loop, and at the end `done`; to `examine`, one `examined`.
 */
import type { ErrorDetail } from "../../policy/base/errors.ts"
import type { Policy, Rule } from "../../policy/language/policy.ts"
import type { EnginePolicy } from "../conduits/engine-policy.ts"
import type { PolicySource } from "./prepare.ts"

/** What a thread is started for: one policy, or to say of documents whether they are any. */
export type CompileJob =
  | { readonly kind: "prepare"; readonly source: PolicySource }
  | { readonly kind: "examine"; readonly documents: readonly string[] }

export type ToCompiler = "more"

export type FromCompiler =
  | { readonly kind: "rules"; readonly rules: readonly Rule[] }
  /** The large arrays of `engine` are shared, the small ones have moved: nothing was copied. */
  | { readonly kind: "done"; readonly policy: Omit<Policy, "rules">; readonly engine: EnginePolicy }
  /** What `preparePolicy` threw. */
  | { readonly kind: "refused"; readonly code: string; readonly message: string; readonly detail: ErrorDetail }
  /** The code with which each document is refused, or null, in their order. */
  | { readonly kind: "examined"; readonly codes: readonly (string | null)[] }
