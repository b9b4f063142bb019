import { isBoundedKey, isPermittedKey, isPermittedSignature } from "./algorithms.ts"
import type { CertificateFacts, VerifySignature } from "./certificate.ts"
import type { Revoked } from "./path-faults.ts"
import type { Certainty, TimeInterval } from "../time/interval.ts"

/** A larger list is refused unread. 20,000 entries of the longest kind take 1 MiB. */
export const MAX_CRL_BYTES = 1024 * 1024
/** Entries of one list, what is remembered from earlier ones included. */
export const MAX_CRL_ENTRIES = 20_000
/** Authorities below an anchor whose certificates may come with a list. */
export const MAX_INTERMEDIATES = 8

/** What the decision needs to know of one certificate revocation list, as plain values. An adapter parses the DER. */
export interface CrlFacts {
  /** The whole list, DER. */
  readonly der: Uint8Array
  /** SHA-256 over `der`, lower-case hex. */
  readonly fingerprint: string
  /** RFC 4514 text. For messages. */
  readonly issuer: string
  /** DER of the name, lower-case hex: what is compared. */
  readonly issuerDer: string
  /** The CRL number in lower-case hex without leading zeros; null if it bears none. */
  readonly number: string | null
  readonly thisUpdateAt: number
  /** Null if the list does not say when the next one comes. */
  readonly nextUpdateAt: number | null
  /** Serial numbers (lower-case hex, no leading zeros) to whether the entry is a hold, which may be lifted again. */
  readonly entries: ReadonlyMap<string, "revoked" | "on-hold">
  /** `partial`: it says itself that it speaks of some certificates only. */
  readonly scope: "complete" | "delta" | "indirect" | "partial"
  /** OIDs of critical extensions, of the list or of an entry, that the adapter did not understand. */
  readonly unknownCritical: readonly string[]
  readonly signatureAlgorithm: string
}

/** True if `crl` bears a good signature by `issuer`'s key. Never throws. */
export type VerifyCrl = (crl: CrlFacts, issuer: CertificateFacts) => boolean

/** Why a list is not accepted, heaviest first. Words are stable: the audit log matches on them. */
export const CRL_REASONS = [
  "unknown-issuer",
  "not-for-crls",
  "weak-key",
  "weak-signature",
  "bad-signature",
  "delta",
  "indirect",
  "partial",
  "unknown-critical",
  "no-number",
  "no-next-update",
  "older",
  "fork",
  "too-many",
] as const
export type CrlReason = (typeof CRL_REASONS)[number]

/** What the gateway knows of one issuer's revocations: its newest list, and what earlier ones said for ever. */
export interface KeptCrl {
  readonly crl: CrlFacts & { readonly number: string; readonly nextUpdateAt: number }
  /** Who signed it. */
  readonly signer: CertificateFacts
  /** Serials that an earlier list revoked for ever and the newest does not. Sorted. */
  readonly remembered: readonly string[]
}

/** What the decision about a list needs. */
export interface CrlInput {
  readonly crl: CrlFacts
  /** The certificates of the authority that the list is said to belong to. */
  readonly anchors: readonly CertificateFacts[]
  /** Certificates of authorities below them that came with the list, in any order. */
  readonly intermediates: readonly CertificateFacts[]
  /** What is kept for this issuer already. */
  readonly before: KeptCrl | null
  readonly verify: VerifyCrl
  readonly verifyCertificate: VerifySignature
  readonly revoked: Revoked
}

export type CrlVerdict =
  | { readonly ok: true; readonly kept: KeptCrl; readonly changed: boolean }
  | { readonly ok: false; readonly reason: CrlReason; readonly detail: string }

/**
 * Whether `crl` becomes what the gateway knows of its issuer's revocations.
 *
 * It must be signed by the authority whose name it bears: one of the anchors, or one below them whose certificate came
 * along and was not revoked. It must be whole (no delta, no list for others or for some certificates only) and newer by
 * its number; the same list once more changes nothing.
 *
 * A serial number that was once revoked stays so, also if a newer list leaves it out. RFC 5280 lets authorities drop a
 * certificate that has expired; with an uncertain clock that one would be let in again. Only a hold is lifted by leaving
 * it out (section 5.3.1). What is remembered counts towards the bound on entries: nothing is ever forgotten for room.
 *
 * @see RFC 5280 sections 5 and 6.3, IEC 62443-4-2 CR 1.9
 */
