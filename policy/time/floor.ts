/**
 * The time keeper: what the gateway knows of the true time, as a plain value and pure steps on it.
 *
 * Three facts, each with the reading of the monotonic clock at which it held:
 *
 *     floor     the true time was at least this; only authenticated sources move it, and only it is stored
 *     ceiling   the true time was at most this; only an owner's answer to our own nonce can say so
 *     clock     what a clock that the board vouches for said, give or take its stated uncertainty
 *
 * The interval now is what all three allow, carried on by the monotonic clock at its worst drift. A clock that nobody
 * vouches for moves nothing at all: a board that once boots with its battery flat in 2099 must not believe in 2099 ever
 * after. A vouched-for clock shapes the interval of this boot, but never the stored floor.
 *
 * @see IEC 62443-4-2 CR 2.11
 */
import type { TimeInterval } from "./interval.ts"

/** Who says that it is at least this late. Nothing else raises the floor; a document's expiry or a wall clock never does. */
export type BoundSource =
  "firmware-build" | "owner-signed" | "certificate-not-before" | "cosignature" | "log-entry-earliest"

/** An authenticated statement about the time; the caller has verified whose it is. */
export interface TimeBound {
  readonly source: BoundSource
  /** The true time is at least this. */
  readonly earliestAt: number
  /** The true time is at most this: only with `owner-signed`, whose answer to our nonce was timed; else null. */
  readonly latestAt: number | null
}

/** What outlives a restart. */
export interface StoredFloor {
  readonly floorAt: number
  readonly source: BoundSource
}

/** What the time keeper knows, as a plain value. */
export interface TimeState {
  readonly floor: { readonly at: number; readonly source: BoundSource; readonly monotonicMs: number }
  readonly ceiling: { readonly at: number; readonly monotonicMs: number } | null
  readonly clock: { readonly at: number; readonly uncertaintyMs: number; readonly monotonicMs: number } | null
}

/** What became of a reading or a bound. */
export type TimeDecision =
  | "accepted"
  /** Nothing new: the bound is not above the floor. */
  | "known"
  /** A clock that the board does not vouch for, or that says no number. */
  | "untrusted"
  /** The clock is earlier than the floor allows: it has lost the time. */
  | "behind-floor"
  /** Later than an owner's signed time allows. */
  | "beyond-ceiling"
  /** More than 400 days ahead: only with presence (or two approvals). */
  | "needs-presence"

/** The state after a reading or a bound, and what became of it. */
export interface TimeStep {
  readonly state: TimeState
  readonly decision: TimeDecision
}

/** A step further than this needs somebody who looks at a calendar. */
export const MAX_STEP_MS = 400 * 86_400_000

/** Worst drift of a monotonic clock: an uncompensated crystal over the industrial temperature range stays well below. */
export const DRIFT = 500e-6

/**
 * The state after a start: the time is at least the stored floor and the build time of this firmware, and no more is
 * known, for nobody can say how long the power was off.
 *
 * The build time is not held to the 400 days: it came with an update that was approved, and an old gateway must start.
 */
export function startTime(stored: StoredFloor | null, firmwareBuildAt: number, monotonicMs: number): TimeState {
  const build: StoredFloor = { floorAt: firmwareBuildAt, source: "firmware-build" }
  const from = stored !== null && stored.floorAt > firmwareBuildAt ? stored : build
  return { floor: { at: from.floorAt, source: from.source, monotonicMs }, ceiling: null, clock: null }
}

/** The interval in which the true time lies; never empty. `latestAt` is Infinity while nothing bounds it. */
export function intervalNow(state: TimeState, monotonicMs: number): TimeInterval {
  const floorAt = floorNow(state, monotonicMs)
  const ceilingAt = ceilingNow(state, monotonicMs)
  if (state.clock === null) return { earliestAt: floorAt, latestAt: ceilingAt }
  const { at, uncertaintyMs, monotonicMs: sinceMs } = state.clock
  const earliestAt = Math.max(floorAt, at - uncertaintyMs + atLeast(monotonicMs - sinceMs))
  const latestAt = Math.min(ceilingAt, at + uncertaintyMs + atMost(monotonicMs - sinceMs))
  return { earliestAt, latestAt }
}

/**
 * The authenticated lower bound now: the floor, and the time that has surely passed since it was set in this boot.
 *
 * This, not the interval's `earliestAt`, is what is stored and what a log entry states as its `earliest`: it rests on
 * no clock that could be wrong.
 */
export function floorNow(state: TimeState, monotonicMs: number): number {
  return state.floor.at + atLeast(monotonicMs - state.floor.monotonicMs)
}

