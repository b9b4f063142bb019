import type { BoardIdentity } from "../board-identity.ts"
import type { Board } from "../board.ts"
import type { KeyFunctions } from "../key-functions.ts"
import type { Watchdog } from "../watchdog.ts"
import { MemoryClock } from "./clock.ts"
import type { Unsynced } from "./fault-plan.ts"
import { MemoryGpio } from "./gpio.ts"
import { MemoryKeyStore } from "./key-store.ts"
import { MemoryNetworkInterfaces } from "./network-interfaces.ts"
import { MemoryPacketFilter } from "./packet-filter.ts"
import { MemoryStorage } from "./storage.ts"
import { MemoryTimeSync } from "./time-sync.ts"
import { MemoryWatchdog } from "./watchdog.ts"

/** A board that tests drive: every port shows its inside, and it can be switched off and on. */
export interface MemoryBoard extends Board {
  readonly clock: MemoryClock
  readonly gpio: MemoryGpio
  readonly interfaces: MemoryNetworkInterfaces
  readonly keyStore: MemoryKeyStore
  readonly packetFilter: MemoryPacketFilter
  readonly storage: MemoryStorage
  readonly timeSync: MemoryTimeSync
  readonly watchdog: MemoryWatchdog
  /** True once the watchdog has reset the board: its power was cut there and then. */
  readonly wasReset: boolean
  /**
   * The board after a reset by its watchdog, or else after a power cut: storage as that leaves it, the same keys, a new clock whose
   * wall goes on. Everything of the old board is dead.
   */
  reboot(unsynced?: Unsynced): MemoryBoard
}

/** What a board in memory is made of; all but the key functions has a default. */
export interface MemoryBoardOptions {
  readonly keyFunctions: KeyFunctions
  readonly identity?: BoardIdentity
  readonly wallAt?: number
  readonly wallTrusted?: boolean
  readonly storage?: MemoryStorage
  readonly keyStore?: MemoryKeyStore
  readonly lastReset?: Watchdog["lastReset"]
}

/** A fresh board in memory: empty storage, no keys, the clock at 2030 and trusted. */
export function createMemoryBoard(options: MemoryBoardOptions): MemoryBoard {
  const clock = new MemoryClock(options.wallAt, options.wallTrusted)
  const storage = options.storage ?? new MemoryStorage()
  const keyStore = options.keyStore ?? new MemoryKeyStore(options.keyFunctions)
  let wasReset = false
  const expired = (): void => {
    wasReset = true
    storage.powerCut()
  }
  return {
    identity: options.identity ?? { model: "memory", serial: "MEM-1" },
    clock,
    gpio: new MemoryGpio(),
    interfaces: new MemoryNetworkInterfaces(),
    keyStore,
    packetFilter: new MemoryPacketFilter(),
    storage,
    timeSync: new MemoryTimeSync(),
    watchdog: new MemoryWatchdog({ clock, expired, lastReset: options.lastReset ?? "power" }),
    get wasReset() {
      return wasReset
    },
    reboot: (unsynced) =>
      createMemoryBoard({
        ...options,
        wallAt: clock.wall().at,
        wallTrusted: clock.wall().trusted,
        storage: storage.powerCut(unsynced),
        keyStore,
        lastReset: wasReset ? "watchdog" : "power",
      }),
  }
}
