import { judgeBundle, judgeOrigin } from "../../policy/bundle/judge.ts"
import type { Statement } from "../../policy/bundle/statement.ts"
import type { Policy } from "../../policy/language/policy.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { PolicySource, PreparedPolicy } from "./prepare.ts"
import type { EnginePolicy } from "../conduits/engine-policy.ts"
import { refused, refuseOn } from "./refusal.ts"
import type { VerifiedBundle, VerifyBundle } from "./verify.ts"

/** A policy that may come into force: verified, read without a fault, compiled. */
export interface Candidate extends VerifiedBundle {
  /** The bundle as it came. */
  readonly text: string
  readonly policy: Policy
  readonly engine: EnginePolicy
}

/** What turns the text of a bundle into a policy. */
export interface CandidateParts {
  readonly verify: VerifyBundle
  /** Reads, compiles and tests it (`prepare.ts`). Takes seconds for the largest policies: a gateway has a worker for it. */
  readonly prepare: (source: PolicySource) => PreparedPolicy | Promise<PreparedPolicy>
  /** This gateway's name. */
  readonly gateway: string
  /** Distinct signers a bundle needs. */
  readonly threshold: number
}

/**
 * Verify a bundle and check that enough signers speak and that it is for this gateway: what must hold of a bundle that
 * is in force already, too.
 *
 * @throws InputError `ERR_POLICY_REFUSED`; with too few signers `detail.signers` names them, `detail.needed` is how many must
 * @see IEC 62443-4-2 CR 2.1 RE(4)
 */
export async function admit(text: string, parts: CandidateParts): Promise<VerifiedBundle> {
  const { threshold, gateway } = parts
  const verified = await refuseOn(() => parts.verify(text))
  const code = judgeOrigin({ ...verified, threshold, gateway })
  if (code === null) return verified
  const { version } = verified.statement
  if (code !== "ERR_BUNDLE_SIGNATURES") throw refused(code, "the bundle is not for this gateway to accept", { version })
  // Who has spoken and how many must: the log says whom to ask next.
  const detail = { version, signers: verified.signers.join(",").slice(0, 200), signed: verified.signers.length }
  throw refused(code, "too few trusted signers have signed the bundle", { ...detail, needed: threshold })
}

/**
 * Judge an admitted bundle as a new one, by version and time.
 *
 * @throws InputError `ERR_POLICY_REFUSED`
 */
export function judgeNew(
  verified: VerifiedBundle,
  parts: CandidateParts,
  highestVersion: number,
  now: TimeInterval,
): { readonly timeUncertain: boolean } {
  const { threshold, gateway } = parts
  const verdict = judgeBundle({ ...verified, threshold, gateway, highestVersion, now })
  if (verdict.accepted) return verdict
  const { version } = verified.statement
  throw refused(verdict.code, "the bundle may not come into force now", { version, highest: highestVersion })
}

/**
 * Read, compile and test the policy of a verified bundle. A policy with a single fault is refused whole, and so is one that
 * fails a single case of its own.
 *
 * @throws InputError `ERR_POLICY_REFUSED`
 */
export async function prepare(text: string, verified: VerifiedBundle, parts: CandidateParts): Promise<Candidate> {
  const { version, policy, cases } = verified.statement
  const source = { policy, file: `policy-${version}.yaml`, cases }
  const prepared = await refuseOn(async () => parts.prepare(source), { version })
  return { ...verified, text, ...prepared }
}

/** The statement that stood in a stored bundle must be the one it is stored as. @throws InputError `ERR_POLICY_REFUSED` */
export function expectVersion(statement: Statement, version: number): void {
  if (statement.version !== version) {
    throw refused("ERR_BUNDLE_OTHER_VERSION", "the bundle is not the version it is stored as", { version })
  }
}
