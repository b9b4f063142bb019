import { readFileSync } from "node:fs"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { parseRecording } from "../../policy/recording/parse.ts"
import type { MqttFlow } from "../../policy/recording/recording.ts"
import { mosquittoPub, mosquittoSub } from "../peers/mosquitto-clients.ts"
import { sha256 } from "../support/recordings.ts"
import { startRig, type Rig } from "../support/rig.ts"

const test = suite("system/recording")
let rig: Rig

test.before(async () => {
  rig = await startRig()
})
test.after(() => rig.stop())

const as = (name: string, version: "311" | "5", uri: string) => ({
  host: "127.0.0.1",
  port: rig.port,
  id: name,
  version,
  tls: rig.tls(rig.peer(name, { uri })),
})

test("[CR 2.8] a recording shows what passed and what did not, and is fetched whole by the command line", async () => {
  const sensor = as("s1", "5", "urn:test:sensor:s1")
  const sub = await mosquittoSub({ ...as("p1", "311", "urn:test:pump:p1"), topics: ["plant/p1/set/+"], qos: 1 })
  const began = await rig.lockgate("record", "start", "--minutes", "5")
  assert.is(began.code, 0, began.err)
  await mosquittoPub({ ...sensor, topic: "plant/s1/temp", message: "12.5", qos: 1 })
  await mosquittoPub({ ...sensor, topic: "plant/s1/temp", message: "12.75", qos: 1 })
  await mosquittoPub({ ...sensor, topic: "plant/s2/temp", message: "not mine" })
  const late = await mosquittoSub({ ...as("p2", "5", "urn:test:pump:p2"), topics: ["all/x"], qos: 2 })
  const desk = { host: "127.0.0.1", port: rig.broker.tlsPort, id: "desk", version: "311" as const }
  const { cert, key } = rig.desk
  await mosquittoPub({ ...desk, tls: { ca: rig.controlCa.cert, cert, key }, topic: "plant/p1/set/speed", message: "3" })
  await sub.take(1)
  await sub.stop()
  await late.stop()
  const twice = await rig.lockgate("record", "start", "--minutes", "5")
  assert.equal([twice.code, /not possible now/.test(twice.err)], [1, true])
  assert.is((await rig.lockgate("record", "stop")).code, 0)
  const file = join(rig.folder, "day.rec")
  const fetched = await rig.lockgate("record", "fetch", "-o", file)
  assert.is(fetched.code, 0, fetched.err)

  const bytes = readFileSync(file)
  const recording = parseRecording(bytes, sha256)
  assert.not(bytes.includes("not mine"), "no payloads")
  assert.is(recording.header.policy?.version, 1)
  const seen = recording.peers.flatMap((peer) =>
    peer.flows.map((flow) => {
      const { action, topic, qos, verdict, count, minBytes, maxBytes } = flow as MqttFlow
      return `${peer.subject} ${action} ${topic} q${qos} ${verdict} ${count} ${minBytes}-${maxBytes}`
    }),
  )
  assert.equal(seen.sort(), [
    "p1 receive plant/p1/set/speed q0 allowed 1 1-1",
    "p2 subscribe all/x q2 allowed 1 0-0",
    "s1 publish plant/s1/temp q1 allowed 2 4-5",
    "s1 publish plant/s2/temp q0 no-rule 1 8-8",
  ])
  assert.equal(recording.peers.find((p) => p.subject === "s1")?.names.sanUri, ["urn:test:sensor:s1"])
  await rig.entry((entry) => entry.event === "recording.started")
  await rig.entry((entry) => entry.event === "recording.ended" && entry.reason === "command")
})

test("a kill within the first minute leaves the recording before, and the next start tells nothing else", async () => {
  await rig.command("recording.start", { minutes: 5 })
  await rig.gateway.kill9()
  await rig.gateway.start()
  const status = await rig.lockgate("record", "status")
  assert.match(status.out, /no recording runs\non disk: .*ended by: command/)
})

test.run()
