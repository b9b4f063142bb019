/**
 * A process of its own that holds the outputs of a board, started by `gpio.ts`.
 *
 *     stdin   {"version":1,"tool":"gpioset","pidFile":"...","lines":[{"name":"led","chip":"gpiochip0","line":4,"safe":"low"}]}
 *             led high
 *     stdout  held led low          after each change, when the line has the level
 *             lost led              when it cannot be held; tried again by itself
 *
 * When stdin ends, in whatever way its writer ended, every output takes its safe level and is held there, until the next
 * keeper takes over or somebody ends this process. One `gpioset` a line: what changes one output does not touch another.
 *
 * @see IEC 62443-4-2 CR 3.6
 */
import { spawn, type ChildProcess } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { setTimeout as wait } from "node:timers/promises"
import type { Level, OutputLine } from "../gpio.ts"
import { setArguments, type ToolsVersion } from "./gpio-tools.ts"

interface Orders {
  readonly version: ToolsVersion
  readonly tool: string
  readonly pidFile: string
  readonly lines: readonly OutputLine[]
}

/** A `gpioset` that lives this long has its line: it says nothing itself. */
const SETTLED_MS = 40
const RETRY_MS = 500
const TAKE_OVER_MS = 2_000

/** Holds one line at the level that is wanted. */
class Holder {
  wanted: Level
  readonly #line: OutputLine
  readonly #orders: Orders
  #child: ChildProcess | null = null
  #turn: Promise<void> = Promise.resolve()
  #told = ""

  constructor(line: OutputLine, orders: Orders) {
    this.#line = line
    this.#orders = orders
    this.wanted = line.safe
  }

  want(level: Level): void {
    this.wanted = level
    this.#turn = this.#turn.then(() => this.#apply())
  }

  async #apply(): Promise<void> {
    const level = this.wanted
    const { chip, line } = this.#line
    await this.end()
    const child = spawn(this.#orders.tool, setArguments(this.#orders.version, chip, line, level), { stdio: "ignore" })
    this.#child = child
    const lost = new Promise<true>((resolve) => {
      child.once("error", () => resolve(true))
      child.once("exit", () => resolve(true))
    })
    const isLost = await Promise.race([lost, wait(SETTLED_MS, false)])
    if (!isLost) this.#tell(`held ${this.#line.name} ${level}`)
    void lost.then(async () => {
      if (this.#child !== child) return
      this.#child = null
      this.#tell(`lost ${this.#line.name}`)
      await wait(RETRY_MS)
      this.#tryAgain()
    })
  }

  /** Unless somebody has wanted something meanwhile. */
  #tryAgain(): void {
    if (this.#child === null) this.want(this.wanted)
  }

  /** Lets go of the line. */
  end(): Promise<void> {
    const child = this.#child
    this.#child = null
    return ended(child)
  }

  #tell(text: string): void {
    // A line that stays lost is told once, not at each try.
    if (text !== this.#told || text.startsWith("held")) process.stdout.write(`${text}\n`)
    this.#told = text
  }
}

function ended(child: ChildProcess | null): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.once("exit", () => resolve())
    child.kill("SIGTERM")
  })
}

/** Ends the keeper before this one, which holds the lines; a process that only has its number is left alone. */
async function takeOver(pidFile: string): Promise<void> {
  try {
    const pid = Number(readFileSync(pidFile, "latin1"))
    if (!Number.isInteger(pid) || pid < 2 || pid === process.pid) return
    const isKeeper = (): boolean => readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("gpio-keeper")
    if (!isKeeper()) return
    process.kill(pid, "SIGTERM")
    for (let ms = 0; ms < TAKE_OVER_MS && isKeeper(); ms += 20) await wait(20)
  } catch {
    // No file, or no such process: nobody holds the lines.
  }
}

const holders = new Map<string, Holder>()
let started: Promise<void> | null = null

async function start(orders: Orders): Promise<void> {
  await takeOver(orders.pidFile)
  try {
    writeFileSync(orders.pidFile, String(process.pid), { mode: 0o600 })
  } catch {
    // The outputs come first; the next keeper will find its lines taken, and say so.
  }
  for (const line of orders.lines) {
    const holder = new Holder(line, orders)
    holders.set(line.name, holder)
    holder.want(line.safe)
  }
}

let safe: ReadonlyMap<string, Level> = new Map()
const input = createInterface({ input: process.stdin })
input.on("line", (text) => {
  if (started === null) {
    const orders = JSON.parse(text) as Orders
    safe = new Map(orders.lines.map((line) => [line.name, line.safe]))
    started = start(orders)
    return
  }
  const [, name = "", level] = /^(\S+) (low|high)$/.exec(text) ?? []
  if (level === "low" || level === "high") void started.then(() => holders.get(name)?.want(level))
})
input.on("close", () => {
  // Nobody reads what is said from here on.
  process.stdout.on("error", () => undefined)
  void started?.then(() => {
    for (const [name, holder] of holders) if (holder.wanted !== safe.get(name)) holder.want(safe.get(name) ?? "low")
  })
})
process.stdout.on("error", () => undefined)
process.on("SIGTERM", () => void Promise.all([...holders.values()].map((own) => own.end())).then(() => process.exit(0)))
// The gateway's terminal is not ours: only the next keeper, or the system, ends us.
process.on("SIGINT", () => undefined)
process.on("SIGHUP", () => undefined)
// While it holds lines it lives, whatever ended around it.
setInterval(() => undefined, 3_600_000)
