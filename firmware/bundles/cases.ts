import { failuresOf } from "../../policy/analysis/cases.ts"
import type { CompiledPolicy } from "../../policy/filter/table.ts"
import type { Policy } from "../../policy/language/policy.ts"

/** What the cases in `text` find wrong with a policy, each failure in words; nothing when every case passes. Pure. */
export type TestCases = (policy: Policy, compiled: CompiledPolicy, text: string) => readonly string[]

/**
 * The cases of a bundle, run against its own policy. Cases that cannot be run are as bad as cases that fail: what a signer
 * demanded is not known to hold.
 */
export const testCases: TestCases = failuresOf
