import type { Clock } from "../../../hal/clock.ts"
import type { Serial, SerialLine, SerialSettings } from "../../../hal/serial.ts"
import { LockgateError } from "../../../policy/base/errors.ts"
import { LineMachine, type LineRules } from "./rtu/line-machine.ts"
import type { ModbusUpstream } from "./upstream.ts"

/** A line that cannot be opened is tried again after this long, then after twice as long, at most. */
const FIRST_RETRY_MS = 200
const LAST_RETRY_MS = 5_000

/** What happens to a line, for the audit log. */
export type LineNote =
  | { readonly kind: "opened" }
  /** Told once until it is open again, however often it is tried. */
  | { readonly kind: "lost"; readonly code: string; readonly text: string }
  /** Our own bytes came back although the board file does not say so. */
  | { readonly kind: "echo" }

/** A line and what it stands on. */
export interface LineUpstreamDeps {
  readonly serial: Serial
  readonly clock: Clock
  readonly settings: SerialSettings & LineRules
  readonly note: (note: LineNote) => void
}

/**
 * Modbus units on a serial line that several masters share (RTU). Opens the line by itself, and again when it was lost;
 * until then requests are answered `lost` at once.
 *
 * @see MODBUS over Serial Line 1.02
 */
export function createLineUpstream(deps: LineUpstreamDeps): ModbusUpstream {
  const { serial, clock, settings, note } = deps
  let line: SerialLine | null = null
  let closed = false
  let saidLost = false
  let retryMs = FIRST_RETRY_MS
  let cancelRetry = (): void => undefined
  let cancelTick = (): void => undefined
  let tickAtMs = Infinity

  const machine = new LineMachine(settings, {
    send: (frame) => {
      const to = line
      to?.write(frame).catch((error: unknown) => lost(to, error))
    },
    echoed: () => note({ kind: "echo" }),
  })

  /** Run something on the machine, then set the timer for what it waits for. */
  function run(act: (nowMs: number) => void): void {
    act(clock.monotonicMs())
    const { dueMs } = machine
    if (dueMs === tickAtMs) return
    cancelTick()
    tickAtMs = dueMs
    cancelTick = (): void => undefined
    if (dueMs === Infinity) return
    cancelTick = clock.after(dueMs - clock.monotonicMs(), () => {
      tickAtMs = Infinity
      run((nowMs) => machine.tick(nowMs))
    })
  }

  async function open(): Promise<void> {
    let opened: SerialLine | null = null
    let lostEarly: unknown = null
    try {
      opened = await serial.open(settings, {
        received: (bytes) => run((nowMs) => machine.received(bytes, nowMs)),
        lost: (error) => {
          lostEarly = error
          if (opened !== null) lost(opened, error)
        },
      })
      if (lostEarly !== null) throw lostEarly as Error
      if (closed) {
        await opened.close()
        return
      }
      line = opened
      saidLost = false
      retryMs = FIRST_RETRY_MS
      note({ kind: "opened" })
      run((nowMs) => machine.opened(nowMs))
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
      sayLost(error)
      again()
    }
  }

  function lost(which: SerialLine, error: unknown): void {
    if (which !== line) return
    line = null
    void which.close()
    sayLost(error)
    run(() => machine.lost())
    again()
  }

  function sayLost(error: unknown): void {
    if (saidLost || closed) return
    saidLost = true
    const known = error instanceof LockgateError
    note({ kind: "lost", code: known ? String(error.code) : "ERR_SERIAL_LOST", text: known ? error.message : "" })
  }

  function again(): void {
    if (closed) return
    cancelRetry = clock.after(retryMs, () => void open())
    retryMs = Math.min(2 * retryMs, LAST_RETRY_MS)
  }

  void open()
  return {
    ask: (request) =>
      new Promise((resolve) => {
        run((nowMs) => machine.ask(request, nowMs, resolve))
      }),
    recall: (request) => run(() => machine.recall(request)),
    forget: (master) => run(() => machine.forget(master)),
    close() {
      if (closed) return
      closed = true
      cancelRetry()
      run(() => machine.lost("closed"))
      const open = line
      line = null
      void open?.close()
    },
  }
}
