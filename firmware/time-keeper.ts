import type { Clock } from "../hal/clock.ts"
import type { Storage } from "../hal/storage.ts"
import { NO_TIME_SYNC, type TimeSync, type TimeSyncState } from "../hal/time-sync.ts"
import type { AuditEvent } from "../policy/audit/event.ts"
import {
  floorNow,
  intervalNow,
  lowerFloor,
  observe,
  raise,
  startTime,
  storedFloor,
  type BoundSource,
  type TimeBound,
  type TimeDecision,
} from "../policy/time/floor.ts"
import type { TimeInterval } from "../policy/time/interval.ts"
import { lookForStep, watchSteps, type WallStep } from "../policy/time/step-watch.ts"
import { syncChange } from "../policy/time/sync-watch.ts"
import { FLOOR_FILE, readFloor, writeFloor } from "./time/floor-file.ts"
import { refusedEvent, stepEvent, syncEvent } from "./time/time-events.ts"

/** How far off a clock that the board vouches for may be, if the board file does not say. */
const RTC_ERROR_MS = 5_000
/** No reading of a daemon is believed to be better than this: the clock is read a little after it was asked. */
const LEAST_ERROR_MS = 50
/** The stored floor is written again when it has moved this far: once an hour at most, to spare the flash. */
const WRITE_STEP_MS = 3_600_000
/** How often the time daemon is asked. */
const ASK_MS = 10_000
const MOST_UNHEARD = 64

/** Whose network time bounds the interval: that of any source, of authenticated ones only, or of none. */
export type NetworkTrust = "any" | "authenticated" | "none"

/** What bounds the interval from above. */
export type BoundedBy = "network" | "rtc" | "owner-signed"

/** What the gateway knows of the time, for `status`. Plain JSON; times in milliseconds since 1970. */
export interface TimeReport {
  /** What the board's wall clock shows, right or wrong. */
  readonly wallAt: number
  readonly earliestAt: number
  /** Null: nothing bounds it. */
  readonly latestAt: number | null
  readonly boundedBy: BoundedBy | null
  readonly floor: { readonly at: number; readonly source: BoundSource }
  readonly sync: TimeSyncState
  readonly network: NetworkTrust
  /** Why the last reading of the daemon, or else of the board's own clock, was not believed; null if it was. */
  readonly refused: Exclude<TimeDecision, "accepted" | "known"> | "not-authenticated" | null
}

/** What the gateway knows of the time. */
export interface TimeKeeper {
  /** The interval in which the true time lies. */
  interval(): TimeInterval
  /**
   * The same for the audit log: its lower end rests on authenticated bounds alone, never on a clock, so that an entry
   * may one day raise the floor.
   */
  logged(): TimeInterval
  /** False while nothing bounds the time from above. */
  readonly bounded: boolean
  /** A certificate verified whose validity begins at `notBeforeAt`: it is at least that late. */
  certificateSeen(notBeforeAt: number): void
  /** The newest entry of our own log, verified, states this `earliest`: nothing else of an entry may come here. */
  entrySeen(earliestAt: number): void
  /** A witness that we trust cosigned a checkpoint of ours at this time. */
  cosigned(at: number): void
  /**
   * A person's signed time. `approved`: somebody is present, or two have signed. What is accepted is on disk before this
   * resolves; after a failure of the disk it holds for this boot. @throws HardwareError `ERR_IO`
   */
  take(bound: TimeBound, approved: boolean): Promise<TimeDecision>
  /** Set the floor back, as `take` else. */
  lower(toAt: number, present: boolean): Promise<TimeDecision>
  report(): TimeReport
  /** What would be told if the wall clock were set by `byMs` now; nothing changes. */
  rehearseStep(byMs: number): WallStep | null
  /** Who hears what happens to the clock; what happened before is told at once. The last call counts. */
  onEvent(listener: (event: AuditEvent) => void): void
  /** Look at clocks and daemon, tell what happened to them, and store the floor if it has moved far enough. Call it every second. */
  refresh(): Promise<void>
}

/** What the keeper stands on. */
export interface TimeKeeperDeps {
  readonly clock: Clock
  readonly storage: Storage
  readonly builtAt: number
  /** Absent: no time daemon. */
  readonly sync?: TimeSync
  /** Default `any`. */
  readonly network?: NetworkTrust
  /** How far off the board's own clock may be, if the board vouches for it. */
  readonly rtcErrorMs?: number
}

/**
 * The gateway's one source of time: the pure floor of `policy/time/floor.ts` on this board's clocks, daemon and storage.
 *
 * @see IEC 62443-4-2 CR 2.11, CR 2.11 RE(1), CR 2.11 RE(2)
 */
