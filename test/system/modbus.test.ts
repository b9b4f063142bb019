import { suite } from "uvu"
import * as assert from "uvu/assert"
import { readFileSync } from "node:fs"
import { connect as connectTls } from "node:tls"
import jsmodbus from "jsmodbus"
import { encodeMbap } from "../../firmware/conduits/modbus/mbap.ts"
import { mbpoll } from "../peers/mbpoll.ts"
import { freePorts } from "../peers/ports.ts"
import { pymodbusAsk, startPymodbus, type PymodbusServer } from "../peers/python3-pymodbus.ts"
import { MODBUS_ZONES, masterFiles, wireMaster, type MasterFiles } from "../support/modbus-masters.ts"
import { honest, listenModbus, tapModbus, type ModbusEnd, type Say, type WireMaster } from "../support/modbus-wire.ts"
import { startRig, type Rig } from "../support/rig.ts"

const test = suite("system/modbus")

const POLICY = `${MODBUS_ZONES}conduits:
  telemetry: { from: field, to: control, protocol: mqtt }
  drives: { from: field, to: cell, protocol: modbus, transport: { to: tcp } }
  panel: { from: old, to: cell, protocol: modbus, transport: tcp }
  liar: { from: old, to: cell, protocol: modbus, transport: tcp }
  secure: { from: field, to: control, protocol: modbus }
rules:
  - { id: look, allow: read-holding-registers, roles: [viewer, operator], units: 3, registers: 0-99, essential: true }
  - id: set
    allow: [write-single-register, write-multiple-registers]
    roles: [operator]
    units: 3
    points: [{ name: pump3.setpoint, at: 40, type: uint16, min: 0, max: 1500 }]
    registers: 41-49
    refusal: illegal-data-value
    record: changes
`

let rig: Rig
let units: PymodbusServer
let secureUnits: PymodbusServer
let tap: ModbusEnd
let liar: ModbusEnd
const lies: { say: Say } = { say: honest }
const ports = { drives: 0, panel: 0, liar: 0, secure: 0 }

test.before(async () => {
  const free = await freePorts(6)
  ports.drives = free[0]!
  ports.panel = free[1]!
  ports.liar = free[2]!
  ports.secure = free[3]!
  const [, , , , unitPort = 0, securePort = 0] = free
  units = await startPymodbus(unitPort)
  tap = await tapModbus(() => unitPort)
  liar = await listenModbus(lies)
  rig = await startRig({
    policy: POLICY,
    conduits: [
      "drives:",
      `  listen: { address: 127.0.0.1, port: ${ports.drives}, credential: field-end }`,
      `  upstream: { url: "modbus://127.0.0.1:${tap.port}" }`,
      "  points: { ramp: { unit: 3, address: 42 } }",
      `panel: { listen: { address: 127.0.0.1, port: ${ports.panel} }, upstream: { url: "modbus://127.0.0.1:${tap.port}" } }`,
      `liar: { listen: { address: 127.0.0.1, port: ${ports.liar} }, upstream: { url: "modbus://127.0.0.1:${liar.port}" } }`,
      "secure:",
      `  listen: { address: 127.0.0.1, port: ${ports.secure}, credential: field-end }`,
      `  upstream: { url: "modbus+tls://127.0.0.1:${securePort}", credential: control-end, authority: control-ca }`,
    ],
  })
  const pki = `${rig.folder}/pki`
  secureUnits = await startPymodbus(securePort, { cert: `${pki}/broker.chain`, key: `${pki}/broker.key` })
})
test.after(async () => {
  await rig.stop()
  await units.stop()
  await secureUnits.stop()
  await tap.stop()
  await liar.stop()
})

const viewer = (): MasterFiles => masterFiles(rig, "Viewer")
const operator = (): MasterFiles => masterFiles(rig, "Operator")

test("[CR 2.1] over TLS, a master that is not ours reads and writes what its certificate's role allows", async () => {
  const answers = await pymodbusAsk(
    ports.drives,
    [
      { do: "read", unit: 3, at: 10, count: 3 },
      { do: "write", unit: 3, at: 40, values: [1200] },
      { do: "read", unit: 3, at: 40 },
    ],
    operator(),
  )
  assert.equal(answers, [{ registers: [10, 11, 12] }, { registers: [] }, { registers: [1200] }])
  const written = await rig.entry((e) => e.event === "flow.allowed" && e.subject === "operator")
  assert.is(written.object, "unit 3 write-single-register 40 (pump3.setpoint)")
  assert.is(written.rule, "set")
  assert.match(String(written.detail?.["fingerprint"]), /^[0-9a-f]{64}$/)
})

