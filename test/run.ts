/**
 * The test runner: every `test/**\/*.test.ts`, or those whose path contains one of the arguments.
 *
 * uvu's own command needs code generation from strings, which the gateway forbids itself; so each file runs through
 * `uvu/run` in a process of its own, under the flags of production, two at a time. Ends with the plain line
 * `N passed, N failed`; a file that dies, hangs or runs no test counts as a failure.
 */
import { readdirSync } from "node:fs"
import { spawn } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { availableParallelism } from "node:os"
import { run } from "uvu/run"

const root = fileURLToPath(new URL("..", import.meta.url))
const FILE_TIMEOUT_MS = 150_000

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
  // Whole-gateway tests take longest: first, so that the two lanes end together.
  return chosen.sort((a, b) => Number(b.startsWith("system")) - Number(a.startsWith("system")) || a.localeCompare(b))
}

function runFile(name: string): Promise<Outcome> {
  const startedAt = performance.now()
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), "--one", name], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
    })
    let output = ""
    const take = (chunk: Buffer): void => {
      output += chunk.toString("utf8")
    }
    child.stdout.on("data", take)
    child.stderr.on("data", take)
    let note = ""
    const timer = setTimeout(() => {
      note = `\n  killed after ${FILE_TIMEOUT_MS / 1000} s\n`
      child.kill("SIGKILL")
    }, FILE_TIMEOUT_MS)
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

async function runAll(wanted: readonly string[]): Promise<void> {
  const queue = testFiles(wanted)
  const outcomes: Outcome[] = []
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
  const failed = outcomes.reduce((sum, o) => sum + o.failed, 0)
  if (outcomes.length === 0) console.log("no test file matches")
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0
}

const [first, ...rest] = process.argv.slice(2)
if (first === "--one") await run(rest.map((name) => ({ name, file: join(root, "test", name) })))
else await runAll(first === undefined ? [] : [first, ...rest])
