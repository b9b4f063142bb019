/**
 * Which entries of a log are meant: a small language, the same in options (`--event conduit.denied`) and as one text:
 *
 *     event=conduit.* severity=warning since=2h subject=!- "requirement=CR 2.8" pressure
 *
 * Words are separated by spaces and must all hold. `field=list` looks into one field, see `word-pattern.ts` for the list; a
 * word without `=` is looked for anywhere in the entry, in any case. In one field a list means "one of these".
 */
import { didYouMean } from "../language/suggestion.ts"
import type { Entry } from "./entry.ts"
import { EVENTS, type EventId } from "./event.ts"
import { momentOf } from "./entry-moment.ts"
import { printable } from "./json-text.ts"
import { MOMENT_FORM, parseMoment } from "./moment.ts"
import { parseWords, picksWord, type WordPattern } from "./word-pattern.ts"

/** How grave, from the least. */
export const SEVERITIES = ["info", "notice", "warning", "alarm"] as const

/** Fields that hold a word. */
const WORD_FIELDS = {
  event: (entry: Entry) => entry.event,
  subject: (entry: Entry) => entry.subject,
  conduit: (entry: Entry) => entry.conduit ?? null,
  object: (entry: Entry) => entry.object ?? null,
  rule: (entry: Entry) => entry.rule ?? null,
  reason: (entry: Entry) => entry.reason ?? null,
  outcome: (entry: Entry) => entry.outcome,
  type: (entry: Entry) => entry.type,
  category: (entry: Entry) => entry.category,
  source: (entry: Entry) => entry.source,
  boot: (entry: Entry) => entry.boot,
  gateway: (entry: Entry) => entry.gateway,
} as const

/** Fields of which every word is known: another one is a slip of the pen. */
const CLOSED: Readonly<Record<string, readonly string[]>> = {
  outcome: ["success", "failure", "denied"],
  type: SEVERITIES,
  category: ["access-control", "request-error", "control-system", "backup-restore", "configuration", "audit-log"],
  event: Object.keys(EVENTS),
}

/** Every field of the language. */
export const FILTER_FIELDS = [
  ...(Object.keys(WORD_FIELDS) as (keyof typeof WORD_FIELDS)[]),
  ...(["severity", "requirement", "seq", "since", "from", "to", "text"] as const),
] as const
export type FilterField = (typeof FILTER_FIELDS)[number]

/** More terms, or longer ones, are refused. */
const MAX_TERMS = 64
const MAX_TERM_LENGTH = 1024

/** One word of a filter, not yet judged. */
export interface FilterTerm {
  readonly field: string
  readonly value: string
  /** Where it stands, for faults: `--since`, `character 12`. */
  readonly where: string
}

/** What is wrong with a filter: where, what, and what may have been meant. */
export interface FilterFault {
  readonly where: string
  readonly message: string
  readonly hint: string | null
}

/** A filter that was understood. */
export interface EntryFilter {
  readonly matches: (entry: Entry) => boolean
  /** No entry before or after these matches: a reader need not look there. `lastSeq` may be Infinity. */
  readonly firstSeq: number
  readonly lastSeq: number
}

/** A filter, or everything that is wrong with it. */
export type ParsedFilter =
  { readonly ok: true; readonly value: EntryFilter } | { readonly ok: false; readonly faults: readonly FilterFault[] }

