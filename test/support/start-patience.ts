import { readFileSync } from "node:fs"

/** So long any process may take, and so much of the processor; a start takes one to three seconds of it. */
const WALL_MS = 15_000
const CPU_MS = 8_000
/** On a machine that is busy with other things a start takes longer, but goes on: who stands still for so long hangs. */
const STILL_MS = 5_000
const LONGEST_MS = 60_000
/** Of `/proc/<pid>/stat`: hundredths of a second, whatever the kernel ticks. */
const TICK_MS = 10

/** How long a process is waited for that was just started. */
export interface Patience {
  /** Null while it may still come; else why it is not waited for any longer. */
  over(): string | null
}

/** What patience looks at. */
export interface PatienceDeps {
  readonly nowMs: () => number
  /** Processor time that the process has had so far. */
  readonly cpuMs: () => number
}

/**
 * Tells a process that hangs from one that only gets no share of the processor: after 15 s it is waited for as long as it goes on and has
 * had less than 8 s of the processor, a minute at most.
 */
export function createPatience({ nowMs, cpuMs }: PatienceDeps): Patience {
  const startedMs = nowMs()
  let moved = { atMs: startedMs, cpuMs: 0 }
  return {
    over() {
      const [now, cpu] = [nowMs(), cpuMs()]
      if (cpu > moved.cpuMs) moved = { atMs: now, cpuMs: cpu }
      const waitedMs = now - startedMs
      if (waitedMs < WALL_MS) return null
      const stillMs = now - moved.atMs
      if (cpu < CPU_MS && stillMs < STILL_MS && waitedMs < LONGEST_MS) return null
      return `${Math.round(waitedMs)} ms, of which it had the processor for ${cpu} ms, and last ${Math.round(stillMs)} ms ago`
    },
  }
}

/** Processor time of a process and its threads so far, in milliseconds; 0 if it has ended. */
export function cpuMsOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ")
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS
  } catch {
    return 0
  }
}
