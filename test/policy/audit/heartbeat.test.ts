import { suite } from "uvu"
import * as assert from "uvu/assert"
import { LockgateError } from "../../../policy/base/errors.ts"
import { encodeHeartbeat, parseHeartbeat, type Heartbeat } from "../../../policy/audit/heartbeat.ts"
import { parseCheckpoint } from "../../../policy/audit/tlog/checkpoint.ts"
import { bitFlips, truncations } from "../../support/hostile.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/audit/heartbeat")
const BEAT: Heartbeat = {
  ...{ gateway: "gw", at: 1_900_000_000_000, earliest: 1_800_000_000_000, latest: null, size: 7 },
  ...{ root: new Uint8Array(32).fill(9), policy: 3, firmware: "0.3.0", alarms: 0, intervalSeconds: 30 },
}

test("a heartbeat is read back as it was written, one line, and is no checkpoint", async () => {
  for (const beat of [BEAT, { ...BEAT, latest: 1_900_000_000_001, policy: null }]) {
    const text = encodeHeartbeat(beat)
    assert.equal(parseHeartbeat(text), beat)
    assert.match(text, /^[^\n]+\n$/)
    await rejects(() => parseCheckpoint(text), "ERR_CHECKPOINT")
  }
})

test("[CR 3.5] every other form is refused, and nothing throws anything else", async () => {
  const text = encodeHeartbeat(BEAT)
  const change = (more: Record<string, unknown>): string => JSON.stringify({ ...(JSON.parse(text) as object), ...more })
  const wrong = [
    ...["", "null", "[]", "1", "{}", '"x"', change({ more: 1 }), change({ size: -1 }), change({ size: 1.5 })],
    ...[change({ root: "AA==" }), change({ root: 5 }), change({ gateway: "a\u001bb" }), change({ intervalSeconds: 0 })],
    ...[change({ latest: "x" }), change({ policy: "x" }), change({ alarms: null }), " ".repeat(2000) + text],
  ]
  for (const one of wrong) await rejects(() => parseHeartbeat(one), "ERR_HEARTBEAT")
  const bytes = Buffer.from(text.trimEnd())
  for (const cut of truncations(bytes))
    await rejects(() => parseHeartbeat(Buffer.from(cut).toString()), "ERR_HEARTBEAT")
  for (const flipped of bitFlips(bytes))
    try {
      parseHeartbeat(Buffer.from(flipped).toString())
    } catch (error) {
      assert.ok(error instanceof LockgateError && error.code === "ERR_HEARTBEAT", String(error))
    }
})

test.run()
