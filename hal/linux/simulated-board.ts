import { closeSync, fsyncSync, openSync, writeSync } from "node:fs"
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import type { Storage } from "../storage.ts"
import { MemoryGpio } from "../memory/gpio.ts"
import { MemoryNetworkInterfaces } from "../memory/network-interfaces.ts"
import { MemoryPacketFilter } from "../memory/packet-filter.ts"
import { MemoryWatchdog } from "../memory/watchdog.ts"
import type { OpenBoard } from "./board.ts"
import { createLinuxClock } from "./clock.ts"
import { openBoardKeys, type BoardToken } from "./board-keys.ts"
import type { KeyFiles } from "./key-store.ts"
import { createLinuxTimeSync } from "./time-sync.ts"
import { openLinuxStorage } from "./storage.ts"

const SERIAL = "simulated/serial"
const RESET = "simulated/reset-by-watchdog"

/** What the simulated board is told. */
export interface SimulatedBoardOptions {
  /** Key slots that are files outside the state folder. */
  readonly credentials?: Readonly<Record<string, KeyFiles>>
  /** Where the keys of some slots are made and stay; null: all are files. */
  readonly token?: BoardToken | null
  /** The battery-backed clock of this machine is to be trusted. */
  readonly trustRtc?: boolean
  /** chronyd's command socket, if it is not in its usual place. */
  readonly chronySocket?: string
  /** The reset button: called when the watchdog expires, must end the process at once. Default: SIGKILL to itself. */
  readonly reset?: () => void
}

/**
 * A board without hardware: storage and keys in `stateFolder`, this machine's clocks and time daemon, a made-up serial number that
 * stays, and a watchdog that counts in this process.
 *
 * When the watchdog expires it leaves a mark in the folder and resets, so that the next start finds `lastReset`
 * to be `watchdog`. It sees any loop or worker hang, but not the main thread, on which it runs itself.
 *
 * @throws StateError `ERR_STATE_FOLDER_IN_USE`
 * @throws HardwareError `ERR_IO`
 */
export async function createSimulatedBoard(
  stateFolder: string,
  options: SimulatedBoardOptions = {},
): Promise<OpenBoard> {
  const storage = await openLinuxStorage(stateFolder)
  const clock = createLinuxClock({ trustRtc: options.trustRtc ?? false })
  const serial = await serialNumber(storage)
  const wasReset = (await storage.read(RESET)) !== null
  if (wasReset) await storage.remove(RESET)
  const reset = options.reset ?? ((): void => void process.kill(process.pid, "SIGKILL"))
  const expired = (): void => {
    mark(join(stateFolder, RESET))
    reset()
  }
  return {
    identity: { model: "simulated", serial },
    clock,
    gpio: new MemoryGpio(),
    interfaces: new MemoryNetworkInterfaces(),
    keyStore: openBoardKeys(storage, { ...options, boundTo: serial }),
    packetFilter: new MemoryPacketFilter(),
    storage,
    timeSync: createLinuxTimeSync(options.chronySocket === undefined ? {} : { chronySocket: options.chronySocket }),
    watchdog: new MemoryWatchdog({ clock, expired, lastReset: wasReset ? "watchdog" : "power" }),
    close: () => storage.close(),
  }
}

async function serialNumber(storage: Storage): Promise<string> {
  const known = await storage.read(SERIAL)
  const text = known === null ? "" : Buffer.from(known).toString("latin1")
  if (/^SIM-[0-9A-F]{8}$/.test(text)) return text
  const serial = `SIM-${randomBytes(4).toString("hex").toUpperCase()}`
  await storage.write(SERIAL, Buffer.from(serial, "latin1"))
  return serial
}

/** Not through the storage: this is the board acting, and whatever hangs may hold the storage. */
function mark(path: string): void {
  const file = openSync(path, "w", 0o600)
  writeSync(file, "1")
  fsyncSync(file)
  closeSync(file)
}
