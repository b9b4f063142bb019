/**
 * The test runner: every `test/**\/*.test.ts`, or those whose path contains one of the arguments.
 *
 * uvu's own command needs code generation from strings, which the gateway forbids itself; so each file runs through
 * `uvu/run` in a process of its own, under the flags of production, two at a time, those that took longest the last time
 * first (`.cache/test-durations.json`). Ends with the plain line `N passed, N failed`; a file that dies, hangs or runs no
 * test counts as a failure.
 *
 * A file whose real peer is not on this machine (`test/peers/`, LOCKGATE_PEERS_MISSING), or may do nothing there, is left
 * out and named; with CI=true that is a failure. LOCKGATE_STORM=1 runs every file LOCKGATE_STORM_ROUNDS times (property tests draw new seeds
 * each time), but those of whole gateways once, and gives files that have a long form of their own the time for it. The
 * figures that they tell (`storm/figures.ts`) are printed at the end and written into `test/STORMS.md`.
 */
import { readdirSync } from "node:fs"
import { spawn } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { availableParallelism } from "node:os"
import { run } from "uvu/run"
import { missingPackages, packagesNeededBy, unusablePackages } from "./peers/packages.ts"
import { keepDurations, readDurations } from "./support/durations.ts"
import { stormLines } from "./storm/figures.ts"
import { recordStorms } from "./storm/record.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
const STORM = process.env["LOCKGATE_STORM"] === "1"
const ROUNDS = STORM ? Number(process.env["LOCKGATE_STORM_ROUNDS"] ?? 20) : 1
const FILE_TIMEOUT_MS = STORM ? 3_600_000 : 150_000
/** Process groups under way: a test's brokers and gateways go down with it. */
const groups = new Set<number>()

/** What gateways are started with, also where the runner was not. */
const FLAGS = [...new Set([...process.execArgv, "--disable-sigusr1"])]

interface Outcome {
  readonly name: string
  readonly passed: number
  readonly failed: number
  readonly ms: number
  readonly output: string
}

function testFiles(wanted: readonly string[]): string[] {
  const all = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" }).filter((n) =>
    n.endsWith(".test.ts"),
  )
  const chosen = all.filter((name) => wanted.length === 0 || wanted.some((word) => name.includes(word)))
  const lasted = readDurations()
  // Longest first, so that the two lanes end together; of a file that has not run yet, a guess: whole gateways take longest.
  const expectedMs = (name: string): number => lasted[name] ?? (name.startsWith("system") ? 10_000 : 1_000)
  return chosen.sort((a, b) => expectedMs(b) - expectedMs(a) || a.localeCompare(b))
}

function runFile(name: string): Promise<Outcome> {
  const startedAt = performance.now()
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...FLAGS, fileURLToPath(import.meta.url), "--one", name], {
      cwd: root,
      // As `make test` has it: a gateway that strips its types anew takes half as long again to start.
      env: { NODE_COMPILE_CACHE: join(root, ".cache", "node"), ...process.env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    })
    const group = child.pid ?? 0
    groups.add(group)
    let output = ""
    const take = (chunk: Buffer): void => {
      output += chunk.toString("utf8")
    }
    child.stdout.on("data", take)
    child.stderr.on("data", take)
    let note = ""
    const timer = setTimeout(() => {
      note = `\n  killed after ${FILE_TIMEOUT_MS / 1000} s\n`
      killGroup(group)
    }, FILE_TIMEOUT_MS)
    // Before "close": a peer left behind would hold the output open.
    child.on("exit", () => killGroup(group))
    child.on("close", (code, signal) => {
      clearTimeout(timer)
      const total = Number(/Total:\s+(\d+)/.exec(output)?.[1] ?? 0)
      const passed = Number(/Passed:\s+(\d+)/.exec(output)?.[1] ?? 0)
      const clean = code === 0 && passed === total && total > 0
      if (total === 0) note += "\n  no test ran\n"
      if (signal !== null && note === "") note += `\n  ended by ${signal}\n`
      const failed = clean ? 0 : Math.max(1, total - passed)
      resolve({ name, passed, failed, ms: performance.now() - startedAt, output: output + note })
    })
  })
}

/** Ends whatever a test file left behind. */
function killGroup(group: number): void {
  groups.delete(group)
  try {
    process.kill(-group, "SIGKILL")
  } catch {
    // Nothing is left of it.
  }
}

/** The packages that each file lacks on this machine, for those that lack any. */
function leftOut(names: readonly string[]): Map<string, string> {
  const missing = process.env["LOCKGATE_PEERS_MISSING"]?.split(" ") ?? missingPackages()
  const unusable = unusablePackages()
  const lacks = (name: string): string =>
    packagesNeededBy(`test/${name}`)
      .filter((p) => missing.includes(p) || unusable.has(p))
      .map((p) => (unusable.has(p) ? `${p} (here, but "${unusable.get(p)}" fails)` : p))
      .join(", ")
  return new Map(names.map((name) => [name, lacks(name)] as const).filter(([, packages]) => packages !== ""))
}

async function runAll(wanted: readonly string[]): Promise<void> {
  const files = testFiles(wanted)
  const out = leftOut(files)
  const present = files.filter((name) => !out.has(name))
  const again = present.filter((name) => !name.startsWith("system"))
  const queue = [...present, ...Array.from({ length: ROUNDS - 1 }, () => again).flat()]
  const outcomes: Outcome[] = []
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => {
      for (const group of groups) killGroup(group)
      process.exit(1)
    })
  const lane = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const outcome = await runFile(name)
      outcomes.push(outcome)
      const mark = outcome.failed === 0 ? "ok  " : "FAIL"
      console.log(`${mark} ${outcome.name} (${outcome.passed} in ${(outcome.ms / 1000).toFixed(1)} s)`)
      if (outcome.failed > 0) console.log(outcome.output)
    }
  }
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, lane))
  const passed = outcomes.reduce((sum, o) => sum + o.passed, 0)
  let failed = outcomes.reduce((sum, o) => sum + o.failed, 0)
  for (const [name, packages] of out) console.log(`LEFT OUT ${name}: needs ${packages}`)
  if (process.env["CI"] === "true") failed += out.size
  if (outcomes.length === 0) console.log("no test file matches")
  if (!STORM) keepDurations(outcomes)
  else {
    // Of a file that failed the figures are not worth keeping.
    const told = outcomes.filter((o) => o.failed === 0).flatMap((o) => stormLines(o.output))
    console.log(recordStorms(told, join(root, "test/STORMS.md")))
  }
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0
}

const [first, ...rest] = process.argv.slice(2)
if (first === "--one") {
  await run(rest.map((name) => ({ name, file: join(root, "test", name) })))
  // A test that failed before its `stop` would else keep this process until the timeout.
  const leftover = (): never => {
    console.log("  something was still running 10 s after the last test")
    process.exit(1)
  }
  setTimeout(leftover, 10_000).unref()
} else await runAll(first === undefined ? [] : [first, ...rest])
