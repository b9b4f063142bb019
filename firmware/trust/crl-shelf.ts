import { InputError } from "../../policy/base/errors.ts"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import {
  CRL_REASONS,
  judgeCrl,
  revokedSerials,
  type CrlFacts,
  type CrlVerdict,
  type KeptCrl,
} from "../../policy/identity/crl.ts"
import type { Revoked } from "../../policy/identity/path-faults.ts"
import { verifySignature } from "../tls/certificate-facts.ts"
import type { CrlFile } from "../tls/crl-file.ts"
import { verifyCrl } from "../tls/crl-facts.ts"

/** The lists in force: authority to its own list and those of authorities below it. Replaced whole, never altered. */
export type CrlShelf = ReadonlyMap<string, readonly KeptCrl[]>

/** What a file did to the shelf. */
export interface Shelved {
  readonly shelf: CrlShelf
  /** Lists that were newer than what was there. */
  readonly taken: readonly { readonly authority: string; readonly kept: KeptCrl }[]
}

/**
 * The shelf with the lists of `file`, for those of `authorities` that they belong to; all of them or none.
 *
 * With `keepNewer` a list that is older than the one on the shelf is passed over: a file on disk may lag behind what was
 * handed over by command.
 *
 * @throws InputError `ERR_CRL_REFUSED`, `detail.reason` one of `CRL_REASONS`
 */
export function shelve(
  shelf: CrlShelf,
  file: CrlFile,
  authorities: ReadonlyMap<string, readonly CertificateFacts[]>,
  keepNewer: boolean,
): Shelved {
  let next = new Map(shelf)
  const taken: { authority: string; kept: KeptCrl }[] = []
  // The anchors' own lists first: they may revoke an authority whose list comes with them.
  const anchored = (crl: CrlFacts): boolean =>
    [...authorities.values()].some((anchors) => anchors.some((anchor) => anchor.subjectDer === crl.issuerDer))
  for (const crl of [...file.lists].sort((a, b) => Number(anchored(b)) - Number(anchored(a)))) {
    const { authority, verdict } = judgeFor(next, crl, file, authorities)
    if (!verdict.ok) {
      if (keepNewer && verdict.reason === "older") continue
      throw new InputError("ERR_CRL_REFUSED", `${verdict.reason}: ${verdict.detail}`, {
        detail: { reason: verdict.reason },
      })
    }
    if (!verdict.changed) continue
    const others = (next.get(authority) ?? []).filter((kept) => kept.crl.issuerDer !== crl.issuerDer)
    next = new Map(next).set(authority, [...others, verdict.kept])
    taken.push({ authority, kept: verdict.kept })
  }
  return { shelf: next, taken }
}

/** True for what the lists of this authority, or one below it, have revoked. */
export function revokedBy(lists: readonly KeptCrl[]): Revoked {
  const serials = new Map<string, Set<string>>()
  for (const kept of lists) serials.set(kept.crl.issuerDer, new Set(revokedSerials(kept)))
  return (issuerDer, serial) => serials.get(issuerDer)?.has(serial) === true
}

/** The verdict of the authority that takes the list, else the one that comes nearest to taking it. */
function judgeFor(
  shelf: CrlShelf,
  crl: CrlFacts,
  { certificates }: CrlFile,
  authorities: ReadonlyMap<string, readonly CertificateFacts[]>,
): { readonly authority: string; readonly verdict: CrlVerdict } {
  let nearest: { authority: string; verdict: CrlVerdict } | null = null
  for (const [authority, anchors] of authorities) {
    const lists = shelf.get(authority) ?? []
    const before = lists.find((kept) => kept.crl.issuerDer === crl.issuerDer) ?? null
    // The signer of the list before is known: a newer one may come without its certificate.
    const known = lists.map((kept) => kept.signer)
    const verdict = judgeCrl({
      crl,
      anchors,
      intermediates: [...certificates, ...known],
      before,
      verify: verifyCrl,
      verifyCertificate: verifySignature,
      revoked: revokedBy(lists),
    })
    if (verdict.ok) return { authority, verdict }
    if (nearest === null || weight(verdict) > weight(nearest.verdict)) nearest = { authority, verdict }
  }
  return nearest ?? { authority: "", verdict: { ok: false, reason: "unknown-issuer", detail: "no authority is known" } }
}

function weight(verdict: CrlVerdict): number {
  return verdict.ok ? CRL_REASONS.length : CRL_REASONS.indexOf(verdict.reason)
}
