/** What closes conduits of a whole gateway on two workers: the end of an approval's time, and a fault of our own. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { readGatewayConfig } from "../../firmware/config/read-gateway-config.ts"
import { startGateway, type Gateway } from "../../firmware/gateway.ts"
import { createSimulatedBoard } from "../../hal/linux/simulated-board.ts"
import { freePorts } from "../peers/ports.ts"
import { mqttPeer, type MqttPeer } from "../support/mqtt-peer.ts"
import { startRig, type Rig } from "../support/rig.ts"
import { createShiftedClock } from "../support/shifted-clock.ts"

const test = suite("system/closing-live")
const PEERS = 6
const POLICY = `
lockgate-policy: 1
name: remote service
zones:
  field: { level: 2, authorities: [field-ca] }
  vendor: { level: 0, kind: untrusted, authorities: [field-ca] }
  control: { level: 3, authorities: [control-ca] }
roles:
  sensor: reports
subjects:
  - { zone: field, match: { san-uri: "urn:test:sensor:{name}" }, roles: [sensor] }
  - { zone: vendor, match: { san-uri: "urn:test:sensor:{name}" }, roles: [sensor] }
conduits:
  telemetry: { from: field, to: control, protocol: mqtt }
  service: { from: vendor, to: control, protocol: mqtt }
rules:
  - { id: report, allow: publish, roles: [sensor], topics: ["plant/%u/#"], qos: 1 }
`

const clock = createShiftedClock()
let rig: Rig
let servicePort = 0
let gateway: Gateway
let close: () => Promise<void>

test.before(async () => {
  ;[servicePort = 0] = await freePorts(1)
  rig = await startRig({
    policy: POLICY,
    board: "workers: 2",
    conduits: (broker) => [
      `service: { listen: { address: 127.0.0.1, port: ${servicePort}, credential: field-end }, upstream: { url: "mqtts://127.0.0.1:${broker}", credential: control-end, authority: control-ca } }`,
    ],
    closedAtFirst: ["service"],
  })
  // The same gateway in this process: its clock can be moved on, and its conduits may be broken.
  await rig.gateway.stop()
  const read = await readGatewayConfig(rig.config)
  if (!read.ok) throw new Error("the board file is faulty")
  const board = await createSimulatedBoard(read.value.stateFolder, { credentials: read.value.credentials })
  const longMs = 100 * 60_000
  gateway = await startGateway({ ...board, clock }, read.value, { allowStall: true, loopDeadlineMs: longMs, watchdogMs: longMs }) // prettier-ignore
  close = async () => {
    await gateway.stop()
    await board.close()
  }
})
test.after(async () => {
  await close()
  await rig.stop()
})

const enters = (name: string, port: number): Promise<MqttPeer> => mqttPeer(rig, { name, port })
const isShut = (port: number): Promise<boolean> =>
  enters("knocks", port).then(
    async (peer) => peer.end().then(() => false),
    () => true,
  )
/** `s0` to `s5`, for an `s`: at the broker, who comes by the other conduit under the same name would take over. */
const several = (name: string, port: number): Promise<readonly MqttPeer[]> =>
  Promise.all(Array.from({ length: PEERS }, (_, k) => enters(`${name}${k}`, port)))

test("[NDR 1.13 RE(1)] when the time of an approval is over, who came in by it is cut, and the log says so", async () => {
  const honest = await enters("honest", rig.port)
  assert.ok((await rig.command("access.grant", { conduit: "service", minutes: 30, reason: "pump 3 is down" })).ok)
  const peers = await several("s", servicePort)
  clock.skip(29 * 60_000)
  assert.is(await peers[0]!.publish("plant/s0/x", "still in"), 0)
  assert.ok(peers.every(({ closed }) => closed === 0))
  clock.skip(60_000)
  for (const peer of peers) await peer.until(() => peer.closed === 1, "the end of its connection")
  assert.ok(await isShut(servicePort))
  const ended = await rig.entry((e) => e.event === "access.ended" && e.object === "service")
  assert.equal([ended.reason, ended.subject, ended.outcome], ["expired", "local:owner", "success"])
  const list = (await rig.lockgate("access", "list")).out
  assert.match(list, /service {2}zone vendor {2}closed: nobody has approved it {2}/)
  assert.is(await honest.publish("plant/honest/x", "still here"), 0)
  await honest.end()
})

test("[NDR 5.2 RE(3)] a fault on one worker closes the conduit on all, and one command opens it again on all", async () => {
  assert.ok((await rig.command("access.grant", { conduit: "service", minutes: 30, reason: "pump 3 is down" })).ok)
  const others = await several("s", servicePort)
  const peers = await several("p", rig.port)
  gateway.engine.breakConduit("telemetry")
  // One peer is on one worker: its bytes are the fault, the others' connections end all the same, on whichever worker.
  void peers[0]!.publish("plant/p0/x", "never arrives").catch(() => undefined)
  for (const peer of peers) await peer.until(() => peer.closed === 1, "the end of its connection")
  assert.ok(await isShut(rig.port))
  const alarm = await rig.entry((e) => e.event === "conduit.failed")
  assert.is(alarm.conduit, "telemetry")
  const status = await rig.lockgate("status")
  assert.match(status.out, /telemetry.*(failed|fault)/i)
  for (const [k, peer] of others.entries()) assert.is(await peer.publish(`plant/s${k}/x`, "goes on"), 0)

  const restored = await rig.lockgate("conduit", "restore", "telemetry")
  assert.is(restored.code, 0, restored.err)
  assert.match(restored.out, /^conduit telemetry is restored; what had closed it: InvariantError/)
  // The kernel gives each connection to one of the workers: of so many, each has some.
  const back = await several("p", rig.port)
  for (const [k, peer] of back.entries()) assert.is(await peer.publish(`plant/p${k}/x`, "whole again"), 0)
  const entry = await rig.entry((e) => e.event === "conduit.restored")
  assert.equal([entry.conduit, entry.subject], ["telemetry", "local:owner"])
  await Promise.all([...others, ...back].map((peer) => peer.end()))
})

test.run()
