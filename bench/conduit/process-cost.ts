/** What a process has used so far, read from `/proc`. */
import { readdirSync, readFileSync } from "node:fs"

/**
 * CPU milliseconds of `pid`, user and system, all its living threads.
 *
 * From `schedstat`, in nanoseconds; where the kernel does not keep it, from `stat`, in ticks of 10 ms. Threads that have
 * ended are lost to the first: none of the measured processes ends threads under load.
 */
export function cpuMs(pid: number): number {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`)
    const ns = tasks.map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]))
    return ns.reduce((sum, n) => sum + n, 0) / 1e6
  } catch {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ")
    return (Number(fields[11]) + Number(fields[12])) * 10
  }
}

/** Proportional set size of `pid` in KiB: its own pages, and its share of those it shares. */
export function pssKiB(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? NaN)
}
