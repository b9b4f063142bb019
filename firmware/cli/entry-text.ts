import type { Entry } from "../../policy/audit/entry.ts"
import { shownTime } from "../../policy/audit/entry-moment.ts"
import { EVENTS } from "../../policy/audit/event.ts"
import { printable } from "../../policy/audit/json-text.ts"
import { detailWords } from "../console/entry-detail.ts"

const COLOURS: Readonly<Record<string, string>> = { alarm: "1;31", warning: "33", notice: "36", info: "2" }

/**
 * An entry as one line for people: time, severity, who, what happened, to what, by which rule, why, how often, and in words.
 *
 * Whatever the entry holds, the line drives no terminal: control characters and marks of direction are written out.
 */
export function entryText(entry: Entry, colour: boolean): string {
  const event: { readonly text: string } | undefined = (EVENTS as Readonly<Record<string, { text: string }>>)[
    entry.event
  ]
  const paint = (code: string | undefined, text: string): string =>
    colour && code !== undefined ? `\x1b[${code}m${text}\x1b[0m` : text
  const failed = entry.event === "command.executed" && entry.outcome === "failure" ? ", and failed" : ""
  const detail = detailWords(entry.event, entry.detail)
  const time = shownTime(entry)
  const parts = [
    paint("2", printable(time.text)),
    paint(COLOURS[entry.type], printable(entry.type).padEnd(7)),
    printable(entry.subject ?? "-"),
    paint(COLOURS[entry.type], `${event?.text ?? printable(entry.event)}${failed}`),
    ...(entry.conduit === undefined ? [] : [`at ${printable(entry.conduit)}`]),
    ...(entry.object === undefined ? [] : [printable(entry.object)]),
    ...(entry.rule === undefined ? [] : [`rule ${printable(entry.rule)}`]),
    ...(entry.reason === undefined ? [] : [`(${printable(entry.reason)})`]),
    ...(entry.count === undefined || entry.count === 1 ? [] : [`x${entry.count}`]),
    ...(detail === "" ? [] : [printable(detail)]),
    ...(time.instead === null ? [] : [paint(COLOURS["warning"], printable(`[${time.instead}]`))]),
  ]
  return parts.join("  ")
}
