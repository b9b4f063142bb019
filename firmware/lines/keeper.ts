import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Clock } from "../../hal/clock.ts"
import type { Serial } from "../../hal/serial.ts"
import { LockgateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { LineSettings } from "../config/gateway-config.ts"
import { LineBuffer } from "../management/line-buffer.ts"
import { MAX_CONTROL_BYTES, readFromLines, type FromLines, type LineEvent, type LinesSetup } from "./control.ts"
import { hostLines } from "./host.ts"

/** What the lines stand on. */
export interface LinesDeps {
  /** `linesSocket(stateFolder)`. */
  readonly socket: string
  readonly lines: Readonly<Record<string, LineSettings>>
  /** The board's own lines, if they need no process of their own; null for a process. */
  readonly serial: Serial | null
  readonly clock: Clock
  readonly note: (event: AuditEvent) => void
}

/** The serial lines of the gateway, as long as it runs. */
export interface Lines {
  /** Of the process that has them; null if there is none now. */
  readonly pid: number | null
  stop(): Promise<void>
}

const FIRST_RETRY_MS = 250
const LAST_RETRY_MS = 30_000
/** A process that ran this long has earned a quick restart. */
const STEADY_MS = 60_000
/** To become ready before the gateway goes on without it, and to end when told. */
const PATIENCE_MS = 5_000
const MAX_ERROR_CHARACTERS = 300

/**
 * Start what has the serial lines; resolves when they can be asked, or cannot yet. Without lines nothing is started.
 *
 * On a board that is a process of its own, for a native addon can do what it likes in the process that loads it. When it
 * ends, whoever waits for an answer is told so by the end of the connection, and it is started again, later each time.
 */
export async function startLines(deps: LinesDeps): Promise<Lines> {
  const { socket, lines, serial, clock, note } = deps
  if (Object.keys(lines).length === 0) return { pid: null, stop: () => Promise.resolve() }
  const tell = (line: string, event: LineEvent): void => note(auditEvent(line, event))
  if (serial !== null) {
    const host = await hostLines({ socket, lines, serial, clock, note: tell })
    return { pid: null, stop: () => host.stop() }
  }
  return superviseProcess({ setup: { socket, lines }, clock, tell, note })
}

interface Supervised {
  readonly setup: LinesSetup
  readonly clock: Clock
  readonly tell: (line: string, event: LineEvent) => void
  readonly note: (event: AuditEvent) => void
}

async function superviseProcess({ setup, clock, tell, note }: Supervised): Promise<Lines> {
  let process: LinesProcess | null = null
  let stopping = false
  let retryMs = FIRST_RETRY_MS
  let cancelRetry = (): void => undefined

  function launch(): LinesProcess {
    const startedMs = clock.monotonicMs()
    const launched = launchProcess(setup, tell)
    process = launched
    void launched.ended.then((reason) => {
      process = null
      if (stopping) return
      if (clock.monotonicMs() - startedMs >= STEADY_MS) retryMs = FIRST_RETRY_MS
      note({ id: "lines.ended", outcome: "failure", source: "lines", reason, detail: { againInMs: retryMs } })
      cancelRetry = clock.after(retryMs, () => void launch())
      retryMs = Math.min(2 * retryMs, LAST_RETRY_MS)
    })
    return launched
  }

  const first = launch()
  await new Promise<void>((resolve) => {
    const cancel = clock.after(PATIENCE_MS, resolve)
    void Promise.race([first.ready, first.ended]).then(() => {
      cancel()
      resolve()
    })
  })
  return {
    get pid() {
      return process?.pid ?? null
    },
    async stop() {
      stopping = true
      cancelRetry()
      const last = process
      if (last === null) return
      last.end()
      const cancel = clock.after(PATIENCE_MS, () => last.kill())
      await last.ended
      cancel()
    },
  }
}

interface LinesProcess {
  readonly pid: number | null
  readonly ready: Promise<void>
  /** Resolves to why. */
  readonly ended: Promise<string>
  /** Its input ends: it closes its lines and ends. */
  end(): void
  kill(): void
}

function launchProcess(setup: LinesSetup, tell: Supervised["tell"]): LinesProcess {
  const entry = fileURLToPath(new URL("./process.ts", import.meta.url))
  // Nothing of our environment: it needs none, and a secret there is none of its business.
  const child = spawn(process.execPath, [...process.execArgv, entry], { stdio: ["pipe", "pipe", "pipe"], env: {} })
  let errors = ""
  let wrong: string | null = null
  let isReady = (): void => undefined
  const ready = new Promise<void>((resolve) => (isReady = resolve))
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message))
    child.once("close", (code, signal) => {
      const last = errors.trim().slice(-MAX_ERROR_CHARACTERS)
      resolve(wrong ?? `${signal ?? `exit code ${code ?? 0}`}${last === "" ? "" : `: ${last}`}`)
    })
  })
  const input = new LineBuffer(MAX_CONTROL_BYTES)
  const take = (message: FromLines): void => {
    if (message.kind === "ready") isReady()
    else tell(message.line, message.event)
  }
  child.stdout.on("data", (chunk: Buffer) => {
    if (wrong !== null) return
    try {
      for (const line of input.push(chunk)) take(readFromLines(line))
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind !== "input") throw error
      wrong = String(error.code)
      child.kill("SIGKILL")
    }
  })
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4 * MAX_ERROR_CHARACTERS)
  })
  // A process that died before it read its setup: `close` says so.
  child.stdin.on("error", () => undefined)
  child.stdin.write(`${JSON.stringify(setup)}\n`)
  return {
    pid: child.pid ?? null,
    ready,
    ended,
    end: () => child.stdin.end(),
    kill: () => void child.kill("SIGKILL"),
  }
}

function auditEvent(line: string, event: LineEvent): AuditEvent {
  const about = { source: "lines", object: line }
  switch (event.kind) {
    case "opened":
      return { id: "line.opened", outcome: "success", ...about }
    case "lost":
      return { id: "line.lost", outcome: "failure", ...about, reason: event.code, detail: { text: event.text } }
    case "echo":
      return { id: "line.echo", outcome: "failure", ...about, detail: { text: "set `echo: true` for this line" } }
    case "refused":
      return { id: "line.refused", outcome: "denied", ...about, reason: event.code }
  }
}
