import { InputError } from "../../policy/base/errors.ts"
import type { CompiledPolicy } from "../../policy/filter/table.ts"
import { formatFault } from "../../policy/language/fault.ts"
import type { Parsed } from "../../policy/language/fault.ts"
import type { Policy } from "../../policy/language/policy.ts"
import { enginePolicyOf } from "../conduits/engine-policy.ts"
import type { EnginePolicy } from "../conduits/engine-policy.ts"
import type { TestCases } from "./cases.ts"

/** What a signed statement holds of a policy. */
export interface PolicySource {
  /** The document. */
  readonly policy: string
  /** Names it in faults. */
  readonly file: string
  /** Its test cases, or null for none. */
  readonly cases: string | null
}

/** A policy that has no fault and passes its own cases: whole, and as the engine is told it. */
export interface PreparedPolicy {
  readonly policy: Policy
  readonly engine: EnginePolicy
}

/** What it is read, compiled and tested with. */
export interface PrepareParts {
  readonly parsePolicy: (text: string, file: string) => Parsed<Policy>
  readonly compile: (policy: Policy) => CompiledPolicy
  readonly testCases: TestCases
}

export type PrepareErrorCode = "ERR_POLICY_FAULTS" | "ERR_BUNDLE_CASES"

const MAX_WORDS = 200

/**
 * Read, compile and self-test a policy, whole or not at all: one fault, or one case that fails, refuses it. May take
 * seconds and hundreds of MiB for the largest policies.
 *
 * @throws InputError `ERR_POLICY_FAULTS` (`detail.fault` is the first with its place, `detail.faults` their number),
 *   `ERR_BUNDLE_CASES` (`detail.case` is the first that fails, `detail.cases` their number), what the compiler throws
 * @see IEC 62443-4-2 CR 3.5
 */
export function preparePolicy(source: PolicySource, parts: PrepareParts): PreparedPolicy {
  const parsed = parts.parsePolicy(source.policy, source.file)
  if (!parsed.ok) {
    const [first] = parsed.faults
    const fault = first === undefined ? "" : formatFault(first).slice(0, MAX_WORDS)
    const detail = { faults: parsed.faults.length, fault }
    throw new InputError("ERR_POLICY_FAULTS", "the policy document has faults", { detail })
  }
  const policy = parsed.value
  const compiled = parts.compile(policy)
  const failures = source.cases === null ? [] : parts.testCases(policy, compiled, source.cases)
  const [first] = failures
  if (first !== undefined) {
    const detail = { cases: failures.length, case: first.slice(0, MAX_WORDS) }
    throw new InputError("ERR_BUNDLE_CASES", "the policy fails its own test cases", { detail })
  }
  return { policy, engine: enginePolicyOf(policy, compiled) }
}
