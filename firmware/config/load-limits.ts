import type { Rate } from "../../policy/language/policy.ts"

/**
 * How much of the gateway one peer, one network or all of them together may take. Every key, default and bound: `README.md`.
 *
 * @see IEC 62443-4-2 CR 7.1, CR 7.1 RE(1), CR 7.2
 */
export interface LoadLimits {
  /** Connections of one subject, all conduits together. */
  readonly maxSubjectConnections: number
  /** Connections from one network (/24, /64), all conduits together. */
  readonly maxSourceConnections: number
  /** Handshakes that are begun for one network. */
  readonly sourceHandshakes: Rate
  /** Handshakes that are begun in all; a quarter of the burst is kept for addresses from which peers were let in before. */
  readonly handshakes: Rate
  /** Connections of a conduit whose handshake has not ended. */
  readonly maxHalfOpen: number
  /** For the TLS handshake; never longer than `connectTimeoutMs`. */
  readonly halfOpenMs: number
  /** From the end of the handshake to the CONNECT; never longer than `connectTimeoutMs`. */
  readonly connectWaitMs: number
  /** Messages of one subject; null: as many as come. */
  readonly subjectMessages: Rate | null
  /** Packets of one subject that its messages and their acknowledgements do not explain: pings, subscriptions, answers to nothing. */
  readonly subjectRequests: Rate
  /** Bytes a second of one subject. */
  readonly subjectBytes: number | null
  readonly conduitMessages: Rate | null
  readonly conduitBytes: number | null
  /** What may wait for a peer that does not read. */
  readonly maxQueueBytes: number
  /** How long a peer may read nothing of what waits for it. */
  readonly slowReaderMs: number
  /** What all connections together may hold. */
  readonly maxMemoryBytes: number
}

const KIB = 1024
const MIB = 1024 * KIB

export const DEFAULT_LOAD_LIMITS: LoadLimits = {
  maxSubjectConnections: 64,
  maxSourceConnections: 1000,
  sourceHandshakes: { perSecond: 50, burst: 100 },
  handshakes: { perSecond: 100, burst: 200 },
  maxHalfOpen: 128,
  halfOpenMs: 5_000,
  connectWaitMs: 5_000,
  subjectMessages: null,
  subjectRequests: { perSecond: 1_000, burst: 2_000 },
  subjectBytes: null,
  conduitMessages: null,
  conduitBytes: null,
  maxQueueBytes: MIB,
  slowReaderMs: 30_000,
  maxMemoryBytes: 256 * MIB,
}
