/**
 * Whom a gateway believes, in two halves that never stand in for each other:
 *
 *     owner     zone authorities that vouch for peers, and people who sign policy
 *     supplier  keys that sign firmware; they come with the image
 *
 * A supplier's key signs no policy and an owner's key no firmware, so that neither can take over the other's part.
 *
 * @see IEC 62443-4-2 NDR 3.12 (supplier's roots of trust), NDR 3.13 (asset owner's)
 */
import { isPermittedKey } from "./algorithms.ts"
import type { CertificateFacts } from "./certificate.ts"

/** A public key that may sign, by the name the store knows it under. */
export interface TrustedKey {
  readonly name: string
  /** The same for two encodings of one key (RFC 7638). */
  readonly thumbprint: string
}

/** Whom the gateway believes, in two halves. */
export interface TrustStore {
  readonly owner: {
    /** Zone authorities by name: one certificate or several, during a change of authority. */
    readonly authorities: ReadonlyMap<string, readonly CertificateFacts[]>
    readonly policySigners: readonly TrustedKey[]
    /** Distinct signers that a policy bundle needs. */
    readonly policyThreshold: number
  }
  readonly supplier: {
    readonly firmwareSigners: readonly TrustedKey[]
    readonly firmwareThreshold: number
  }
}

export type TrustReason =
  "no-certificate" | "not-a-ca" | "weak-key" | "same-certificate" | "same-key" | "both-sides" | "threshold"

/** One thing in the store that cannot stand. `name` is the entry's. */
export interface TrustFault {
  readonly side: "owner" | "supplier"
  readonly name: string
  readonly reason: TrustReason
}

/**
 * Everything in the store that would make it say more, or less, than it seems to: an authority that is none, one key
 * under two names (which would count twice in the eyes of whoever reads the board file), a threshold that can never be
 * met. A gateway starts with none of these.
 */
export function trustFaults(store: TrustStore): readonly TrustFault[] {
  return [...authorityFaults(store.owner.authorities), ...signerFaults(store)]
}

function authorityFaults(authorities: TrustStore["owner"]["authorities"]): TrustFault[] {
  const faults: TrustFault[] = []
  const seen = new Map<string, string>()
  for (const [name, certificates] of authorities) {
    const add = (reason: TrustReason): void => void faults.push({ side: "owner", name, reason })
    if (certificates.length === 0) add("no-certificate")
    for (const certificate of certificates) {
      if (certificate.basicConstraints?.ca !== true) add("not-a-ca")
      if (!isPermittedKey(certificate.keyAlgorithm)) add("weak-key")
      // Two zones with one authority would be one zone in the eyes of whoever holds its certificates.
      if ((seen.get(certificate.fingerprint) ?? name) !== name) add("same-certificate")
      seen.set(certificate.fingerprint, name)
    }
  }
  return faults
}

function signerFaults({ owner, supplier }: TrustStore): TrustFault[] {
  const faults: TrustFault[] = []
  const sides = [
    ["owner", owner.policySigners, owner.policyThreshold],
    ["supplier", supplier.firmwareSigners, supplier.firmwareThreshold],
  ] as const
  const sideOf = new Map<string, "owner" | "supplier">()
  for (const [side, signers, threshold] of sides) {
    for (const { name, thumbprint } of signers) {
      const known = sideOf.get(thumbprint)
      if (known !== undefined) faults.push({ side, name, reason: known === side ? "same-key" : "both-sides" })
      else sideOf.set(thumbprint, side)
    }
    const distinct = new Set(signers.map((signer) => signer.thumbprint)).size
    // A half that is not set up at all trusts nobody, which is no fault.
    const usable = Number.isInteger(threshold) && threshold >= 1 && threshold <= distinct
    if (signers.length > 0 && !usable) faults.push({ side, name: String(threshold), reason: "threshold" })
  }
  return faults
}
