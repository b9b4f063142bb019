import { createHash } from "node:crypto"
import { mkdtempSync } from "node:fs"
import { copyFile, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { TestCases } from "../../../firmware/bundles/cases.ts"
import { signBundle } from "../../../firmware/bundles/sign.ts"
import { createBundleVerifier } from "../../../firmware/bundles/verify.ts"
import { policyApprove } from "../../../firmware/cli/policy-approve.ts"
import { policySign } from "../../../firmware/cli/policy-sign.ts"
import { createManagement } from "../../../firmware/management/pipeline.ts"
import { createHandlers } from "../../../firmware/management/handlers.ts"
import { createLocalSocket } from "../../../firmware/management/local-socket.ts"
import type { StatusReport } from "../../../firmware/management/status-report.ts"
import { aStatement, makeSigner } from "../../support/bundles.ts"
import { MemoryLog } from "../../support/commands.ts"
import { plainBundle, worldWith } from "../../support/policy-world.ts"
import { runCli, type Ran } from "../../support/cli-io.ts"

const test = suite("firmware/cli/policy-sign")
const folder = mkdtempSync(join(tmpdir(), "lockgate-sign-"))
const at = (name: string): string => join(folder, name)
const example = fileURLToPath(new URL("../../../policy/examples/pumping-station.yaml", import.meta.url))

const [anna, bert] = await Promise.all([makeSigner("anna"), makeSigner("bert", "EdDSA")])
const verify = createBundleVerifier([anna.trusted, bert.trusted])

/** Lines that begin with `wrong` fail. */
const runCases: TestCases = (policy, compiled, text) => {
  assert.ok(policy.rules.length > 0 && compiled.ruleIds.length === policy.rules.length)
  return text.split("\n").filter((line) => line.startsWith("wrong"))
}

const sign = (policy: string, ...args: string[]): Promise<Ran> =>
  runCli((io) => policySign([policy, "--key", at("anna.pem"), "--version", "7", ...args], io, 0, runCases))
const approve = (file: string, ...args: string[]): Promise<Ran> =>
  runCli((io) => policyApprove([file, "--key", at("bert.pem"), ...args], io, runCases))

test.before(async () => {
  await writeFile(at("anna.pem"), anna.privatePem, { mode: 0o600 })
  await writeFile(at("bert.pem"), bert.privatePem, { mode: 0o600 })
  await copyFile(example, at("plant.yaml"))
})
test.before.each(() => rm(at("plant.cases.yaml"), { force: true }))
test.after(() => rm(folder, { recursive: true }))

test("a policy is signed together with the cases that lie beside it, and without them when told so", async () => {
  await writeFile(at("plant.cases.yaml"), "right\n")
  const signed = await sign(at("plant.yaml"))
  assert.is(signed.code, 0, signed.err)
  assert.match(signed.err, /cases {8}pass/)
  assert.is((await verify(signed.out)).statement.cases, "right\n")
  const without = await sign(at("plant.yaml"), "--no-cases")
  assert.is((await verify(without.out)).statement.cases, null)
  assert.match(without.err, /cases {8}none/)
  await writeFile(at("other.yaml"), "right, too\n")
  assert.is(
    (await verify((await sign(at("plant.yaml"), "--cases", at("other.yaml"))).out)).statement.cases,
    "right, too\n",
  )
  assert.is((await sign(at("plant.yaml"), "--cases", at("other.yaml"), "--no-cases")).code, 2)
})

test("a policy without cases beside it is signed without", async () => {
  const { code, out } = await sign(at("plant.yaml"))
  assert.is(code, 0)
  assert.is((await verify(out)).statement.cases, null)
})

test("[CR 3.4] a policy that fails a case is not signed: every failure is a line, exit code 2", async () => {
  await writeFile(at("plant.cases.yaml"), "wrong: one\nright\nwrong: two\n")
  const { code, out, err } = await sign(at("plant.yaml"))
  assert.equal([code, out], [2, ""])
  assert.is(err, `${at("plant.cases.yaml")}: wrong: one\n${at("plant.cases.yaml")}: wrong: two\n`)
  const missing = await sign(at("plant.yaml"), "--cases", at("none.yaml"))
  assert.equal([missing.code, missing.out], [2, ""])
})

test("[CR 2.1 RE(4)] what fails its cases is not approved either", async () => {
  const policy = "lockgate-policy: 1\n" // faults are told before cases are run
  await writeFile(at("bad.jws"), await signBundle(aStatement({ policy }), anna.signing))
  assert.is((await approve(at("bad.jws"))).code, 2)
  await writeFile(at("plant.cases.yaml"), "right\n")
  const signed = await sign(at("plant.yaml"), "--out", at("good.jws"))
  assert.is(signed.code, 0)
  const failing = await runCli((io) =>
    policyApprove([at("good.jws"), "--key", at("bert.pem")], io, () => ["case 1 fails"]),
  )
  assert.equal([failing.code, failing.out], [2, ""])
  assert.match(failing.err, "case 1 fails")
  assert.equal((await verify((await approve(at("good.jws"))).out)).signers, ["anna", "bert"])
})

test("[CR 2.1 RE(4)] both signers read version, gateways, hash, predecessor, validity and cases", async () => {
  const before = await sign(at("plant.yaml"), "--out", at("before.jws"))
  const hash = /statement {4}([0-9a-f]{64})/.exec(before.err)![1]!
  const signed = await sign(at("plant.yaml"), "--gateway", "gw-1", "--gateway", "gw-2", "--predecessor", at("before.jws"), "--out", at("next.jws")) // prettier-ignore
  const approved = await approve(at("next.jws"), "--out", at("both.jws"))
  const own = (await verify(await readFile(at("both.jws"), "utf8"))).statementHash
  for (const { err } of [signed, approved]) {
    assert.match(err, /policy 7 \(.+\), for gw-1, gw-2, valid without end\n/)
    assert.match(err, `statement    ${own}\n`)
    assert.match(err, `predecessor  ${hash}\n`)
    assert.match(err, "cases        none\n")
  }
  assert.match(signed.err, `key          ${anna.trusted.thumbprint}`)
  assert.match(approved.err, `signature    ${anna.trusted.thumbprint}`)
  assert.match(approved.err, `approved with ${bert.trusted.thumbprint}: 2 signatures now`)
  const shown = await runCli((io) => policyApprove([at("both.jws"), "--show"], io, runCases))
  assert.equal([shown.code, shown.err], [0, ""])
  for (const { trusted } of [anna, bert])
    assert.match(shown.out, `signature    ${trusted.thumbprint}, not checked here\n`)
  assert.match(shown.out, /^policy 7 /)
  for (const wrong of [[], ["--show", "--key", at("bert.pem")]]) {
    const { code, err } = await runCli((io) => policyApprove([at("next.jws"), ...wrong], io, runCases))
    assert.is(code, 2)
    assert.match(err, "either --key or --show is needed")
  }
})

test("the predecessor of a bundle of the format before is the hash of its own bytes", async () => {
  const statement = JSON.parse(Buffer.from(JSON.parse(await signBundle(aStatement(), anna.signing)).payload, "base64url").toString()) // prettier-ignore
  const { cases, ...rest } = statement
  assert.is(cases, null)
  const former = { ...rest, format: "lockgate-policy-bundle/1" }
  const payload = Buffer.from(JSON.stringify(former)).toString("base64url")
  const jws = JSON.parse(await signBundle(aStatement(), anna.signing))
  await writeFile(at("former.jws"), JSON.stringify({ ...jws, payload }))
  const expected = createHash("sha256").update(JSON.stringify(former)).digest("hex")
  const { out } = await sign(at("plant.yaml"), "--predecessor", at("former.jws"))
  assert.is((await verify(out)).statement.predecessor, expected)
})

test("the predecessor is asked of the gateway that is named", async () => {
  const world = await worldWith(3)
  const report = { policy: world.activation.status() } as StatusReport
  const log = new MemoryLog()
  const handlers = createHandlers({ policy: world.activation, status: () => report, signingIn: {} } as Parameters<typeof createHandlers>[0]) // prettier-ignore
  const commands = createManagement({ handlers, audit: log.audit })
  const door = createLocalSocket({ path: at("run/c.sock"), commands, clock: world.clock, audit: log.audit })
  await door.start()
  const inForce = JSON.parse(plainBundle({ version: 3 })).statement
  const hash = `hash of ${JSON.stringify(inForce)}`
  assert.is(report.policy.inForce?.statement, hash)
  // The plain world's hash is no hash, so signing refuses it: it was asked for and taken.
  const asked = await sign(at("plant.yaml"), "--socket", at("run/c.sock"))
  assert.match(asked.err, "predecessor is not a SHA-256 in hex")
  assert.is((await sign(at("plant.yaml"), "--socket", at("none.sock"))).code, 2)
  world.activation.stop()
  await door.stop()
})

test.run()
