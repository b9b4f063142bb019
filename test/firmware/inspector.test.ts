import { suite } from "uvu"
import * as assert from "uvu/assert"
import { generateKeyPairSync } from "node:crypto"
import { spawn, type ChildProcess } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inspectorIsOpen, inspectorOptions, refuseInspector } from "../../firmware/inspector.ts"
import { ROOT } from "../support/source-tree.ts"

const test = suite("firmware/inspector")
const LAUNCHER = join(ROOT, "firmware/launcher.js")
const CLI = join(ROOT, "firmware/cli.ts")
const folder = mkdtempSync(join(tmpdir(), "lockgate-inspector-"))
const { publicKey } = generateKeyPairSync("ed25519")
writeFileSync(join(folder, "owner.pem"), publicKey.export({ type: "spki", format: "pem" }))
test.after(() => rmSync(folder, { recursive: true, force: true }))

let boards = 0
function board(more = ""): string {
  const own = join(folder, String(++boards))
  const text = `
lockgate-gateway: 1
gateway: gw
board: simulated
state: ${own}/state
trust: { authorities: {}, policy-signers: { owner: owner.pem }, policy-threshold: 1 }
credentials: {}
conduits: {}
management: { socket: ${own}/run/command.sock }
${more}`
  writeFileSync(`${own}.yaml`, text)
  return `${own}.yaml`
}

interface Started {
  readonly child: ChildProcess
  /** What it has said so far. */
  said(): string
  /** Its exit code. */
  readonly ended: Promise<number | null>
}

/** Starts it with these words; resolves once it runs or has ended. */
function start(words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Started> {
  const child = spawn(process.execPath, words, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] })
  let text = ""
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve))
  return new Promise((resolve) => {
    const started = { child, said: () => text, ended }
    const take = (chunk: Buffer): void => {
      text += chunk.toString()
      if (text.includes(" runs; ")) resolve(started)
    }
    child.stdout.on("data", take)
    child.stderr.on("data", take)
    child.once("close", () => resolve(started))
  })
}

test("[NDR 2.4] finds every option for an inspector, however it is spelt; and nothing else", () => {
  const found = (execArgv: readonly string[], nodeOptions?: string): string =>
    inspectorOptions({ execArgv, nodeOptions }).join(" ")
  for (const option of ["--inspect", "--inspect-brk", "--inspect-wait", "--inspect-port", "--debug-port"]) {
    assert.is(found([`${option}=127.0.0.1:0`]), option)
    assert.is(found([], `--trace-warnings "${option}"`), option)
    assert.is(found([option.replaceAll("-", "_").replace("__", "--")]), option)
  }
  assert.is(found(["--disable-sigusr1", "--title=--inspect"], "--trace-warnings"), "")
  assert.not(inspectorIsOpen())
  refuseInspector({ execArgv: [], nodeOptions: undefined })
})

test("[NDR 2.4] [CR 4.1] the gateway does not start with an inspector, and says why and what to do", async () => {
  // Each with a state folder of its own: a second gateway on one is refused for that.
  const run = (): readonly string[] => ["run", "--config", board()]
  const starts = await Promise.all([
    start([...process.execArgv, "--inspect=127.0.0.1:0", CLI, ...run()]),
    start([...process.execArgv, CLI, ...run()], { NODE_OPTIONS: "--inspect=127.0.0.1:0" }),
    start([LAUNCHER, ...run()], { NODE_OPTIONS: "--inspect-port=0" }),
  ])
  for (const { said, ended, child } of starts) {
    child.kill("SIGTERM")
    assert.is(await ended, 1, said())
    assert.match(said(), /--inspect(-port)? gives whoever reaches it the keys .*inspector: allow \(ERR_INSPECTOR\)/)
  }
})

test("a board file of a developer's desk allows it", async () => {
  const { child, said, ended } = await start([...process.execArgv, "--inspect=127.0.0.1:0", CLI, "run", "--config", board("inspector: allow")]) // prettier-ignore
  child.kill("SIGTERM")
  assert.is(await ended, 0, said())
  assert.match(said(), "gw runs")
})

/** The gateway's own process under the launcher. */
function gatewayOf(launcher: ChildProcess): number {
  return Number(readFileSync(`/proc/${launcher.pid}/task/${launcher.pid}/children`, "utf8").trim().split(" ")[0])
}

test("[NDR 2.4] [CR 4.1] the signal SIGUSR1 opens none in a gateway as the launcher starts it", async () => {
  const { child, said, ended } = await start([LAUNCHER, "run", "--config", board()])
  assert.match(said(), "gw runs")
  const pid = gatewayOf(child)
  for (const one of [pid, child.pid ?? 0]) process.kill(one, "SIGUSR1")
  await new Promise((resolve) => setTimeout(resolve, 700))
  assert.is(child.exitCode, null)
  assert.not.match(said(), "Debugger listening")
  child.kill("SIGTERM")
  assert.is(await ended, 0, said())
})

test("without the flag the signal would: what the case before shows is the flag's doing", async () => {
  const { child, said, ended } = await start(["-e", "console.log('x runs; '); setInterval(() => {}, 1000)"])
  child.kill("SIGUSR1")
  for (let k = 0; k < 200 && !said().includes("Debugger listening"); k++) await new Promise((r) => setTimeout(r, 20))
  child.kill("SIGKILL")
  await ended
  assert.match(said(), "Debugger listening")
})

test.run()
