import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** What the server of `chrony.ts` runs under when its time is shifted: words of faketime. */
export const AN_HOUR_AHEAD = "+1h"

/** A wall clock for one process, that a test sets while the process runs; the monotonic clock stays as it is. */
export interface FakedClock {
  /** For the environment of the process. */
  readonly env: Readonly<Record<string, string>>
  /** Set it that far ahead of this machine's. */
  set(aheadSeconds: number): void
  close(): void
}

/** Such a clock, right at first. */
export function fakedClock(): FakedClock {
  const found = spawnSync("sh", ["-c", "ls /usr/lib/*/faketime/libfaketime.so.1"], { encoding: "utf8" }).stdout.trim()
  if (found === "") throw new Error("libfaketime is not installed: see test/peers/debian-packages.txt")
  const folder = mkdtempSync(join(tmpdir(), "lockgate-faketime-"))
  const file = join(folder, "shift")
  const set = (aheadSeconds: number): void => writeFileSync(file, `+${aheadSeconds}\n`)
  set(0)
  return {
    env: {
      LD_PRELOAD: found,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
    },
    set,
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}
