import type { Freshness } from "../../policy/bundle/judge.ts"
import type { Statement } from "../../policy/bundle/statement.ts"
import type { Policy } from "../../policy/language/policy.ts"
import type { EnginePolicy } from "../conduits/engine-policy.ts"

/** What the engine judges by. */
export interface PolicyInForce {
  readonly version: number
  /** Whole, for those who speak of it; the engine judges by `engine`. */
  readonly policy: Policy
  readonly engine: EnginePolicy
  readonly statement: Statement
}

/** Rows of the posture table that speak of the policy. `policy-expired`: surely outside its time, on either side. */
export type PolicyCondition = "no-policy" | "policy-expired" | "policy-uncertain" | "integrity-failure"

/** What a caller learns of a policy that went on trial. */
export interface TrialStarted {
  readonly version: number
  readonly name: string
  /** Comes back if the trial fails; null: no policy, everything closed. */
  readonly previous: number | null
  readonly trialMs: number
  /** By the wall clock, for people. */
  readonly trialEndsAt: number
  readonly timeUncertain: boolean
  readonly signers: readonly string[]
}

/** Which policy is in force, which on trial, and what speaks against them. */
export interface PolicyStatus {
  readonly inForce: {
    readonly version: number
    readonly name: string
    readonly state: "confirmed" | "trial"
    /** SHA-256 of its statement, hex: what the next one names as its predecessor. */
    readonly statement: string
    readonly signers: readonly string[]
    readonly issuedAt: number
    readonly notBeforeAt: number | null
    readonly notAfterAt: number | null
    readonly freshness: Freshness
  } | null
  readonly trial: { readonly version: number; readonly endsInMs: number; readonly endsAt: number } | null
  /** The confirmed version on record; differs from the one in force when its bundle was damaged. */
  readonly active: number | null
  readonly highest: number
  readonly conditions: readonly PolicyCondition[]
}

/**
 * The one owner of which policy is in force: commit-confirm over the store and the engine.
 *
 * Calls may overlap; they are carried out one after the other. A refusal changes nothing and is audited here, with its
 * reason; the error says the same.
 */
export interface PolicyActivation {
  /** Open the store and put the last good policy in force, or none. Once, before anything else. */
  start(): Promise<void>
  /**
   * Put the bundle that the board file names in force, confirmed at once: the owner's own hand laid it there. The one
   * that is in force already, and any older one, is left alone without a word. Never throws for what the bundle is.
   */
  installFromFile(text: string): Promise<"installed" | "already" | "refused">
  /**
   * Put a bundle on trial. `by` is who asked.
   * @throws InputError `ERR_POLICY_REFUSED`
   * @throws StateError `ERR_POLICY_ON_TRIAL`
   * @throws HardwareError `ERR_IO`: not in force, but this version may be refused after the next boot.
   */
  activate(text: string, trialMs: number, by: string | null): Promise<TrialStarted>
  /** Keep the policy on trial. On disk before this resolves. @throws StateError `ERR_NO_TRIAL`, `ERR_OTHER_TRIAL`. @throws HardwareError `ERR_IO`: still on trial. */
  confirm(version: number, by: string | null): Promise<{ readonly before: number | null }>
  /** Drop the policy on trial. @throws StateError `ERR_NO_TRIAL` */
  rollback(reason: string, by: string | null): Promise<{ readonly dropped: number; readonly inForce: number | null }>
  /** The bundle in force as it came; null when there is none. */
  bundle(): string | null
  /** Why `text` would be refused as a new bundle, before its policy is read; null if it would not. Changes nothing, writes nothing. */
  examine(text: string): Promise<string | null>
  status(): PolicyStatus
  conditions(): ReadonlySet<PolicyCondition>
  /** Look at the time again: to be called when the interval has jumped. It is looked at every ten seconds anyway. */
  recheck(): void
  /** Stop the timers. The policy stays in force. */
  stop(): void
}
