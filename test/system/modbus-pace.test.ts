/** The load that one Modbus master can make is limited like that of an MQTT client: by the board file's `limits`. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { connect } from "node:net"
import { freePorts } from "../peers/ports.ts"
import { honest, listenModbus, WireMaster, type ModbusEnd, type Say } from "../support/modbus-wire.ts"
import { startRig, type Rig } from "../support/rig.ts"

const test = suite("system/modbus-pace")

const POLICY = `
lockgate-policy: 1
name: pace
zones:
  field: { level: 2, authorities: [field-ca] }
  control: { level: 3, authorities: [control-ca] }
  old: { level: 1, clear-text: true }
  cell: { level: 1, clear-text: true }
roles:
  reader: reads
subjects:
  - { zone: old, match: { address: 127.0.0.1/32 }, name: quick, roles: [reader] }
  - { zone: old, match: { address: 127.0.0.2/32 }, name: calm, roles: [reader] }
conduits:
  telemetry: { from: field, to: control, protocol: mqtt }
  panel: { from: old, to: cell, protocol: modbus, transport: tcp }
rules:
  - { id: look, allow: read-holding-registers, roles: [reader], units: 3, registers: 0-99 }
`

let rig: Rig
let units: ModbusEnd
let port = 0
const voice: { say: Say } = { say: honest }
test.before(async () => {
  units = await listenModbus(voice)
  const [free = 0] = await freePorts(1)
  port = free
  rig = await startRig({
    policy: POLICY,
    board: "limits: { subject-messages: 50/s burst 10 }",
    conduits: [
      `panel: { listen: { address: 127.0.0.1, port: ${port} }, upstream: { url: "modbus://127.0.0.1:${units.port}", timeout: 200ms } }`,
    ],
  })
})
test.after(async () => {
  await rig.stop()
  await units.stop()
})

/** Milliseconds for so many requests, each asked when the one before is answered. */
async function timeOf(from: string, adu: string, count: number): Promise<number> {
  const master = new WireMaster(connect({ port, host: "127.0.0.1", localAddress: from }))
  const startedMs = performance.now()
  for (let n = 0; n < count; n++) assert.is.not(await master.ask(adu), "closed")
  await master.end()
  return performance.now() - startedMs
}

test("[CR 7.1 RE(1)] a master over its rate is read more slowly, refused requests counted too; another one is not", async () => {
  const [allowed, calm] = await Promise.all([
    timeOf("127.0.0.1", "03 03 0001 0001", 45),
    timeOf("127.0.0.2", "03 03 0001 0001", 8),
  ])
  assert.ok(allowed > 600, `45 requests at 50/s, burst 10: ${Math.round(allowed)} ms`)
  assert.ok(calm < 500, `within its burst: ${Math.round(calm)} ms`)
  // Its burst is spent by now.
  assert.ok((await timeOf("127.0.0.1", "03 06 0001 0001", 30)) > 400)
  const shed = await rig.entry((e) => e.event === "conduit.load-shed" && e.reason === "pace")
  assert.is(shed.conduit, "panel")
})

test("[CR 3.5] units are given the time that the board file says, then the master hears 0x0B", async () => {
  voice.say = () => null
  const master = new WireMaster(connect({ port, host: "127.0.0.1", localAddress: "127.0.0.2" }))
  const startedMs = performance.now()
  assert.is(await master.ask("03 03 0001 0001"), "03830b")
  const ms = performance.now() - startedMs
  assert.ok(ms >= 195 && ms < 800, `${Math.round(ms)} ms`)
  await master.end()
})

test.run()
