import { within } from "../time/interval.ts"
import type { Certainty, TimeInterval } from "../time/interval.ts"
import type { Statement } from "./statement.ts"

/** Why a bundle is refused; stable, written into the log. */
export type BundleRefusal =
  "ERR_BUNDLE_SIGNATURES" | "ERR_BUNDLE_GATEWAY" | "ERR_BUNDLE_VERSION" | "ERR_BUNDLE_EXPIRED" | "ERR_BUNDLE_NOT_YET"

export type BundleVerdict =
  /** `timeUncertain`: the gateway cannot tell whether the statement is in its time of validity. */
  | { readonly accepted: true; readonly timeUncertain: boolean }
  | { readonly accepted: false; readonly code: BundleRefusal }

/** Who signed, as far as we trust them, and whom the statement is for. */
export interface BundleOrigin {
  readonly statement: Statement
  /** Trusted signers whose signature was found good. A name counts once, however often it stands here. */
  readonly signers: readonly string[]
  /** Distinct signers needed. */
  readonly threshold: number
  /** Our own name. */
  readonly gateway: string
}

/** Everything a new bundle is judged by. */
export interface BundleQuestion extends BundleOrigin {
  /** The highest version that was ever confirmed or on trial here; 0 for none. */
  readonly highestVersion: number
  readonly now: TimeInterval
}

/**
 * Why the bundle is none of ours, or null if enough trusted signers speak and it names this gateway. What holds for a
 * bundle that is already in force, too: asked again at every boot.
 */
export function judgeOrigin(origin: BundleOrigin): BundleRefusal | null {
  const distinct = new Set(origin.signers).size
  // Written so that a threshold of 0, or one that is no number, never lets an unsigned bundle in.
  if (distinct < 1 || !(distinct >= origin.threshold)) return "ERR_BUNDLE_SIGNATURES"
  const { gateways } = origin.statement
  if (!(gateways.length === 1 && gateways[0] === "*") && !gateways.includes(origin.gateway)) return "ERR_BUNDLE_GATEWAY"
  return null
}

/**
 * Whether a new bundle may go on trial.
 *
 * Uncertain time is no reason to refuse: it becomes a condition of the posture. Only a bundle that is surely expired
 * or surely not yet valid is refused. The version must be above every one that was ever tried, confirmed or not, so an
 * old bundle cannot be played again: going back means signing the old text under a higher number.
 *
 * @see IEC 62443-4-2 CR 3.4
 */
export function judgeBundle(question: BundleQuestion): BundleVerdict {
  const refusal = judgeOrigin(question)
  if (refusal !== null) return { accepted: false, code: refusal }
  if (!(question.statement.version > question.highestVersion)) return { accepted: false, code: "ERR_BUNDLE_VERSION" }
  switch (freshness(question.statement, question.now)) {
    case "expired":
      return { accepted: false, code: "ERR_BUNDLE_EXPIRED" }
    case "not-yet":
      return { accepted: false, code: "ERR_BUNDLE_NOT_YET" }
    case "uncertain":
      return { accepted: true, timeUncertain: true }
    case "fresh":
      return { accepted: true, timeUncertain: false }
  }
}

export type Freshness = "fresh" | "expired" | "not-yet" | "uncertain"

/** Where `now` stands to the statement's time of validity. */
export function freshness(statement: Statement, now: TimeInterval): Freshness {
  const notBeforeAt = statement.notBeforeAt ?? -Infinity
  const notAfterAt = statement.notAfterAt ?? Infinity
  const certainty: Certainty = within(now, notBeforeAt, notAfterAt)
  switch (certainty) {
    case "yes":
      return "fresh"
    case "uncertain":
      return "uncertain"
    case "no":
      return now.earliestAt > notAfterAt ? "expired" : "not-yet"
  }
}