test("[NDR 5.2] what role, register, value, unit or function forbids reaches no unit, and is answered with the exception", async () => {
  const before = tap.seen.length
  const reading = wireMaster(ports.drives, viewer())
  const writing = wireMaster(ports.drives, operator())
  const cases: readonly (readonly [WireMaster, string, string])[] = [
    // By role, by register, by value, by unit, by function, by address.
    [reading, "03 06 0028 0001", "038601"],
    [writing, "03 06 0032 0001", "038603"],
    [writing, "03 06 0028 05dd", "038603"],
    [writing, "04 06 0028 0001", "048603"],
    [writing, "03 05 0000 ff00", "038503"],
    [writing, "03 41 0102", "03c103"],
    [writing, "03 03 0060 0010", "038301"],
    // No requests at all: a byte too many, a function of zero.
    [writing, "03 06 0028 0001 00", "038601"],
  ]
  for (const [who, adu, expected] of cases)
    assert.match(await who.ask(adu), new RegExp(`^${expected.slice(0, 4)}`), adu)
  assert.equal(tap.seen.slice(before), [])
  assert.is(await writing.ask("03 06 0032 0001"), "038603")
  assert.is(await reading.ask("03 06 0028 0001"), "038601")
  assert.is(await reading.ask("03 03 0001 0001"), "0303020001")
  assert.equal(tap.seen.slice(before), ["030300010001"])
  await reading.end()
  await writing.end()
  const denied = await rig.entry(
    (e) => e.event === "conduit.denied" && e.subject === "operator" && e.reason === "value",
  )
  assert.is(denied.object, "unit 3 write-single-register 40 (pump3.setpoint)")
  assert.is(denied.detail?.["action"], "write-single-register")
})

test("[CR 2.1] the last Modbus denial is explained, and the status counts", async () => {
  const one = wireMaster(ports.drives, viewer())
  assert.is(await one.ask("03 10 002a 0001 02 0007"), "039001")
  await one.end()
  await rig.entry((e) => e.event === "conduit.denied" && e.subject === "viewer" && e.object?.includes("42") === true)
  const { code, out, err } = await rig.lockgate("policy", "explain", "--last", "--as", "viewer")
  assert.is(code, 0, err)
  assert.match(out, "unit 3 write-multiple-registers 42 (ramp)")
  assert.match(out, "nearest")
  const { conduits } = await rig.status()
  const own = conduits.find(({ name }) => name === "drives")!
  assert.ok(own.denied > 5 && own.allowed > 3)
  assert.equal(own.clearText, ["to"])
  assert.match((await rig.lockgate("status")).out, /panel .* CLEAR TEXT from its peers and to the other zone/)
})

test("[CR 1.2] a certificate without the role, or another zone's, is nobody", async () => {
  const { connections } = tap
  for (const peer of [
    rig.peer("viewer", {}),
    rig.peer("viewer", { modbusRole: "Admin" }),
    rig.peer("viewer", { issuer: rig.controlCa, modbusRole: "Operator" }),
  ]) {
    assert.is(await wireMaster(ports.drives, { cert: peer.chain, key: peer.key }).ask("03 03 0001 0001"), "closed")
  }
  assert.is(tap.connections, connections)
  await rig.entry((e) => e.event === "conduit.peer-refused" && e.reason === "no-subject" && e.conduit === "drives")
})

test("[CR 1.2] in clear text a master is known by its address, and the log says so", async () => {
  const read = await mbpoll(ports.panel, ["-a", "3", "-t", "4", "-r", "10", "-c", "2"])
  assert.is(read.code, 0, read.out)
  assert.match(read.out, /\[11\]:\s+11/)
  assert.is((await mbpoll(ports.panel, ["-a", "3", "-t", "4", "-r", "40"], [700])).code, 0)
  const before = tap.seen.length
  const refused = await mbpoll(ports.panel, ["-a", "3", "-t", "4", "-r", "40"], [1501])
  assert.match(refused.out, /Illegal data value/)
  assert.equal(tap.seen.slice(before), [])
  const connected = await rig.entry((e) => e.event === "conduit.connected" && e.conduit === "panel")
  assert.equal(
    [connected.subject, connected.detail?.["tls"], connected.detail?.["address"]],
    ["old-panel", "none", "127.0.0.1"],
  )
})

test("[CR 3.1] the same over Modbus/TCP Security to units that speak it", async () => {
  const answers = await pymodbusAsk(ports.secure, [{ do: "read", unit: 3, at: 7, count: 2 }], viewer())
  assert.equal(answers, [{ registers: [7, 8] }])
})

