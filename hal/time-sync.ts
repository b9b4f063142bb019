/** Whether the answers of a time source are proved to be its own: by NTS, by a shared key, not at all, or nobody says. */
export type TimeAuthentication = "nts" | "symmetric-key" | "none" | "unknown"

/** What the system's time daemon says of itself and of the system clock. */
export interface TimeSyncState {
  /** `none`: no daemon that this board knows of runs. */
  readonly daemon: "chrony" | "systemd-timesyncd" | "none"
  /** True while the daemon follows a source that it hears. */
  readonly synchronised: boolean
  /** Why it is not: a few words; empty while it is. */
  readonly why: string
  /** Address or name of the source that it follows; null if it does not say. */
  readonly source: string | null
  readonly stratum: number | null
  readonly authentication: TimeAuthentication
  /** How far the system clock is ahead of the source (negative: behind), milliseconds; null if the daemon does not say. */
  readonly offsetMs: number | null
  readonly rootDelayMs: number | null
  readonly rootDispersionMs: number | null
  /**
   * How far off the system clock is at most, if the source is right, milliseconds: offset, dispersion and half of the delay
   * together. Null while it is not synchronised.
   */
  readonly errorMs: number | null
}

/**
 * The time daemon that sets this board's clock. It is asked and never told: whose time it follows is the system's affair.
 *
 * @see IEC 62443-4-2 CR 2.11 RE(1); RFC 5905 section 11.1 (root synchronization distance), RFC 8915 (NTS)
 */
export interface TimeSync {
  /** What it says now. Never rejects: a daemon that does not answer is not synchronised, and `why` says so. */
  read(): Promise<TimeSyncState>
}

/** Nobody sets this board's clock. */
export const NO_TIME_SYNC: TimeSyncState = {
  daemon: "none",
  synchronised: false,
  why: "no time daemon runs",
  source: null,
  stratum: null,
  authentication: "unknown",
  offsetMs: null,
  rootDelayMs: null,
  rootDispersionMs: null,
  errorMs: null,
}
