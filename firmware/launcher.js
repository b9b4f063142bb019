#!/usr/bin/env node
// The `lockgate` command. Plain JavaScript for any Node from 18 on: it re-executes the pinned Node, which alone runs
// the TypeScript of this tree. Signals and the exit code pass through.
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { constants } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const node = join(root, "node_modules", ".bin", "node")
// The last: else the signal SIGUSR1 opens the runtime's inspector, which reads every key.
const FLAGS = ["--disallow-code-generation-from-strings", "--disable-warning=ExperimentalWarning", "--disable-sigusr1"]

if (existsSync(node)) launch()
else {
  console.error(`lockgate: set-up has not been run: run "make setup" in ${root}`)
  process.exitCode = 1
}

function launch() {
  const child = spawn(node, [...FLAGS, join(root, "firmware", "cli.ts"), ...process.argv.slice(2)], {
    stdio: "inherit",
  })
  child.on("error", (error) => {
    console.error(`lockgate: the pinned Node did not start (${error.code}): run "make distclean setup" in ${root}`)
    process.exitCode = 1
  })
  // A terminal signals the child itself along with us; what a supervisor sends to us alone has to be handed on.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2"])
    process.on(signal, () => {
      const fromTerminal = process.stdin.isTTY && (signal === "SIGINT" || signal === "SIGQUIT")
      if (!fromTerminal) child.kill(signal)
    })
  // This process runs without the flag, on any Node: who listens for the signal keeps it from opening an inspector here.
  process.on("SIGUSR1", () => undefined)
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code)
    process.exit(128 + (constants.signals[signal] ?? 0))
  })
}
