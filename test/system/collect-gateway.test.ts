/** A whole gateway, its board file names a collector; the collector's line lets it know what is safe elsewhere. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { auditCollect } from "../../firmware/cli/audit-collect.ts"
import { auditVerify } from "../../firmware/cli/audit-verify.ts"
import { runCli } from "../support/cli-io.ts"
import { startRig, type Rig } from "../support/rig.ts"

const test = suite("system/collect-gateway")
const top = mkdtempSync(join(tmpdir(), "lockgate-collect-gateway-"))
let rig: Rig | null = null
test.after(async () => {
  await rig?.stop()
  rmSync(top, { recursive: true, force: true })
})

test("[CR 2.9] a gateway knows of what a collector has cosigned that it is safe elsewhere", async () => {
  const made = await runCli((io) => auditCollect(["--new-key", join(top, "key"), "--name", "desk"], io))
  assert.is(made.code, 0, made.err)
  rig = await startRig({ board: `audit: { collectors: ["${made.out.trim()}"] }` })
  const key = (await rig.lockgate("audit", "key")).out.trim()
  const login = ["--broker", `mqtts://127.0.0.1:${rig.broker.tlsPort}`, "--ca", rig.controlCa.cert]
  const files = ["--cert", rig.desk.cert, "--cert-key", rig.desk.key, "--store", join(top, "store")]
  const args = [...login, ...files, "--key", join(top, "key"), "--gateway", `gw-test=${key}`]
  const ran = await runCli((io) => auditCollect([...args, "--clock-bound", "1", "--once"], io))
  assert.is(ran.code, 0, ran.out + ran.err)
  const size = Number(/0\.\.(\d+) {2}\d+ entries, cosigned/.exec(ran.out)?.[1])
  assert.ok(size > 0, ran.out)
  const file = join(rig.stateFolder, "audit/collected")
  const endMs = performance.now() + 10_000
  while (!existsSync(file)) {
    assert.ok(performance.now() < endMs, "the gateway takes the line for what it is")
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.equal(JSON.parse(readFileSync(file, "utf8")), { format: 1, seq: size })
  const verdict = await runCli((io) => auditVerify([join(top, "store/logs/gw-test"), "--key", key], io))
  assert.is(verdict.code, 0, verdict.out + verdict.err)
})

test.run()
