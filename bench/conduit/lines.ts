/** Child processes of the bench that take requests and give answers, one JSON line each, over stdin and stdout. */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { createInterface } from "node:readline"

/** A process of the bench. It dies with this one: it ends when its stdin does. */
export interface Child {
  readonly pid: number
  /** The answer to `request`. Rejects with the child's own message, or if the child ends first. */
  call(command: string, argument?: unknown): Promise<any>
  stop(): Promise<void>
}

const TASKSET = "/usr/bin/taskset"

/** The command line that runs `command` on `core` alone; unpinned where core is null or `taskset` is not there. */
export function pinned(core: number | null, command: readonly string[]): string[] {
  return core === null || !canPin() ? [...command] : [TASKSET, "-c", String(core), ...command]
}

/** Whether processes can be pinned to cores here. */
export function canPin(): boolean {
  return existsSync(TASKSET)
}

/** Start `script` (a path) of this folder, on `core`. */
export function startChild(script: string, core: number | null, flags: readonly string[] = []): Child {
  const line = pinned(core, [process.execPath, ...flags, "--disable-warning=ExperimentalWarning", script])
  const child = spawn(line[0]!, line.slice(1), { stdio: ["pipe", "pipe", "inherit"] })
  const waiting = new Map<number, { resolve: (value: any) => void; reject: (error: Error) => void }>()
  let last = 0
  const ended = new Promise<void>((resolve) => {
    child.on("exit", (code, signal) => {
      for (const { reject } of waiting.values()) reject(new Error(`${script} ended by ${signal ?? code ?? "nobody"}`))
      waiting.clear()
      resolve()
    })
  })
  child.stdin.on("error", () => undefined)
  createInterface({ input: child.stdout }).on("line", (text) => {
    const answer = JSON.parse(text)
    const asked = waiting.get(answer.id)
    waiting.delete(answer.id)
    if (answer.error === undefined) asked?.resolve(answer.value)
    else asked?.reject(new Error(`${script}: ${answer.error}`))
  })
  return {
    pid: child.pid!,
    call(command, argument = {}) {
      const id = ++last
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject })
        child.stdin.write(JSON.stringify({ id, command, argument }) + "\n")
      })
    },
    async stop() {
      child.stdin.end()
      const timer = setTimeout(() => child.kill("SIGKILL"), 2_000)
      await ended
      clearTimeout(timer)
    },
  }
}

/** The child's end: answer each request by the handler of its name, and exit when stdin ends. */
export function serveLines(handlers: Readonly<Record<string, (argument: any) => unknown>>): void {
  createInterface({ input: process.stdin })
    .on("line", (text) => {
      const { id, command, argument } = JSON.parse(text)
      const reply = (answer: object): void => void process.stdout.write(JSON.stringify({ id, ...answer }) + "\n")
      Promise.resolve()
        .then(() => handlers[command]!(argument))
        .then((value) => reply({ value: value ?? null }))
        .catch((error: unknown) => reply({ error: error instanceof Error ? error.message : String(error) }))
    })
    .on("close", () => process.exit(0))
}
