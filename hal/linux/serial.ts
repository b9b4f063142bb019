import { read as readFile } from "node:fs"
import { LinuxBinding, type LinuxPortBinding } from "@serialport/bindings-cpp"
import { SerialPortStream } from "@serialport/stream"
import { HardwareError } from "../../policy/base/errors.ts"
import { checkDirection, writeTurned, type Direction, type Directions } from "../serial-direction.ts"
import { createLinuxClock } from "./clock.ts"
import { createLinuxDirections } from "./serial-direction.ts"
import type { Serial, SerialLine, SerialListener, SerialSettings } from "../serial.ts"

/** What the Linux lines stand on. */
export interface LinuxSerialOptions {
  /** What turns the transceivers that hang on lines of the board. Default: libgpiod's tools on the PATH. */
  readonly directions?: Directions
}

/**
 * The serial lines of a Linux board.
 *
 * Modem lines are left alone: opening sets none, so that a driver that uses RTS for the direction keeps it, and a
 * pseudo-terminal, which has none, works too. The device is locked (flock) against a second opener that asks.
 *
 * Loads a native addon: only the process `lines` (`firmware/lines`) may import this.
 */
export function createLinuxSerial(options: LinuxSerialOptions = {}): Serial {
  const { directions = createLinuxDirections() } = options
  return { open: (settings, listener) => open(settings, listener, directions) }
}

async function open(settings: SerialSettings, listener: SerialListener, directions: Directions): Promise<SerialLine> {
  const { device, baud, frame, rs485 } = settings
  const stream = new SerialPortStream({
    binding: watchedBinding,
    path: device,
    baudRate: baud,
    dataBits: 8,
    parity: frame === "8E1" ? "even" : "none",
    stopBits: frame === "8N2" ? 2 : 1,
    autoOpen: false,
    lock: true,
    // Closing must not drop modem lines: a driver may use them for the direction.
    hupcl: false,
    highWaterMark: 4096,
  })
  let over = false
  const clock = createLinuxClock()
  const ended = new HardwareError("ERR_SERIAL_LOST", `the serial line ${device} is closed`)
  const lose = (error: Error | null): void => {
    if (over) return
    over = true
    // Whatever the line had of us: the pair is the units'.
    void direction?.close()
    listener.lost(failure("ERR_SERIAL_LOST", device, error))
  }
  stream.on("error", lose)
  stream.on("close", lose)
  await new Promise<void>((resolve, reject) => {
    stream.open((error) => (error === null ? resolve() : reject(failure("ERR_SERIAL_OPEN", device, error))))
  })
  const closed = (): Promise<void> =>
    new Promise((resolve) => {
      over = true
      if (!stream.isOpen) return resolve()
      stream.close(() => resolve())
    })
  let direction: Direction | null = null
  if (typeof rs485 === "object") {
    try {
      direction = await directions.open(rs485.gpio, lose)
      checkDirection(settings, direction)
    } catch (error) {
      await direction?.close()
      await closed()
      throw error
    }
  }
  stream.on("data", (bytes: Buffer) => {
    // A copy: the stream cuts chunks out of a pool that a kept one would hold whole.
    if (!over) listener.received(Uint8Array.from(bytes))
  })
  const finished = (act: (done: (error: Error | null | undefined) => void) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      if (over) return reject(ended)
      act((error) => (error ? reject(failure("ERR_SERIAL_LOST", device, error)) : resolve()))
    })
  const write = (bytes: Uint8Array): Promise<void> => finished((done) => stream.write(bytes, undefined, done))
  const drain = (): Promise<void> => finished((done) => stream.drain(done))
  return {
    write: (bytes) =>
      direction === null ? write(bytes) : writeTurned(bytes, { direction, settings, clock, write, drain }),
    drain,
    async close() {
      await direction?.close()
      await closed()
    },
  }
}

/**
 * The binding, but that a device which is gone is told as that: after a hang-up a terminal reads as zero bytes for ever,
 * and the binding's own reader tries again at once, for ever, too.
 */
const watchedBinding = {
  list: () => LinuxBinding.list(),
  async open(options: Parameters<typeof LinuxBinding.open>[0]): Promise<LinuxPortBinding> {
    const port = await LinuxBinding.open(options)
    port.read = (buffer, offset, length) => readSome(port, buffer, offset, length)
    return port
  },
}

async function readSome(
  port: LinuxPortBinding,
  buffer: Buffer,
  offset: number,
  length: number,
): Promise<{ buffer: Buffer; bytesRead: number }> {
  for (;;) {
    const found = await readOnce(port, buffer, offset, length)
    if (found > 0) return { buffer, bytesRead: found }
    await readable(port)
  }
}

/** Bytes read; 0 if there are none now. */
function readOnce(port: LinuxPortBinding, buffer: Buffer, offset: number, length: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const { fd } = port
    if (fd === null) return reject(canceled())
    readFile(fd, buffer, offset, length, null, (error, bytesRead) => {
      if (error === null && bytesRead > 0) return resolve(bytesRead)
      if (!port.isOpen) return reject(canceled())
      if (error === null) return reject(new HardwareError("ERR_SERIAL_LOST", "the device hung up"))
      if (error.code === "EAGAIN" || error.code === "EINTR") return resolve(0)
      reject(error)
    })
  })
}

function readable(port: LinuxPortBinding): Promise<void> {
  return new Promise((resolve, reject) => {
    port.poller.once("readable", (error: Error | null) => (error === null ? resolve() : reject(error)))
  })
}

/** What the stream takes for the end of a port that we closed ourselves. */
function canceled(): Error {
  return Object.assign(new HardwareError("ERR_SERIAL_LOST", "the port is closed"), { canceled: true })
}

function failure(code: "ERR_SERIAL_OPEN" | "ERR_SERIAL_LOST", device: string, error: Error | null): HardwareError {
  if (error instanceof HardwareError) return error as HardwareError
  const text = error?.message ?? "the device is gone"
  return new HardwareError(code, `serial line ${device}: ${text}`, { detail: { device }, cause: error ?? undefined })
}
