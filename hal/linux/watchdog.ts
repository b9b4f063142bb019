import { open, readFile, type FileHandle } from "node:fs/promises"
import { join } from "node:path"
import { HardwareError } from "../../policy/base/errors.ts"
import type { Watchdog } from "../watchdog.ts"
import { ioError } from "./durable.ts"

/** Where the driver's character device and its facts are. */
export interface WatchdogFiles {
  readonly device: string
  readonly facts: string
}

const FILES: WatchdogFiles = { device: "/dev/watchdog", facts: "/sys/class/watchdog/watchdog0" }
/** Bit of `bootstatus` in the kernel's interface: the last reset was the watchdog's. */
const CARD_RESET = 0x20
const FEED = new Uint8Array([0x31])
/** The "magic close": without it before closing, the kernel lets the countdown run on. */
const MAGIC_CLOSE = new Uint8Array([0x56])

/**
 * The kernel's watchdog device. Opening it starts the countdown, so it is opened by `arm` and not before.
 *
 * The timeout cannot be set: that is an ioctl, which Node does not reach. `arm` returns the driver's own timeout,
 * longer or shorter than what was asked for; set it with the driver's module parameter. `lastReset` is `watchdog`
 * when the driver reports it, else `unknown`, for the interface does not tell power from software.
 */
export async function openLinuxWatchdog(files: WatchdogFiles = FILES): Promise<Watchdog> {
  const status = await readNumber(join(files.facts, "bootstatus"))
  let device: FileHandle | null = null

  async function write(bytes: Uint8Array): Promise<void> {
    if (device === null) throw new HardwareError("ERR_IO", "the watchdog is not armed")
    try {
      await device.write(bytes, 0, bytes.length)
    } catch (error) {
      throw ioError("feed", files.device, error)
    }
  }

  return {
    lastReset: status !== null && (status & CARD_RESET) !== 0 ? "watchdog" : "unknown",
    async arm() {
      const seconds = await readNumber(join(files.facts, "timeout"))
      if (seconds === null || seconds <= 0) throw new HardwareError("ERR_IO", `no watchdog timeout in ${files.facts}`)
      try {
        device ??= await open(files.device, "r+")
      } catch (error) {
        throw ioError("open", files.device, error)
      }
      await write(FEED)
      return seconds * 1000
    },
    feed: () => write(FEED),
    async disarm() {
      if (device === null) return
      if ((await readNumber(join(files.facts, "nowayout"))) === 1) return write(FEED)
      await write(MAGIC_CLOSE)
      await device.close()
      device = null
    },
  }
}

async function readNumber(path: string): Promise<number | null> {
  const text = await readFile(path, "latin1").catch(() => null)
  if (text === null || !/^\d+\s*$/.test(text)) return null
  return Number(text)
}
