import { suite } from "uvu"
import * as assert from "uvu/assert"
import { POLICY, startRig } from "../support/rig.ts"

const test = suite("system/policy-fit")

test("[CR 7.6] what the policy names and this board does not have is told in the log; the rest works", async () => {
  const policy = POLICY.replace("authorities: [field-ca]", "authorities: [field-ca, annex-ca]").replace(
    "conduits:",
    "conduits:\n  annex: { from: field, to: control, protocol: mqtt }",
  )
  const rig = await startRig({ policy })
  try {
    const told = (await rig.audit()).filter((e) => e.event === "policy.unfit").map((e) => String(e.detail?.["text"]))
    assert.is(told.length, 2)
    assert.match(told[0]!, /"annex".*stays closed/)
    assert.match(told[1]!, /"annex-ca".*refused/)
    assert.is((await rig.status()).conduits[0]!.listening, `127.0.0.1:${rig.port}`)
  } finally {
    await rig.stop()
  }
})

test.run()