export async function createTimeKeeper(deps: TimeKeeperDeps): Promise<TimeKeeper> {
  const { clock, storage, builtAt, network = "any", rtcErrorMs = RTC_ERROR_MS } = deps
  const stored = readFloor(await storage.read(FLOOR_FILE))
  let state = startTime(stored, builtAt, clock.monotonicMs())
  let writtenAt = stored?.floorAt ?? 0
  let writing = false
  let clockBy: "network" | "rtc" = "rtc"
  let sync: TimeSyncState | null = null
  let askedMs = -Infinity
  let asking = false
  let watch = watchSteps(readClocks())
  const refusals: Record<"network" | "rtc", TimeReport["refused"]> = { network: null, rtc: null }
  let listener: ((event: AuditEvent) => void) | null = null
  const unheard: AuditEvent[] = []

  function tell(event: AuditEvent): void {
    if (listener !== null) listener(event)
    else if (unheard.length < MOST_UNHEARD) unheard.push(event)
  }

  function readClocks(): { wallAt: number; monotonicMs: number } {
    return { wallAt: clock.wall().at, monotonicMs: clock.monotonicMs() }
  }

  /** A reading of one of the two; told when it is not believed, once until that changes. */
  function observeBy(by: "network" | "rtc", errorMs: number): void {
    const before = state.clock
    const at = clock.wall().at
    const { state: next, decision } = observe(state, { at, trusted: true }, clock.monotonicMs(), errorMs)
    state = next
    if (state.clock !== before && state.clock !== null) clockBy = by
    refuse(by, decision === "accepted" || decision === "known" ? null : decision, at)
  }

  function refuse(by: "network" | "rtc", reason: TimeReport["refused"], at: number): void {
    if (reason !== null && reason !== refusals[by]) {
      tell(refusedEvent(by, reason, at, intervalNow(state, clock.monotonicMs()), sync))
    }
    refusals[by] = reason
  }

  /** The board's own clock, where the board vouches for it; what a daemon said is better as long as it is narrower. */
  function lookAtBoardClock(): void {
    if (!clock.wall().trusted) return
    const { earliestAt, latestAt } = intervalNow(state, clock.monotonicMs())
    if (clockBy === "network" && state.clock !== null && latestAt - earliestAt < 2 * rtcErrorMs) return
    observeBy("rtc", rtcErrorMs)
  }

  function lookForSteps(): void {
    const looked = lookForStep(watch, readClocks())
    watch = looked.watch
    if (looked.step !== null) tell(stepEvent(looked.step, sync))
  }

  async function askDaemon(): Promise<void> {
    if (deps.sync === undefined || asking || clock.monotonicMs() - askedMs < ASK_MS) return
    asking = true
    askedMs = clock.monotonicMs()
    try {
      const before = sync
      const after = await deps.sync.read()
      sync = after
      const change = syncChange(before, after)
      if (change !== null) tell(syncEvent(change, before, after))
      if (!after.synchronised || after.errorMs === null || network === "none") {
        refusals.network = null
        return
      }
      const proved = after.authentication === "nts" || after.authentication === "symmetric-key"
      if (network === "authenticated" && !proved) refuse("network", "not-authenticated", clock.wall().at)
      else observeBy("network", Math.max(LEAST_ERROR_MS, after.errorMs))
    } finally {
      asking = false
    }
  }

  async function store(always: boolean): Promise<void> {
    const floor = storedFloor(state, clock.monotonicMs())
    if (!always && (writing || floor.floorAt - writtenAt < WRITE_STEP_MS)) return
    writing = true
    try {
      await writeFloor(storage, floor)
      writtenAt = floor.floorAt
    } finally {
      writing = false
    }
  }

  function bound(source: BoundSource, earliestAt: number): void {
    state = raise(state, { source, earliestAt, latestAt: null }, clock.monotonicMs()).state
  }

  await askDaemon()
  lookAtBoardClock()
  return {
    interval: () => intervalNow(state, clock.monotonicMs()),
    logged: () => {
      const nowMs = clock.monotonicMs()
      return { earliestAt: floorNow(state, nowMs), latestAt: intervalNow(state, nowMs).latestAt }
    },
    get bounded() {
      return intervalNow(state, clock.monotonicMs()).latestAt !== Infinity
    },
    certificateSeen: (notBeforeAt) => bound("certificate-not-before", notBeforeAt),
    entrySeen: (earliestAt) => bound("log-entry-earliest", earliestAt),
    cosigned: (at) => bound("cosignature", at),
    async take(given, approved) {
      const step = raise(state, given, clock.monotonicMs(), approved)
      state = step.state
      if (step.decision === "accepted") await store(true)
      return step.decision
    },
    async lower(toAt, present) {
      const step = lowerFloor(state, toAt, builtAt, clock.monotonicMs(), present)
      state = step.state
      if (step.decision === "accepted") await store(true)
      return step.decision
    },
    report() {
      const nowMs = clock.monotonicMs()
      const { earliestAt, latestAt } = intervalNow(state, nowMs)
      const bounded = latestAt !== Infinity
      return {
        wallAt: clock.wall().at,
        earliestAt,
        latestAt: bounded ? latestAt : null,
        boundedBy: !bounded ? null : state.clock === null ? "owner-signed" : clockBy,
        floor: { at: floorNow(state, nowMs), source: state.floor.source },
        sync: sync ?? NO_TIME_SYNC,
        network,
        refused: refusals.network ?? refusals.rtc,
      }
    },
    rehearseStep(byMs) {
      const { wallAt, monotonicMs } = readClocks()
      return lookForStep({ ...watch, toldMs: null }, { wallAt: wallAt + byMs, monotonicMs }).step
    },
    onEvent(next) {
      listener = next
      for (const event of unheard.splice(0)) next(event)
    },
    async refresh() {
      lookForSteps()
      await askDaemon()
      lookAtBoardClock()
      await store(false)
    },
  }
}
