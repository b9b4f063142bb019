import { suite } from "uvu"
import * as assert from "uvu/assert"
import { generateKeyPairSync } from "node:crypto"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { keyLogOptions, refuseKeyLog } from "../../../firmware/tls/key-log.ts"
import { ROOT } from "../../support/source-tree.ts"

const test = suite("firmware/tls/key-log")

test("[CR 4.1] finds what gives keys away, however it is spelt; and nothing else", () => {
  const found = (execArgv: readonly string[], nodeOptions?: string): string =>
    keyLogOptions({ execArgv, nodeOptions }).join(" ")
  for (const spelt of ["--tls-keylog=/tmp/x", "--tls-keylog", "--tls_keylog=/tmp/x"]) {
    assert.is(found([spelt]), "--tls-keylog")
    assert.is(found([], `--max-old-space-size=64  ${spelt}`), "--tls-keylog")
  }
  assert.is(found([], `"--tls-key\\log=/tmp/x"`), "--tls-keylog")
  assert.is(found(["--tls-keylog", "/tmp/x", "--trace_tls"], "--trace-tls"), "--tls-keylog --trace-tls")
  assert.is(found(["--experimental-config-file=a.json"]), "--experimental-config-file")
  assert.is(found(["--disallow-code-generation-from-strings", "--title=tls-keylog"], "--trace-warnings"), "")
  refuseKeyLog({ execArgv: [], nodeOptions: undefined })
})

/** A gateway's command line with these options; it ends, since it is refused or its board file is none. */
async function start(
  execArgv: readonly string[],
  nodeOptions: string,
): Promise<{ readonly code: number | null; readonly err: string }> {
  const folder = mkdtempSync(join(tmpdir(), "lockgate-keylog-"))
  const config = join(folder, "gateway.yaml")
  const { publicKey } = generateKeyPairSync("ed25519")
  writeFileSync(join(folder, "owner.pem"), publicKey.export({ type: "spki", format: "pem" }))
  writeFileSync(
    config,
    `
lockgate-gateway: 1
gateway: gw
board: simulated
state: ${folder}/state
trust: { authorities: {}, policy-signers: { owner: owner.pem }, policy-threshold: 1 }
credentials: {}
conduits: {}
management: { socket: ${folder}/run/command.sock }
`,
  )
  const args = [...process.execArgv, ...execArgv, join(ROOT, "firmware/cli.ts"), "run", "--config", config]
  const child = spawn(process.execPath, args, {
    env: { ...process.env, NODE_OPTIONS: nodeOptions },
    stdio: ["ignore", "pipe", "pipe"],
  })
  let err = ""
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()))
  // One that is not refused runs, and is ended here.
  child.stdout.on("data", () => child.kill("SIGTERM"))
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve))
  rmSync(folder, { recursive: true, force: true })
  return { code, err }
}

test("[CR 4.1] the gateway does not start with such an option, and says which one and where", async () => {
  const file = join(tmpdir(), `lockgate-no-keys-${process.pid}`)
  const [argued, inherited, traced, plain] = await Promise.all([
    start([`--tls-keylog=${file}`], ""),
    start([], `--tls-keylog=${file}`),
    start([], "--trace-tls"),
    start([], "--trace-warnings"),
  ])
  for (const { code, err } of [argued, inherited]) {
    assert.is(code, 1, err)
    assert.match(
      err,
      "--tls-keylog gives away what TLS protects: start without it, also in NODE_OPTIONS (ERR_TLS_KEY_LOG)",
    )
  }
  assert.is(traced.code, 1)
  assert.match(traced.err, "--trace-tls gives away")
  assert.not(plain.err.includes("ERR_TLS_KEY_LOG"), plain.err)
  assert.is(plain.code, 0, plain.err)
  rmSync(file, { force: true })
  assert.not(existsSync(file))
})

test("[CR 4.1] nor does the thread of the conduits, whose options are its own", async () => {
  const entry = new URL("../../../firmware/conduits/engine-worker.ts", import.meta.url)
  const said = (options: { execArgv?: string[]; env?: NodeJS.ProcessEnv }): Promise<string> =>
    new Promise((resolve) => {
      const thread = new Worker(entry, {
        ...options,
        workerData: { allowStall: false, linesSocket: null, originNs: process.hrtime.bigint() },
      })
      const end = (what: string): void => {
        resolve(what)
        void thread.terminate()
      }
      thread.once("error", (error) => end(String((error as { code?: unknown }).code)))
      thread.once("message", (message: { kind: string }) => end(message.kind))
    })
  assert.is(await said({ execArgv: ["--trace-tls"] }), "ERR_TLS_KEY_LOG")
  assert.is(await said({ env: { ...process.env, NODE_OPTIONS: "--trace-tls" } }), "ERR_TLS_KEY_LOG")
  assert.is(await said({}), "ready")
})

test.run()
