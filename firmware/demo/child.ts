import { spawn, type ChildProcess } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/** How long a child may take to end in order before it is killed. */
const PATIENCE_MS = 6_000
/** Lines of a child's standard error that are kept to be shown if it dies. */
const KEPT_LINES = 20

/** A process of the demo, run by the same Node under the same flags. */
export interface Child {
  /** What it last said on standard error. */
  errors(): string
  /** Resolves with its exit code (null if killed) when it has ended, asked to or not. */
  readonly ended: Promise<number | null>
  /** End it in order; kill it if that takes too long. */
  stop(): Promise<void>
}

/** Start `script` (a path beside this file) with `args`; every line of its standard output goes to `line`. */
export function startChild(script: string, args: readonly string[], line: (text: string) => void): Child {
  const file = fileURLToPath(new URL(script, import.meta.url))
  const child: ChildProcess = spawn(process.execPath, [...process.execArgv, file, ...args], {
    stdio: ["pipe", "pipe", "pipe"],
  })
  const kept: string[] = []
  const ended = new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(null))
    child.once("close", (code) => resolve(code))
  })
  if (child.stdout !== null) createInterface({ input: child.stdout }).on("line", line)
  if (child.stderr !== null) {
    createInterface({ input: child.stderr }).on("line", (text) => {
      kept.push(text)
      if (kept.length > KEPT_LINES) kept.shift()
    })
  }
  return {
    errors: () => kept.join("\n"),
    ended,
    stop: async () => {
      const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS)
      child.stdin?.end()
      child.kill("SIGTERM")
      await ended
      clearTimeout(timer)
    },
  }
}
