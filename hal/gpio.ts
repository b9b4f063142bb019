/** The electrical level of a line, before anybody gives it a meaning. */
export type Level = "low" | "high"

/** Where a named line is on the board. */
export interface GpioLine {
  readonly name: string
  /** `gpiochip0`, as the kernel names it. */
  readonly chip: string
  /** Offset on the chip, 0..511. */
  readonly line: number
}

/** A line that is read. */
export interface InputLine extends GpioLine {
  readonly bias: "as-is" | "disabled" | "pull-up" | "pull-down"
}

/** A line that is driven. */
export interface OutputLine extends GpioLine {
  /** Taken first thing, and whenever the one who sets the line is gone. */
  readonly safe: Level
}

/** What is told of inputs. */
export interface InputListener {
  /** At first, after every edge (bounces included), and again after a loss. The same level may come twice. */
  level(name: string, level: Level): void
  /** The level is not known any more; the port tries on by itself. Told once until a level is known again. */
  lost(name: string, reason: string): void
}

/** Outputs that are held. */
export interface HeldOutputs {
  /** Resolves when the line has the level. @throws HardwareError `ERR_IO` if it has not; the port tries on by itself */
  set(name: string, level: Level): Promise<void>
  /** Outputs that are driven now, and how: what is not in it is lost. */
  driven(): ReadonlyMap<string, Level>
  /** All of them take their safe levels, and are held there for as long as the board lets a process live. */
  release(): Promise<void>
}

/** Lines for general purpose, each with one owner. */
export interface Gpio {
  /** Watch inputs until the returned function is called. Every line was told (its level, or lost) before this resolves. */
  watch(lines: readonly InputLine[], listener: InputListener): Promise<() => Promise<void>>
  /**
   * Hold outputs. They have their safe levels before this resolves, or `lost` was told of them. When this process ends in
   * whatever way, kill -9 included, they take their safe levels.
   */
  hold(lines: readonly OutputLine[], lost: (name: string, reason: string) => void): Promise<HeldOutputs>
  /** On a simulated board: give an input a level, as its wire would. Null on a real one. */
  readonly simulate: ((name: string, level: Level) => void) | null
}
