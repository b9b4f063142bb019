import { join } from "node:path"
import type { Board } from "../board.ts"
import { readBoardBinding, readLinuxIdentity } from "./board-identity.ts"
import { createLinuxClock } from "./clock.ts"
import { createLinuxGpio } from "./gpio.ts"
import { openBoardKeys, type BoardToken } from "./board-keys.ts"
import type { KeyFiles } from "./key-store.ts"
import { createLinuxNetworkInterfaces } from "./network-interfaces.ts"
import { createLinuxPacketFilter } from "./packet-filter.ts"
import { openLinuxStorage } from "./storage.ts"
import { createLinuxTimeSync } from "./time-sync.ts"
import { openLinuxWatchdog } from "./watchdog.ts"

/** A board whose state folder is ours until it is closed. */
export interface OpenBoard extends Board {
  close(): Promise<void>
}

/** What a Linux board is told by the board file. */
export interface LinuxBoardOptions {
  readonly stateFolder: string
  /** Key slots that are files outside the state folder. */
  readonly credentials?: Readonly<Record<string, KeyFiles>>
  /** Where the keys of some slots are made and stay; null: all are files. */
  readonly token?: BoardToken | null
  /** The battery-backed clock is to be trusted. */
  readonly trustRtc?: boolean
  /** chronyd's command socket, if it is not in its usual place. */
  readonly chronySocket?: string
}

/**
 * The ports of the Linux board that this process runs on. The watchdog is not armed yet.
 *
 * @throws StateError `ERR_STATE_FOLDER_IN_USE`
 * @throws HardwareError `ERR_IO`
 */
export async function createLinuxBoard(options: LinuxBoardOptions): Promise<OpenBoard> {
  const identity = await readLinuxIdentity()
  const watchdog = await openLinuxWatchdog()
  const storage = await openLinuxStorage(options.stateFolder)
  const clock = createLinuxClock({ trustRtc: options.trustRtc ?? false })
  return {
    identity,
    clock,
    gpio: createLinuxGpio({ clock, pidFile: join(options.stateFolder, ".gpio-keeper.pid") }),
    interfaces: createLinuxNetworkInterfaces(),
    keyStore: openBoardKeys(storage, { ...options, boundTo: await readBoardBinding() }),
    packetFilter: createLinuxPacketFilter(),
    storage,
    timeSync: createLinuxTimeSync(options.chronySocket === undefined ? {} : { chronySocket: options.chronySocket }),
    watchdog,
    close: () => storage.close(),
  }
}
