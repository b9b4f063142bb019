/** Every command of the command line ends with a code of the one table, whatever it is given. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { ALL_COMMANDS } from "../../../firmware/cli/commands/all.ts"
import type { CommandEntry } from "../../../firmware/cli/commands/entry.ts"
import { COMMON_EXITS, EXIT, exitHelp, type ExitName } from "../../../firmware/cli/exit-codes.ts"
import { captureIo, type Ran } from "../../support/cli-io.ts"
import { ROOT } from "../../support/source-tree.ts"

const test = suite("firmware/cli/exit-codes")

/** Runs a command that is told at once to stop, so that one which would go on for ever ends. */
async function ran(entry: CommandEntry, args: readonly string[]): Promise<Ran> {
  const io = { ...captureIo(), signal: AbortSignal.abort() }
  const code = await (await entry.load())(args, io)
  return { code, out: io.text(), err: io.errors() }
}

const codes = (names: readonly ExitName[]): readonly number[] => names.map((name) => EXIT[name])

test("a code means one thing, and every meaning has words for --help", () => {
  const all = Object.values(EXIT)
  assert.is(new Set<number>(all).size, all.length)
  assert.ok(all.every((code) => code >= 0 && code < 256))
  const names = Object.keys(EXIT) as ExitName[]
  const lines = exitHelp(names)
  assert.is(new Set(lines.map((line) => line.slice(17))).size, all.length)
  for (const [k, name] of names.entries()) assert.ok(lines[k]!.includes(` ${EXIT[name]} `), lines[k])
})

test("what a command says of its codes in words of its own is about codes that it can end with", () => {
  for (const { words, details = [], exits = COMMON_EXITS } of ALL_COMMANDS)
    for (const line of details.filter((one) => one.startsWith("exit code"))) {
      const told = [...line.matchAll(/(?:code|,) +(\d+) /g)].map(([, code]) => Number(code))
      assert.ok(told.length >= 3 && told.every((code) => codes(exits).includes(code)), `${words}: ${line}`)
    }
})

test("[CR 3.7] an option that no command has is wrong use for every command: told on standard error, and nothing is done", async () => {
  for (const entry of ALL_COMMANDS) {
    const { code, out, err } = await ran(entry, ["--no-such-option"])
    assert.equal([code, out], [EXIT.usage, ""], entry.words)
    assert.ok(err.length > 0, entry.words)
  }
})

test("[CR 3.7] what is missing, too much or not there ends with a code that the command says it can end with", async () => {
  const nowhere = ["--config", "/nowhere/gateway.yaml"]
  for (const entry of ALL_COMMANDS) {
    // Without an argument the demo is a whole plant, and the console and the gateway's own commands work as they are.
    const cases = [["one", "two", "three", "four", "five", "six"], nowhere, ["x", ...nowhere], ["--socket", "/nowhere/command.sock"]] // prettier-ignore
    for (const args of entry.words === "demo" ? cases.slice(0, 1) : cases) {
      const { code, err } = await ran(entry, args)
      const said = codes(entry.exits ?? COMMON_EXITS)
      assert.ok(said.includes(code) && code !== EXIT.done, `${entry.words} ${args.join(" ")}: ${code}\n${err}`)
    }
  }
})

test("no command has a code of its own: each number that is returned stands in the table", () => {
  const folder = join(ROOT, "firmware/cli")
  const files = readdirSync(folder).filter((name) => name.endsWith(".ts") && name !== "exit-codes.ts")
  const known = new Set<number>(Object.values(EXIT))
  let found = 0
  for (const name of files)
    for (const [line, number] of readFileSync(join(folder, name), "utf8").matchAll(/\b(?:return|exitCode[:=]) (\d+)\n/g)) {
      found++
      assert.ok(known.has(Number(number)), `${name}: ${line.trim()}`)
    }
  assert.ok(found > 50, `${found} found: does the pattern still fit?`)
}) // prettier-ignore

test.run()
