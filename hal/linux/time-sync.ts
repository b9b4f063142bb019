import { execFile } from "node:child_process"
import { access, stat } from "node:fs/promises"
import { NO_TIME_SYNC, type TimeSync, type TimeSyncState } from "../time-sync.ts"
import { CHRONY_QUESTIONS, parseChrony, unsynchronised } from "./chrony.ts"

/** Never found by PATH: what the gateway believes of the time is not for an environment to choose. */
const CHRONYC = ["/usr/bin/chronyc", "/usr/local/bin/chronyc"]
const TIMEOUT_MS = 3_000

/** systemd-timesyncd touches this each time it has adjusted the clock, and a reboot removes it. */
const TIMESYNCD_MARK = "/run/systemd/timesync/synchronized"
/** It asks its server at least every 2,048 s; after three of these it hears nobody. */
const TIMESYNCD_SILENCE_MS = 3 * 2_048_000
/** It says nothing of its error that could be had without D-Bus: what an SNTP client over the internet keeps with ease. */
const TIMESYNCD_ERROR_MS = 5_000

/** Where the daemons are found; each has its usual place as default. */
export interface TimeSyncPlaces {
  /** chronyd's command socket. */
  readonly chronySocket?: string
  readonly chronyc?: readonly string[]
  readonly timesyncdMark?: string
  /** The wall clock, for the age of the mark. */
  readonly wallAt?: () => number
}

/**
 * The time daemon of a Linux system: chrony if its socket is there, else systemd-timesyncd.
 *
 * chrony is asked through `chronyc`. Whoever may not reach its socket (root and `_chrony` may) asks over loopback, and then
 * authentication stays unknown. systemd-timesyncd speaks SNTP without any authentication.
 */
export function createLinuxTimeSync(places: TimeSyncPlaces = {}): TimeSync {
  const { chronySocket = "/run/chrony/chronyd.sock", chronyc = CHRONYC, timesyncdMark = TIMESYNCD_MARK } = places
  const wallAt = places.wallAt ?? (() => Date.now())

  async function timesyncd(): Promise<TimeSyncState> {
    const mark = await stat(timesyncdMark).catch(() => null)
    if (mark === null) return NO_TIME_SYNC
    const daemon = "systemd-timesyncd"
    const ageMs = wallAt() - mark.mtimeMs
    // A mark from the future: somebody set the clock back after the daemon had set it.
    if (ageMs < -TIMESYNCD_ERROR_MS || ageMs > TIMESYNCD_SILENCE_MS)
      return { ...NO_TIME_SYNC, daemon, why: "systemd-timesyncd has not adjusted the clock for long" }
    return {
      ...NO_TIME_SYNC,
      daemon,
      synchronised: true,
      why: "",
      authentication: "none",
      errorMs: TIMESYNCD_ERROR_MS,
    }
  }

  return {
    async read() {
      const reach = await reachable(chronySocket)
      if (reach === "absent") return timesyncd()
      const command = await firstOf(chronyc)
      if (command === null) return unsynchronised("chronyd runs, and chronyc to ask it is missing")
      return parseChrony(await ask(command, reach === "closed" ? "127.0.0.1" : chronySocket))
    },
  }
}

/** `closed`: it may be there, and this user may not see it. */
async function reachable(socket: string): Promise<"open" | "closed" | "absent"> {
  try {
    await access(socket)
    return "open"
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES" ? "closed" : "absent"
  }
}

async function firstOf(commands: readonly string[]): Promise<string | null> {
  for (const command of commands) {
    if ((await reachable(command)) === "open") return command
  }
  return null
}

/** Whatever it printed, also if it failed: `authdata` fails for whoever asks over loopback. */
function ask(chronyc: string, at: string): Promise<string> {
  const args = ["-n", "-c", "-h", at, "-m", ...CHRONY_QUESTIONS]
  return new Promise((resolve) => {
    const limits = { timeout: TIMEOUT_MS, killSignal: "SIGKILL", maxBuffer: 256 * 1024 } as const
    execFile(chronyc, args, limits, (_error, stdout) => resolve(stdout))
  })
}
