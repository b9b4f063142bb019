import { suite } from "uvu"
import * as assert from "uvu/assert"
import { mqttPeer, type MqttPeer } from "../support/mqtt-peer.ts"
import { POLICY, startRig, type Rig } from "../support/rig.ts"

const test = suite("system/override")
let rig: Rig

const RULES = `
  - { id: vent, allow: publish, roles: [sensor], topics: ["vent/%u"], qos: 1, emergency: fire }
  - { id: words, allow: publish, roles: [sensor], topics: ["text/%u"], qos: 1, payload: 64KiB, form: utf8, record: changes }
`

test.before(async () => {
  rig = await startRig({ policy: POLICY.trimEnd() + RULES })
})
test.after(() => rig.stop())

/** Reason codes of MQTT 5. */
const NOT_AUTHORIZED = 0x87
const PAYLOAD_FORMAT_INVALID = 0x99

async function withPeer<T>(work: (peer: MqttPeer) => Promise<T>): Promise<T> {
  const peer = await mqttPeer(rig, { name: "s1" })
  try {
    return await work(peer)
  } finally {
    await peer.end(true)
  }
}

test("[CR 2.1] an emergency's rule allows from the override's start to its end, on a connection that stays", async () => {
  await withPeer(async (peer) => {
    assert.is(await peer.publish("vent/s1", "open", { qos: 1 }), NOT_AUTHORIZED)
    const started = await rig.lockgate("override", "start", "fire", "--minutes", "30", "--reason", "smoke in hall 2")
    assert.equal([started.code, started.err], [0, ""])
    assert.match(started.out, /^override: fire is on until /)
    assert.is(await peer.publish("vent/s1", "open", { qos: 1 }), 0)
    assert.match(
      (await rig.lockgate("status")).out,
      "override  fire is ON for 30 min more, by local:owner: smoke in hall 2",
    )
    assert.is((await rig.lockgate("override", "end", "fire")).code, 0)
    assert.is(await peer.publish("vent/s1", "open", { qos: 1 }), NOT_AUTHORIZED)
    assert.is(peer.closed, 0)
  })
  const denied = await rig.entry(({ event, rule }) => event === "conduit.denied" && rule === "vent")
  assert.is(denied.reason, "emergency")
  const started = await rig.entry(({ event }) => event === "override.started")
  assert.equal(
    [started.subject, started.object, started.detail],
    ["local:owner", "fire", { minutes: 30, why: "smoke in hall 2" }],
  )
  assert.is((await rig.entry(({ event }) => event === "override.ended")).reason, "command")
})

test("[CR 2.1] an emergency that the policy does not name is refused, and the log says which it names", async () => {
  const refused = await rig.lockgate("override", "start", "flood", "--minutes", "5", "--reason", "water")
  assert.is(refused.code, 1)
  assert.match(refused.err, "ERR_COMMAND_STATE")
  const entry = await rig.entry(
    ({ event, reason }) => event === "command.executed" && reason === "ERR_OVERRIDE_UNKNOWN",
  )
  assert.match(String(entry.detail?.["text"]), "it names fire")
})

test("[CR 2.1] a policy that still names it finds the override on; a restart ends it", async () => {
  await rig.command("override.start", { emergency: "fire", minutes: 30, reason: "smoke" })
  await rig.command("policy.activate", { bundle: await rig.bundle(2) })
  await rig.command("policy.confirm", { version: 2 })
  assert.is(await withPeer((peer) => peer.publish("vent/s1", "open", { qos: 1 })), 0)
  await rig.gateway.kill9()
  await rig.gateway.start()
  assert.is(await withPeer((peer) => peer.publish("vent/s1", "open", { qos: 1 })), NOT_AUTHORIZED)
  assert.is((await rig.entry(({ event, reason }) => event === "override.ended" && reason === "restart")).object, "fire")
})

test("[CR 3.5] [CR 2.12 RE(1)] a payload is looked into on the wire; what is allowed is recorded once for each change", async () => {
  const seen = await rig.watch("text/#")
  await withPeer(async (peer) => {
    assert.is(await peer.publish("text/s1", "grün ".repeat(10_000), { qos: 1 }), 0)
    assert.is(await peer.publish("text/s1", Buffer.of(0x67, 0xc0, 0xaf), { qos: 1 }), PAYLOAD_FORMAT_INVALID)
    for (const text of ["on", "on", "off"]) assert.is(await peer.publish("text/s1", text, { qos: 1 }), 0)
  })
  assert.equal(
    (await seen.take(4)).map(({ payload }) => payload.length),
    [60_000, 2, 2, 3],
  )
  await seen.stop()
  const recorded = ({ event, detail }: { event: string; detail?: object }, bytes: number): boolean =>
    event === "flow.allowed" && (detail as { payloadBytes?: number }).payloadBytes === bytes
  const last = await rig.entry((entry) => recorded(entry, 3))
  assert.equal([last.subject, last.rule, last.object], ["s1", "words", "text/s1"])
  assert.match(String(last.detail?.["fingerprint"]), /^[0-9a-f:]{32,}$/i)
  assert.is((await rig.audit()).filter((entry) => recorded(entry, 2)).length, 1)
  assert.is(
    (await rig.entry(({ event, reason }) => event === "conduit.denied" && reason === "payload-form")).rule,
    "words",
  )
})

test.run()
