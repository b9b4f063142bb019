import { execFile, spawn, type ChildProcess } from "node:child_process"
import { createInterface } from "node:readline"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { HardwareError } from "../../policy/base/errors.ts"
import type { Clock } from "../clock.ts"
import type { Gpio, HeldOutputs, InputLine, InputListener, Level, OutputLine } from "../gpio.ts"
import { getArguments, monitorArguments, parseEdge, parseLevels, versionOf, type ToolsVersion } from "./gpio-tools.ts"

/** What the lines of a Linux board are reached by. */
export interface LinuxGpioOptions {
  readonly clock: Clock
  /** Where the keeper of the outputs writes its process id, for the next one to take over from it. */
  readonly pidFile: string
  /** Folder of `gpioget`, `gpiomon` and `gpioset`; default those on the PATH. */
  readonly tools?: string
}

const KEEPER = fileURLToPath(new URL("./gpio-keeper.ts", import.meta.url))
const RETRY_MS = 1_000
/** Between reading a level and watching for edges the line is nobody's: an edge there shows at the next reading at latest. */
const READ_AGAIN_MS = 30_000
const TOOL_TIMEOUT_MS = 3_000
const KEEPER_TIMEOUT_MS = 5_000

/** Lines of the GPIO character device, by libgpiod's own tools as child processes: no native code in this process. */
export function createLinuxGpio(options: LinuxGpioOptions): Gpio {
  const { clock } = options
  const tool = (name: string): string => (options.tools === undefined ? name : join(options.tools, name))
  let version: Promise<ToolsVersion> | null = null
  const versionNow = (): Promise<ToolsVersion> => (version ??= run(tool("gpioget"), ["--version"]).then(versionOf))

  /** One chip and bias: one reading, one watch. */
  async function watchGroup(lines: readonly InputLine[], listener: InputListener): Promise<() => void> {
    const [first] = lines
    if (first === undefined) return () => undefined
    const { chip, bias } = first
    const offsets = lines.map(({ line }) => line)
    let monitor: ChildProcess | null = null
    let closed = false
    let lost = false
    let cancel = (): void => undefined

    const again = (ms: number): void => {
      cancel()
      if (closed) return
      cancel = clock.after(ms, () => {
        void begin()
      })
    }
    const lose = (reason: string): void => {
      if (!lost) for (const { name } of lines) listener.lost(name, reason)
      lost = true
      again(RETRY_MS)
    }

    async function begin(): Promise<void> {
      try {
        await end(monitor)
        const of = await versionNow()
        const levels = parseLevels(await run(tool("gpioget"), getArguments(of, chip, bias, offsets)), lines.length)
        if (levels === null) {
          lose("gpioget says something else than levels")
          return
        }
        if (closed) return
        monitor = spawnMonitor(of)
        lost = false
        lines.forEach(({ name }, k) => listener.level(name, levels[k] ?? "low"))
        again(READ_AGAIN_MS)
      } catch (error) {
        if (!(error instanceof HardwareError)) throw error
        version = null
        lose(error.message)
      }
    }

    function spawnMonitor(of: ToolsVersion): ChildProcess {
      // Version 2 has no flag for it, and nobody promises that its output is not held back in a pipe.
      const words = [tool("gpiomon"), ...monitorArguments(of, chip, bias, offsets)]
      const [command = "", ...rest] = of === 2 ? ["stdbuf", "-oL", ...words] : words
      const child = spawn(command, rest, { stdio: ["ignore", "pipe", "ignore"] })
      createInterface({ input: child.stdout }).on("line", (text) => {
        const edge = parseEdge(text, of)
        const line = lines.find((own) => own.line === edge?.line)
        if (edge !== null && line !== undefined && child === monitor) listener.level(line.name, edge.level)
      })
      const ended = (): void => {
        if (child !== monitor || closed) return
        monitor = null
        // Read at once: only if that fails too are the inputs lost.
        void begin()
      }
      child.on("error", ended)
      child.on("exit", ended)
      return child
    }

    await begin()
    return () => {
      closed = true
      cancel()
      monitor?.kill()
    }
  }

  return {
    simulate: null,
    async watch(lines, listener) {
      const groups = Map.groupBy(lines, ({ chip, bias }) => `${chip} ${bias}`)
      const closers = await Promise.all([...groups.values()].map((group) => watchGroup(group, listener)))
      return async () => closers.forEach((close) => close())
    },
    async hold(lines, lost) {
      if (lines.length === 0)
        return { set: async () => undefined, driven: () => new Map(), release: async () => undefined }
      return startKeeper(await versionNow(), tool("gpioset"), options.pidFile, lines, lost, clock)
    },
  }
}

