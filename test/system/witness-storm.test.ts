/** Two gateways that witness each other over a real mosquitto: killed, away, impersonated, and one put back to an older copy of its state. */
import { cpSync, rmSync } from "node:fs"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { nodeSha256, verifyNoteSignature } from "../../firmware/audit/note-functions.ts"
import { parseCosignerKey } from "../../policy/audit/witness/cosignature.ts"
import { readRefusal } from "../../policy/audit/witness/refusal.ts"
import { mosquittoPub } from "../peers/mosquitto-clients.ts"
import { STORM, tellStorm } from "../storm/figures.ts"
import { startWitnessPair, witnessStorm, type WitnessPair } from "../storm/witness.storm.ts"

const test = suite("system/witness-storm")
let pair: WitnessPair

const WAIT_MS = 30_000

test.before(async () => {
  pair = await startWitnessPair()
})
test.after(async () => {
  await pair.stop()
})

test("[CR 3.9] somebody else's words in the name of the witness count for nothing, and are told", async () => {
  const { rig } = pair
  const at = { host: "127.0.0.1", port: rig.broker.tlsPort, version: "5" as const, qos: 1 as const, tls: { ca: rig.controlCa.cert, ...rig.desk } } // prettier-ignore
  await mosquittoPub({ ...at, topic: "lockgate/gw-test/witness/gw-2", message: "I saw it", retain: false })
  const told = await rig.entry(({ event }) => event === "witness.invalid", 10_000)
  assert.is(told.object, "gw-2")
  assert.is((await rig.status()).audit.witnesses?.by[0]?.putBack, false)
})

// Whatever was written is cosigned some 20 s after each kill: an edge goes out every 10 s, and is looked at every 10 s. So these are no
// tests of every day; what they show there is shown in `witness.test.ts` and `test/firmware/audit/witness*.test.ts`.
if (STORM) {
  test("[CR 3.9] two gateways look at each other's logs; the one that knows the time cosigns, and status says so", async () => {
    const { rig } = pair
    const one = await pair.witness(({ size }) => size !== null)
    assert.equal([one.name, one.kind, one.putBack, one.refused], ["gw-2", "witness", false, null])
    // We do not know the time, and so cosign nothing; but we do look, and say so.
    await pair.until("the other's log is looked at", async () => (await rig.status()).audit.witnesses?.of[0]?.size ?? null)
    await rig.entry(({ event }) => event === "witness.clock-uncertain", WAIT_MS)
    assert.match((await rig.lockgate("status")).out, /witnessed by gw-2 at size \d+/)
    assert.equal(await pair.accusations(), [])
  }) // prettier-ignore

  const ROUNDS = 20
  test("[CR 3.9] honest: a restart, kill -9, a witness that was away", async () => {
    const { rig, other } = pair
    await rig.gateway.stop()
    await rig.gateway.start()
    await pair.grow()
    await rig.gateway.kill9()
    await rig.gateway.start()
    const before = (await rig.status()).audit.entries
    await pair.witness(({ size }) => size !== null && size >= before)
    await other.stop()
    await pair.grow(300)
    await other.start()
    await pair.tellTime()
    const { entries } = (await rig.status()).audit
    const after = await pair.witness(({ size }) => size !== null && size >= entries)
    assert.is(after.putBack, false)
    assert.equal(await pair.accusations(), [])
  })

  test(`[CR 3.9] killed in turn ${ROUNDS} times, the witnessed and its witness accuse nobody, and all that was written is cosigned again`, async () => {
    const figures = await witnessStorm(pair, ROUNDS)
    tellStorm("process kill", "two gateways that witness each other", figures)
    assert.equal([figures.falseAlarms, figures.sizesGoneBack], [0, 0])
    assert.is(figures.kills, ROUNDS)
    assert.ok(figures.entriesCosigned > 0 && figures.entriesCosigned <= figures.entries, JSON.stringify(figures))
  })

  test("[CR 3.9] put back to an older copy: the witness refuses, both say so, and normal flows close", async () => {
    const { rig, other, key } = pair
    await rig.gateway.stop()
    const copy = join(rig.folder, "old-state")
    cpSync(rig.stateFolder, copy, { recursive: true })
    await rig.gateway.start()
    await pair.grow(60)
    const { entries } = (await rig.status()).audit
    await pair.witness(({ size }) => size !== null && size >= entries)
    await rig.gateway.stop()
    rmSync(rig.stateFolder, { recursive: true })
    cpSync(copy, rig.stateFolder, { recursive: true })
    const words = await rig.watch("lockgate/gw-test/witness/gw-2/refused")
    await rig.gateway.start()
    const own = await rig.entry(({ event }) => event === "witness.rolled-back", WAIT_MS)
    assert.equal([own.object, own.reason, own.detail?.["signed"]], ["gw-2", "ahead", "by-our-key"])
    assert.ok(
      !(await rig.audit()).some(({ event }) => event === "audit.rolled-back"),
      "nothing on its own board could tell",
    )
    const status = await rig.status()
    assert.ok(status.posture.because.includes("integrity-failure"), JSON.stringify(status.posture))
    const accused = await rig.entry(({ event }) => event === "witness.accused", WAIT_MS)
    assert.is(accused.object, "gw-2")
    const theirs = await pair.until("the witness tells", async () => other.audit().find(({ event }) => event === "witness.refused") ?? null) // prettier-ignore
    assert.is(theirs.object, "gw-test")
    assert.ok(["rewind", "fork"].includes(theirs.reason ?? ""), theirs.reason)
    const [message] = await words.take(1)
    await words.stop()
    const functions = { sha256: nodeSha256, verify: verifyNoteSignature }
    const refusal = await readRefusal(functions, "lockgate/gw-test/log", parseCosignerKey(nodeSha256, key), message!.payload.toString()) // prettier-ignore
    assert.ok(refusal?.evidence !== null && refusal !== null, "what convicts the log is enclosed")
    assert.match((await rig.lockgate("status")).out, /PUT BACK OR COPIED/)
  })
}

test.run()
