import { createHash } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { Received, Subscription } from "../peers/mosquitto-clients.ts"
import { mqttPeer } from "../support/mqtt-peer.ts"
import { auditOnDisk, POLICY, startRig, type Rig } from "../support/rig.ts"

const test = suite("system/alarms")
const ALARMS = `
alarms:
  - { id: s1-tries-doors, on: conduit.denied, conduits: [telemetry], subjects: [s1], count: 3, within: 10min, text: "call the shift lead" }
`
const TOPIC = "lockgate/gw-test/alarm/s1-tries-doors"

let rig: Rig
test.before(async () => {
  rig = await startRig({ policy: POLICY + ALARMS })
})
test.after(() => rig.stop())

async function arrived(sub: Subscription, fits: (message: Received) => boolean): Promise<Received> {
  const end = performance.now() + 8_000
  for (;;) {
    const found = sub.messages.find(fits)
    if (found !== undefined) return found
    if (performance.now() > end) throw new Error(`not among ${sub.messages.length} messages`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test("[CR 6.2] three denials become an alarm at the broker, which outlives a kill -9 and ends when a person acknowledges it", async () => {
  const live = await rig.watch("lockgate/gw-test/alarm/#")
  const peer = await mqttPeer(rig, { name: "s1" })
  for (let k = 0; k < 3; k++) await peer.publish("plant/s2/not-mine", String(k)).catch(() => undefined)
  const alarm = JSON.parse((await arrived(live, ({ topic }) => topic === TOPIC)).payload.toString())
  assert.equal([alarm.id, alarm.severity, alarm.text], ["s1-tries-doors", "warning", "call the shift lead"])
  assert.ok(alarm.count >= 3)
  await peer.end()
  await rig.gateway.kill9()
  await rig.gateway.start()
  const listed = await rig.lockgate("alarms")
  assert.match(listed.out, /^warning {2}s1-tries-doors {2}call the shift lead\n/)
  assert.match((await rig.lockgate("status")).out, /^alarms {4}1 OPEN/m)
  const late = await rig.watch("lockgate/gw-test/alarm/#")
  await arrived(late, ({ topic, payload }) => topic === TOPIC && payload.length > 0)
  const closed = await rig.lockgate("alarm", "acknowledge", "s1-tries-doors", "--note", "talked to them")
  assert.equal([closed.code, closed.err], [0, ""])
  await arrived(late, ({ topic, payload }) => topic === TOPIC && payload.length === 0)
  const entry = await rig.entry(({ event }) => event === "alarm.acknowledged")
  assert.equal(
    [entry.subject, entry.object, entry.detail?.["note"]],
    ["local:owner", "s1-tries-doors", "talked to them"],
  )
  assert.is((await rig.lockgate("alarms")).out, "no alarm is open\n")
  const again = await rig.lockgate("alarm", "acknowledge", "s1-tries-doors")
  assert.is(again.code, 1)
  assert.match(again.err, /ERR_COMMAND_STATE/)
  await Promise.all([live.stop(), late.stop()])
})

/** Send a line to the command socket as it is, and give the answer. */
function send(line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(join(rig.folder, "run", "command.sock"))
    let text = ""
    socket.on("error", reject)
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()))
    socket.on("close", () => resolve(text))
    socket.end(`${line}\n`)
  })
}

test("[CR 2.12] what a person sent lies there to the byte, named by the entries, after a kill -9 as before", async () => {
  const line = '{"command": "trust.reload" ,\t"arguments":{ } }'
  const hash = createHash("sha256").update(line).digest("hex")
  assert.match(await send(line), '"ok":true')
  await rig.gateway.kill9()
  const named = auditOnDisk(rig.stateFolder).lines.filter((one) => one.includes(`"request":"${hash}"`))
  assert.is(named.length, 2)
  assert.is(readFileSync(join(rig.stateFolder, "audit/requests", hash), "utf8"), line)
  const { code, out, err } = await rig.lockgate("audit", "request", hash)
  assert.equal([code, out], [0, line])
  assert.match(err, /signed: no; it is vouched for by the local socket's peer credentials only/)
  assert.match(err, /command\.accepted {2}local:owner {2}trust\.reload/)
  await rig.gateway.start()
})

test("[CR 2.12] of a policy bundle it is said who signed it, checked against the board file", async () => {
  const file = join(rig.folder, "two.jws")
  writeFileSync(file, await rig.bundle(2, POLICY + ALARMS))
  assert.is((await rig.lockgate("policy", "activate", file)).code, 0)
  const entry = await rig.entry(({ event, object }) => event === "command.executed" && object === "policy.activate")
  const { request } = entry as unknown as { request: string }
  const { code, err } = await rig.lockgate("audit", "request", request)
  assert.is(code, 0)
  assert.match(err, /the bundle in it: signed by owner, checked against the board file/)
  assert.match(err, /the command itself is signed: no/)
  assert.is((await rig.lockgate("audit", "request", "0".repeat(64))).code, 1)
  assert.is((await rig.lockgate("audit", "request", "xyz")).code, 2)
})

test.run()
