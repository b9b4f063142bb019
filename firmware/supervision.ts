import type { Board } from "../hal/board.ts"
import type { AuditEvent } from "../policy/audit/event.ts"
import { LockgateError } from "../policy/base/errors.ts"
import { createSupervisor } from "./health/supervisor.ts"

const TICK_MS = 1_000
const WATCHDOG_MS = 15_000
const LOOP_DEADLINE_MS = 5_000

/** The watchdog, fed only while every loop of the gateway is alive. */
export interface Supervision {
  /** Every thread of the conduit engine has answered. */
  engineAlive(): void
  /** Arm it, and run `tick` now and every second; what ends both is added to `closers`. */
  start(closers: (() => void | Promise<void>)[], tick: () => void): void
}

/** What it stands on. */
export interface SupervisionDeps {
  readonly board: Pick<Board, "clock" | "watchdog">
  readonly note: (event: AuditEvent) => void
  readonly watchdogMs?: number
  readonly loopDeadlineMs?: number
}

/** Nothing is armed before `start`. */
export function createSupervision(deps: SupervisionDeps): Supervision {
  const { note } = deps
  const { clock, watchdog } = deps.board
  const timeoutMs = deps.watchdogMs ?? WATCHDOG_MS
  const supervisor = createSupervisor({ watchdog, clock, timeoutMs, report: note })
  const deadlineMs = deps.loopDeadlineMs ?? LOOP_DEADLINE_MS
  const mainLoop = supervisor.loop("main", { deadlineMs })
  const engineLoop = supervisor.loop("conduits", { deadlineMs })
  return {
    engineAlive: () => engineLoop.beat(),
    start(closers, tick) {
      const supervising = new AbortController()
      const supervised = supervisor.start(supervising.signal).catch((error: unknown) => {
        // A board whose watchdog cannot be armed still serves its plant; the log says that nobody watches.
        if (!(error instanceof LockgateError) || error.kind !== "hardware") throw error
        note({
          id: "gateway.loop-stalled",
          outcome: "failure",
          source: "health",
          object: "watchdog",
          reason: String(error.code),
        })
      })
      closers.push(() => {
        supervising.abort()
        return supervised
      })
      let cancel = (): void => undefined
      const again = (): void => {
        cancel = clock.after(TICK_MS, again)
        mainLoop.beat()
        tick()
      }
      again()
      closers.push(() => cancel())
    },
  }
}