export function judgeCrl(input: CrlInput): CrlVerdict {
  const { crl, before } = input
  const refuse = (reason: CrlReason, detail: string): CrlVerdict => ({ ok: false, reason, detail })
  const candidates = signersOf(input)
  if (candidates.length === 0) return refuse("unknown-issuer", `${crl.issuer} is not an authority here`)
  const fit = candidates.filter(maySignCrls)
  if (fit.length === 0) return refuse("not-for-crls", `the key of ${crl.issuer} may not sign lists`)
  const strong = fit.filter((signer) => isPermittedKey(signer.keyAlgorithm) && isBoundedKey(signer.keyAlgorithm))
  if (strong.length === 0) return refuse("weak-key", `the key of ${crl.issuer} is of a kind that is not permitted`)
  if (!isPermittedSignature(crl.signatureAlgorithm)) {
    return refuse("weak-signature", `${crl.signatureAlgorithm} is not permitted`)
  }
  const signer = strong.find((one) => input.verify(crl, one))
  if (signer === undefined) return refuse("bad-signature", `${crl.issuer} did not sign this list`)
  if (crl.scope !== "complete")
    return refuse(crl.scope, `a list that is ${crl.scope} is not taken: fetch the whole one`)
  if (crl.unknownCritical.length > 0) return refuse("unknown-critical", crl.unknownCritical.join(" "))
  const { number, nextUpdateAt } = crl
  if (number === null) return refuse("no-number", "the list bears no CRL number, so nobody can tell older from newer")
  if (nextUpdateAt === null) return refuse("no-next-update", "the list does not say until when it is fresh")
  if (before !== null) {
    if (crl.fingerprint === before.crl.fingerprint) return { ok: true, kept: before, changed: false }
    const order = compareNumbers(number, before.crl.number)
    if (order < 0) return refuse("older", `number ${number} is older than ${before.crl.number}, which is known already`)
    if (order === 0)
      return refuse("fork", `two different lists bear number ${number}: ask the authority which one holds`)
  }
  const remembered = dropped(before, crl)
  if (crl.entries.size + remembered.length > MAX_CRL_ENTRIES) {
    return refuse("too-many", `more than ${MAX_CRL_ENTRIES} certificates of ${crl.issuer} would be revoked`)
  }
  return { ok: true, kept: { crl: { ...crl, number, nextUpdateAt }, signer, remembered }, changed: true }
}

/** Whether the list is past its next update: `uncertain` when the clock cannot say. */
export function crlStale(kept: KeptCrl, now: TimeInterval): Certainty {
  const { nextUpdateAt } = kept.crl
  if (now.earliestAt > nextUpdateAt) return "yes"
  return now.latestAt <= nextUpdateAt ? "no" : "uncertain"
}

/** Every serial number that is refused for this issuer, now and from earlier lists. */
export function revokedSerials({ crl, remembered }: KeptCrl): readonly string[] {
  return [...new Set([...crl.entries.keys(), ...remembered])]
}

/** The authorities of the list's name that some anchor vouches for; an anchor of that name leaves others no say. */
function signersOf({ crl, anchors, intermediates, verifyCertificate, revoked }: CrlInput): readonly CertificateFacts[] {
  const named = (all: readonly CertificateFacts[]): CertificateFacts[] =>
    all.filter((certificate) => certificate.subjectDer === crl.issuerDer)
  const own = named(anchors)
  if (own.length > 0) return own
  let vouched = [...anchors]
  let left = intermediates.slice(0, 2 * MAX_INTERMEDIATES + 1)
  // Each round takes those whose issuer is vouched for by now: as many rounds as there are levels.
  for (let round = 0; round < MAX_INTERMEDIATES && left.length > 0; round++) {
    const found = left.filter((certificate) => {
      const { issuerDer, serial, signatureAlgorithm, unknownCritical } = certificate
      if (!isPermittedSignature(signatureAlgorithm) || unknownCritical.length > 0 || revoked(issuerDer, serial))
        return false
      return vouched.some(
        (issuer) => issuer.subjectDer === issuerDer && mayIssue(issuer) && verifyCertificate(certificate, issuer),
      )
    })
    if (found.length === 0) break
    vouched = [...vouched, ...found]
    left = left.filter((certificate) => !found.includes(certificate))
  }
  return named(vouched)
}

function mayIssue(issuer: CertificateFacts): boolean {
  const { basicConstraints, keyUsage, keyAlgorithm } = issuer
  return basicConstraints?.ca === true && keyUsage?.includes("keyCertSign") !== false && isPermittedKey(keyAlgorithm)
}

function maySignCrls({ basicConstraints, keyUsage }: CertificateFacts): boolean {
  return basicConstraints?.ca === true && keyUsage?.includes("cRLSign") !== false
}

/** Positive if `a` is the higher number; both in hex without leading zeros. */
function compareNumbers(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length
  return a < b ? -1 : a > b ? 1 : 0
}

/** What was revoked for ever before, and by the new list no longer, or only for a time. */
function dropped(before: KeptCrl | null, crl: CrlFacts): string[] {
  if (before === null) return []
  const earlier = [...before.crl.entries].filter(([, kind]) => kind === "revoked").map(([serial]) => serial)
  return [...new Set([...earlier, ...before.remembered])]
    .filter((serial) => crl.entries.get(serial) !== "revoked")
    .sort()
}
