/** Modbus requests that wait for their turn at the units when another policy comes into force. */
import { readFileSync } from "node:fs"
import { connect as connectTls } from "node:tls"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeMbap } from "../../firmware/conduits/modbus/mbap.ts"
import { freePorts } from "../peers/ports.ts"
import { honest, listenModbus, WireMaster, type ModbusEnd, type Say } from "../support/modbus-wire.ts"
import { startRig, type Rig } from "../support/rig.ts"

const test = suite("system/modbus-swap")

const POLICY = `
lockgate-policy: 1
name: drives
zones:
  field: { level: 2, authorities: [field-ca] }
  control: { level: 3, authorities: [control-ca] }
  cell: { level: 1, clear-text: true }
roles: { operator: reads and sets }
subjects:
  - { zone: field, match: { san-uri: "urn:test:sensor:{name}" }, roles: [operator] }
conduits:
  telemetry: { from: field, to: control, protocol: mqtt }
  drives: { from: field, to: cell, protocol: modbus, transport: { to: tcp }, refusal: illegal-data-address }
rules:
  - { id: look, allow: read-holding-registers, roles: [operator], units: 3, registers: 0-99 }
  - { id: set, allow: write-single-register, roles: [operator], units: 3, registers: 0-99 }
`

/** Units that answer nothing until they may. */
let mayAnswer = (): void => undefined
const allowed = new Promise<void>((resolve) => (mayAnswer = resolve))
const say: Say = async (transaction, adu) => allowed.then(() => honest(transaction, adu))
let units: ModbusEnd
let rig: Rig
let port = 0
test.before(async () => {
  ;[port = 0] = await freePorts(1)
  units = await listenModbus({ say })
  rig = await startRig({
    policy: POLICY,
    conduits: [
      `drives: { listen: { address: 127.0.0.1, port: ${port}, credential: field-end }, upstream: { url: "modbus://127.0.0.1:${units.port}", timeout: 10s } }`,
    ],
  })
})
test.after(async () => {
  await rig.stop()
  await units.stop()
})

test("[CR 2.1] [NDR 5.2] a write that waits when its right is withdrawn never reaches the units, and is refused as policy says", async () => {
  const { chain, key } = rig.peer("o1")
  const keys = { cert: readFileSync(chain), key: readFileSync(key), rejectUnauthorized: false }
  const master = new WireMaster(connectTls({ port, host: "127.0.0.1", ...keys, minVersion: "TLSv1.3" }))
  // Eight may be on the way to the units at once; behind them a write and a read wait.
  const read = Uint8Array.of(3, 0, 7, 0, 1)
  for (let k = 1; k <= 8; k++) master.socket.write(encodeMbap(k, 3, read))
  master.socket.write(Buffer.concat([encodeMbap(9, 3, Uint8Array.of(6, 0, 7, 0, 1)), encodeMbap(10, 3, read)]))
  for (let k = 0; k < 500 && units.seen.length < 8; k++) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.is(units.seen.length, 8)

  const bundle = await rig.bundle(2, POLICY.replace(/^.*id: set.*$/m, ""))
  assert.ok((await rig.command("policy.activate", { bundle })).ok)
  mayAnswer()
  const answers = await master.until(10)
  assert.equal(master.transactions, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  assert.is(answers[8], "038602")
  assert.is(answers[9], "0303020007")
  assert.not(
    units.seen.some((frame) => frame.startsWith("0306")),
    units.seen.join(" "),
  )
  await master.end()
  const denied = await rig.entry((e) => e.event === "conduit.denied" && e.conduit === "drives")
  assert.equal([denied.subject, denied.object], ["o1", "unit 3 write-single-register 7"])
})

test.run()