/** Ends a child process; resolves when it has let go of its lines. */
function end(child: ChildProcess | null): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.removeAllListeners("exit")
    child.once("exit", () => resolve())
    child.kill()
  })
}

function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { timeout: TOOL_TIMEOUT_MS, maxBuffer: 65_536 }, (error, stdout) => {
      if (error === null) return resolve(stdout)
      const code = typeof error.code === "string" ? error.code : `exit code ${error.code ?? "none"}`
      reject(new HardwareError("ERR_IO", `${command} failed: ${code}`, { detail: { operation: command, code } }))
    })
  })
}

/** The process that holds the outputs; it outlives this one, and takes the safe levels when this one is gone. */
async function startKeeper(
  version: ToolsVersion,
  tool: string,
  pidFile: string,
  lines: readonly OutputLine[],
  lost: (name: string, reason: string) => void,
  clock: Clock,
): Promise<HeldOutputs> {
  const driven = new Map<string, Level>()
  const waiting = new Map<string, (level: Level | null) => void>()
  const keeper = spawn(process.execPath, ["--disallow-code-generation-from-strings", "--disable-sigusr1", KEEPER], {
    stdio: ["pipe", "pipe", "ignore"],
    // A session of its own: what ends this process group (Ctrl-C in a terminal) must not end the keeper before it acts.
    detached: true,
  })
  const failed = (reason: string): void => {
    for (const { name } of lines) if (driven.delete(name)) lost(name, reason)
    for (const tell of waiting.values()) tell(null)
  }
  keeper.stdin.on("error", () => undefined)
  const settled = new Promise<void>((resolve) => {
    const open = new Set(lines.map(({ name }) => name))
    const cancel = clock.after(KEEPER_TIMEOUT_MS, resolve)
    const done = (name: string): void => {
      if (open.delete(name) && open.size === 0) {
        cancel()
        resolve()
      }
    }
    const gone = (): void => {
      for (const name of open) lost(name, "the process that holds the outputs does not start")
      failed("the process that holds the outputs ended")
      cancel()
      resolve()
    }
    keeper.once("error", gone)
    keeper.once("exit", gone)
    createInterface({ input: keeper.stdout }).on("line", (text) => {
      const [, what, name = "", level] = /^(held|lost) (\S+) ?(low|high)?$/.exec(text) ?? []
      if (what === "held" && (level === "low" || level === "high")) {
        driven.set(name, level)
        waiting.get(name)?.(level)
      } else if (what === "lost") {
        driven.delete(name)
        lost(name, "gpioset cannot hold the line")
        waiting.get(name)?.(null)
      }
      done(name)
    })
  })
  keeper.stdin.write(JSON.stringify({ version, tool, pidFile, lines }) + "\n")
  await settled
  return {
    driven: () => new Map(driven),
    set: (name, level) =>
      new Promise((resolve, reject) => {
        const finish = (now: Level | null): void => {
          // What it was held at until then is said again when a lost line comes back.
          if (now !== null && now !== level) return
          cancel()
          waiting.delete(name)
          if (now === level) resolve()
          else reject(new HardwareError("ERR_IO", `the output ${name} does not take its level`))
        }
        const cancel = clock.after(TOOL_TIMEOUT_MS, () => finish(null))
        waiting.set(name, finish)
        keeper.stdin.write(`${name} ${level}\n`)
      }),
    release: async () => {
      keeper.removeAllListeners("exit")
      keeper.stdin.end()
      // It stays, and holds the safe levels; nothing here waits for it.
      keeper.unref()
      keeper.stdout.destroy()
    },
  }
}
