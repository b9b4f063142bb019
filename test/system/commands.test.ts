import { suite } from "uvu"
import * as assert from "uvu/assert"
import { writeFileSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { listenersOf } from "../support/kernel-sockets.ts"
import { makeSigner } from "../support/bundles.ts"
import { signBundle } from "../../firmware/bundles/sign.ts"
import { readSigningKey } from "../../firmware/bundles/signer-key.ts"
import { mqttPeer } from "../support/mqtt-peer.ts"
import { POLICY, startRig, type Rig } from "../support/rig.ts"

const test = suite("system/commands")
/** What was allowed is denied, and the reverse. */
const REVERSED = POLICY.replace('["plant/%u/#"]', '["fresh/%u/#"]').replace("test plant", "reversed plant")

let rig: Rig
test.before(async () => {
  rig = await startRig()
})
test.after(() => rig.stop())

async function bundleFile(version: number, policy: string): Promise<string> {
  const file = join(rig.folder, `policy-${version}.jws`)
  writeFileSync(file, await rig.bundle(version, policy))
  return file
}

/** `connected`, or the error's code. */
function knock(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => resolve("connected"))
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "error"))
    socket.once("connect", () => socket.destroy())
  })
}

/** Entries from `before` on that changed or refused something, as `event object reason`. */
async function since(before: number): Promise<string[]> {
  const told = /^(command|policy|island)\./
  const entries = (await rig.audit()).slice(before).filter((e) => told.test(e.event))
  return entries.map((e) => [e.event, e.object, e.reason].filter((word) => word !== undefined).join(" "))
}

test("[CR 2.1] lockgate status tells policy, posture and conduits, for people and for programs", async () => {
  const { code, out, err } = await rig.lockgate("status")
  assert.equal([code, err], [0, ""])
  assert.match(out, /^gateway {3}gw-test, up since/)
  assert.match(out, /policy {4}1 \(test plant\), signed by owner/)
  assert.match(out, new RegExp(`telemetry {2}127\\.0\\.0\\.1:${rig.port} {2}0 connected`))
  const json = JSON.parse((await rig.lockgate("status", "--json")).out)
  assert.equal([json.gateway, json.policy.active, json.island], ["gw-test", 1, false])
})

