/** Entries as the table shows them: picked, and counted over time. Pure. */
import { LockgateError } from "../../../policy/base/errors.ts"
import { parseEntry, type Entry } from "../../../policy/audit/entry.ts"
import { momentOf, shownTime } from "../../../policy/audit/entry-moment.ts"

/** One line of the table. */
export interface Row {
  readonly seq: number
  /** What the gateway's clock showed, held within what was known of the true time, in milliseconds since 1970. */
  readonly at: number
  readonly severity: string
  readonly event: string
  readonly outcome: string
  readonly subject: string
  readonly conduit: string
  /** Object, rule, reason, count in one text. */
  readonly about: string
  /** False while no verified checkpoint covers the entry. */
  readonly proven: boolean
}

/** What a table can be narrowed by. */
export const FACETS = ["severity", "outcome", "event", "subject", "conduit"] as const
export type Facet = (typeof FACETS)[number]

/** What is wanted of a table; empty texts want all. */
export interface Wanted {
  readonly text: string
  readonly facets: Readonly<Record<Facet, string>>
  /** Times, both included; null: all. */
  readonly range: readonly [from: number, until: number] | null
}

/** Everything. */
export const ALL: Wanted = {
  text: "",
  facets: { severity: "", outcome: "", event: "", subject: "", conduit: "" },
  range: null,
}

/** How nobody and nothing are shown, and asked for. */
export const NONE = "-"

/** The entry that a line is; null if this release cannot read it. */
export function entryIn(line: Uint8Array): Entry | null {
  try {
    return parseEntry(line)
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind !== "input") throw error
    return null
  }
}

/** A line of the log as a row; one that is no entry keeps its place and says so. */
export function rowOf(seq: number, entry: Entry | null, proven: boolean): Row {
  if (entry === null) {
    const unknown = { severity: "warning", event: "unreadable", outcome: NONE, subject: NONE, conduit: NONE }
    return { seq, at: NaN, ...unknown, about: "this release cannot read the entry", proven }
  }
  const { object, rule, reason, count } = entry
  const instead = shownTime(entry).instead ?? undefined
  const about = [object, rule, reason, count === undefined ? undefined : `${count}×`, instead]
  return {
    seq,
    at: momentOf(entry),
    severity: entry.type,
    event: entry.event,
    outcome: entry.outcome,
    subject: entry.subject ?? NONE,
    conduit: entry.conduit ?? NONE,
    about: about.filter((one) => one !== undefined).join(" · "),
    proven,
  }
}

/** Whether a row is wanted, as a function of it. `text` is looked for in everything that is shown, as words that must all occur. */
export function wanting({ text, facets, range }: Wanted): (row: Row) => boolean {
  const asked = FACETS.filter((facet) => facets[facet] !== "")
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "")
  return (row) => {
    if (range !== null && !(row.at >= range[0] && row.at <= range[1])) return false
    for (const facet of asked) if (row[facet] !== facets[facet]) return false
    if (words.length === 0) return true
    const { seq, severity, event, outcome, subject, conduit, about } = row
    const said = `${seq} ${severity} ${event} ${outcome} ${subject} ${conduit} ${about}`.toLowerCase()
    return words.every((word) => said.includes(word))
  }
}

/** Counts over time, for the timeline. */
export interface Timeline {
  /** Begin of each span, in seconds since 1970. */
  readonly at: readonly number[]
  readonly others: readonly number[]
  readonly denials: readonly number[]
  readonly spanSeconds: number
}

const SPANS = [1, 5, 15, 60, 300, 900, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600]

/** `rows` in at most `max` equal spans of a round length. Rows without a time are left out. */
export function timelineOf(rows: readonly Row[], max: number): Timeline {
  let [first, last] = [Infinity, -Infinity]
  for (const { at } of rows) {
    if (at < first) first = at
    if (at > last) last = at
  }
  if (first > last) return { at: [], others: [], denials: [], spanSeconds: 1 }
  const spread = (last - first) / 1000
  const span = SPANS.find((seconds) => spread / seconds < max - 1) ?? Math.ceil(spread / (max - 1))
  const from = Math.floor(first / 1000 / span)
  const count = Math.floor(last / 1000 / span) - from + 1
  const [others, denials] = [new Array<number>(count).fill(0), new Array<number>(count).fill(0)]
  for (const { at, outcome } of rows) {
    if (Number.isNaN(at)) continue
    const place = Math.floor(at / 1000 / span) - from
    const counts = outcome === "denied" ? denials : others
    counts[place] = (counts[place] ?? 0) + 1
  }
  return { at: others.map((_, k) => (from + k) * span), others, denials, spanSeconds: span }
}
