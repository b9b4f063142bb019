import { HardwareError, StateError } from "../../policy/base/errors.ts"
import type { Gpio, HeldOutputs, InputLine, InputListener, Level, OutputLine } from "../gpio.ts"

/** Lines in memory: whoever has the object is the wires. Inputs begin low, or high with a pull-up. */
export class MemoryGpio implements Gpio {
  readonly #inputs = new Map<string, Level>()
  readonly #driven = new Map<string, Level>()
  readonly #lost = new Map<string, string>()
  #watched: { readonly names: ReadonlySet<string>; readonly listener: InputListener } | null = null
  #held: readonly OutputLine[] = []
  #tellLost: (name: string, reason: string) => void = () => undefined
  /** The next settings of outputs fail with `ERR_IO`, that many. */
  failing = 0

  readonly simulate = (name: string, level: Level): void => {
    if (this.#watched?.names.has(name) !== true)
      throw new StateError("ERR_GPIO_LINE", "the board watches no such input")
    this.drive(name, level)
  }

  /** The wire of an input takes this level; nobody hears of it while the input is lost. */
  drive(name: string, level: Level): void {
    this.#inputs.set(name, level)
    if (!this.#lost.has(name)) this.#watched?.listener.level(name, level)
  }

  /** The contact bounces this many times, and ends at `level`. */
  bounce(name: string, level: Level, times: number): void {
    for (let k = 0; k < times; k++) {
      this.drive(name, level)
      this.drive(name, level === "high" ? "low" : "high")
    }
    this.drive(name, level)
  }

  /** The line, input or output, is lost until `mend`. */
  lose(name: string, reason = "the chip is gone"): void {
    this.#lost.set(name, reason)
    if (this.#driven.delete(name)) this.#tellLost(name, reason)
    else this.#watched?.listener.lost(name, reason)
  }

  /** The line is there again. */
  mend(name: string): void {
    this.#lost.delete(name)
    const output = this.#held.find((line) => line.name === name)
    if (output !== undefined) this.#driven.set(name, output.safe)
    else if (this.#watched?.names.has(name) === true)
      this.#watched.listener.level(name, this.#inputs.get(name) ?? "low")
  }

  /** The process that held the outputs ended without a word. */
  killed(): void {
    this.#watched = null
    for (const { name, safe } of this.#held) this.#driven.set(name, safe)
  }

  /** What the wires of outputs carry. */
  get outputs(): ReadonlyMap<string, Level> {
    return this.#driven
  }

  async watch(lines: readonly InputLine[], listener: InputListener): Promise<() => Promise<void>> {
    this.#watched = { names: new Set(lines.map(({ name }) => name)), listener }
    for (const { name, bias } of lines) {
      const level = this.#inputs.get(name) ?? (bias === "pull-up" ? "high" : "low")
      this.#inputs.set(name, level)
      const reason = this.#lost.get(name)
      if (reason === undefined) listener.level(name, level)
      else listener.lost(name, reason)
    }
    return async () => {
      this.#watched = null
    }
  }

  async hold(lines: readonly OutputLine[], lost: (name: string, reason: string) => void): Promise<HeldOutputs> {
    this.#held = lines
    this.#tellLost = lost
    for (const { name, safe } of lines) {
      const reason = this.#lost.get(name)
      if (reason === undefined) this.#driven.set(name, safe)
      else lost(name, reason)
    }
    return {
      set: async (name, level) => {
        if (this.failing > 0 || this.#lost.has(name)) {
          if (this.failing > 0) this.failing--
          throw new HardwareError("ERR_IO", `the output ${name} does not take its level`)
        }
        this.#driven.set(name, level)
      },
      driven: () => new Map(this.#driven),
      release: async () => {
        for (const { name, safe } of lines) if (!this.#lost.has(name)) this.#driven.set(name, safe)
      },
    }
  }
}