test("[CR 7.4] a policy on trial turns verdicts at once and rolls back by itself; the client stays connected throughout", async () => {
  const before = (await rig.audit()).length
  const file = await bundleFile(2, REVERSED)
  const peer = await mqttPeer(rig, { name: "s1" })
  const seen = await rig.watch("plant/s1/v", "fresh/s1/v")
  const verdicts: { plant: number; fresh: number }[] = []
  let running = true
  const publishing = (async () => {
    for (let i = 0; running; i++) {
      const [plant, fresh] = await Promise.all([peer.publish("plant/s1/v", `${i}`), peer.publish("fresh/s1/v", `${i}`)])
      verdicts.push({ plant, fresh })
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  })()
  const activated = await rig.lockgate("policy", "activate", file, "--trial", "5")
  assert.is(activated.code, 0, activated.err)
  assert.match(activated.out, /policy 2 \(reversed plant\) is in force, on trial until/)
  assert.match(activated.out, /policy 1 comes back by itself/)
  const onTrial = verdicts.length
  await peer.until(() => verdicts.length > onTrial + 20, "messages on trial")
  const [during] = verdicts.slice(-1)
  assert.equal(during, { plant: 0x87, fresh: 0 })
  const { trial } = (await rig.status()).policy
  assert.is(trial!.version, 2)
  const back = await rig.entry((e) => e.seq >= before && e.event === "policy.rolled-back", 8_000)
  assert.equal([back.object, back.reason, back.detail!["to"], back.subject], ["2", "expired", 1, null])
  const rolledBack = verdicts.length
  await peer.until(() => verdicts.length > rolledBack + 20, "messages after the trial")
  running = false
  await publishing
  assert.equal(verdicts.at(-1), { plant: 0, fresh: 0x87 })
  const turns = (key: "plant" | "fresh") => verdicts.filter((v, i) => i > 0 && v[key] !== verdicts[i - 1]![key]).length
  assert.equal([turns("plant"), turns("fresh")], [2, 2], "there and back, without a flicker")
  assert.equal([peer.connected, peer.closed], [1, 0])
  await peer.end()
  const passed = verdicts.flatMap((v, i) => [...(v.plant === 0 ? [`plant ${i}`] : []), ...(v.fresh === 0 ? [`fresh ${i}`] : [])]) // prettier-ignore
  const arrived = (await seen.take(passed.length)).map((m) => `${m.topic.slice(0, 5)} ${m.payload.toString()}`)
  assert.equal([...arrived].sort(), [...passed].sort(), "the broker got what was allowed, and nothing else")
  await seen.stop()
  assert.equal(await since(before), [
    "command.accepted policy.activate",
    "policy.activated 2",
    "command.executed policy.activate",
    "policy.rolled-back 2 expired",
  ])
})

test("[CR 7.4] a confirmed policy stays; there is nothing to roll back then", async () => {
  const before = (await rig.audit()).length
  const activated = await rig.lockgate("policy", "activate", await bundleFile(3, REVERSED))
  assert.is(activated.code, 0, activated.err)
  const wrong = await rig.command("policy.confirm", { version: 4 })
  assert.is(!wrong.ok && wrong.code, "ERR_COMMAND_STATE")
  const confirmed = await rig.lockgate("policy", "confirm", "3")
  assert.equal([confirmed.code, confirmed.out], [0, "policy 3 is confirmed; it replaces policy 1\n"])
  const { active, trial, inForce } = (await rig.status()).policy
  assert.equal([active, trial, inForce!.version, inForce!.state], [3, null, 3, "confirmed"])
  const late = await rig.lockgate("policy", "rollback")
  assert.is(late.code, 1)
  assert.match(late.err, /ERR_COMMAND_STATE/)
  assert.equal(await since(before), [
    "command.accepted policy.activate",
    "policy.activated 3",
    "command.executed policy.activate",
    "command.accepted policy.confirm",
    "command.executed policy.confirm ERR_OTHER_TRIAL",
    "command.accepted policy.confirm",
    "policy.confirmed 3 command",
    "command.executed policy.confirm",
    "command.accepted policy.rollback",
    "command.executed policy.rollback ERR_NO_TRIAL",
  ])
})

test("[CR 7.4] a policy on trial is dropped by command, and by a restart", async () => {
  const before = (await rig.audit()).length
  assert.ok((await rig.command("policy.activate", { bundle: await rig.bundle(4) })).ok)
  const { code, out } = await rig.lockgate("policy", "rollback")
  assert.is(code, 0)
  assert.match(out, /^policy 4 is dropped; policy 3 is in force again\n/)
  assert.ok((await rig.command("policy.activate", { bundle: await rig.bundle(5) })).ok)
  assert.is((await rig.status()).policy.inForce!.version, 5)
  await rig.gateway.kill9()
  await rig.gateway.start()
  const { inForce, trial, highest } = (await rig.status()).policy
  assert.equal([inForce!.version, trial, highest], [3, null, 5])
  assert.equal(
    (await since(before)).filter((line) => line.startsWith("policy.")),
    ["policy.activated 4", "policy.rolled-back 4 command", "policy.activated 5", "policy.rolled-back 5 restart"], // prettier-ignore
  )
})

const REFUSALS: readonly { readonly what: string; readonly reason: string; bundle(): Promise<string> }[] = [
  {
    what: "whose text was altered after signing",
    reason: "ERR_BUNDLE_SIGNATURES",
    bundle: async () => altered(await rig.bundle(9)),
  },
  {
    what: "of a signer that nobody trusts",
    reason: "ERR_BUNDLE_SIGNATURES",
    bundle: async () => {
      const { privatePem } = await makeSigner("owner")
      const own = { version: 9, issuedAt: Date.now(), notBeforeAt: null, notAfterAt: null, gateways: ["*"] }
      return signBundle(
        { ...own, predecessor: null, policy: POLICY, cases: null },
        await readSigningKey("owner", privatePem),
      )
    },
  },
  { what: "with an older version", reason: "ERR_BUNDLE_VERSION", bundle: () => rig.bundle(2) },
  { what: "with a version once dropped", reason: "ERR_BUNDLE_VERSION", bundle: () => rig.bundle(5) },
  {
    what: "for another gateway",
    reason: "ERR_BUNDLE_GATEWAY",
    bundle: () => rig.bundle(9, POLICY, { gateways: ["gw-other"] }),
  },
  {
    what: "whose time is over",
    reason: "ERR_BUNDLE_EXPIRED",
    bundle: () => rig.bundle(9, POLICY, { notAfterAt: Date.parse("2020-01-01T00:00:00Z") }),
  },
  {
    what: "with a fault in the policy",
    reason: "ERR_POLICY_FAULTS",
    bundle: () => rig.bundle(9, POLICY.replace("roles: [pump]", "roles: [pomp]")),
  },
  { what: "that is none", reason: "ERR_BUNDLE_MALFORMED", bundle: () => Promise.resolve("no bundle") },
]

for (const { what, reason, bundle } of REFUSALS) {
  test(`[CR 3.4] a bundle ${what} is refused: a code outside, ${reason} in the log, nothing changed`, async () => {
    const [before, policy] = [(await rig.audit()).length, (await rig.status()).policy]
    const answer = await rig.command("policy.activate", { bundle: await bundle() })
    assert.is(answer.ok, false)
    assert.equal(Object.keys(answer).sort(), ["code", "entry", "ok"])
    assert.is(!answer.ok && answer.code, "ERR_POLICY_REFUSED")
    const entry = await rig.entry((e) => e.seq >= before && e.event === "policy.refused")
    assert.equal([entry.reason, entry.outcome, entry.subject], [reason, "denied", "local:owner"])
    const executed = await rig.entry((e) => e.seq >= before && e.event === "command.executed")
    assert.equal([executed.outcome, executed.reason, !answer.ok && answer.entry], ["failure", reason, executed.seq])
    assert.equal((await rig.status()).policy, policy)
  })
}

test("[CR 3.7] a refusal tells its code and its entry, and nothing more; who may read the log is told what it says", async () => {
  const bundle = await bundleFile(1, POLICY)
  const asked = await rig.lockgate("policy", "activate", bundle, "--socket", join(rig.folder, "run", "command.sock"))
  assert.equal([asked.code, asked.out], [1, ""])
  assert.match(
    asked.err,
    /^the gateway refused the policy; nothing has changed \(ERR_POLICY_REFUSED\); entry \d+ of the audit log/,
  )
  const reader = await rig.lockgate("policy", "activate", bundle)
  assert.equal([reader.code, reader.out], [1, ""])
  assert.match(reader.err, /nothing has changed: .+ \(ERR_POLICY_REFUSED, entry \d+ of the audit log\)\n$/)
})

test("[NDR 5.2 RE(2)] island mode closes the listeners and cuts every client off; the broker discards their wills", async () => {
  const before = (await rig.audit()).length
  const wills = await rig.watch("fresh/+/will")
  const last = { topic: "", payload: Buffer.from("gone"), qos: 1 as const, retain: false }
  const peers = await Promise.all(
    (["s1", "s2"] as const).map((name, i) =>
      mqttPeer(rig, { name, protocolVersion: i === 0 ? 5 : 4, will: { ...last, topic: `fresh/${name}/will` } }),
    ),
  )
  const { code, out } = await rig.lockgate("island", "on")
  assert.equal([code, out], [0, "island mode is on: normal flows are closed, essential flows go on\n"])
  assert.is(await knock(rig.port), "ECONNREFUSED")
  await peers[0]!.until(() => peers.every((p) => p.closed === 1), "the cut")
  const { posture, conduits, island } = await rig.status()
  assert.equal([posture.normal, posture.because, conduits[0]!.listening, island], ["closed", ["island"], null, true])
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.equal(wills.messages, [])
  await wills.stop()
  assert.equal(
    (await rig.audit()).slice(before).filter((e) => e.event === "gateway.posture").map((e) => [e.reason, e.detail!["normal"]]), // prettier-ignore
    [["island", "closed"]],
  )
  assert.equal(await since(before), ["island.on", "command.executed island"])
  const cut = (await rig.audit()).slice(before).filter((e) => e.event === "conduit.disconnected")
  assert.equal(cut.map((e) => e.subject).sort(), ["s1", "s2"])
})

test("[NDR 5.2 RE(2)] island mode outlives a crash, and ends by order only", async () => {
  await rig.gateway.kill9()
  await rig.gateway.start()
  assert.is((await rig.status()).island, true)
  assert.is(await knock(rig.port), "ECONNREFUSED")
  const again = await rig.command("island", { state: "on" })
  assert.equal(again.ok && again.result, { state: "on", before: "on", durable: true })
  const before = (await rig.audit()).length
  const { code, out } = await rig.lockgate("island", "off")
  assert.equal([code, out], [0, "island mode is off: the policy alone decides\n"])
  const peer = await mqttPeer(rig, { name: "s1" })
  assert.is(await peer.publish("fresh/s1/back", "x"), 0)
  await peer.end()
  assert.equal(await since(before), ["command.accepted island", "island.off", "command.executed island"])
})

test("[NDR 5.2 RE(1)] at a first boot without policy nothing listens but the command socket; a first policy opens, its rollback closes", async () => {
  const empty = await startRig({ withoutPolicy: true })
  try {
    assert.is(await knock(empty.port), "ECONNREFUSED")
    const sockets = await listenersOf(empty.gateway.pid)
    assert.equal(
      sockets.map((s) => s.kind),
      ["unix"],
    )
    assert.match(sockets[0]!.at, /run\/command\.sock$/)
    const { code, out } = await empty.lockgate("status")
    assert.is(code, 0)
    assert.match(out, /policy {4}NONE: every conduit is closed; the next one needs version 1 or more/)
    assert.match(out, /posture {3}normal closed, essential closed, because: no-policy/)
    assert.ok((await empty.command("policy.activate", { bundle: await empty.bundle(1) })).ok)
    assert.is(await knock(empty.port), "connected")
    const peer = await mqttPeer(empty, { name: "s1" })
    assert.is(await peer.publish("plant/s1/first", "x"), 0)
    assert.ok((await empty.command("policy.rollback")).ok)
    await peer.until(() => peer.closed === 1, "the cut")
    assert.is(await knock(empty.port), "ECONNREFUSED")
  } finally {
    await empty.stop()
  }
})

/** One letter of the signed payload changed, in the JWS's own alphabet. */
function altered(bundle: string): string {
  const jws = JSON.parse(bundle) as { payload: string }
  const at = Math.floor(jws.payload.length / 2)
  const letter = jws.payload[at] === "A" ? "B" : "A"
  return JSON.stringify({ ...jws, payload: jws.payload.slice(0, at) + letter + jws.payload.slice(at + 1) })
}

test.run()
