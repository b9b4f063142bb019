import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { policySimulate } from "../../../firmware/cli/policy-simulate.ts"
import { encodeRecording } from "../../../policy/recording/encode.ts"
import { makeFlow, makePeer, makeRecording, sha256 } from "../../support/recordings.ts"
import { runCli } from "../../support/cli-io.ts"

const test = suite("firmware/cli/policy-simulate")
const top = mkdtempSync(join(tmpdir(), "lockgate-simulate-"))
test.after(() => rmSync(top, { recursive: true }))
const at = (name: string): string => join(top, name)

const POLICY = `
lockgate-policy: 1
name: test
zones: { cell: { level: 1, authorities: [ca] }, plant: { level: 2, authorities: [ca] } }
roles: { sensor: reports }
subjects: [{ zone: cell, match: { cn: "{name}" }, roles: [sensor] }]
conduits: { field: { from: cell, to: plant, protocol: mqtt } }
rules: [{ id: report, allow: publish, roles: [sensor], topics: ["plant/%u/#"] }]
`
writeFileSync(at("policy.yaml"), POLICY)
writeFileSync(at("broken.yaml"), "lockgate-policy: 2\n")
const record = (name: string, topic: string, end = {}): string => {
  writeFileSync(at(name), encodeRecording(makeRecording([makePeer([makeFlow(topic)])], end), sha256))
  return at(name)
}

const run = (...args: readonly string[]) => runCli((io) => policySimulate(args, io))

test("exit code 0 when nothing that passed would be denied, 1 when something would", async () => {
  const good = await run(at("policy.yaml"), record("good.rec", "plant/s-1/temp"))
  assert.equal([good.code, good.err], [0, ""])
  assert.match(good.out, /^60 messages in 1 flow: 1 flow fare as they did\nNothing that passed would be denied.\n$/)
  const bad = await run(at("policy.yaml"), at("good.rec"), record("bad.rec", "plant/s-2/temp"))
  assert.is(bad.code, 1)
  assert.match(
    bad.out,
    /^WOULD BE DENIED, and passed: 60 messages, 1 flow, 1 peer\n {2}s-1 \(field\)\n {4}publish plant\/s-2/,
  )
})

test("--json gives the same for machines", async () => {
  const { code, out } = await run(at("policy.yaml"), record("bad.rec", "plant/s-2/temp"), "--json")
  assert.equal([code, JSON.parse(out).totals.changed.denied.messages], [1, 60])
})

test("[CR 3.5] what is no policy or no recording is told with its place, and nothing is simulated", async () => {
  assert.is((await run(at("policy.yaml"))).code, 2)
  assert.is((await run(at("policy.yaml"), at("good.rec"), "--no-such")).code, 2)
  assert.match((await run(at("broken.yaml"), at("good.rec"))).err, /broken\.yaml:1:18/)
  const missing = await run(at("policy.yaml"), at("missing.rec"), at("policy.yaml"))
  assert.is(missing.code, 2)
  assert.match(missing.err, /missing\.rec: cannot be read: .*\n.*policy\.yaml: .*\(ERR_RECORDING_DAMAGED\)\n$/)
})

test("a recording that was cut short is said to be", async () => {
  const { code, err } = await run(at("policy.yaml"), record("cut.rec", "plant/s-1/x", { reason: "restart" }))
  assert.equal([code, /cut short \(restart\)/.test(err)], [0, true])
})

test.run()
