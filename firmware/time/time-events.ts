import type { TimeSyncState } from "../../hal/time-sync.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { WallStep } from "../../policy/time/step-watch.ts"
import type { SyncChange } from "../../policy/time/sync-watch.ts"

/** The last moment that `Date` can write in four digits of a year. */
const LAST_AT = 253_402_300_799_999

/** A moment for the log; `unbounded` for no end. */
export function moment(at: number | null): string {
  if (at === null || at === Infinity) return "unbounded"
  return Number.isFinite(at) ? new Date(Math.min(LAST_AT, Math.max(0, at))).toISOString() : "none"
}

/** The wall clock was set. Whom the board followed meanwhile is told, not whether it was it: that nobody knows. */
export function stepEvent(step: WallStep, sync: TimeSyncState | null): AuditEvent {
  return {
    id: "time.stepped",
    outcome: "success",
    source: "time",
    detail: {
      before: moment(step.beforeAt),
      after: moment(step.afterAt),
      byMs: Math.round(step.byMs),
      following: sync?.synchronised === true ? followed(sync) : "nobody",
    },
  }
}

/** Whom the clock follows has changed. */
export function syncEvent(change: SyncChange, before: TimeSyncState | null, after: TimeSyncState): AuditEvent {
  const facts = { before: followed(before), after: followed(after) }
  switch (change) {
    case "lost":
      return {
        id: "time.sync-lost",
        outcome: "failure",
        source: "time",
        reason: "lost",
        detail: { ...facts, why: after.why },
      }
    case "synchronised":
      return { id: "time.synchronised", outcome: "success", source: "time", detail: { ...facts, ...figures(after) } }
    case "source-changed":
    case "authentication-lost": {
      const outcome = change === "source-changed" ? "success" : "failure"
      const detail = { ...facts, ...figures(after) }
      return { id: "time.source-changed", outcome, source: "time", reason: change, detail }
    }
  }
}

/** A clock says what the gateway does not believe. */
export function refusedEvent(
  by: "network" | "rtc",
  reason: string,
  at: number,
  known: TimeInterval,
  sync: TimeSyncState | null,
): AuditEvent {
  return {
    id: "time.refused",
    outcome: "denied",
    source: "time",
    object: by === "network" ? followed(sync) : "the board's own clock",
    reason,
    detail: { said: moment(at), earliest: moment(known.earliestAt), latest: moment(known.latestAt) },
  }
}

function followed(sync: TimeSyncState | null): string {
  if (sync === null || !sync.synchronised) return "nobody"
  return `${sync.daemon} ${sync.source ?? ""} (${sync.authentication})`.replace("  ", " ")
}

function figures({ stratum, offsetMs, errorMs }: TimeSyncState): Record<string, number> {
  const found = { stratum, offsetMs: rounded(offsetMs), errorMs: rounded(errorMs) }
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== null)) as Record<string, number>
}

function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms * 1000) / 1000
}
