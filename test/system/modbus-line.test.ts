/**
 * Masters over Modbus/TCP Security and Modbus/TCP, through a whole gateway, to units on a serial line. The cable is socat, which keeps
 * every byte that the gateway puts on it; the units are pymodbus, the masters pymodbus and mbpoll.
 */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeFrame } from "../../firmware/conduits/modbus/rtu/frame.ts"
import { mbpoll } from "../peers/mbpoll.ts"
import { freePorts } from "../peers/ports.ts"
import { pymodbusAsk, startPymodbusSlave, type PymodbusSlave } from "../peers/python3-pymodbus.ts"
import { startCable, type SerialCable } from "../peers/socat.ts"
import { MODBUS_ZONES, masterFiles, wireMaster } from "../support/modbus-masters.ts"
import type { WireMaster } from "../support/modbus-wire.ts"
import { startRig, type Rig } from "../support/rig.ts"

const test = suite("system/modbus-line")

const POLICY = `${MODBUS_ZONES}conduits:
  telemetry: { from: field, to: control, protocol: mqtt }
  pumps: { from: field, to: cell, protocol: modbus, transport: { to: rtu } }
  panel: { from: old, to: cell, protocol: modbus, transport: { from: tcp, to: rtu } }
rules:
  - { id: look, allow: read-holding-registers, roles: [viewer, operator], units: 1-2, registers: 0-99 }
  - id: set
    allow: [write-single-register, write-multiple-registers]
    roles: [operator]
    units: 1-2
    points: [{ name: pump1.setpoint, at: 40, type: uint16, min: 0, max: 1500 }]
    registers: 41-49
    refusal: illegal-data-value
`

let cable: SerialCable
let slave: PymodbusSlave
let rig: Rig
const ports = { pumps: 0, panel: 0 }

test.before(async () => {
  cable = await startCable()
  slave = await startPymodbusSlave(cable.far, [1, 2])
  const [pumps = 0, panel = 0] = await freePorts(2)
  Object.assign(ports, { pumps, panel })
  rig = await startRig({
    policy: POLICY,
    board: `lines: { line-a: { device: ${cable.near}, baud: 19200, frame: 8E1, timeout: 300ms } }`,
    conduits: [
      `pumps: { listen: { address: 127.0.0.1, port: ${pumps}, credential: field-end }, upstream: { line: line-a } }`,
      `panel: { listen: { address: 127.0.0.1, port: ${panel} }, upstream: { line: line-a } }`,
    ],
  })
  await rig.entry((e) => e.event === "line.opened")
})
test.after(async () => {
  await rig.stop()
  await slave.stop()
  await cable.stop()
})

const secure = (role: "Viewer" | "Operator"): WireMaster => wireMaster(ports.pumps, masterFiles(rig, role))
const clear = (): WireMaster => wireMaster(ports.panel)

/** What the cable has carried since, in hex, once it has carried that much. */
async function carriedSince(before: number, atLeast = 0): Promise<string> {
  const end = performance.now() + 3_000
  while (cable.carried().length - before < atLeast && performance.now() < end)
    await new Promise((resolve) => setTimeout(resolve, 10))
  return cable.carried().subarray(before).toString("hex")
}
const frame = (unit: number, hex: string): string =>
  Buffer.from(encodeFrame(unit, Buffer.from(hex, "hex"))).toString("hex")

test("[CR 2.1] what a certificate's role allows arrives at the unit on the line, and its answer at the master", async () => {
  const before = cable.carried().length
  const answers = await pymodbusAsk(
    ports.pumps,
    [
      { do: "read", unit: 1, at: 10, count: 3 },
      { do: "write", unit: 2, at: 40, values: [1200] },
      { do: "read", unit: 2, at: 40 },
      { do: "read", unit: 1, at: 40 },
    ],
    masterFiles(rig, "Operator"),
  )
  assert.equal(answers, [{ registers: [10, 11, 12] }, { registers: [] }, { registers: [1200] }, { registers: [40] }])
  const wanted = [frame(1, "03000a0003"), frame(2, "06002804b0"), frame(2, "0300280001"), frame(1, "0300280001")]
  assert.is(await carriedSince(before, 32), wanted.join(""))
})

test("[CR 1.2] the same in clear text from a master that is known by its address", async () => {
  const read = await mbpoll(ports.panel, ["-a", "1", "-t", "4", "-r", "10", "-c", "2"])
  assert.match(read.out, /\[11\]:\s+11/)
  assert.is((await mbpoll(ports.panel, ["-a", "1", "-t", "4", "-r", "40"], [700])).code, 0)
  assert.match((await mbpoll(ports.panel, ["-a", "1", "-t", "4", "-r", "40"])).out, /\[40\]:\s+700/)
})

test("[NDR 5.2] of what is refused not one byte is on the line, and the master is told the configured exception", async () => {
  const viewer = secure("Viewer")
  const operator = secure("Operator")
  const panel = clear()
  const before = cable.carried().length
  const cases: readonly (readonly [WireMaster, string, string])[] = [
    // By role, by value, by register, by unit, by function; a broadcast; no request at all.
    [viewer, "01 06 0028 0001", "018601"],
    [operator, "01 06 0028 05dd", "018603"],
    [operator, "01 06 0032 0001", "018603"],
    [operator, "03 06 0028 0001", "038603"],
    [operator, "01 05 0000 ff00", "018503"],
    [operator, "00 06 0028 0001", "008603"],
    [operator, "01 06 0028 0001 00", "018601"],
    [panel, "01 10 0028 0001 02 05dd", "019003"],
    [panel, "01 41 0102", "01c1"],
  ]
  for (const [master, adu, expected] of cases) {
    const answer = await master.ask(adu)
    assert.is(answer.slice(0, 4), expected.slice(0, 4), adu)
  }
  assert.is(await viewer.ask("01 06 0028 0001"), "018601")
  assert.is(await operator.ask("01 06 0028 05dd"), "018603")
  assert.is(await panel.ask("01 06 0028 05dd"), "018603")
  // What is allowed shows that the line works, and that all it carried is this.
  assert.is(await viewer.ask("01 03 0001 0001"), "0103020001")
  assert.is(await carriedSince(before, 8), frame(1, "0300010001"))
  await Promise.all([viewer, operator, panel].map((master) => master.end()))
  const denied = await rig.entry((e) => e.event === "conduit.denied" && e.conduit === "pumps" && e.reason === "value")
  assert.is(denied.object, "unit 1 write-single-register 40 (pump1.setpoint)")
})

test("a unit that does not answer gives 0x0B, a pulled cable 0x0A at once, and both come back by themselves", async () => {
  const master = secure("Operator")
  const until = async (wanted: string): Promise<void> => {
    const end = performance.now() + 8_000
    for (let said = await master.ask("01 03 0001 0001"); said !== wanted; said = await master.ask("01 03 0001 0001")) {
      assert.ok(performance.now() < end, `${said}, not ${wanted}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  await slave.stop()
  assert.is(await master.ask("01 03 0001 0001"), "01830b")
  assert.is(await master.ask("01 06 0028 0001"), "01860b")
  await cable.pull()
  await rig.entry((e) => e.event === "line.lost" && e.object === "line-a")
  assert.is(await master.ask("01 03 0001 0001"), "01830a")
  await cable.putBack()
  slave = await startPymodbusSlave(cable.far, [1, 2])
  await until("0103020001")
  assert.is((await rig.audit()).filter((e) => e.event === "line.opened").length, 2)
  await master.end()
})

test.run()
