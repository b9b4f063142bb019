import { isPermittedKey, isPermittedSignature } from "./algorithms.ts"
import type { CertificateFacts } from "./certificate.ts"
import { within } from "../time/interval.ts"
import type { Certainty, TimeInterval } from "../time/interval.ts"

/**
 * Why a chain is not trusted. Words are stable: the audit log and the assessment match on them.
 *
 * Heaviest first: what says "this is not one of ours" comes before what says "one of ours is badly made", and that
 * before time, because an operator who reads `expired` renews the certificate.
 */
export const PATH_REASONS = [
  "no-certificate",
  "self-signed-leaf",
  "unknown-issuer",
  "bad-signature",
  "revoked",
  "too-deep",
  "not-a-ca",
  "path-length",
  "ca-leaf",
  "key-usage",
  "extended-key-usage",
  "unknown-critical",
  "version",
  "weak-key",
  "weak-signature",
  "not-yet-valid",
  "expired",
] as const

export type PathReason = (typeof PATH_REASONS)[number]

/** What the certificate is shown for: a peer that dials us, or one that we dial. */
export type Purpose = "client" | "server"

/** True if that issuer (`issuerDer`) has revoked that serial number. */
export type Revoked = (issuerDer: string, serial: string) => boolean

/** A fault, and the certificate that has it. */
export interface PathFault {
  readonly reason: PathReason
  readonly at: CertificateFacts
}

/** What a path is held against. */
export interface PathRules {
  readonly purpose: Purpose
  readonly now: TimeInterval
  readonly revoked: Revoked
  /** Most certificates in a path, leaf and anchor included. */
  readonly maxDepth: number
}

const PURPOSE_OID: Readonly<Record<Purpose, string>> = {
  client: "1.3.6.1.5.5.7.3.2",
  server: "1.3.6.1.5.5.7.3.1",
}

/**
 * Every fault of a path (leaf first) that can be seen without checking a signature; empty if it has none.
 *
 * `anchored` says that the last certificate is one of our anchors: what it is signed with is then of no interest, for
 * we trust it by itself. All else counts for the anchor too, its dates included: an authority that has expired no
 * longer vouches.
 *
 * @see RFC 5280 section 6.1
 */
export function pathFaults(path: readonly CertificateFacts[], anchored: boolean, rules: PathRules): PathFault[] {
  const faults: PathFault[] = []
  path.forEach((certificate, index) => {
    const find = (reason: PathReason): unknown => faults.push({ reason, at: certificate })
    if (certificate.version !== 3) find("version")
    if (!isPermittedKey(certificate.keyAlgorithm)) find("weak-key")
    if (certificate.unknownCritical.length > 0) find("unknown-critical")
    if (rules.revoked(certificate.issuerDer, certificate.serial)) find("revoked")
    // An authority's extended key usage limits what it may issue for: not in RFC 5280, but what everybody enforces.
    if (certificate.extendedKeyUsage?.includes(PURPOSE_OID[rules.purpose]) === false) find("extended-key-usage")
    const isAnchor = anchored && index === path.length - 1
    if (!isAnchor && !isPermittedSignature(certificate.signatureAlgorithm)) find("weak-signature")
    if (index === rules.maxDepth) find("too-deep")
    for (const reason of index === 0 ? leafFaults(certificate) : issuerFaults(path, index)) find(reason)
    for (const reason of dateFaults(certificate, rules.now)) find(reason)
  })
  const last = path.at(-1)
  if (last !== undefined && neverAtOnce(path, faults)) faults.push({ reason: "expired", at: last })
  return faults
}

/** Whether the true time surely lies in the validity of every certificate. Call it for a path without faults. */
export function pathCertainty(path: readonly CertificateFacts[], now: TimeInterval): Certainty {
  return within(now, latestStart(path), earliestEnd(path))
}

function leafFaults(leaf: CertificateFacts): PathReason[] {
  const reasons: PathReason[] = []
  // Stricter than RFC 5280: a device whose certificate is an authority could name other devices.
  if (leaf.basicConstraints?.ca === true) reasons.push("ca-leaf")
  // TLS 1.3, and TLS 1.2 with ECDHE, use the key for signatures only.
  if (leaf.keyUsage?.includes("digitalSignature") === false) reasons.push("key-usage")
  return reasons
}

function issuerFaults(path: readonly CertificateFacts[], index: number): PathReason[] {
  const reasons: PathReason[] = []
  const issuer = path[index]
  if (issuer?.basicConstraints?.ca !== true) reasons.push("not-a-ca")
  if (issuer?.keyUsage?.includes("keyCertSign") === false) reasons.push("key-usage")
  const limit = issuer?.basicConstraints?.pathLength ?? null
  // Certificates that an authority issues to itself (for a new key) do not count.
  const below = path.slice(1, index).filter((certificate) => certificate.subjectDer !== certificate.issuerDer).length
  if (limit !== null && below > limit) reasons.push("path-length")
  return reasons
}

function dateFaults(certificate: CertificateFacts, now: TimeInterval): PathReason[] {
  if (within(now, certificate.notBeforeAt, certificate.notAfterAt) !== "no") return []
  return [now.latestAt < certificate.notBeforeAt ? "not-yet-valid" : "expired"]
}

/**
 * True if no moment lies in the validity of all certificates, though each alone may be valid now. An uncertain clock
 * makes each a "maybe"; two that never overlap, or one that ends before it begins, are a no all the same.
 */
function neverAtOnce(path: readonly CertificateFacts[], found: readonly PathFault[]): boolean {
  if (found.some(({ reason }) => reason === "expired" || reason === "not-yet-valid")) return false
  return earliestEnd(path) < latestStart(path)
}

function latestStart(path: readonly CertificateFacts[]): number {
  return Math.max(...path.map((certificate) => certificate.notBeforeAt))
}

function earliestEnd(path: readonly CertificateFacts[]): number {
  return Math.min(...path.map((certificate) => certificate.notAfterAt))
}
