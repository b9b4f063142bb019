/** A whole gateway whose time is signed by its owner, and whose wall clock is set while it runs (faketime; this machine's is not). */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { fakedClock } from "../peers/faketime.ts"
import { startRig } from "../support/rig.ts"

const test = suite("system/time")

test("[CR 2.11] nonce, signature and answer bound the time of a live gateway; status and log say so, and once is enough", async () => {
  const rig = await startRig({ withoutPolicy: true, board: "time: { network: none }" })
  try {
    const files = ["nonce.json", "owner.pem", "time.jws"].map((name) => join(rig.folder, name)) as [
      string,
      string,
      string,
    ]
    const [nonce, key, signed] = files
    writeFileSync(key, rig.signer.privatePem, { mode: 0o600 })
    assert.match((await rig.lockgate("time", "status")).out, "NO LATEST")
    assert.is((await rig.lockgate("time", "nonce", "--out", nonce)).code, 0)
    const { timeSign } = await import("../../firmware/cli/time-sign.ts")
    const io = { out: () => undefined, err: () => undefined, isTTY: false, signal: new AbortController().signal }
    assert.is(await timeSign([nonce, "--key", key, "--out", signed], io), 0)
    const set = await rig.lockgate("time", "set", signed)
    assert.equal([set.code, set.err], [0, ""])
    assert.match(set.out, "signed by owner")
    assert.match((await rig.lockgate("status")).out, /time {6}.* give or take .* by a signed time/)
    const entry = await rig.entry(({ event }) => event === "time.set")
    assert.equal([entry.detail?.["signers"], entry.detail?.["latestBefore"]], ["owner", "unbounded"])
    const again = await rig.lockgate("time", "set", signed)
    assert.is(again.code, 1)
    assert.match(again.err, "does not answer a nonce")
  } finally {
    await rig.stop()
  }
})

test("[CR 2.11 RE(2)] the wall clock of a live gateway is set an hour ahead: it is told with before and after", async () => {
  const wall = fakedClock()
  const rig = await startRig({ withoutPolicy: true, board: "time: { network: none }", env: wall.env })
  try {
    wall.set(3600)
    const entry = await rig.entry(({ event }) => event === "time.stepped", 8_000)
    const { before, after, byMs } = entry.detail ?? {}
    assert.ok(Math.abs(Number(byMs) - 3_600_000) < 1_000, JSON.stringify(entry))
    assert.ok(Math.abs(Date.parse(String(after)) - Date.parse(String(before)) - 3_600_000) < 1_000)
  } finally {
    await rig.stop()
    wall.close()
  }
})

test.run()
