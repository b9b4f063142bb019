/**
 * An entry as a syslog message, framed for TLS:
 *
 *     <length> <PRI>1 <time> <gateway> lockgate <boot> <event> [timeQuality ..][lockgate@32473 seq=".." ..][fact@32473 ..] <sentence>
 *
 * Facility is 13 (log audit). PROCID is the boot id, so that it changes whenever the gateway started anew; MSGID is the event
 * id, by which collectors sort. 32473 is the private enterprise number that IANA keeps for documentation: Lockgate has none of
 * its own yet, and a plant that has one hands it in.
 *
 * @see RFC 5424 section 6, RFC 5425 section 4.3 (octet counting), RFC 5612 (the number)
 */
import type { Entry } from "../entry.ts"
import { EVENTS, type EventId } from "../event.ts"
import { byteLength, printable } from "../json-text.ts"
import { cefLine, type CefOptions } from "./cef.ts"

/** Every receiver takes messages as long as this. @see RFC 5425 section 4.3.1 */
export const MAX_SYSLOG_BYTES = 2048
/** For examples and documentation. @see RFC 5612 */
export const DOCUMENTATION_ENTERPRISE = 32473

const FACILITY_LOG_AUDIT = 13
/** RFC 5424 section 6.2.1: alert, warning, notice, informational. A word of a newer release is a warning. */
const SEVERITY: Readonly<Record<string, number>> = { alarm: 1, warning: 4, notice: 5, info: 6 }
const MAX_OBJECT_LENGTH = 256
/** Characters of a value that is cut so that the message fits. */
const FORGED_VALUE_LENGTH = 40

/** What a plant may set. */
export interface SyslogOptions {
  /** Private enterprise number in the names of our structured data. Default: that of documentation. */
  readonly enterprise?: number
}

/**
 * One message, at most 2,048 bytes of UTF-8, no control character in it. Facts of `detail` that find no room are left out,
 * and `cut` says how many.
 */
export function syslogMessage(entry: Entry, options: SyslogOptions = {}): string {
  const enterprise = options.enterprise ?? DOCUMENTATION_ENTERPRISE
  const header = headerOf(entry)
  const facts = Object.entries(entry.detail ?? {})
  const sentence = ` ${sentenceOf(entry)}`
  const head = `${header}[lockgate@${enterprise}${fieldsOf(entry, Infinity)}]`
  for (let kept = facts.length; kept >= 0; kept--) {
    const message = `${head}${factsOf(facts, kept, enterprise)}${sentence}`
    if (byteLength(message) <= MAX_SYSLOG_BYTES) return message
  }
  // Only a forged entry, full of what must be written out, comes here. The sentence only says again what stands in the fields.
  return `${header}[lockgate@${enterprise}${fieldsOf(entry, FORGED_VALUE_LENGTH)}]${factsOf(facts, 0, enterprise)}`
}

/**
 * The entry as CEF, in a syslog message of at most 2,048 bytes: for receivers that take their events so.
 *
 * @see cef.ts
 */
export function syslogCefMessage(entry: Entry, options: Pick<CefOptions, "version"> = {}): string {
  const header = `${headerOf(entry)} `
  return header + cefLine(entry, { ...options, maxBytes: MAX_SYSLOG_BYTES - byteLength(header) })
}

function headerOf(entry: Entry): string {
  const priority = FACILITY_LOG_AUDIT * 8 + (Object.hasOwn(SEVERITY, entry.type) ? (SEVERITY[entry.type] ?? 4) : 4)
  return (
    `<${priority}>1 ${entry.time} ${nameOf(entry.gateway, 255)} lockgate ` +
    `${nameOf(entry.boot, 128)} ${nameOf(entry.event, 32)} ${timeQuality(entry)}`
  )
}

function factsOf(facts: readonly (readonly [string, unknown])[], kept: number, enterprise: number): string {
  if (facts.length === 0) return ""
  const told = facts.slice(0, kept).map(([key, value]) => parameter(nameOf(key, 32), String(value), Infinity))
  const cut = kept < facts.length ? parameter("cut", String(facts.length - kept), Infinity) : ""
  return `[fact@${enterprise}${told.join("")}${cut}]`
}

/** Messages as they go over TLS, one after the other: each behind its length in bytes. */
export function frameSyslog(message: string): Uint8Array {
  const bytes = new TextEncoder().encode(message)
  const length = new TextEncoder().encode(`${bytes.length} `)
  const frame = new Uint8Array(length.length + bytes.length)
  frame.set(length)
  frame.set(bytes, length.length)
  return frame
}

/** The log has only UTC; whether it is right shows in what was known of the true time. @see RFC 5424 section 7.1 */
function timeQuality({ earliest, latest }: Entry): string {
  if (latest === null) return `[timeQuality tzKnown="1" isSynced="0"]`
  const accuracy = Math.max(0, latest - earliest) * 1000
  return `[timeQuality tzKnown="1" isSynced="1"${Number.isSafeInteger(accuracy) ? parameter("syncAccuracy", String(accuracy), Infinity) : ""}]`
}

function fieldsOf(entry: Entry, maxLength: number): string {
  const { seq, earliest, latest, mono, source, category, type, outcome } = entry
  const fields: readonly (readonly [string, string | number | null | undefined])[] = [
    ["seq", seq],
    ["earliest", earliest],
    ["latest", latest],
    ["mono", mono],
    ["source", source],
    ["category", category],
    ["type", type],
    ["outcome", outcome],
    ["subject", entry.subject],
    ["conduit", entry.conduit],
    ["object", entry.object],
    ["rule", entry.rule],
    ["reason", entry.reason],
    ["count", entry.count],
    ["request", entry.request],
    ["requirement", entry.requirement],
  ]
  return fields.map(([name, value]) => (value === null || value === undefined ? "" : parameter(name, String(value), maxLength))).join("") // prettier-ignore
}

/** ` name="value"`. @see RFC 5424 section 6.3.3 */
function parameter(name: string, value: string, maxLength: number): string {
  const text = printable(value.toWellFormed())
  const told = text.length <= maxLength ? text : text.slice(0, maxLength).toWellFormed()
  return ` ${name}="${told.replace(/["\\\]]/g, "\\$&")}"`
}

/** What stands where only printable ASCII may, and no space; also no `=`, `]` or `"`, which names of parameters may not have. */
function nameOf(text: string, maxLength: number): string {
  const name = text.replace(/[^\x21\x23-\x3c\x3e-\x5c\x5e-\x7e]/gu, "_").slice(0, maxLength)
  return name === "" ? "-" : name
}

/** In ASCII as it stands; behind a byte order mark if it is not ASCII. @see RFC 5424 section 6.4 */
function sentenceOf(entry: Entry): string {
  const said = Object.hasOwn(EVENTS, entry.event) ? EVENTS[entry.event as EventId].text : entry.event
  const parts = [
    said,
    ...(entry.subject === null ? [] : [`by ${entry.subject}`]),
    ...(entry.conduit === undefined ? [] : [`at ${entry.conduit}`]),
    ...(entry.object === undefined ? [] : [shortened(entry.object)]),
    ...(entry.reason === undefined ? [] : [`(${entry.reason})`]),
    ...(entry.count === undefined || entry.count === 1 ? [] : [`x${entry.count}`]),
  ]
  const text = printable(parts.join("  ").toWellFormed())
  return /^[\x20-\x7e]*$/.test(text) ? text : `\ufeff${text}`
}

function shortened(text: string): string {
  return text.length <= MAX_OBJECT_LENGTH ? text : `${text.slice(0, MAX_OBJECT_LENGTH)}...`
}
