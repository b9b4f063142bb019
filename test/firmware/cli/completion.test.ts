import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { ALL_COMMANDS } from "../../../firmware/cli/commands/all.ts"
import { completable, completion } from "../../../firmware/cli/completion.ts"
import { completionScript, type Completable } from "../../../firmware/cli/completion-script.ts"
import { runCli } from "../../support/cli-io.ts"

const test = suite("firmware/cli/completion")
const folder = mkdtempSync(join(tmpdir(), "lockgate-completion-"))
const bashFile = join(folder, "bash")
const rows: Completable[] = []
test.before(async () => {
  writeFileSync(bashFile, (await runCli((io) => completion(["bash"], io))).out)
  for (const entry of ALL_COMMANDS) rows.push(await completable(entry))
})
test.after(() => rmSync(folder, { recursive: true, force: true }))

/** What a real bash proposes where each of these lines ends. */
function proposed(lines: readonly (readonly string[])[]): string[][] {
  const ask = lines.map((words) => `t ${["lockgate", ...words].map((word) => `'${word}'`).join(" ")}`).join("\n")
  const script = `source "${bashFile}"
t() { COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); COMPREPLY=(); _lockgate; echo "\${COMPREPLY[*]}"; }
${ask}
`
  const { stdout, stderr } = spawnSync("bash", ["--norc", "-c", script], { encoding: "utf8" })
  assert.is(stderr, "")
  return stdout.split("\n").slice(0, -1).map((line) => line.split(" ").filter((word) => word !== "")) // prettier-ignore
}

test("in a real bash every command is proposed word by word, and then every option that it takes", () => {
  const steps = rows.flatMap(({ words }) => words.split(" ").map((word, i, all) => ({ before: all.slice(0, i), word })))
  const next = proposed(steps.map(({ before }) => [...before, ""]))
  for (const [i, { before, word }] of steps.entries()) {
    assert.ok(next[i]?.includes(word), `after "${before.join(" ")}" ${word} is not proposed`)
  }
  const options = proposed(rows.map(({ words }) => [...words.split(" "), "-"]))
  for (const [i, row] of rows.entries()) assert.equal(options[i], ["--help", ...row.options], row.words)
})

test("options are those that a command takes, also after its arguments; what is written in its usage is among them", () => {
  const [forced, choice, value, afterFile] = proposed([
    ["gateway", "account", "add", "anna", "--new"],
    ["island", "o"],
    ["status", "--config", ""],
    ["policy", "sign", "plant.yaml", "--pre"],
  ])
  assert.equal([forced, choice, value, afterFile], [["--new-key"], ["on", "off"], [], ["--predecessor"]])
  for (const [i, { words, usage }] of ALL_COMMANDS.entries()) {
    const named = usage.match(/(?<=^|[ [(|])--[a-z-]+/g) ?? []
    for (const option of named) assert.ok(rows[i]?.options.includes(option), `${words} does not take ${option}`)
  }
  // Else a command that reads its arguments by itself would go unnoticed.
  const bare = rows.filter(({ options }) => options.length === 0).map(({ words }) => words)
  assert.equal(bare, ["completion", "policy test", "policy schema"])
})

test("another shell is a fault that names those there are", async () => {
  const { code, out, err } = await runCli((io) => completion(["fish"], io))
  assert.equal([code, out], [2, ""])
  assert.match(err, "bash|zsh")
})

test("a command that is added is in the script of both shells", () => {
  const row = { words: "new thing", options: ["--far"], valued: ["--far"], choices: [] }
  for (const shell of ["bash", "zsh"] as const) assert.match(completionScript(shell, [row]), /"new thing"\) .*--far/)
})

test.run()