/** The filter that these terms make together; all faults are found at once. `nowAt` is what spans are counted from. */
export function parseEntryFilter(terms: readonly FilterTerm[], nowAt: number): ParsedFilter {
  const faults: FilterFault[] = []
  const tests: ((entry: Entry) => boolean)[] = []
  let [firstSeq, lastSeq, from, to] = [0, Infinity, -Infinity, Infinity]
  const fault = (term: FilterTerm, message: string, hint: string | null = null): void =>
    void faults.push({ where: term.where, message: printable(message), hint })

  for (const term of terms.slice(0, MAX_TERMS)) {
    const { field, value } = term
    if (value.length > MAX_TERM_LENGTH) fault(term, `longer than ${MAX_TERM_LENGTH} characters`)
    else if (field === "seq") {
      const range = seqRange(value)
      if (range === null) fault(term, `takes a number or a range such as 100..200, not "${value}"`)
      else [firstSeq, lastSeq] = [Math.max(firstSeq, range[0]), Math.min(lastSeq, range[1])]
    } else if (field === "since" || field === "from" || field === "to") {
      const at = parseMoment(value, nowAt, field === "to")
      if (at === null) fault(term, `takes ${MOMENT_FORM}, not "${value}"`)
      else if (field === "to") to = Math.min(to, at)
      else from = Math.max(from, at)
    } else if (field === "severity") {
      const least = SEVERITIES.indexOf(value as (typeof SEVERITIES)[number])
      if (least < 0)
        fault(term, `takes the least severity, ${SEVERITIES.join(", ")}, not "${value}"`, didYouMean(value, SEVERITIES)) // prettier-ignore
      else tests.push(({ type }) => SEVERITIES.indexOf(type as (typeof SEVERITIES)[number]) >= least)
    } else if (field === "text") tests.push(searchOf(value))
    else if (field === "requirement") {
      const words = parseWords(bare(value))
      if (words === null) fault(term, "an empty word in the list")
      // CR 2.12 means its enhancements too.
      else
        tests.push(({ requirement }) =>
          picksWord(words, bare(requirement), bare(requirement).replace(/RE\(\d+\)$/, "")),
        )
    } else if (Object.hasOwn(WORD_FIELDS, field)) {
      const words = parseWords(value)
      const unknown = words?.find((word) => !isPossible(field, word))
      const name = unknown?.parts.join("*") ?? ""
      if (words === null) fault(term, "an empty word in the list")
      else if (unknown !== undefined)
        fault(term, `no ${field} is called "${name}"`, didYouMean(name, CLOSED[field] ?? []))
      else tests.push((entry) => picksWord(words, WORD_FIELDS[field as keyof typeof WORD_FIELDS](entry)))
    } else fault(term, `no field is called "${field}"`, didYouMean(field, FILTER_FIELDS))
  }
  if (terms.length > MAX_TERMS) faults.push({ where: "filter", message: `more than ${MAX_TERMS} words`, hint: null })
  if (faults.length === 0 && (from > to || firstSeq > lastSeq))
    faults.push({ where: "filter", message: "nothing can match: it ends before it begins", hint: null })
  if (faults.length > 0) return { ok: false, faults }
  if (from > -Infinity || to < Infinity)
    tests.push((entry) => {
      const at = momentOf(entry)
      return at >= from && at <= to
    })
  const matches = (entry: Entry): boolean =>
    entry.seq >= firstSeq && entry.seq <= lastSeq && tests.every((test) => test(entry))
  return { ok: true, value: { matches, firstSeq, lastSeq } }
}

/**
 * The words of a filter text. `where` is what the text is called, e.g. `--where`; faults name the character, from 1. Double
 * quotes, around a word or its value, keep spaces together.
 */
export function filterTerms(text: string, where: string): readonly FilterTerm[] {
  const terms: FilterTerm[] = []
  const word = /(?:"[^"]*"?|[^\s"])+/g
  for (let found = word.exec(text); found !== null; found = word.exec(text)) {
    const plain = found[0].replace(/"/g, "")
    const [, field, value] = /^([a-z]+)=(.*)$/s.exec(plain) ?? []
    const place = `${where}, character ${found.index + 1}`
    terms.push(field === undefined ? { field: "text", value: plain, where: place } : { field, value: value ?? "", where: place }) // prettier-ignore
  }
  return terms
}

/** One line for a person: `--since: takes ..., not "x" (did you mean ...?)`. */
export function formatFilterFault({ where, message, hint }: FilterFault): string {
  return `${where}: ${message}${hint === null ? "" : ` (${hint})`}`
}

/** Whether a word can ever match; one with a star may also mean what a newer release writes. */
function isPossible(field: string, word: WordPattern): boolean {
  const known = CLOSED[field]
  return known === undefined || word.parts.length > 1 || known.includes(word.parts[0] ?? "")
}

function bare(requirement: string): string {
  return requirement.replace(/\s/g, "").toUpperCase()
}

function seqRange(text: string): [number, number] | null {
  if (/^\d{1,15}$/.test(text)) return [Number(text), Number(text)]
  const found = /^(\d{0,15})\.\.(\d{0,15})$/.exec(text)
  if (found === null || text === "..") return null
  return [Number(found[1]), found[2] === "" ? Infinity : Number(found[2])]
}

function searchOf(text: string): (entry: Entry) => boolean {
  const wanted = text.toLowerCase()
  const holds = (value: string | number | boolean | null | undefined): boolean =>
    value !== null && value !== undefined && String(value).toLowerCase().includes(wanted)
  return (entry) =>
    [entry.event, entry.subject, entry.conduit, entry.object, entry.rule, entry.reason, entry.source].some(holds) ||
    (Object.hasOwn(EVENTS, entry.event) && holds(EVENTS[entry.event as EventId].text)) ||
    Object.values(entry.detail ?? {}).some(holds)
}
