import { NO_TIME_SYNC, type TimeSync, type TimeSyncState } from "../time-sync.ts"

/** A time daemon that says what a test wants; at first there is none. */
export class MemoryTimeSync implements TimeSync {
  state: TimeSyncState = NO_TIME_SYNC
  /** How often it was asked. */
  reads = 0

  async read(): Promise<TimeSyncState> {
    this.reads++
    return this.state
  }

  /** It follows a source by NTS; what is given differs from that. */
  follow(change: Partial<TimeSyncState> = {}): void {
    const source = { source: "ntp.test", stratum: 2, authentication: "nts" } as const
    const errors = { offsetMs: 1, rootDelayMs: 10, rootDispersionMs: 4, errorMs: 10 }
    this.state = { daemon: "chrony", synchronised: true, why: "", ...source, ...errors, ...change }
  }

  /** It hears no source any more. */
  lose(why = "no source answers"): void {
    this.state = { ...this.state, synchronised: false, why, errorMs: null }
  }
}
