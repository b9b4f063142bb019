/**
 * Allowed actions whose rule wants them in the log: each an entry of its own, with the fingerprint of the certificate that
 * its subject showed, so that nobody can deny it afterwards.
 *
 * A subject that is allowed a million messages a second must not fill the log: in one second at most 64 are written, and
 * 16 of one subject and rule, so that a loud one does not hide another. What is left out is counted, by subject and rule,
 * and the counts are written. Nothing is lost in the sums.
 *
 * @see IEC 62443-4-2 CR 2.12 RE(1), CR 7.1
 */
import type { AuditEvent } from "./event.ts"

/** One allowed action. */
export interface AllowedFlow {
  readonly conduit: string
  readonly subject: string
  /** `publish`, `receive`, `will`, a Modbus function, ... */
  readonly action: string
  readonly rule: string
  /** Topic, or registers; printable. */
  readonly object: string
  /** Of the certificate that the peer showed; a peer in clear text has none. */
  readonly fingerprint?: string
  /** Where it connected from, if it showed none. */
  readonly address?: string
  readonly payloadBytes: number
  readonly record: "each" | "changes"
}

/** Bounds; every one has a default. */
export interface FlowLogOptions {
  /** Entries an interval, and of one subject and rule. */
  readonly maxEntries?: number
  readonly maxEntriesOfOne?: number
  /** Subjects and rules whose left-out actions are counted apart. */
  readonly maxKeys?: number
  readonly intervalMs?: number
}

/** Decides which allowed actions are written one by one, and counts the others. */
export interface FlowLog {
  /** The event to write for this action, or null if it was only counted. */
  add(flow: AllowedFlow, nowMs: number): AuditEvent | null
  /** The counts of an interval that is over; call it about once a second. With `all`, of one that is not over too. */
  flush(nowMs: number, all?: boolean): readonly AuditEvent[]
}

interface Seen {
  readonly flow: AllowedFlow
  written: number
  leftOut: number
}

/** A flow log that holds nothing yet. */
export function createFlowLog(options: FlowLogOptions = {}): FlowLog {
  const { maxEntries = 64, maxEntriesOfOne = 16, maxKeys = 64, intervalMs = 1000 } = options
  let seen = new Map<string, Seen>()
  let written = 0
  /** Left out, of subjects and rules that found no place in `seen`. */
  let rest = 0
  let sinceMs: number | null = null

  function end(): AuditEvent[] {
    const events = [...seen.values()].filter(({ leftOut }) => leftOut > 0).map(leftOutEvent)
    if (rest > 0) events.push(restEvent(rest))
    seen = new Map()
    written = rest = 0
    sinceMs = null
    return events
  }

  return {
    add(flow, nowMs) {
      sinceMs ??= nowMs
      const key = `${flow.conduit}\n${flow.subject}\n${flow.action}\n${flow.rule}`
      let own = seen.get(key)
      if (own === undefined) {
        if (seen.size >= maxKeys) {
          rest++
          return null
        }
        own = { flow, written: 0, leftOut: 0 }
        seen.set(key, own)
      }
      if (written >= maxEntries || own.written >= maxEntriesOfOne) {
        own.leftOut++
        return null
      }
      written++
      own.written++
      return flowEvent(flow)
    },
    flush(nowMs, all = false) {
      return sinceMs !== null && (all || nowMs - sinceMs >= intervalMs) ? end() : []
    },
  }
}

function flowEvent(flow: AllowedFlow): AuditEvent {
  const { conduit, subject, action, rule, object, payloadBytes, record } = flow
  return {
    id: "flow.allowed",
    outcome: "success",
    source: `conduit/${conduit}`,
    subject,
    conduit,
    object,
    rule,
    detail: { action, ...proofOf(flow), payloadBytes, record },
  }
}

/** How the peer is known. */
function proofOf({ fingerprint, address }: AllowedFlow): Readonly<Record<string, string>> {
  return fingerprint === undefined ? { address: address ?? "" } : { fingerprint }
}

function leftOutEvent({ flow, leftOut }: Seen): AuditEvent {
  const { conduit, subject, action, rule } = flow
  return {
    id: "flow.allowed",
    outcome: "success",
    source: `conduit/${conduit}`,
    subject,
    conduit,
    object: "*",
    rule,
    reason: "left-out",
    count: leftOut,
    detail: { action, ...proofOf(flow) },
  }
}

function restEvent(count: number): AuditEvent {
  const any = { source: "conduit/*", subject: null, object: "*", rule: "*" }
  return { id: "flow.allowed", outcome: "success", ...any, reason: "left-out", count }
}
