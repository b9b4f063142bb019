import type { TLSSocket } from "node:tls"
import { certificateFacts, fingerprintOf, verifySignature } from "./certificate-facts.ts"
import type { FactsCache } from "./certificate-facts.ts"
import { peerChain } from "./peer-chain.ts"
import { bearsName } from "./server-name.ts"
import { LockgateError } from "../../policy/base/errors.ts"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import { judgePath } from "../../policy/identity/path.ts"
import type { PathReason, Purpose, Revoked } from "../../policy/identity/path-faults.ts"
import { resolveSubject } from "../../policy/identity/subject.ts"
import type { Subject, SubjectReason } from "../../policy/identity/subject.ts"
import type { SubjectRule } from "../../policy/language/policy.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"

/** What both judgements need. */
export interface Trust {
  /** The authorities that may vouch here: those of the peer's zone. */
  readonly anchors: readonly CertificateFacts[]
  readonly now: TimeInterval
  readonly revoked?: Revoked
  readonly cache?: FactsCache
}

/** What the judgement of a client needs. */
export interface PeerTrust extends Trust {
  readonly zone: string
  /** The subject rules of the policy; those of other zones are passed over. */
  readonly subjects: readonly SubjectRule[]
}

/** What the judgement of a server needs. */
export interface ServerTrust extends Trust {
  readonly serverName: string
}

/** `malformed`: a certificate that our reader refuses. `server-name`: it is trusted, but for another name. */
export type PeerReason = PathReason | SubjectReason | "malformed" | "server-name"

/** A refused peer, with what the audit entry names. */
export interface Refusal {
  readonly ok: false
  /** The heaviest fault. */
  readonly reason: PeerReason
  readonly faults: readonly PeerReason[]
  /** Of the leaf, SHA-256 in hex; null if the peer showed none. */
  readonly fingerprint: string | null
  /** As the leaf says: for a peer that is not trusted this is a claim. */
  readonly issuer: string | null
  readonly serial: string | null
  /** For people. */
  readonly detail: string
}

interface Accepted {
  readonly ok: true
  readonly leaf: CertificateFacts
  /** From the leaf to the anchor. */
  readonly path: readonly CertificateFacts[]
  readonly time: "yes" | "uncertain"
}

export type PeerVerdict = (Accepted & { readonly subject: Subject }) | Refusal
export type ServerVerdict = Accepted | Refusal

/**
 * Who the peer of a connection to us is, or everything that speaks against it. To be called once, first thing in
 * `secureConnection`; on a refusal the caller destroys the socket, having attached no listener for data.
 *
 * Never throws for what a peer sent.
 *
 * @see IEC 62443-4-2 CR 1.2, CR 1.8, CR 1.9
 */
export function judgePeer(socket: TLSSocket, trust: PeerTrust): PeerVerdict {
  return judgePeerChain(peerChain(socket), trust)
}

/** The same over a chain in hand (DER, leaf first): for judging anew when policy, trust or time change. */
export function judgePeerChain(chain: readonly Uint8Array[], trust: PeerTrust): PeerVerdict {
  const trusted = judgeChain(chain, "client", trust)
  if (!trusted.ok) return trusted
  const subject = resolveSubject(trust.subjects, trust.zone, trusted.leaf)
  if (!subject.ok) return refusal(trusted.leaf, [subject.reason], subject.detail)
  const { name, roles, ruleId, clientIdPattern } = subject
  return { ...trusted, subject: { name, roles, ruleId, clientIdPattern } }
}

/**
 * Whether the server that we dialled is the one we meant, or everything that speaks against it. To be called once, in
 * `secureConnect`, before anything is written; on a refusal the caller destroys the socket.
 *
 * Used in place of `rejectUnauthorized`, so that an uncertain clock means the same on both sides of the gateway.
 *
 * @see IEC 62443-4-2 CR 1.2, CR 1.8
 */
export function judgeServer(socket: TLSSocket, trust: ServerTrust): ServerVerdict {
  return judgeServerChain(peerChain(socket), trust)
}

/** The same over a chain in hand. */
export function judgeServerChain(chain: readonly Uint8Array[], trust: ServerTrust): ServerVerdict {
  const verdict = judgeChain(chain, "server", trust)
  const first = chain[0]
  const leaf = verdict.ok ? verdict.leaf : first === undefined ? null : readable(first, trust.cache)
  if (leaf === null || bearsName(leaf, trust.serverName)) return verdict
  const detail = `the certificate is not for ${trust.serverName}`
  if (verdict.ok) return refusal(leaf, ["server-name"], detail)
  return { ...verdict, faults: [...verdict.faults, "server-name"], detail: `${verdict.detail}, ${detail}` }
}

function judgeChain(der: readonly Uint8Array[], purpose: Purpose, trust: Trust): ServerVerdict {
  const chain = der.map((bytes) => readable(bytes, trust.cache))
  const leaf = chain[0] ?? null
  const sent = chain.filter((facts) => facts !== null)
  if (leaf === null && chain.length > 0) return unreadableLeaf(der[0])
  const verdict = judgePath({
    chain: sent,
    anchors: trust.anchors,
    purpose,
    now: trust.now,
    verify: verifySignature,
    ...(trust.revoked === undefined ? {} : { revoked: trust.revoked }),
  })
  if (sent.length < chain.length) {
    const others = verdict.ok ? [] : verdict.faults
    return refusal(leaf, ["malformed", ...others], "a certificate above the leaf cannot be read")
  }
  if (!verdict.ok) return refusal(leaf, verdict.faults, verdict.detail)
  const [first] = verdict.path
  if (first === undefined) return refusal(leaf, ["unknown-issuer"], "an empty path")
  return { ok: true, leaf: first, path: verdict.path, time: verdict.time }
}

function readable(der: Uint8Array, cache: FactsCache | undefined): CertificateFacts | null {
  try {
    return certificateFacts(der, cache)
  } catch (error) {
    if (error instanceof LockgateError && error.kind === "input") return null
    throw error
  }
}

function unreadableLeaf(leaf: Uint8Array | undefined): Refusal {
  const fingerprint = leaf === undefined ? null : fingerprintOf(leaf)
  return { ...refusal(null, ["malformed"], "the certificate cannot be read"), fingerprint }
}

function refusal(leaf: CertificateFacts | null, faults: readonly PeerReason[], detail: string): Refusal {
  return {
    ok: false,
    reason: faults[0] ?? "malformed",
    faults,
    fingerprint: leaf?.fingerprint ?? null,
    issuer: leaf?.issuer ?? null,
    serial: leaf?.serial ?? null,
    detail,
  }
}
