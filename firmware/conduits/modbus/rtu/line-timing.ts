import { byteMs, type SerialFrame } from "../../../../hal/serial.ts"

/** What of a line's settings its times follow from. */
export interface LineRate {
  readonly baud: number
  readonly frame: SerialFrame
}

/** Times of one line, milliseconds. */
export interface LineTiming {
  readonly byteMs: number
  /**
   * At least this long nothing is sent after the last byte of anything: 3.5 characters, above 19,200 baud 1.75 ms.
   * @see MODBUS over Serial Line 1.02 section 2.5.1.1
   */
  readonly silentMs: number
  /**
   * After this long without a byte what came is taken for all. The standard's 1.5 characters cannot be seen from user space:
   * a driver hands bytes out in heaps, an adapter keeps them for up to 16 ms, the scheduler adds its own.
   */
  readonly gapMs: number
}

const FASTEST_SILENCE_MS = 1.75
const DRIVER_MS = 50
/** A driver's heap, and some. */
const HEAP_BYTES = 20

/** The times of a line. */
export function lineTiming(rate: LineRate): LineTiming {
  const each = byteMs(rate)
  const silentMs = rate.baud > 19_200 ? FASTEST_SILENCE_MS : 3.5 * each
  return { byteMs: each, silentMs, gapMs: DRIVER_MS + HEAP_BYTES * each }
}
