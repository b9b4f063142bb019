/** The hardware watchdog: if nobody feeds it in time, the board resets. One owner per process. */
export interface Watchdog {
  /** Start counting. `timeoutMs` is rounded up to what the device supports; the value in force is returned. */
  arm(timeoutMs: number): Promise<number>
  /** Restart the countdown. @throws HardwareError `ERR_IO`: do not retry for longer than the timeout. */
  feed(): Promise<void>
  /** Stop counting, for an orderly stop. Devices that cannot be stopped are fed once more and left to run. */
  disarm(): Promise<void>
  /** Why the board last started. Read once at boot, for the audit log. */
  readonly lastReset: "power" | "watchdog" | "software" | "unknown"
}
