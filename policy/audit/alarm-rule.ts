import { EVENTS, type EventId } from "./event.ts"
import type { EventKind } from "./event/kind.ts"

/** How grave an event is, from the least. */
export const SEVERITIES = ["info", "notice", "warning", "alarm"] as const
export type Severity = EventKind["severity"]

/** When entries of the log become an alarm. */
export interface AlarmRule {
  /** Names the alarm: its topic and what is acknowledged. */
  readonly id: string
  /** Event ids, and severities: so grave or graver. */
  readonly on: readonly (EventId | Severity)[]
  /** Only entries about one of these conduits; empty: whatever they are about. */
  readonly conduits: readonly string[]
  /** Only entries of one of these subjects; empty: of anybody and nobody. */
  readonly subjects: readonly string[]
  /** So many, by the entries' own counts, ... */
  readonly count: number
  /** ... within this time. */
  readonly withinMs: number
  /** What the operator reads; null: the words of the event. */
  readonly text: string | null
}

/** Alarms about alarms would have no end. */
export function canAlarm(event: string): boolean {
  return !event.startsWith("alarm.")
}

/** The rules of a policy that says nothing of alarms: every event that is grave enough raises one under its own id. */
export const DEFAULT_ALARMS: readonly AlarmRule[] = Object.entries<EventKind>(EVENTS)
  .filter(([id, { severity }]) => severity === "alarm" && canAlarm(id))
  .map(([id]) => ({
    id,
    on: [id as EventId],
    conduits: [],
    subjects: [],
    count: 1,
    withinMs: 60_000,
    text: null,
  }))

/** What a rule's `on` may hold. */
export const ALARM_WORDS: readonly (EventId | Severity)[] = [
  ...SEVERITIES,
  ...(Object.keys(EVENTS) as EventId[]).filter(canAlarm),
]
