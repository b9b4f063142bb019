/**
 * Hours of a week against a time that is only known as an interval.
 *
 * A week is counted in milliseconds from Monday 00:00 on the plant's clock, which is UTC and a fixed offset:
 *
 *     Mon          Tue          Wed                        Sun          Mon
 *     |------------|------------|---- - - - - - - - - -----|------------|
 *           [22:00 ......... 06:00)     one window: from its begin up to, not with, its end
 *
 * Windows may meet, overlap, and reach over the end of the week.
 */
import type { Hours } from "../language/policy.ts"
import type { Certainty, TimeInterval } from "./interval.ts"

const MINUTE_MS = 60_000
const DAY_MS = 1440 * MINUTE_MS
export const WEEK_MS = 7 * DAY_MS

/** 1970-01-01 was a Thursday: three days of its week were over. */
const EPOCH_IN_WEEK_MS = 3 * DAY_MS

/** Whether one moment lies in the hours, and at which moment that changes next. */
export interface Stretch {
  readonly inside: boolean
  /** The first later moment that is no longer like this one; Infinity if there is none. */
  readonly untilAt: number
}

/** Whether the moment `at` (milliseconds since 1970, finite) lies in `hours`, and until when it is so. */
export function stretchAt(hours: Hours, at: number): Stretch {
  const { days, fromMinute, toMinute } = hours
  const length = (toMinute > fromMinute ? toMinute - fromMinute : toMinute + 1440 - fromMinute) * MINUTE_MS
  const here = modulo(at + hours.utcOffsetMinutes * MINUTE_MS + EPOCH_IN_WEEK_MS, WEEK_MS)
  const begins = days.map((day) => (day - 1) * DAY_MS + fromMinute * MINUTE_MS)
  // How long the windows that hold the moment `ahead` of here still last; 0 outside all of them.
  const lasting = (ahead: number): number =>
    Math.max(0, ...begins.map((begin) => length - modulo(here + ahead - begin, WEEK_MS)))

  let ahead = 0
  for (let more = lasting(0); more > 0; more = lasting(ahead)) {
    ahead += more
    // One window after the other around the whole week: there is no border.
    if (ahead > WEEK_MS) return { inside: true, untilAt: Infinity }
  }
  if (ahead > 0) return { inside: true, untilAt: at + ahead }
  return { inside: false, untilAt: at + Math.min(...begins.map((begin) => modulo(begin - here, WEEK_MS))) }
}

/**
 * Whether the true time surely lies in `hours` (`yes`), surely does not (`no`), or may (`uncertain`).
 *
 * @see IEC 62443-4-2 CR 2.11
 */
export function withinHours(hours: Hours, now: TimeInterval): Certainty {
  if (!Number.isFinite(now.earliestAt)) return "uncertain"
  const { inside, untilAt } = stretchAt(hours, now.earliestAt)
  if (untilAt !== Infinity && now.latestAt >= untilAt) return "uncertain"
  return inside ? "yes" : "no"
}

/**
 * Milliseconds until either end of the interval comes to a border of `hours`, if both go on at the pace of a clock:
 * before that the answer of `withinHours` stays what it is. Infinity if there is no border to come.
 */
export function untilNextBorder(hours: Hours, now: TimeInterval): number {
  const ends = [now.earliestAt, now.latestAt].filter(Number.isFinite)
  return Math.min(Infinity, ...ends.map((at) => stretchAt(hours, at).untilAt - at))
}

function modulo(value: number, by: number): number {
  const rest = value % by
  return rest < 0 ? rest + by : rest
}
