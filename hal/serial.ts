import type { HardwareError } from "../policy/base/errors.ts"
import type { DirectionLine } from "./serial-direction.ts"

/** Data bits, parity, stop bits. Modbus on a serial line is 8E1 unless a unit cannot; without parity it is 8N2. */
export type SerialFrame = "8N1" | "8E1" | "8N2"

/** A serial line of the board, and how bytes travel on it. */
export interface SerialSettings {
  /** Path of the device. */
  readonly device: string
  /** Bits a second, 1,200..921,600. */
  readonly baud: number
  readonly frame: SerialFrame
  /**
   * Who turns an RS-485 transceiver round: `driver` is the kernel's driver (device tree), which needs nothing from us but that
   * nobody else touches RTS; `none` is a line that needs no turning: RS-232, or an adapter that does it by itself; `gpio`
   * is a line of the board that we switch, for boards whose driver does not.
   */
  readonly rs485: "driver" | "none" | { readonly gpio: DirectionLine }
}

/** What an open line says. Nothing comes after `lost`, and nothing after `close` was called. */
export interface SerialListener {
  /** Some bytes, at least one, as the driver hands them out: their borders mean nothing. The listener may keep them. */
  received(bytes: Uint8Array): void
  /** The device is gone or failed; the line is closed. It comes back, if at all, by another `open`. Told once. */
  lost(error: HardwareError): void
}

/** An open line. */
export interface SerialLine {
  /** Hand bytes to the driver, in order; resolves when it has them all. @throws HardwareError `ERR_SERIAL_LOST` */
  write(bytes: Uint8Array): Promise<void>
  /** Resolves when everything written has left the board, as far as the driver can tell. @throws HardwareError `ERR_SERIAL_LOST` */
  drain(): Promise<void>
  /** Close; never rejects, may be called again. */
  close(): Promise<void>
}

/** The board's serial lines. */
export interface Serial {
  /**
   * Open a line for us alone; what its driver had received before is thrown away.
   *
   * @throws HardwareError `ERR_SERIAL_OPEN`: no such device, in use by another process, no permission, or a rate that it cannot;
   *   `ERR_SERIAL_DIRECTION`, `ERR_SERIAL_DIRECTION_SLOW`: its transceiver is not turned round, or not in time
   */
  open(settings: SerialSettings, listener: SerialListener): Promise<SerialLine>
}

/** How long one byte takes on the line, start, parity and stop bits counted; milliseconds. */
export function byteMs({ baud, frame }: Pick<SerialSettings, "baud" | "frame">): number {
  const bits = frame === "8N1" ? 10 : 11
  return (bits * 1000) / baud
}
