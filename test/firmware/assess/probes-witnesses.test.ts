import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { ProbeContext } from "../../../firmware/assess/probe-context.ts"
import { witnessesAgree } from "../../../firmware/assess/probes/witnesses.ts"
import type { CosignerStatus } from "../../../firmware/audit/witnessed.ts"

const test = suite("firmware/assess/probes-witnesses")

const GOOD: CosignerStatus = {
  ...{ name: "gw-2", kind: "witness", size: 300, at: 0, behind: 4, silent: false, putBack: false, refused: null },
}
const run = (...all: readonly CosignerStatus[]) =>
  witnessesAgree.run({ audit: { witnesses: () => all } } as unknown as ProbeContext)

test("[CR 3.9] witnesses that agree are evidence; without any it is said what nobody else can tell", async () => {
  assert.match(JSON.stringify(await run(GOOD)), /"passed".*gw-2 to size 300, 4 behind/)
  assert.match(JSON.stringify(await run()), /"passed".*names no witness/)
})

test("[CR 3.9] the control broken: put back, refused, silent, never heard", async () => {
  for (const [change, word] of [
    [{ putBack: true }, "put back or copied"],
    [{ refused: "fork" }, "refuses it \\(fork\\)"],
    [{ silent: true }, "is silent"],
    [{ size: null, at: null }, "nothing yet"],
  ] as const)
    assert.match(JSON.stringify(await run(GOOD, { ...GOOD, ...change })), new RegExp(`"failed".*${word}`))
})

test.run()