/** What to store, so that the next boot starts from here. Worth a write once in a while, not each second. */
export function storedFloor(state: TimeState, monotonicMs: number): StoredFloor {
  return { floorAt: floorNow(state, monotonicMs), source: state.floor.source }
}

/**
 * The state after the board's clock was read; `uncertaintyMs` is how far off the board says it may be, 0 or more.
 *
 * The newest accepted reading replaces the one before. What is refused changes nothing, except that a clock which has
 * fallen behind the floor takes its earlier readings with it. Within a boot steps are the board's own business (it may
 * be set by a time server) as long as they stay between floor and ceiling and within 400 days of the earliest time.
 */
export function observe(
  state: TimeState,
  reading: { readonly at: number; readonly trusted: boolean },
  monotonicMs: number,
  uncertaintyMs: number,
  presence = false,
): TimeStep {
  const { at, trusted } = reading
  if (!trusted || !Number.isFinite(at) || !(uncertaintyMs >= 0)) return { state, decision: "untrusted" }
  const { earliestAt } = intervalNow(state, monotonicMs)
  if (at + uncertaintyMs < floorNow(state, monotonicMs)) {
    return { state: { ...state, clock: null }, decision: "behind-floor" }
  }
  if (at - uncertaintyMs > ceilingNow(state, monotonicMs)) return { state, decision: "beyond-ceiling" }
  if (at - earliestAt > MAX_STEP_MS && !presence) return { state, decision: "needs-presence" }
  return { state: { ...state, clock: { at, uncertaintyMs, monotonicMs } }, decision: "accepted" }
}

/**
 * The state after an authenticated bound. `presence`: somebody stands at the gateway, or two have approved.
 *
 * The floor never falls here, and never rises above what an owner has signed as the latest time: a zone's authority
 * that dates its certificates ahead is outranked. A vouched-for clock that the new floor contradicts is dropped.
 */
export function raise(state: TimeState, bound: TimeBound, monotonicMs: number, presence = false): TimeStep {
  const { earliestAt, latestAt, source } = bound
  const floorAt = floorNow(state, monotonicMs)
  const ceilingAt = ceilingNow(state, monotonicMs)
  // An answer that bounds the time from above is timed by us, so it must agree with itself and with the floor.
  const newCeilingAt = source === "owner-signed" && latestAt !== null ? latestAt : null
  if (!Number.isFinite(earliestAt) || Number.isNaN(newCeilingAt ?? 0)) return { state, decision: "untrusted" }
  if (newCeilingAt !== null && newCeilingAt < Math.max(floorAt, earliestAt)) return { state, decision: "behind-floor" }
  if (earliestAt > ceilingAt) return { state, decision: "beyond-ceiling" }
  if (earliestAt - floorAt > MAX_STEP_MS && !presence) return { state, decision: "needs-presence" }
  const rises = earliestAt > floorAt
  const lowers = newCeilingAt !== null && newCeilingAt < ceilingAt
  if (!rises && !lowers) return { state, decision: "known" }
  const raised: TimeState = {
    floor: rises ? { at: earliestAt, source, monotonicMs } : state.floor,
    ceiling: lowers ? { at: newCeilingAt, monotonicMs } : state.ceiling,
    clock: state.clock,
  }
  return { state: contradictsClock(raised, monotonicMs) ? { ...raised, clock: null } : raised, decision: "accepted" }
}

/**
 * The state after an owner on the spot has set the floor back: the way out when a signed time was wrong.
 *
 * Everything that rested on the old floor is forgotten. The build time of the firmware stays the lowest floor there is.
 * Without presence nothing changes.
 */
export function lowerFloor(
  state: TimeState,
  toAt: number,
  firmwareBuildAt: number,
  monotonicMs: number,
  presence: boolean,
): TimeStep {
  if (!presence) return { state, decision: "needs-presence" }
  if (!Number.isFinite(toAt) || toAt >= floorNow(state, monotonicMs)) return { state, decision: "known" }
  return {
    state: startTime({ floorAt: toAt, source: "owner-signed" }, firmwareBuildAt, monotonicMs),
    decision: "accepted",
  }
}

function ceilingNow(state: TimeState, monotonicMs: number): number {
  if (state.ceiling === null) return Infinity
  return state.ceiling.at + atMost(monotonicMs - state.ceiling.monotonicMs)
}

function contradictsClock(state: TimeState, monotonicMs: number): boolean {
  const { earliestAt, latestAt } = intervalNow(state, monotonicMs)
  return earliestAt > latestAt
}

/** What has surely passed when the monotonic clock has counted `elapsedMs`. */
function atLeast(elapsedMs: number): number {
  return Math.max(0, elapsedMs) / (1 + DRIFT)
}

function atMost(elapsedMs: number): number {
  return Math.max(0, elapsedMs) / (1 - DRIFT)
}
