/**
 * An entry as one line of the ArcSight Common Event Format:
 *
 *     CEF:0|Lockgate|Lockgate|<version>|<event id>|<sentence>|<severity 0..10>|<key>=<value> <key>=<value> ..
 *
 * In the header `|` and `\` are escaped, in a value `=`, `\` and line ends. The signature id is the event id, which never
 * changes. What no key of the format's dictionary says stands in a custom string with its label; each fact of `detail` has a
 * key of its own, `LGATE` and the fact's name.
 *
 * @see ArcSight Common Event Format, Implementation Standard, "CEF:0"
 */
import type { Entry } from "../entry.ts"
import { EVENTS, type EventId } from "../event.ts"
import { byteLength, printable } from "../json-text.ts"

/** What a plant, or the way that the line goes, may set. */
export interface CefOptions {
  /** Device version in the header. Default: `-`, for an entry does not say which release wrote it. */
  readonly version?: string
  /** Facts that find no room are left out, and `LGATEcut` says how many. Default: no bound; an entry makes at most some 10 KiB. */
  readonly maxBytes?: number
}

/** 0..10: info low, notice low, warning medium, alarm very high. A word of a newer release is a warning. */
const SEVERITY: Readonly<Record<string, number>> = { info: 1, notice: 3, warning: 5, alarm: 9 }
/** Characters of a value that is cut so that the line fits. */
const FORGED_VALUE_LENGTH = 40

type Field = readonly [key: string, value: string | number | null | undefined, label?: string]

/** One line without its line end; no control character in it. */
export function cefLine(entry: Entry, options: CefOptions = {}): string {
  const maxBytes = options.maxBytes ?? Infinity
  const header = headerOf(entry, options.version ?? "-")
  const fields = fieldsOf(entry)
  const facts = Object.entries(entry.detail ?? {})
  for (let kept = facts.length; kept >= 0; kept--) {
    const line = header + extensionOf([...fields, ...factsOf(facts, kept)], Infinity)
    if (byteLength(line) <= maxBytes) return line
  }
  // Only a forged entry, full of what must be written out, comes here.
  return header + extensionOf([...fields, ...factsOf(facts, 0)], FORGED_VALUE_LENGTH)
}

function headerOf(entry: Entry, version: string): string {
  const name = Object.hasOwn(EVENTS, entry.event) ? EVENTS[entry.event as EventId].text : entry.event
  const parts = ["Lockgate", "Lockgate", version, entry.event, name, String(severityOf(entry))]
  return `CEF:0|${parts.map((part) => escapeHeader(printable(part.toWellFormed()))).join("|")}|`
}

/** How grave the event is, one more if it did not succeed. */
function severityOf({ type, outcome }: Entry): number {
  const base = Object.hasOwn(SEVERITY, type) ? (SEVERITY[type] ?? 5) : 5
  return outcome === "success" ? base : base + 1
}

function fieldsOf(entry: Entry): readonly Field[] {
  return [
    ["rt", Date.parse(entry.time)],
    ["dvchost", entry.gateway],
    ["externalId", entry.seq],
    ["cat", entry.category],
    ["outcome", entry.outcome],
    ["suser", entry.subject],
    ["reason", entry.reason],
    ["cnt", entry.count],
    ["deviceProcessName", entry.source],
    ["cs1", entry.conduit, "conduit"],
    ["cs2", entry.object, "object"],
    ["cs3", entry.rule, "rule"],
    ["cs4", entry.requirement, "requirement"],
    ["cs5", entry.boot, "boot"],
    ["cs6", entry.request, "request"],
    ["flexString1", entry.type, "type"],
    ["cn1", entry.mono, "mono"],
    ["deviceCustomDate1", entry.earliest, "earliest"],
    ["deviceCustomDate2", entry.latest, "latest"],
  ]
}

function factsOf(facts: readonly (readonly [string, string | number | boolean])[], kept: number): readonly Field[] {
  const told = facts.slice(0, kept).map(([name, value]): Field => [factKey(name), String(value)])
  return kept < facts.length ? [...told, [factKey("cut"), facts.length - kept]] : told
}

/** A key is of letters and digits; every other character of a name is its number between underscores, so that no two names meet. */
function factKey(name: string): string {
  let key = "LGATE"
  for (const character of name.toWellFormed())
    key += /^[A-Za-z0-9]$/.test(character) ? character : `_${(character.codePointAt(0) ?? 0).toString(16)}_`
  return key
}

function extensionOf(fields: readonly Field[], maxLength: number): string {
  return fields
    .flatMap(([key, value, label]) => {
      if (value === null || value === undefined) return []
      const whole = String(value).toWellFormed()
      const text = whole.length <= maxLength ? whole : whole.slice(0, maxLength).toWellFormed()
      return [`${key}=${escapeValue(text)}`, ...(label === undefined ? [] : [`${key}Label=${label}`])]
    })
    .join(" ")
}

function escapeHeader(text: string): string {
  return text.replace(/[\\|]/g, "\\$&")
}

/** Line ends as the format has them; what else can drive a terminal as `\uXXXX`, its backslash escaped like any other. */
function escapeValue(text: string): string {
  return text
    .split(/([\n\r])/)
    .map((part) => (part === "\n" ? "\\n" : part === "\r" ? "\\r" : printable(part).replace(/[\\=]/g, "\\$&")))
    .join("")
}
