/**
 * A log entry: one line of JSON, at most 1,024 bytes, its keys always in this order:
 *
 *     seq time earliest latest boot mono gateway source category type event outcome
 *     subject [conduit] [object] [rule] [reason] [count] [request] requirement [detail]
 *
 * The line without its line end is the leaf of the log: what is stored, published, hashed and proved is this same run of
 * bytes. Keys in brackets are left out when there is nothing to say; `subject` is null when nobody was authenticated.
 * `request`, of a person's command, is the SHA-256 of the request exactly as it was received; it is never cut (CR 2.12).
 *
 * @see IEC 62443-4-2 CR 2.8: timestamp is `time` (bounded by `earliest` and `latest`), source `source`, category
 * `category`, type `type` (how grave), event id `event`, result `outcome`.
 */
import { InputError } from "../base/errors.ts"
import type { TimeInterval } from "../time/interval.ts"
import { EVENTS, type AuditEvent } from "./event.ts"
import { byteLength, quote } from "./json-text.ts"

/** Bytes of an entry, at most. */
export const MAX_ENTRY_BYTES = 1024

/** What the log adds to an event. */
export interface EntryFields {
  /** Place in the log, from 0. */
  readonly seq: number
  /** The board's wall clock, milliseconds since 1970: what it showed, right or wrong. */
  readonly wallAt: number
  /** What is known of the true time. */
  readonly time: TimeInterval
  /** Names this run of the gateway. */
  readonly boot: string
  /** Orders entries of one boot, whatever the wall clock does. */
  readonly monotonicMs: number
  readonly gateway: string
  readonly event: AuditEvent
}

/** An entry as read back. Words are plain strings: a newer release may have written ones that this one does not know. */
export interface Entry {
  readonly seq: number
  readonly time: string
  readonly earliest: number
  readonly latest: number | null
  readonly boot: string
  readonly mono: number
  readonly gateway: string
  readonly source: string
  readonly category: string
  readonly type: string
  readonly event: string
  readonly outcome: string
  readonly subject: string | null
  readonly conduit?: string
  readonly object?: string
  readonly rule?: string
  readonly reason?: string
  readonly count?: number
  /** SHA-256 of the person's request as it was received, lower-case hex. */
  readonly request?: string
  readonly requirement: string
  readonly detail?: Readonly<Record<string, string | number | boolean>>
}

/** Bytes left to the free parts, from ample to what always fits: the first that does is taken. */
const ROOM = [
  { object: 256, value: 128, facts: 16 },
  { object: 192, value: 64, facts: 12 },
  { object: 128, value: 40, facts: 8 },
  { object: 96, value: 24, facts: 5 },
  { object: 64, value: 16, facts: 3 },
  { object: 48, value: 0, facts: 0 },
] as const

const WORD_BYTES = 64
const KEY_BYTES = 32
/** The end of the year 9999: later times have another form in ISO 8601. */
const LAST_AT = 253_402_300_799_999

/**
 * The entry's bytes: one JSON line without its line end. Long strings end in an ellipsis; facts of `detail` that find no
 * room are left out, and `detail.cut` says how many.
 */
export function encodeEntry(fields: EntryFields): Uint8Array {
  const [head, tail] = [headOf(fields), tailOf(fields.event)]
  let line = ""
  for (const room of ROOM) {
    const object = fields.event.object === undefined ? "" : `,"object":${quote(fields.event.object, room.object)}`
    line = `${head}${object}${tail}${detailOf(fields.event, room.value, room.facts)}}`
    if (byteLength(line) <= MAX_ENTRY_BYTES) break
  }
  return new TextEncoder().encode(line)
}

function headOf(fields: EntryFields): string {
  const { event, time } = fields
  const kind = EVENTS[event.id]
  const latest = time.latestAt === Infinity ? "null" : whole(time.latestAt)
  const subject = event.subject === undefined || event.subject === null ? "null" : word(event.subject)
  return (
    `{"seq":${whole(fields.seq)},"time":"${new Date(Number(whole(fields.wallAt))).toISOString()}"` +
    `,"earliest":${whole(time.earliestAt)},"latest":${latest}` +
    `,"boot":${quote(fields.boot, 36)},"mono":${whole(fields.monotonicMs)}` +
    `,"gateway":${word(fields.gateway)},"source":${word(event.source)}` +
    `,"category":"${kind.category}","type":"${kind.severity}","event":"${event.id}","outcome":"${event.outcome}"` +
    `,"subject":${subject}${event.conduit === undefined ? "" : `,"conduit":${word(event.conduit)}`}`
  )
}

