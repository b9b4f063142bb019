import type { ConduitCounters } from "../conduits/messages.ts"
import { detailWords } from "./entry-detail.ts"
import type { PlantReport } from "../demo/plant-report.ts"

/** What the live view shows: plain values, made new for every change. */
export interface LiveModel {
  readonly gateway: string
  /** One line on the policy in force, e.g. `demo plant, version 1, confirmed`. */
  readonly policy: string
  /** One word or two on the posture, e.g. `open`, `island`. */
  readonly posture: string
  readonly upMs: number
  readonly conduits: readonly ConduitView[]
  /** Oldest first. */
  readonly entries: readonly LiveEntry[]
  /** What the demo plant says of its side; null without one. */
  readonly plant: PlantReport | null
  /** Why the last message was denied, in lines; empty while none was. */
  readonly explained: readonly string[]
  /** Who else vouches for the log, and how far; null while nobody does. */
  readonly witnessed: string | null
  /** What is being played just now, one line a step. */
  readonly story: readonly string[]
  /** Lines for the reader: what to try by hand. */
  readonly hints: readonly string[]
}

/** One conduit: totals since the engine started, and what happens per second now. */
export interface ConduitView {
  readonly totals: ConduitCounters
  readonly perSecond: { readonly up: number; readonly down: number; readonly denied: number }
  /** Denials by rule and reason, the busiest first. */
  readonly denials: readonly { readonly rule: string; readonly reason: string; readonly total: number; readonly perSecond: number }[] // prettier-ignore
  /** The counters that rates are reckoned from, and when they were taken. */
  readonly base: { readonly atMs: number; readonly counters: ConduitCounters }
}

/** One audit entry in one line. */
export interface LiveEntry {
  readonly seq: number
  readonly tone: "info" | "notice" | "warning" | "alarm"
  readonly text: string
}

/** Rates are reckoned over at least so long. */
const WINDOW_MS = 900
/** The view holds no more entries than a tall screen has lines. */
const MAX_ENTRIES = 100

/** A view that has nothing to show yet. */
export function emptyModel(gateway: string): LiveModel {
  return {
    gateway,
    policy: "none",
    posture: "starting",
    upMs: 0,
    conduits: [],
    entries: [],
    plant: null,
    explained: [],
    witnessed: null,
    story: [],
    hints: [],
  }
}

/** The model with new totals, taken at `atMs` (monotonic). */
export function withCounters(model: LiveModel, counters: readonly ConduitCounters[], atMs: number): LiveModel {
  const views = new Map(model.conduits.map((view) => [view.totals.conduit, view]))
  return { ...model, conduits: counters.map((now) => viewOf(now, views.get(now.conduit), atMs)) }
}

function viewOf(totals: ConduitCounters, before: ConduitView | undefined, atMs: number): ConduitView {
  // Totals that went down are those of a new engine.
  const since =
    before !== undefined && before.totals.accepted <= totals.accepted ? before.base : { atMs, counters: totals }
  const elapsedMs = atMs - since.atMs
  if (before !== undefined && elapsedMs > 0 && elapsedMs < WINDOW_MS) return { ...before, totals }
  const rate = (count: (c: ConduitCounters) => number): number =>
    elapsedMs <= 0 ? 0 : Math.max(0, ((count(totals) - count(since.counters)) * 1000) / elapsedMs)
  const denials = totals.denials.map(({ rule, reason, count }) => {
    const alike = (c: ConduitCounters): number =>
      c.denials.find((row) => row.rule === rule && row.reason === reason)?.count ?? 0
    return { rule: rule ?? "-", reason, total: count, perSecond: rate(alike) }
  })
  return {
    totals,
    perSecond: {
      up: rate((c) => c.allowedUp),
      down: rate((c) => c.allowedDown),
      denied: rate((c) => c.deniedUp + c.deniedDown),
    },
    denials: denials.sort((a, b) => b.perSecond - a.perSecond || b.total - a.total),
    base: { atMs, counters: totals },
  }
}

/** The model with one more audit entry; `line` is the entry's JSON line as the log holds it. */
export function withEntry(model: LiveModel, line: string): LiveModel {
  return { ...model, entries: [...model.entries, liveEntry(line)].slice(-MAX_ENTRIES) }
}

/** One audit entry's JSON line in words; what cannot be read is shown as it is. */
export function liveEntry(line: string): LiveEntry {
  const entry = parseObject(line)
  if (entry === null) return { seq: -1, tone: "warning", text: line }
  const word = (key: string): string => {
    const value = entry[key]
    return typeof value === "string" || typeof value === "number" ? String(value) : ""
  }
  const count = typeof entry["count"] === "number" && entry["count"] > 1 ? `x${entry["count"]}` : ""
  const by = [word("reason"), word("rule") === "" ? "" : `by ${word("rule")}`, count].filter((w) => w !== "").join(" ")
  const clock = word("time").slice(11, 19)
  const listener = word("event") === "conduit.listening" || word("event") === "conduit.closed" ? word("conduit") : ""
  const what = [
    word("event"),
    listener,
    word("subject"),
    word("object"),
    by,
    detailWords(entry["event"], entry["detail"]),
  ]
  const parts = [clock, `#${word("seq")}`, ...what]
  const tone = word("type")
  return {
    seq: typeof entry["seq"] === "number" ? entry["seq"] : -1,
    tone: tone === "info" || tone === "notice" || tone === "alarm" ? tone : "warning",
    text: parts.filter((part) => part !== "").join("  "),
  }
}

function parseObject(line: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : null
  } catch {
    return null
  }
}
