import type { BoardIdentity } from "./board-identity.ts"
import type { Clock } from "./clock.ts"
import type { Gpio } from "./gpio.ts"
import type { KeyStore } from "./key-store.ts"
import type { NetworkInterfaces } from "./network-interfaces.ts"
import type { PacketFilter } from "./packet-filter.ts"
import type { Serial } from "./serial.ts"
import type { Storage } from "./storage.ts"
import type { TimeSync } from "./time-sync.ts"
import type { Watchdog } from "./watchdog.ts"

/** All ports of one board: what `startGateway` is given. */
export interface Board {
  readonly identity: BoardIdentity
  readonly clock: Clock
  readonly gpio: Gpio
  readonly interfaces: NetworkInterfaces
  readonly keyStore: KeyStore
  readonly packetFilter: PacketFilter
  readonly storage: Storage
  readonly timeSync: TimeSync
  readonly watchdog: Watchdog
  /** Serial lines that may be opened in any process. Absent: they are opened by the process `lines` alone (native addon). */
  readonly serial?: Serial
}
