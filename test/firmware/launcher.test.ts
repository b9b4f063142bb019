import { spawn } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { ROOT } from "../support/source-tree.ts"

const test = suite("firmware/launcher")

/** A tree that holds the real launcher and a command of one line. */
function tree(command: string, setUp: boolean): string {
  const folder = mkdtempSync(join(tmpdir(), "lockgate-launcher-"))
  mkdirSync(join(folder, "firmware"))
  cpSync(join(ROOT, "firmware/launcher.js"), join(folder, "firmware/launcher.js"))
  writeFileSync(join(folder, "package.json"), `{ "type": "module" }`)
  writeFileSync(join(folder, "firmware/cli.ts"), command)
  if (setUp) {
    mkdirSync(join(folder, "node_modules/.bin"), { recursive: true })
    symlinkSync(process.execPath, join(folder, "node_modules/.bin/node"))
  }
  return folder
}

async function launch(command: string, options: { args?: string[]; kill?: NodeJS.Signals; setUp?: boolean } = {}) {
  const folder = tree(command, options.setUp ?? true)
  // Through a link, as `make install` leaves it.
  const link = join(folder, "lockgate")
  symlinkSync(join(folder, "firmware/launcher.js"), link)
  const child = spawn(process.execPath, [link, ...(options.args ?? [])], { stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  const take = (chunk: Buffer): void => {
    output += chunk.toString()
    if (options.kill !== undefined && output.includes("ready")) child.kill(options.kill)
  }
  child.stdout.on("data", take)
  child.stderr.on("data", take)
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve))
  rmSync(folder, { recursive: true })
  return { code, output, folder }
}

test("hands arguments, production flags and the exit code through", async () => {
  const { code, output } = await launch(
    `console.log(JSON.stringify([process.argv.slice(2), process.execArgv])); process.exitCode = 42`,
    { args: ["audit", "tail", "--json", "a b"] },
  )
  const [args, flags] = JSON.parse(output)
  assert.equal(args, ["audit", "tail", "--json", "a b"])
  for (const flag of ["--disallow-code-generation-from-strings", "--disable-sigusr1"]) assert.ok(flags.includes(flag))
  assert.is(code, 42)
})

test("hands SIGTERM through, and lets the command stop in its own way", async () => {
  const wait = `process.on("SIGTERM", () => { console.log("stopping"); process.exit(7) }); setInterval(() => {}, 1000); console.log("ready")`
  const { code, output } = await launch(wait, { kill: "SIGTERM" })
  assert.is(output, "ready\nstopping\n")
  assert.is(code, 7)
})

test("a command that a signal ended shows as 128 and the signal's number", async () => {
  const { code } = await launch(`process.kill(process.pid, "SIGKILL"); setInterval(() => {}, 1000)`)
  assert.is(code, 137)
})

test("says what to do when set-up has not been run", async () => {
  const { code, output } = await launch("", { setUp: false })
  assert.is(code, 1)
  assert.match(output, "set-up has not been run")
  assert.match(output, "make setup")
})

test.run()