test("jsmodbus gets answers and exceptions over TLS", async () => {
  const peer = operator()
  const keys = { cert: readFileSync(peer.cert), key: readFileSync(peer.key), rejectUnauthorized: false }
  const socket = connectTls({ port: ports.drives, host: "127.0.0.1", ...keys })
  const client = new jsmodbus.client.TCP(socket, 3)
  await new Promise<void>((resolve) => socket.once("secureConnect", resolve))
  const { response } = await client.readHoldingRegisters(20, 2)
  assert.equal([...response.body.values], [20, 21])
  const refused = await client.writeSingleRegister(60, 1).catch((error: unknown) => error)
  assert.is((refused as { response: { body: { code: number } } }).response.body.code, 3)
  socket.destroy()
})

const LIES: readonly (readonly [what: string, say: Say])[] = [
  ["another unit", (t, adu) => encodeMbap(t, 4, Uint8Array.of(3, 2, 0, adu[3]!))],
  ["another function", (t) => encodeMbap(t, 3, Uint8Array.of(4, 2, 0, 1))],
  ["too many registers", (t) => encodeMbap(t, 3, Uint8Array.of(3, 4, 0, 1, 0, 2))],
  ["a byte count that lies", (t) => encodeMbap(t, 3, Uint8Array.of(3, 2, 0))],
  ["another transaction", (t) => encodeMbap((t + 1) & 0xffff, 3, Uint8Array.of(3, 2, 0, 1))],
  ["another protocol", (t) => Uint8Array.of(t >> 8, t & 0xff, 0, 1, 0, 5, 3, 3, 2, 0, 1)],
  ["an endless frame", (t) => Uint8Array.of(t >> 8, t & 0xff, 0, 0, 255, 255, 3, 3)],
  ["an exception of another function", (t) => encodeMbap(t, 3, Uint8Array.of(0x84, 2))],
]

test("[CR 3.5] whatever lie the units' end tells, the master hears 0x0B and the connection is given up", async () => {
  const one = wireMaster(ports.liar)
  for (const [what, say] of LIES) {
    lies.say = honest
    let answer = await one.ask("03 03 0001 0001")
    // Until the back-off is over: no path.
    while (answer === "03830a") {
      await new Promise((resolve) => setTimeout(resolve, 40))
      answer = await one.ask("03 03 0001 0001")
    }
    assert.is(answer, "0303020001", what)
    const { connections } = liar
    lies.say = say
    assert.is(await one.ask("03 03 0001 0001"), "03830b", what)
    assert.is(await one.ask("03 03 0001 0001"), "03830a", `${what}: no path while it is waited for the next`)
    assert.is(liar.connections, connections)
  }
  lies.say = honest
  await one.end()
  await rig.entry((e) => e.event === "conduit.protocol-error" && e.source === "upstream/liar")
})

test("[CR 3.5] a master that sends garbage is cut off, and one that says nothing or floods harms nobody", async () => {
  const stalls = wireMaster(ports.panel)
  stalls.socket.write(Uint8Array.of(0, 1, 0, 0, 0))
  const garbage = wireMaster(ports.panel)
  garbage.socket.write("GET / HTTP/1.1\r\n\r\n")
  await garbage.until(1)
  assert.ok(garbage.closed)
  const flood = wireMaster(ports.panel)
  const one = encodeMbap(9, 3, Uint8Array.of(6, 0, 60, 0, 1))
  flood.socket.write(Buffer.concat(new Array<Uint8Array>(5_000).fill(one)))
  const honestOne = wireMaster(ports.panel)
  assert.is(await honestOne.ask("03 03 0001 0001"), "0303020001")
  const answers = await flood.until(5_000)
  assert.is(answers.length, 5_000)
  assert.ok(answers.every((answer) => answer === "038603"))
  await Promise.all([stalls.end(), flood.end(), honestOne.end()])
  await rig.entry((e) => e.event === "conduit.protocol-error" && e.reason === "protocol-id")
})

test("[NDR 5.2] island cuts normal masters at once and lets essential reads pass", async () => {
  const one = wireMaster(ports.drives, operator())
  assert.is(await one.ask("03 03 0001 0001"), "0303020001")
  assert.is(await one.ask("03 06 0029 0001"), "030600290001")
  const before = tap.seen.length
  assert.ok((await rig.command("island", { state: "on" })).ok)
  assert.is(await one.ask("03 06 0029 0002"), "038603")
  assert.equal(tap.seen.slice(before), [])
  assert.is(await one.ask("03 03 0001 0001"), "0303020001")
  assert.ok((await rig.command("island", { state: "off" })).ok)
  assert.is(await one.ask("03 06 0029 0003"), "030600290003")
  await one.end()
})

test.run()
