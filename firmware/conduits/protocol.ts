import type { Socket } from "node:net"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import type { Admission } from "./arrival.ts"
import type { ConduitInForce, InForce } from "./in-force.ts"
import type { FlowMeter } from "./load/flow-meter.ts"

/** A policy and posture, and one conduit's part of it. */
export interface Now {
  readonly all: InForce
  readonly own: ConduitInForce
}

/** Who was let in, and as what. */
export type Admitted = Extract<Admission, { ok: true }>

/** A peer that was let in; nothing of it has been read yet. */
export interface Peer {
  readonly socket: Socket
  /** Null: it came in clear text and is known by its address. */
  readonly leaf: CertificateFacts | null
  /** As the socket says it. */
  readonly address: string
  /** As in `TLSSocket.getProtocol`; `none` in clear text. */
  readonly tlsVersion: string
  /** Charged for what the peer says (`load/flow-meter.ts`); null when nothing limits its pace. */
  readonly meter: FlowMeter
}

/** What an audit entry says of how a peer is known: the fingerprint of its certificate, or its address. */
export function proofOf({
  leaf,
  address,
}: Pick<Peer, "leaf" | "address">): { readonly fingerprint: string } | { readonly address: string } {
  return leaf === null ? { address } : { fingerprint: leaf.fingerprint }
}

/** What the listener does for a peer's session. */
export interface PeerShell {
  /** Bring the session onto what is in force now; call it before anything of the peer is judged. */
  refresh(): void
  /** Whether it is an essential one now. */
  essential(): boolean
  /** What is in force now; null when the conduit is closed. */
  now(): Now | null
  /** An exception while its bytes were handled: the conduit closes. Never throws. */
  failed(error: unknown): void
  /** The session is over; call it once. */
  ended(): void
}

/** A peer at work, as its listener drives it. */
export interface PeerSession {
  /** It is now judged like this. False: what was settled when it came no longer holds, so it must come anew. */
  readmit(now: Now, admitted: Admitted): boolean
  /** End it from our side; what has begun to pass may go on for `graceMs`. */
  withdraw(detail: string, graceMs: number): void
  /** Bytes that are held for this peer, beside what waits in its own socket. Absent: nothing worth counting. */
  heldBytes?(): number
}

/** What is spoken behind a listener. */
export interface Protocol {
  admit(peer: Peer, now: Now, admitted: Admitted, shell: PeerShell): PeerSession
  /** What is in force for the conduit from now on; null: it is closed. */
  inForce?(now: Now | null): void
  /** How long what has begun to pass may go on when a policy withdraws its sender, in milliseconds. */
  readonly withdrawGraceMs: number
}
