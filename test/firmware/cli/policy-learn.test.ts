import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { policyCheck } from "../../../firmware/cli/policy-check.ts"
import { policyLearn } from "../../../firmware/cli/policy-learn.ts"
import { policySimulate } from "../../../firmware/cli/policy-simulate.ts"
import { encodeRecording } from "../../../policy/recording/encode.ts"
import { makeFlow, makePeer, makeRecording, sha256 } from "../../support/recordings.ts"
import { runCli } from "../../support/cli-io.ts"

const test = suite("firmware/cli/policy-learn")
const top = mkdtempSync(join(tmpdir(), "lockgate-learn-"))
test.after(() => rmSync(top, { recursive: true }))
const at = (name: string): string => join(top, name)
const flows = [
  makeFlow("plant/s-1/temp"),
  makeFlow("plant/s-1/set/+", { action: "subscribe", maxBytes: 0, minBytes: 0 }),
]
writeFileSync(at("day.rec"), encodeRecording(makeRecording([makePeer(flows)]), sha256))

const run = (command: typeof policyLearn, ...args: readonly string[]) => runCli((io) => command(args, io))

test("what is learnt is a policy that `check` takes and against which nothing that passed is denied", async () => {
  const learnt = await run(policyLearn, at("day.rec"), "-o", at("learnt.yaml"))
  assert.equal([learnt.code, learnt.out], [0, ""])
  assert.match(learnt.err, /^note: without --base/)
  assert.match(readFileSync(at("learnt.yaml"), "utf8"), /# 60 times by s-1; largest 12 B; last 2029-12-31|2030-01-01/)
  const checked = await run(policyCheck, at("learnt.yaml"))
  assert.is(checked.code, 0, checked.err)
  assert.is((await run(policySimulate, at("learnt.yaml"), at("day.rec"))).code, 0)
  const again = await run(policyLearn, at("day.rec"), "--base", at("learnt.yaml"))
  assert.equal([again.code, again.err], [0, ""])
  assert.match(again.out, /topics:\n {6}- "plant\/%u\/temp"/)
})

test("wrong usage is told", async () => {
  assert.is((await run(policyLearn)).code, 2)
  assert.is((await run(policyLearn, at("day.rec"), "--wild", "1")).code, 2)
  assert.is((await run(policyLearn, at("day.rec"), "--base", at("day.rec"))).code, 2)
  assert.is((await run(policyLearn, at("none.rec"))).code, 2)
})

test.run()
