/** Ways in from an untrusted zone through a whole gateway and its command line; and a conduit that a fault has closed. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { freePorts } from "../peers/ports.ts"
import { mqttPeer, type MqttPeer } from "../support/mqtt-peer.ts"
import { startRig, type Rig } from "../support/rig.ts"

const test = suite("system/access")

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
  second: { from: vendor, to: control, protocol: mqtt }
rules:
  - { id: report, allow: publish, roles: [sensor], topics: ["plant/%u/#"], qos: 1 }
`

let rig: Rig
const ports = { service: 0, second: 0 }
test.before(async () => {
  const [service = 0, second = 0] = await freePorts(2)
  Object.assign(ports, { service, second })
  const ends = (port: number): string =>
    `{ listen: { address: 127.0.0.1, port: ${port}, credential: field-end }, upstream: { url: "mqtts://127.0.0.1:BROKER", credential: control-end, authority: control-ca } }`
  rig = await startRig({
    policy: POLICY,
    conduits: (broker) =>
      [`service: ${ends(service)}`, `second: ${ends(second)}`].map((line) => line.replace("BROKER", String(broker))),
    closedAtFirst: ["service", "second"],
  })
})
test.after(() => rig.stop())

const enters = (port: number): Promise<MqttPeer> => mqttPeer(rig, { name: "vendor1", port, clientId: "vendor1" })
const isShut = (port: number): Promise<boolean> =>
  enters(port).then(
    () => false,
    () => true,
  )

test("[NDR 1.13] nobody comes in from an untrusted zone before a person approves it; the list says so", async () => {
  assert.ok(await isShut(ports.service))
  const list = await rig.lockgate("access", "list")
  assert.is(list.code, 0, list.err)
  assert.match(list.out, /service {2}zone vendor {2}closed: nobody has approved it {2}0 connected/)
  assert.match(list.out, /second {2}zone vendor {2}closed/)
  assert.not.match(list.out, "telemetry")
  const refusals = [
    [["grant", "service", "--minutes", "30"], "needs --minutes and --reason"],
    [["grant", "service", "--minutes", "481", "--reason", "x"], "minutes"],
    [["grant", "telemetry", "--minutes", "5", "--reason", "pump"], "ERR_COMMAND_STATE"],
  ] as const
  const answers = await Promise.all(refusals.map(([args]) => rig.lockgate("access", ...args)))
  answers.forEach(({ code, out, err }, n) => {
    const [args, said] = refusals[n]!
    assert.is.not(code, 0, args.join(" "))
    assert.match(out + err, said)
  })
  assert.ok(await isShut(ports.service))
})

test("[NDR 1.13 RE(1)] an approval opens that way in alone, and its end cuts who is in", async () => {
  const granted = await rig.lockgate("access", "grant", "service", "--minutes", "30", "--reason", "pump 3 is down")
  assert.equal([granted.code, granted.err], [0, ""])
  assert.match(granted.out, /^access: service is open until .* \(30 min\)/)
  const peer = await enters(ports.service)
  assert.is(await peer.publish("plant/vendor1/x", "in"), 0)
  assert.ok(await isShut(ports.second))
  // Connections are counted once a second.
  let list = ""
  for (let k = 0; k < 10 && !list.includes("1 connected"); k++) list = (await rig.lockgate("access", "list")).out
  assert.match(list, /service {2}zone vendor {2}OPEN until .*, approved by local:owner: pump 3 is down {2}1 connected/)
  const by = await rig.entry((e) => e.event === "access.granted" && e.object === "service")
  assert.equal([by.subject, by.detail], ["local:owner", { minutes: 30, why: "pump 3 is down" }])
  const ended = await rig.lockgate("access", "end", "service")
  assert.is(ended.out, "access: service is closed again\n")
  await peer.until(() => peer.closed > 0, "the end of its connection")
  assert.ok(await isShut(ports.service))
  assert.is((await rig.lockgate("access", "end", "service")).out, "access: service was not approved\n")
})

test("[NDR 1.13] one command ends every approval and cuts all who came in; honest peers of the plant stay", async () => {
  const honest = await mqttPeer(rig, { name: "honest" })
  for (const name of ["service", "second"] as const)
    assert.ok((await rig.command("access.grant", { conduit: name, minutes: 5, reason: "both pumps" })).ok)
  const peers = [await enters(ports.service), await mqttPeer(rig, { name: "vendor2", port: ports.second })]
  const ended = await rig.lockgate("access", "end-all")
  assert.match(ended.out, /^access: closed again: (service, second|second, service)\n$/)
  for (const peer of peers) await peer.until(() => peer.closed > 0, "the end of its connection")
  assert.is(await honest.publish("plant/honest/x", "still here"), 0)
  assert.is((await rig.lockgate("access", "end-all")).out, "access: nothing was approved\n")
  await honest.end()
})

test("[NDR 1.13 RE(1)] an approval does not outlive a restart", async () => {
  assert.ok((await rig.command("access.grant", { conduit: "service", minutes: 480, reason: "night shift" })).ok)
  await (await enters(ports.service)).end()
  await rig.gateway.stop()
  // What a fault closed before is held closed as well: see below.
  writeFileSync(
    join(rig.stateFolder, "failed-conduits.json"),
    JSON.stringify({ format: 1, failed: [["telemetry", "ERR_TEST"]] }),
  )
  await rig.gateway.start()
  assert.ok(await isShut(ports.service))
  await rig.entry((e) => e.event === "access.ended" && e.object === "service" && e.reason === "restart")
})

test("[NDR 5.2 RE(3)] a conduit that a fault closed stays so over a restart, until it is restored by command", async () => {
  assert.ok(await isShut(rig.port))
  const wrong = await rig.lockgate("conduit", "restore", "second")
  assert.equal([wrong.code, /ERR_COMMAND_STATE/.test(wrong.err)], [1, true])
  const restored = await rig.lockgate("conduit", "restore", "telemetry")
  assert.equal([restored.code, restored.out], [0, "conduit telemetry is restored; what had closed it: ERR_TEST\n"])
  assert.not(await isShut(rig.port))
  const entry = await rig.entry((e) => e.event === "conduit.restored")
  assert.equal([entry.conduit, entry.subject, entry.reason], ["telemetry", "local:owner", "ERR_TEST"])
})

test.run()
