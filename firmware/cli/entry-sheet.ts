import type { Entry } from "../../policy/audit/entry.ts"
import { shownTime } from "../../policy/audit/entry-moment.ts"
import { EVENTS, type EventId } from "../../policy/audit/event.ts"
import { printable } from "../../policy/audit/json-text.ts"

/**
 * An entry whole, a line a field, for people; what is not there is left out. Drives no terminal, whatever the entry holds.
 */
export function entrySheet(entry: Entry): string[] {
  const known = Object.hasOwn(EVENTS, entry.event)
    ? EVENTS[entry.event as EventId].text
    : "an event that this release does not know"
  const time = shownTime(entry)
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["event", `${entry.event}: ${known}`],
    ["outcome", `${entry.outcome} (${entry.type}, ${entry.category})`],
    ["time", time.instead === null ? `${time.text} by the gateway's clock` : `${time.text} ${time.instead}`],
    ["", boundsOf(entry)],
    ["who", entry.subject ?? "nobody that was authenticated"],
    ["where", entry.conduit],
    ["what", entry.object],
    ["rule", entry.rule],
    ["reason", entry.reason],
    ["count", entry.count === undefined ? undefined : String(entry.count)],
    ["answers for", entry.requirement],
    ["said by", `${entry.source} of ${entry.gateway}`],
    ["boot", `${entry.boot}, ${(entry.mono / 1000).toFixed(3)} s after its start`],
  ]
  const facts = Object.entries(entry.detail ?? {})
  const width = Math.min(24, Math.max(0, ...facts.map(([key]) => printable(key).length)))
  return [
    ...rows.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name.padEnd(12)} ${printable(value)}`])),
    ...facts.map(
      ([key, value], at) =>
        `  ${(at === 0 ? "detail" : "").padEnd(12)} ${printable(key).padEnd(width)}  ${printable(String(value))}`,
    ),
  ]
}

function boundsOf({ earliest, latest }: Entry): string {
  const from = new Date(earliest).toISOString()
  if (latest === null) return `truly not before ${from}; how much later, nothing bounds`
  return `truly from ${from} to ${latest > 8.64e15 ? "no end" : new Date(latest).toISOString()}`
}
