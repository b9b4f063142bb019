import { isBoundedKey } from "./algorithms.ts"
import type { CertificateFacts, VerifySignature } from "./certificate.ts"
import { PATH_REASONS, pathCertainty, pathFaults } from "./path-faults.ts"
import type { PathFault, PathReason, Purpose, Revoked } from "./path-faults.ts"
import type { TimeInterval } from "../time/interval.ts"

/** What the decision about a chain needs. */
export interface PathInput {
  /** Leaf first, then whatever else the peer sent, in any order. */
  readonly chain: readonly CertificateFacts[]
  /** The authorities that may vouch here, and no others. They come from the trust store, never from the peer. */
  readonly anchors: readonly CertificateFacts[]
  readonly purpose: Purpose
  readonly now: TimeInterval
  readonly verify: VerifySignature
  readonly revoked?: Revoked
  /** Most certificates in a path, leaf and anchor included; default 6. */
  readonly maxDepth?: number
}

export type PathVerdict =
  | {
      readonly ok: true
      /** From the leaf to the anchor. */
      readonly path: readonly CertificateFacts[]
      /** `uncertain`: nothing says that a certificate is out of its dates, but the clock cannot say that none is. */
      readonly time: "yes" | "uncertain"
    }
  | {
      readonly ok: false
      /** The heaviest fault. */
      readonly reason: PathReason
      /** All faults of the best path there was, each once, heaviest first. */
      readonly faults: readonly PathReason[]
      /** For people: which certificate has which fault. */
      readonly detail: string
    }

/** Beyond these, nothing a peer sends makes us work harder. */
export const MAX_SENT = 10
const MAX_SIGNATURE_CHECKS = 32
const DEFAULT_DEPTH = 6

interface Search {
  readonly input: PathInput
  /** Distinct certificates that the peer sent above its own, anchors left out. */
  readonly sent: readonly CertificateFacts[]
  checksLeft: number
  best: Finding | null
}

interface Finding {
  readonly path: readonly CertificateFacts[]
  readonly faults: readonly PathFault[]
}

interface Step {
  readonly issuer: CertificateFacts
  readonly isAnchor: boolean
  readonly signed: boolean
}

/**
 * Whether one of `anchors` vouches for the peer that sent `chain`, and if not, everything that is wrong.
 *
 * A path is built upwards by issuer name and signature; where several certificates fit, each is tried. Names are
 * compared byte for byte. Faults do not hide each other: OpenSSL's one code for "expired, and from an unknown
 * authority" is `CERT_HAS_EXPIRED`, and who forgives dates by that code admits anybody.
 *
 * A self-signed leaf is refused even if it stands among the anchors: an anchor is an authority, not a peer.
 * Bounded: at most 10 certificates are looked at and 32 signatures checked, whatever the peer sends.
 *
 * @see RFC 5280 section 6.1, IEC 62443-4-2 CR 1.2, CR 1.8
 */
export function judgePath(input: PathInput): PathVerdict {
  const leaf = input.chain[0]
  if (leaf === undefined) {
    return { ok: false, reason: "no-certificate", faults: ["no-certificate"], detail: "the peer showed no certificate" }
  }
  const carried: PathFault[] = input.chain.length > MAX_SENT ? [{ reason: "too-deep", at: leaf }] : []
  const search: Search = { input, sent: distinct(input, leaf), checksLeft: MAX_SIGNATURE_CHECKS, best: null }
  if (isSignedBy(search, leaf, leaf))
    settle(search, [leaf], false, [...carried, { reason: "self-signed-leaf", at: leaf }])
  else climb(search, [leaf], leaf, carried)
  // `climb` always settles something; without it the only safe answer is a refusal.
  const best = search.best ?? { path: [leaf], faults: [{ reason: "unknown-issuer", at: leaf }] }
  if (best.faults.length > 0) return refusal(best.faults)
  const time = pathCertainty(best.path, input.now)
  return { ok: true, path: best.path, time: time === "yes" ? "yes" : "uncertain" }
}

/** Go on from `last`, the end of `path`, by every certificate that may be its issuer, until a faultless path is found. */
function climb(search: Search, path: readonly CertificateFacts[], last: CertificateFacts, carried: PathFault[]): void {
  const steps = stepsFrom(search, path, last)
  // A wrong signature is followed only where there is no right one: for the record, since the path is refused anyway.
  const right = steps.filter((step) => step.signed)
  const chosen = right.length > 0 ? right : steps
  if (chosen.length === 0) {
    const reason = search.checksLeft > 0 ? "unknown-issuer" : "too-deep"
    settle(search, path, false, [...carried, { reason, at: last }])
    return
  }
  for (const { issuer, isAnchor, signed } of chosen) {
    const faults: PathFault[] = signed ? carried : [...carried, { reason: "bad-signature", at: last }]
    if (isAnchor) settle(search, [...path, issuer], true, faults)
    else climb(search, [...path, issuer], issuer, faults)
    if (search.best?.faults.length === 0) return
  }
}

function stepsFrom(search: Search, path: readonly CertificateFacts[], last: CertificateFacts): Step[] {
  const steps: Step[] = []
  const consider = (issuer: CertificateFacts, isAnchor: boolean): void => {
    // No certificate twice in a path: this ends loops.
    if (issuer.subjectDer !== last.issuerDer || path.some((c) => c.fingerprint === issuer.fingerprint)) return
    if (search.checksLeft > 0) steps.push({ issuer, isAnchor, signed: isSignedBy(search, last, issuer) })
  }
  for (const anchor of search.input.anchors) consider(anchor, true)
  for (const certificate of search.sent) consider(certificate, false)
  return steps
}

function isSignedBy(search: Search, certificate: CertificateFacts, issuer: CertificateFacts): boolean {
  if (certificate.issuerDer !== issuer.subjectDer) return false
  search.checksLeft -= 1
  // A key that is too large to be permitted is not calculated with; the path is refused for `weak-key` in any case.
  return isBoundedKey(issuer.keyAlgorithm) && search.input.verify(certificate, issuer)
}

/** Keep `path` if it is the best so far: the one with the fewest kinds of fault, the first of equals. */
function settle(search: Search, path: readonly CertificateFacts[], anchored: boolean, carried: PathFault[]): void {
  const { purpose, now, revoked = () => false, maxDepth = DEFAULT_DEPTH } = search.input
  const faults = [...carried, ...pathFaults(path, anchored, { purpose, now, revoked, maxDepth })]
  if (search.best === null || kinds(faults).length < kinds(search.best.faults).length) search.best = { path, faults }
}

function distinct(input: PathInput, leaf: CertificateFacts): CertificateFacts[] {
  const seen = new Set([leaf.fingerprint, ...input.anchors.map((anchor) => anchor.fingerprint)])
  return input.chain.slice(1, MAX_SENT).filter((certificate) => {
    if (seen.has(certificate.fingerprint)) return false
    seen.add(certificate.fingerprint)
    return true
  })
}

function kinds(faults: readonly PathFault[]): PathReason[] {
  return PATH_REASONS.filter((reason) => faults.some((fault) => fault.reason === reason))
}

function refusal(faults: readonly PathFault[]): PathVerdict {
  const reasons = kinds(faults)
  const first = reasons[0] ?? "unknown-issuer"
  const lines = reasons.map((reason) => {
    const at = faults.find((fault) => fault.reason === reason)?.at
    const whose = reason === "unknown-issuer" ? at?.issuer : at?.subject
    return `${reason} (${(whose ?? "").slice(0, 80)})`
  })
  return { ok: false, reason: first, faults: reasons, detail: lines.join(", ") }
}
