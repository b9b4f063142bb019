/** How long each test file took when it last ran here: only to start the longest first, so whatever is wrong with it is no fault. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"

const FILE = fileURLToPath(new URL("../../.cache/test-durations.json", import.meta.url))

/** Milliseconds by file; empty before the first run, or when what is kept cannot be read. */
export function readDurations(file = FILE): Readonly<Record<string, number>> {
  try {
    const kept = JSON.parse(readFileSync(file, "utf8")) as unknown
    if (typeof kept !== "object" || kept === null) return {}
    return Object.fromEntries(Object.entries(kept).filter((e): e is [string, number] => typeof e[1] === "number"))
  } catch {
    return {}
  }
}

/** Keep what these took, beside what others did. */
export function keepDurations(ran: readonly { readonly name: string; readonly ms: number }[], file = FILE): void {
  const now = Object.fromEntries(ran.map(({ name, ms }) => [name, Math.round(ms)]))
  try {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, JSON.stringify({ ...readDurations(file), ...now }, null, 1))
  } catch {
    // A folder that is read only: the next run guesses.
  }
}
