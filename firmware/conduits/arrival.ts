import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import { resolveByAddress, resolveSubject, type Subject } from "../../policy/identity/subject.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import { judgePeerChain } from "../tls/accept-peer.ts"
import type { FactsCache } from "../tls/certificate-facts.ts"
import type { ConduitInForce } from "./in-force.ts"

/** What a peer may be: its subject and class, or why not. */
export type Admission =
  | {
      readonly ok: true
      readonly subject: Subject
      readonly leaf: CertificateFacts | null
      readonly classIndex: number
    }
  | {
      readonly ok: false
      readonly reason: string
      readonly faults: readonly string[]
      /** Of the leaf; null when the peer showed none. */
      readonly fingerprint: string | null
      readonly issuer: string | null
      readonly serial: string | null
    }

/**
 * Path, subject, TLS version and class of a peer under one conduit's policy. `chain` is DER, as the peer sent it.
 *
 * @see IEC 62443-4-2 CR 1.2, NDR 5.2
 */
export function judgeArrival(
  own: ConduitInForce,
  chain: readonly Uint8Array[],
  tlsVersion: string,
  context: { readonly time: () => TimeInterval; readonly certificates: FactsCache },
): Admission {
  const verdict = judgePeerChain(chain, {
    anchors: own.anchors,
    zone: own.zone.name,
    subjects: own.subjects,
    now: context.time(),
    revoked: own.revoked,
    cache: context.certificates,
  })
  return verdict.ok ? judgeRights(own, verdict.subject, verdict.leaf, tlsVersion) : verdict
}

/** The same for a peer whose path was judged under the same trust: names and rights may have changed, the path not. */
export function judgeAgain(own: ConduitInForce, leaf: CertificateFacts, tlsVersion: string): Admission {
  const subject = resolveSubject(own.subjects, own.zone.name, leaf)
  return subject.ok ? judgeRights(own, subject, leaf, tlsVersion) : refuse(leaf, subject.reason)
}

/** The same for a peer in clear text, which is known by its address alone. */
export function judgeAddress(own: ConduitInForce, address: string): Admission {
  const refused = (reason: string): Admission => ({ ok: false, reason, faults: [reason], ...NOBODY })
  if (!own.zone.clearText || own.settings.transport.from !== "tcp") return refused("clear-text")
  const subject = resolveByAddress(own.subjects, own.zone.name, address)
  if (!subject.ok) return refused(subject.reason)
  const classIndex = own.classFor(subject.roles)
  return classIndex < 0 ? refused("no-rights") : { ok: true, subject, leaf: null, classIndex }
}

const NOBODY = { fingerprint: null, issuer: null, serial: null }

function judgeRights(own: ConduitInForce, subject: Subject, leaf: CertificateFacts, tlsVersion: string): Admission {
  if (own.zone.tlsMin === "1.3" && tlsVersion !== "TLSv1.3") return refuse(leaf, "tls-version")
  const classIndex = own.classFor(subject.roles)
  return classIndex < 0 ? refuse(leaf, "no-rights") : { ok: true, subject, leaf, classIndex }
}

function refuse({ fingerprint, issuer, serial }: CertificateFacts, reason: string): Admission {
  return { ok: false, reason, faults: [reason], fingerprint, issuer, serial }
}
