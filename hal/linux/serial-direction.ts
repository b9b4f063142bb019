import { execFile, spawn, type ChildProcessWithoutNullStreams } from "node:child_process"
import { join } from "node:path"
import { HardwareError } from "../../policy/base/errors.ts"
import type { Direction, DirectionLine, Directions } from "../serial-direction.ts"
import { interactiveArguments, versionOf } from "./gpio-tools.ts"

const PROMPT = "gpioset> "
/** An order that is not carried out by then is not waited for: the process is ended, and the kernel lets go of the line. */
const ORDER_MS = 500
const START_MS = 3_000
/** Tries of the way to the tool and back; the longest counts. */
const TRIES = 32

/**
 * Direction lines by one `gpioset --interactive` each, which lives as long as the serial line is open and is told by its
 * input: no process is started to turn a line round. Only libgpiod 2 has it.
 *
 * It is started through `setpriv --pdeathsig`, for at the end of its input it would hold its last level for ever: when this
 * process ends in whatever way, the kernel ends it, and lets go of the line. What the line is then, its pull resistor says.
 */
export function createLinuxDirections(tools?: string): Directions {
  const tool = (name: string): string => (tools === undefined ? name : join(tools, name))
  return {
    async open(line, lost) {
      const said = await run(tool("gpioset"), ["--version"])
      if (versionOf(said) !== 2)
        throw failure(line, "it needs libgpiod 2, whose gpioset can be told while it runs; this board has version 1")
      return hold(tool("gpioset"), line, lost)
    },
  }
}

async function hold(tool: string, line: DirectionLine, lost: (error: HardwareError) => void): Promise<Direction> {
  const words = ["--pdeathsig", "TERM", tool, ...interactiveArguments(line.chip, line.line, other(line.transmit))]
  const child = spawn("setpriv", words, { stdio: ["pipe", "pipe", "pipe"] })
  let over = false
  let text = ""
  let waiting: ((said: string | null) => void) | null = null
  const end = (): void => {
    if (over) return
    over = true
    // The end of its input wakes it for the signal; one that takes neither is killed, or whoever closes would wait for ever.
    child.stdin.end()
    child.kill()
    setTimeout(() => child.kill("SIGKILL"), ORDER_MS).unref()
    waiting?.(null)
  }
  child.stdin.on("error", end)
  child.stderr.resume()
  child.stdout.on("data", (chunk: Buffer) => {
    // A prompt follows each order; what stands before it is what was said to it.
    text = (text + chunk.toString("latin1")).slice(-4096)
    if (!text.endsWith(PROMPT)) return
    const saidNow = text.slice(0, -PROMPT.length)
    text = ""
    waiting?.(saidNow)
  })
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()))
  for (const event of ["error", "exit"])
    child.once(event, () => {
      const told = over
      end()
      if (!told) lost(failure(line, "gpioset has ended"))
    })
  const prompt = (orderMs: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => waiting?.(null), orderMs)
      waiting = (saidNow) => {
        clearTimeout(timer)
        waiting = null
        if (saidNow !== null) return resolve(saidNow)
        end()
        reject(failure(line, "gpioset does not hold it"))
      }
      if (over) waiting(null)
    })
  const order = async (words: string): Promise<void> => {
    const answered = prompt(ORDER_MS)
    write(child, words)
    // It says nothing to an order that it has carried out.
    if ((await answered).trim() === "") return
    end()
    throw failure(line, "gpioset does not take its level")
  }
  await prompt(START_MS)
  const set = (level: DirectionLine["transmit"]): Promise<void> => order(`set ${line.line}=${level === "high" ? 1 : 0}`)
  const tried: number[] = []
  try {
    for (let n = 0; n < TRIES; n++) {
      const startMs = performance.now()
      // The level that it has: the way is the same, and the transceiver stays as it is.
      await set(other(line.transmit))
      tried.push(performance.now() - startMs)
    }
  } catch (error) {
    end()
    throw error
  }
  return {
    turnMs: Math.max(...tried),
    transmit: () => set(line.transmit),
    receive: () => set(other(line.transmit)),
    async close() {
      if (!over) {
        // An order under way is not waited for: the kernel lets go of the line.
        if (waiting === null) await set(other(line.transmit)).catch(() => undefined)
        end()
      }
      await ended
    },
  }
}

function write(child: ChildProcessWithoutNullStreams, words: string): void {
  if (child.stdin.writable) child.stdin.write(`${words}\n`)
}

function other(level: DirectionLine["transmit"]): DirectionLine["transmit"] {
  return level === "high" ? "low" : "high"
}

function failure(line: DirectionLine, why: string): HardwareError {
  return new HardwareError("ERR_SERIAL_DIRECTION", `direction line ${line.name} (${line.chip} ${line.line}): ${why}`)
}

function run(command: string, words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, words, { timeout: START_MS }, (error, out) => {
      if (error === null) return resolve(out)
      const reason = String(error.code ?? "no code")
      reject(new HardwareError("ERR_SERIAL_DIRECTION", `${command} failed: ${reason}: install the package gpiod`))
    })
  })
}
