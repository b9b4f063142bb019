import { LockgateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { Clock } from "../../hal/clock.ts"
import type { Watchdog } from "../../hal/watchdog.ts"

/** What the supervisor stands on. */
export interface SupervisorDeps {
  readonly watchdog: Watchdog
  readonly clock: Clock
  /** The watchdog timeout asked for; the board may round it up. Deadlines should be well below. */
  readonly timeoutMs: number
  /** A loop that stalled, a watchdog that does not take its feeding: each told once until it is well again. */
  readonly report: (event: AuditEvent) => void
}

/** A loop's end of the supervision. */
export interface LoopHandle {
  /** "I am alive": to be called more often than the deadline. Costs one clock reading. */
  beat(): void
  /** The loop has ended in order and is no longer waited for. */
  end(): void
}

/** Feeds the watchdog only while every loop is alive. */
export interface Supervisor {
  /** Register a loop; its deadline counts from now, or from `start` if that is later. */
  loop(name: string, options: { readonly deadlineMs: number }): LoopHandle
  /** Arms the watchdog and feeds it until the signal, then disarms it. @throws HardwareError `ERR_IO` if it cannot be armed */
  start(signal: AbortSignal): Promise<void>
  /** Names of the loops that are past their deadline now. */
  readonly stalled: readonly string[]
}

interface Loop {
  readonly name: string
  readonly deadlineMs: number
  beatMs: number
  told: boolean
}

/**
 * One owner of the watchdog for all loops of the gateway: whichever hangs, the board resets, and the next start finds
 * `lastReset` to be `watchdog`. A loop that comes back before the watchdog's timeout is fed for again.
 *
 * @see IEC 62443-4-2 CR 7.1, CR 2.8
 */
export function createSupervisor(deps: SupervisorDeps): Supervisor {
  const { watchdog, clock, report } = deps
  const loops = new Set<Loop>()
  let feeding = false
  let feedTold = false

  const isStalled = (loop: Loop): boolean => clock.monotonicMs() - loop.beatMs > loop.deadlineMs

  function allAlive(): boolean {
    let alive = true
    for (const loop of loops) {
      if (!isStalled(loop)) {
        loop.told = false
        continue
      }
      alive = false
      if (!loop.told) report(stallEvent(loop, clock.monotonicMs() - loop.beatMs))
      loop.told = true
    }
    return alive
  }

  /** Never rejects: a watchdog that does not take its feeding is fed again at the next turn, until it resets the board. */
  async function feed(): Promise<void> {
    // A feeding that hangs is not overtaken by another.
    if (feeding) return
    feeding = true
    try {
      await watchdog.feed()
      feedTold = false
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind !== "hardware") throw error
      if (!feedTold)
        report({
          id: "gateway.loop-stalled",
          outcome: "failure",
          source: "health",
          object: "watchdog",
          reason: "ERR_IO",
        })
      feedTold = true
    } finally {
      feeding = false
    }
  }

  return {
    get stalled() {
      return [...loops].filter(isStalled).map(({ name }) => name)
    },

    loop(name, { deadlineMs }) {
      const loop: Loop = { name, deadlineMs, beatMs: clock.monotonicMs(), told: false }
      loops.add(loop)
      return {
        beat: () => {
          loop.beatMs = clock.monotonicMs()
        },
        end: () => {
          loops.delete(loop)
        },
      }
    },

    async start(signal) {
      const armedMs = await watchdog.arm(deps.timeoutMs)
      for (const loop of loops) loop.beatMs = clock.monotonicMs()
      let cancel: () => void = () => undefined
      const turn = (): void => {
        if (allAlive()) void feed()
        cancel = clock.after(armedMs / 4, turn)
      }
      turn()
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve()
        else signal.addEventListener("abort", () => resolve(), { once: true })
      })
      cancel()
      await watchdog.disarm()
    },
  }
}

/** What to tell the log at start about why the board started; null if there is nothing to tell. */
export function resetEvent(lastReset: Watchdog["lastReset"]): AuditEvent | null {
  if (lastReset !== "watchdog") return null
  return { id: "gateway.restarted-by-watchdog", outcome: "failure", source: "health" }
}

function stallEvent(loop: Loop, silentMs: number): AuditEvent {
  return {
    id: "gateway.loop-stalled",
    outcome: "failure",
    source: "health",
    object: loop.name,
    detail: { silentMs: Math.round(silentMs), deadlineMs: loop.deadlineMs },
  }
}
