import { suite } from "uvu"
import * as assert from "uvu/assert"
import { mqttPeer } from "../support/mqtt-peer.ts"
import { startRig, type Rig } from "../support/rig.ts"

const test = suite("system/rights")
const RIGHTS = "$lockgate/rights"

let rig: Rig
test.before(async () => {
  rig = await startRig({ brokerConfig: ["log_type all"] })
})
test.after(() => rig.stop())

for (const version of [4, 5] as const) {
  test(`[CR 2.1] ${version === 5 ? "5" : "3.1.1"}: a subject learns its own rights and why it was denied, and nobody else's`, async () => {
    const name = `p${version}`
    const peer = await mqttPeer(rig, { name, kind: "pump", protocolVersion: version })
    assert.is(await peer.publish(`plant/${name}/secret`, "x"), version === 5 ? 0x87 : 0)
    await peer.publish("plant/somebody-else/x", "x", { qos: 0 })
    const codes = await peer.subscribe([`plant/${name}/set/a`, RIGHTS, "$lockgate/other", "nowhere/#"], 1)
    assert.equal(codes, version === 5 ? [1, 0, 0x87, 0x87] : [1, 0, 0x80, 0x80])
    await peer.until(() => peer.received.length === 1, "the rights")
    assert.is(peer.received[0]!.topic, RIGHTS)
    const said = JSON.parse(peer.received[0]!.payload.toString())
    assert.equal([said.subject, said.conduit, said.roles], [name, "telemetry", ["pump", "sensor"]])
    assert.equal(said.may.publish, [
      { topics: [`plant/${name}/#`], qos: 2, retain: true, payload: "2MiB", rule: "report" },
      { topics: [`slow/${name}`], qos: 1, retain: false, payload: "64KiB", perSecond: 1, burst: 2, rule: "slow" },
    ])
    assert.equal(said.may.subscribe, [{ topics: [`plant/${name}/set/+`, "all/+"], qos: 2, rule: "obey" }])
    assert.equal(said.never, [{ actions: ["publish"], topics: ["plant/+/secret"], rule: "no-secrets" }])
    const denials = said.denials.map((d: any) => [d.action, d.topic, d.reason, d.rule])
    assert.ok(denials.some((d: unknown[]) => d.join() === ["publish", `plant/${name}/secret`, "deny-rule", "no-secrets"].join()), JSON.stringify(denials)) // prettier-ignore
    assert.ok(denials.some((d: unknown[]) => d.slice(0, 3).join() === "publish,plant/somebody-else/x,no-rule"))
    await peer.end()
  })
}

test("who may only publish learns its rights too; the broker never hears of the question", async () => {
  const sensor = await mqttPeer(rig, { name: "s1" })
  assert.equal(await sensor.subscribe([RIGHTS]), [0])
  await sensor.until(() => sensor.received.length === 1, "the rights")
  assert.equal(JSON.parse(sensor.received[0]!.payload.toString()).may.subscribe, [])
  assert.equal(await sensor.subscribe([RIGHTS]), [0])
  await sensor.until(() => sensor.received.length === 2, "them again")
  await sensor.end()
  assert.not.match(rig.broker.logs(), /lockgate\/rights/)
})

test.run()
