import type { Clock } from "../hal/clock.ts"
import type { Storage } from "../hal/storage.ts"
import {
  floorNow,
  intervalNow,
  observe,
  raise,
  startTime,
  storedFloor,
  type StoredFloor,
} from "../policy/time/floor.ts"
import type { TimeInterval } from "../policy/time/interval.ts"

const FLOOR_FILE = "time/floor.json"
/** How far off a clock that the board vouches for may be. */
const TRUSTED_UNCERTAINTY_MS = 5_000
/** The stored floor is written again when it has moved this far: once an hour at most, to spare the flash. */
const WRITE_STEP_MS = 3_600_000

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
  /** Read the board's clock, and store the floor if it has moved far enough. */
  refresh(): Promise<void>
}

/** The gateway's one source of time: the pure floor of `policy/time/floor.ts` on this board's clock and storage. */
export async function createTimeKeeper(deps: {
  readonly clock: Clock
  readonly storage: Storage
  readonly builtAt: number
}): Promise<TimeKeeper> {
  const { clock, storage } = deps
  const stored = readFloor(await storage.read(FLOOR_FILE))
  let state = startTime(stored, deps.builtAt, clock.monotonicMs())
  let writtenAt = stored?.floorAt ?? 0

  const look = (): void => {
    state = observe(state, clock.wall(), clock.monotonicMs(), TRUSTED_UNCERTAINTY_MS).state
  }
  look()
  return {
    interval: () => intervalNow(state, clock.monotonicMs()),
    logged: () => {
      const nowMs = clock.monotonicMs()
      return { earliestAt: floorNow(state, nowMs), latestAt: intervalNow(state, nowMs).latestAt }
    },
    get bounded() {
      return intervalNow(state, clock.monotonicMs()).latestAt !== Infinity
    },
    certificateSeen: (notBeforeAt) => {
      const bound = { source: "certificate-not-before", earliestAt: notBeforeAt, latestAt: null } as const
      state = raise(state, bound, clock.monotonicMs()).state
    },
    refresh: async () => {
      look()
      const floor = storedFloor(state, clock.monotonicMs())
      if (floor.floorAt - writtenAt < WRITE_STEP_MS) return
      await storage.write(FLOOR_FILE, new TextEncoder().encode(JSON.stringify({ format: 1, ...floor })))
      writtenAt = floor.floorAt
    },
  }
}

/** A damaged file counts as none: the floor is then the build time, which is true as well, only weaker. */
function readFloor(bytes: Uint8Array | null): StoredFloor | null {
  if (bytes === null) return null
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes)) as Partial<StoredFloor & { format: number }>
    if (value.format !== 1 || typeof value.floorAt !== "number" || value.source === undefined) return null
    return { floorAt: value.floorAt, source: value.source }
  } catch {
    return null
  }
}
