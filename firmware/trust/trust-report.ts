import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import type { KeptCrl } from "../../policy/identity/crl.ts"
import { expiryStage, type ExpiryStage } from "../../policy/identity/expiry.ts"
import type { Certainty, TimeInterval } from "../../policy/time/interval.ts"
import type { CrlShelf } from "./crl-shelf.ts"

/** What `trust.status` answers. Plain JSON; times in milliseconds since 1970. */
export interface TrustReport {
  readonly authorities: readonly {
    readonly name: string
    readonly certificates: readonly CertificateLine[]
    readonly lists: readonly ListLine[]
  }[]
  /** What the gateway shows itself, by use. */
  readonly own: readonly (CertificateLine & { readonly use: string; readonly stage: ExpiryStage })[]
}

/** One certificate. */
export interface CertificateLine {
  readonly subject: string
  readonly fingerprint: string
  readonly notAfterAt: number
}

/** One issuer's list. */
export interface ListLine {
  readonly issuer: string
  /** Hex. */
  readonly number: string
  readonly entries: number
  /** Revoked by earlier lists, and not by this one. */
  readonly remembered: number
  readonly thisUpdateAt: number
  readonly nextUpdateAt: number
  readonly stale: Certainty
}

/** The trust in force in words and numbers. */
export function trustReport(
  anchors: ReadonlyMap<string, readonly CertificateFacts[]>,
  shelf: CrlShelf,
  own: readonly (readonly [use: string, leaf: CertificateFacts])[],
  now: TimeInterval,
  stale: (kept: KeptCrl, now: TimeInterval) => Certainty,
): TrustReport {
  return {
    authorities: [...anchors].map(([name, certificates]) => ({
      name,
      certificates: certificates.map(certificateLine),
      lists: (shelf.get(name) ?? []).map((kept) => ({
        issuer: kept.crl.issuer,
        number: kept.crl.number,
        entries: kept.crl.entries.size,
        remembered: kept.remembered.length,
        thisUpdateAt: kept.crl.thisUpdateAt,
        nextUpdateAt: kept.crl.nextUpdateAt,
        stale: stale(kept, now),
      })),
    })),
    own: own.map(([use, leaf]) => ({ use, ...certificateLine(leaf), stage: expiryStage(leaf.notAfterAt, now) })),
  }
}

function certificateLine({ subject, fingerprint, notAfterAt }: CertificateFacts): CertificateLine {
  return { subject, fingerprint, notAfterAt }
}
