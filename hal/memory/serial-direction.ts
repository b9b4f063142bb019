import { HardwareError } from "../../policy/base/errors.ts"
import type { Clock } from "../clock.ts"
import type { Direction, DirectionLine, Directions } from "../serial-direction.ts"

/** Where it goes wrong: the process ends there, or the line does not take its level. */
export interface DirectionFault {
  readonly at: "transmit" | "receive"
  readonly what: "killed" | "stuck"
}

/** A transceiver in memory, its history, and a fault plan. */
export class MemoryDirection implements Directions {
  /** When who had the pair, on the clock that was given; `units` first. */
  readonly turns: { readonly atMs: number; readonly pair: "ours" | "units" }[] = []
  plan: DirectionFault | null = null
  /** How long turning round takes. */
  turnMs: number
  /** The board lets go within this when the process that had the line has ended. */
  readonly releasedWithinMs: number
  readonly #clock: Clock
  #lost: (error: HardwareError) => void = () => undefined

  constructor(clock: Clock, { turnMs = 0.2, releasedWithinMs = 5 } = {}) {
    this.#clock = clock
    this.turnMs = turnMs
    this.releasedWithinMs = releasedWithinMs
  }

  get pair(): "ours" | "units" {
    return this.turns.at(-1)?.pair ?? "units"
  }

  /** The process that had the line ended without a word. */
  killed(): void {
    this.#clock.after(this.releasedWithinMs, () => this.#turn("units"))
    this.#lost(new HardwareError("ERR_SERIAL_DIRECTION", "the process that holds the direction ended"))
  }

  async open(_line: DirectionLine, lost: (error: HardwareError) => void): Promise<Direction> {
    this.#lost = lost
    this.#turn("units")
    return {
      turnMs: this.turnMs,
      transmit: () => this.#set("transmit"),
      receive: () => this.#set("receive"),
      close: async () => this.#turn("units"),
    }
  }

  async #set(at: "transmit" | "receive"): Promise<void> {
    const fault = this.plan?.at === at ? this.plan : null
    this.plan = fault === null ? this.plan : null
    // The order to receive that a dead process was given is not carried out; the kernel's release is.
    if (fault?.what === "killed" && at === "receive") {
      this.killed()
      return
    }
    if (fault?.what === "stuck") {
      this.killed()
      throw new HardwareError("ERR_SERIAL_DIRECTION", "the line does not take its level")
    }
    await new Promise<void>((resolve) => void this.#clock.after(this.turnMs, resolve))
    this.#turn(at === "transmit" ? "ours" : "units")
    if (fault?.what === "killed") this.killed()
  }

  #turn(pair: "ours" | "units"): void {
    if (this.pair !== pair || this.turns.length === 0) this.turns.push({ atMs: this.#clock.monotonicMs(), pair })
  }
}
