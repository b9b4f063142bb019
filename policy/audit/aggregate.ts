/**
 * Denials, counted instead of written one by one: a peer that is refused a million times a second must neither fill the
 * log nor hide in it.
 *
 * | who | counted per | written | keys |
 * |---|---|---|---|
 * | a subject | conduit, subject, action, rule, reason | every second | the first 64, the rest as one event with rule `*` |
 * | nobody (handshakes) | conduit, /24 or /64, reason | every 1, 10, 60 s while a flood lasts | the 64 largest of 1,024, the rest as one |
 *
 * Time comes in as an argument, monotonic. Nothing is lost in the sums: every denial is in exactly one count.
 *
 * @see IEC 62443-4-2 CR 2.8, CR 7.1
 */
import type { AuditEvent } from "./event.ts"
import { peerPrefix } from "./peer-prefix.ts"

/** What denials of a subject are counted by. */
export interface DenialKey {
  readonly conduit: string
  readonly subject: string | null
  readonly action: string
  readonly rule: string | null
  readonly reason: string
}

/** A peer that was turned away before anybody knew who it is. */
export interface RefusedPeer {
  readonly conduit: string
  /** IP address as the socket gives it. */
  readonly address: string
  readonly reason: string
  /** Facts about this one, e.g. fingerprint and issuer; those of the first of an interval are written. */
  readonly detail?: Readonly<Record<string, string | number | boolean>>
}

/** Bounds and times; every one has a default. */
export interface AggregatorOptions {
  /** Events an interval and kind, one more for the rest. */
  readonly maxKeys?: number
  readonly intervalMs?: number
  /** Intervals for peers: the next one from the second on, while at least `floodAt` an interval come. */
  readonly peerIntervalsMs?: readonly number[]
  readonly floodAt?: number
}

/** Counts denials between flushes. */
export interface DenialAggregator {
  /** Count a denial; `object` is a sample (the first of an interval is kept). */
  add(key: DenialKey, object: string, nowMs: number): void
  /** Count a refused peer. */
  addPeer(peer: RefusedPeer, nowMs: number): void
  /** Events of every interval that is over; call it about once a second. With `all`, of those that are not over too. */
  flush(nowMs: number, all?: boolean): readonly AuditEvent[]
}

const TRACKED_PEERS = 1024

interface Denials {
  readonly key: DenialKey
  readonly object: string
  count: number
}

interface Peers {
  readonly peer: RefusedPeer
  readonly prefix: string
  count: number
}

/** An aggregator that holds nothing yet. */
export function createDenialAggregator(options: AggregatorOptions = {}): DenialAggregator {
  const maxKeys = options.maxKeys ?? 64
  const intervalMs = options.intervalMs ?? 1000
  const peerIntervalsMs = options.peerIntervalsMs ?? [1000, 10_000, 60_000]
  const floodAt = options.floodAt ?? 10

  let denials = new Map<string, Denials>()
  let denialsRest = 0
  let denialsSinceMs: number | null = null

  let peers = new Map<string, Peers>()
  let peersRest = 0
  let peersSinceMs: number | null = null
  let level = 0

  function flushDenials(): AuditEvent[] {
    const events = [...denials.values()].map(denialEvent)
    if (denialsRest > 0) events.push(restEvent("conduit.denied", denialsRest))
    denials = new Map()
    denialsRest = 0
    denialsSinceMs = null
    return events
  }

  function flushPeers(nowMs: number): AuditEvent[] {
    const sorted = [...peers.values()].sort((a, b) => b.count - a.count)
    const rest = sorted.slice(maxKeys).reduce((sum, { count }) => sum + count, peersRest)
    const total = sorted.reduce((sum, { count }) => sum + count, peersRest)
    const events = sorted.slice(0, maxKeys).map(peerEvent)
    if (rest > 0) events.push(restEvent("conduit.peer-refused", rest))
    level = total >= floodAt ? Math.min(level + 1, peerIntervalsMs.length - 1) : 0
    peers = new Map()
    peersRest = 0
    // While a flood lasts the next interval begins at once; it ends with an interval of few.
    peersSinceMs = level > 0 ? nowMs : null
    return events
  }

  return {
    add(key, object, nowMs) {
      denialsSinceMs ??= nowMs
      const id = `${key.conduit}\n${key.subject ?? ""}\n${key.action}\n${key.rule ?? ""}\n${key.reason}`
      const known = denials.get(id)
      if (known !== undefined) known.count++
      else if (denials.size < maxKeys) denials.set(id, { key, object, count: 1 })
      else denialsRest++
    },

    addPeer(peer, nowMs) {
      peersSinceMs ??= nowMs
      const prefix = peerPrefix(peer.address)
      const id = `${peer.conduit}\n${prefix}\n${peer.reason}`
      const known = peers.get(id)
      if (known !== undefined) known.count++
      else if (peers.size < TRACKED_PEERS) peers.set(id, { peer, prefix, count: 1 })
      else peersRest++
    },

    flush(nowMs, all = false) {
      const events: AuditEvent[] = []
      if (denialsSinceMs !== null && (all || nowMs - denialsSinceMs >= intervalMs)) events.push(...flushDenials())
      const peerIntervalMs = peerIntervalsMs[level] ?? intervalMs
      if (peersSinceMs !== null && (all || nowMs - peersSinceMs >= peerIntervalMs)) events.push(...flushPeers(nowMs))
      return events
    },
  }
}

function denialEvent({ key, object, count }: Denials): AuditEvent {
  return {
    id: "conduit.denied",
    outcome: "denied",
    source: `conduit/${key.conduit}`,
    subject: key.subject,
    conduit: key.conduit,
    object,
    ...(key.rule === null ? {} : { rule: key.rule }),
    reason: key.reason,
    count,
    detail: { action: key.action },
  }
}

function peerEvent({ peer, prefix, count }: Peers): AuditEvent {
  return {
    id: "conduit.peer-refused",
    outcome: "denied",
    source: `conduit/${peer.conduit}`,
    subject: null,
    conduit: peer.conduit,
    object: prefix,
    reason: peer.reason,
    count,
    detail: { address: peer.address, ...peer.detail },
  }
}

function restEvent(id: "conduit.denied" | "conduit.peer-refused", count: number): AuditEvent {
  return { id, outcome: "denied", source: "conduit/*", subject: null, object: "*", rule: "*", reason: "*", count }
}
