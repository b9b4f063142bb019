/** Where a run takes place: the cores it may use, and a folder for its keys. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { canPin } from "./lines.ts"

/** One core for what is measured, one for the ends; null: not pinned. */
export interface Cores {
  readonly proxy: number | null
  readonly ends: number | null
}

/** The first two cores this process may use; none, and a word on stderr, if there are fewer than two or no `taskset`. */
export function twoCores(): Cores {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? ""
  const cores = list.split(",").flatMap((range) => {
    const [first = NaN, last = first] = range.split("-").map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
  const [ends, proxy] = cores
  if (ends === undefined || proxy === undefined || !canPin()) {
    console.error("NOT PINNED: needs two cores and taskset; the figures below say little")
    return { proxy: null, ends: null }
  }
  return { proxy, ends }
}

/** Confine this process, all its threads, to `core`: for benches whose own process is an end. Does nothing for null. */
export function pinSelf(core: number | null): void {
  if (core !== null) spawnSync("taskset", ["-acp", String(core), String(process.pid)])
}

/** A new folder for keys and configuration. It goes, however this process ends. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "lockgate-bench-"))
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130))
  return folder
}
