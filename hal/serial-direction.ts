import { HardwareError } from "../policy/base/errors.ts"
import type { Clock } from "./clock.ts"
import type { GpioLine, Level } from "./gpio.ts"
import { byteMs, type SerialSettings } from "./serial.ts"

/** A line of the board that turns a transceiver round: at `transmit` we have the pair, at the other level the units have. */
export interface DirectionLine extends GpioLine {
  readonly transmit: Level
}

/** A transceiver that we turn ourselves. Receive is the safe state: it has it at first, after `close`, and without us. */
export interface Direction {
  /** Longest time that turning it round took when it was tried at the opening; milliseconds. */
  readonly turnMs: number
  /** Resolves when the pair is ours. @throws HardwareError `ERR_SERIAL_DIRECTION` */
  transmit(): Promise<void>
  /** Resolves when the pair is the units'. @throws HardwareError `ERR_SERIAL_DIRECTION`: then it is let go of in another way */
  receive(): Promise<void>
  /** Let go of it; never rejects, may be called again. */
  close(): Promise<void>
}

/** The transceivers of a board that hang on lines of its own. */
export interface Directions {
  /**
   * Take a line, at receive, and try how long turning it takes, without turning it. `lost` is told once when it is not held
   * any more: it is at receive then.
   *
   * @throws HardwareError `ERR_SERIAL_DIRECTION` if the board cannot
   */
  open(line: DirectionLine, lost: (error: HardwareError) => void): Promise<Direction>
}

/** Above this rate the silence between frames is fixed. @see MODBUS over Serial Line 1.02 section 2.5.1.1 */
const FIXED_SILENCE_ABOVE_BAUD = 19_200
const FIXED_SILENCE_MS = 1.75

/** How soon after the last bit of a request a unit may answer: 3.5 characters, at higher rates 1.75 ms. */
export function earliestAnswerMs(settings: Pick<SerialSettings, "baud" | "frame">): number {
  return settings.baud > FIXED_SILENCE_ABOVE_BAUD ? FIXED_SILENCE_MS : 3.5 * byteMs(settings)
}

/**
 * Refuses a line that is not turned round before a unit may answer.
 *
 * @throws HardwareError `ERR_SERIAL_DIRECTION_SLOW` with both times
 */
export function checkDirection(settings: SerialSettings, { turnMs }: Pick<Direction, "turnMs">): void {
  const answerMs = earliestAnswerMs(settings)
  if (turnMs < answerMs) return
  const detail = { turnMs: round(turnMs), answerMs: round(answerMs) }
  throw new HardwareError(
    "ERR_SERIAL_DIRECTION_SLOW",
    `serial line ${settings.device}: letting go of the line by GPIO takes ${detail.turnMs} ms here, and at ${settings.baud} baud ` +
      `a unit may answer after ${detail.answerMs} ms: lower the rate, or let the kernel's driver turn it (rs485: driver)`,
    { detail },
  )
}

const round = (ms: number): number => Math.round(ms * 100) / 100

/** What `writeTurned` stands on. */
export interface TurnedWrite {
  readonly direction: Direction
  readonly settings: SerialSettings
  readonly clock: Pick<Clock, "monotonicMs" | "after">
  readonly write: (bytes: Uint8Array) => Promise<void>
  readonly drain: () => Promise<void>
}

/**
 * Sends bytes with the transceiver turned round for as long as they take: asserted before the first, released after the
 * last bit has left, whatever fails in between. That is when the driver says that it has sent them *and* they have had the
 * time that they take at the line's rate: some drivers call their chip's queue sent.
 */
export async function writeTurned(bytes: Uint8Array, parts: TurnedWrite): Promise<void> {
  const { direction, settings, clock } = parts
  try {
    await direction.transmit()
    const startMs = clock.monotonicMs()
    await parts.write(bytes)
    await parts.drain()
    const leftMs = startMs + bytes.length * byteMs(settings) - clock.monotonicMs()
    if (leftMs > 0) await new Promise<void>((resolve) => void clock.after(leftMs, resolve))
  } finally {
    await direction.receive()
  }
}