function tailOf(event: AuditEvent): string {
  const rule = event.rule === undefined ? "" : `,"rule":${word(event.rule)}`
  const reason = event.reason === undefined ? "" : `,"reason":${word(event.reason)}`
  const count = event.count === undefined ? "" : `,"count":${whole(event.count)}`
  const request = event.request === undefined ? "" : `,"request":${word(event.request)}`
  return `${rule}${reason}${count}${request},"requirement":"${EVENTS[event.id].requirement}"`
}

function detailOf(event: AuditEvent, valueBytes: number, maxFacts: number): string {
  const facts = Object.entries(event.detail ?? {})
  if (facts.length === 0) return ""
  const kept = facts.slice(0, maxFacts).map(([key, value]) => `${quote(key, KEY_BYTES)}:${fact(value, valueBytes)}`)
  if (kept.length < facts.length) kept.push(`"cut":${facts.length - kept.length}`)
  return `,"detail":{${kept.join(",")}}`
}

function fact(value: string | number | boolean, maxBytes: number): string {
  if (typeof value === "string") return quote(value, maxBytes)
  if (typeof value === "boolean") return String(value)
  return Number.isFinite(value) ? JSON.stringify(value) : `"${value}"`
}

function word(text: string): string {
  return quote(text, WORD_BYTES)
}

/** A whole number from 0 to the end of 9999 (in milliseconds), so that no clock can make a line that is not JSON. */
function whole(value: number): string {
  return String(Number.isNaN(value) ? 0 : Math.min(LAST_AT, Math.max(0, Math.floor(value))))
}

/**
 * An entry from its line. Keys that this release does not know are passed over.
 *
 * @throws InputError `ERR_AUDIT_ENTRY`
 */
export function parseEntry(line: Uint8Array): Entry {
  if (line.length > MAX_ENTRY_BYTES) throw wrong("length")
  let found: unknown
  try {
    found = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line))
  } catch (cause) {
    throw new InputError("ERR_AUDIT_ENTRY", "a log entry is not JSON", { cause })
  }
  if (typeof found !== "object" || found === null || Array.isArray(found)) throw wrong("form")
  const read = found as Readonly<Record<string, unknown>>
  const subject = read["subject"]
  const latest = read["latest"]
  return {
    seq: numberAt(read, "seq"),
    time: timeAt(read),
    earliest: numberAt(read, "earliest"),
    latest: latest === null ? null : numberAt(read, "latest"),
    boot: textAt(read, "boot"),
    mono: numberAt(read, "mono"),
    gateway: textAt(read, "gateway"),
    source: textAt(read, "source"),
    category: textAt(read, "category"),
    type: textAt(read, "type"),
    event: textAt(read, "event"),
    outcome: textAt(read, "outcome"),
    subject: subject === null ? null : textAt(read, "subject"),
    ...(Object.hasOwn(read, "conduit") ? { conduit: textAt(read, "conduit") } : {}),
    ...(Object.hasOwn(read, "object") ? { object: textAt(read, "object") } : {}),
    ...(Object.hasOwn(read, "rule") ? { rule: textAt(read, "rule") } : {}),
    ...(Object.hasOwn(read, "reason") ? { reason: textAt(read, "reason") } : {}),
    ...(Object.hasOwn(read, "count") ? { count: numberAt(read, "count") } : {}),
    ...(Object.hasOwn(read, "request") ? { request: textAt(read, "request") } : {}),
    requirement: textAt(read, "requirement"),
    ...(Object.hasOwn(read, "detail") ? { detail: factsAt(read) } : {}),
  }
}

function textAt(read: Readonly<Record<string, unknown>>, key: string): string {
  const value = Object.hasOwn(read, key) ? read[key] : undefined
  if (typeof value !== "string") throw wrong(key)
  return value
}

function timeAt(read: Readonly<Record<string, unknown>>): string {
  const time = textAt(read, "time")
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(time)) throw wrong("time")
  return time
}

function numberAt(read: Readonly<Record<string, unknown>>, key: string): number {
  const value = Object.hasOwn(read, key) ? read[key] : undefined
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw wrong(key)
  return value
}

function factsAt(read: Readonly<Record<string, unknown>>): Readonly<Record<string, string | number | boolean>> {
  const value = read["detail"]
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong("detail")
  const facts = Object.entries(value as Record<string, unknown>).map(([key, fact]) => {
    if (typeof fact !== "string" && typeof fact !== "number" && typeof fact !== "boolean") throw wrong("detail")
    return [key, fact] as const
  })
  return Object.fromEntries(facts)
}

function wrong(key: string): InputError {
  return new InputError("ERR_AUDIT_ENTRY", `a log entry is wrong at ${key}`, { detail: { key } })
}
