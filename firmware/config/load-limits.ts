import type { Rate } from "../../policy/language/policy.ts"
import { optional, type ObjectOf } from "../../policy/language/group-shapes.ts"
import { duration, durationText, rate, size, sizeText } from "../../policy/language/quantity-shapes.ts"
import { integer } from "../../policy/language/shape.ts"

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

const rateText = ({ perSecond, burst }: Rate): string => `${perSecond}/s burst ${burst}`
const D = DEFAULT_LOAD_LIMITS

/** Their keys under `limits:` of the board file. */
export const LOAD_LIMIT_FIELDS = {
  "max-subject-connections": optional(
    integer(1, 100_000),
    D.maxSubjectConnections,
    "Connections of one subject, all conduits together.",
    D.maxSubjectConnections,
  ),
  "max-source-connections": optional(
    integer(1, 100_000),
    D.maxSourceConnections,
    "Connections from one network (/24 of IPv4, /64 of IPv6), all conduits together.",
    D.maxSourceConnections,
  ),
  "source-handshakes": optional(
    rate(),
    D.sourceHandshakes,
    "Handshakes begun for one network (/24, /64).",
    rateText(D.sourceHandshakes),
  ),
  handshakes: optional(rate(), D.handshakes, "Handshakes begun in all.", rateText(D.handshakes)),
  "max-half-open": optional(
    integer(1, 10_000),
    D.maxHalfOpen,
    "Connections of a conduit whose handshake has not ended; one more displaces one of the network that has most.",
    D.maxHalfOpen,
  ),
  "half-open-time": optional(
    duration(100, 300_000),
    D.halfOpenMs,
    "For the TLS handshake; never longer than connect-timeout.",
    durationText(D.halfOpenMs),
  ),
  "connect-wait": optional(
    duration(100, 300_000),
    D.connectWaitMs,
    "From the end of the handshake to the CONNECT; never longer than connect-timeout.",
    durationText(D.connectWaitMs),
  ),
  "subject-messages": optional(
    rate(),
    null,
    "Messages of one subject; a faster one is read more slowly. Default: not limited.",
  ),
  "subject-requests": optional(
    rate(),
    D.subjectRequests,
    "Pings, subscriptions and other packets of one subject that no message explains; over it the subject is read more slowly.",
    rateText(D.subjectRequests),
  ),
  "subject-bytes": optional(
    size(KIB, 1024 * MIB),
    null,
    "Bytes a second of one subject; a faster one is read more slowly. Default: not limited.",
  ),
  "conduit-messages": optional(
    rate(),
    null,
    "Messages of all subjects of a conduit; essential ones are not held up by it. Default: not limited.",
  ),
  "conduit-bytes": optional(
    size(KIB, 1024 * MIB),
    null,
    "Bytes a second of all subjects of a conduit; essential ones are not held up by it. Default: not limited.",
  ),
  "max-queue": optional(
    size(64 * KIB, 256 * MIB),
    D.maxQueueBytes,
    "What may wait for a peer that does not read; over it the connection ends.",
    sizeText(D.maxQueueBytes),
  ),
  "slow-reader-time": optional(
    duration(1_000, 3_600_000),
    D.slowReaderMs,
    "How long a peer may read nothing of what waits for it; after it the connection ends.",
    durationText(D.slowReaderMs),
  ),
  "max-memory": optional(
    size(16 * MIB, 8192 * MIB),
    D.maxMemoryBytes,
    "What all connections together may hold; over it the greediest end, essential ones last.",
    sizeText(D.maxMemoryBytes),
  ),
} as const

/** What the document says under those keys. */
export type LoadLimitsDocument = ObjectOf<typeof LOAD_LIMIT_FIELDS>

/** The document that says nothing. */
export const NO_LOAD_LIMITS: LoadLimitsDocument = {
  "max-subject-connections": D.maxSubjectConnections,
  "max-source-connections": D.maxSourceConnections,
  "source-handshakes": D.sourceHandshakes,
  handshakes: D.handshakes,
  "max-half-open": D.maxHalfOpen,
  "half-open-time": D.halfOpenMs,
  "connect-wait": D.connectWaitMs,
  "subject-messages": null,
  "subject-requests": D.subjectRequests,
  "subject-bytes": null,
  "conduit-messages": null,
  "conduit-bytes": null,
  "max-queue": D.maxQueueBytes,
  "slow-reader-time": D.slowReaderMs,
  "max-memory": D.maxMemoryBytes,
}

/** The limits that a document says. */
export function loadLimitsOf(document: LoadLimitsDocument): LoadLimits {
  return {
    maxSubjectConnections: document["max-subject-connections"],
    maxSourceConnections: document["max-source-connections"],
    sourceHandshakes: document["source-handshakes"],
    handshakes: document.handshakes,
    maxHalfOpen: document["max-half-open"],
    halfOpenMs: document["half-open-time"],
    connectWaitMs: document["connect-wait"],
    subjectMessages: document["subject-messages"],
    subjectRequests: document["subject-requests"],
    subjectBytes: document["subject-bytes"],
    conduitMessages: document["conduit-messages"],
    conduitBytes: document["conduit-bytes"],
    maxQueueBytes: document["max-queue"],
    slowReaderMs: document["slow-reader-time"],
    maxMemoryBytes: document["max-memory"],
  }
}
