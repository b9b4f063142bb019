import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { RowResult } from "../../firmware/assess/run.ts"
import { POLICY, startRig, type Rig } from "../support/rig.ts"

const test = suite("system/gpio")

const BOARD = `
gpio:
  key-switch: { direction: in, chip: gpiochip0, line: 1, debounce: 5ms, states: { low: run, high: island } }
  enclosure: { direction: in, chip: gpiochip0, line: 2, debounce: 5ms, states: { low: shut, high: open }, tamper: open }
  relay: { direction: out, chip: gpiochip0, line: 3, safe: on, shows: island }
# The assessment waits until a silent peer is cut off.
limits: { half-open-time: 500ms, connect-wait: 500ms }
`

let rig: Rig
test.before(async () => {
  rig = await startRig({ policy: `${POLICY}island: { when: key-switch is island }\n`, board: BOARD })
})
test.after(() => rig.stop())

test("[NDR 5.2 RE(2)] a simulated key switch orders island mode; the conduit closes, and a person opens it again", async () => {
  const said = await rig.lockgate("board", "input", "key-switch", "island")
  assert.is(said.code, 0, said.err)
  assert.match(said.out, /key-switch is island \(was run/)
  assert.is((await rig.entry(({ event }) => event === "island.on")).subject, "input: key-switch is island")
  await rig.entry(({ event }) => event === "conduit.closed")
  await rig.entry(({ event, object }) => event === "output.changed" && object === "relay")
  const status = await rig.lockgate("status")
  assert.match(status.out, /island {4}ON\n/)
  assert.match(status.out, /inputs {4}key-switch island, enclosure shut\n/)
  const early = await rig.lockgate("island", "off")
  assert.is(early.code, 1)
  assert.match(early.err, /not possible now: key-switch is island.*turn it back first \(ERR_COMMAND_STATE, entry \d+/)
  await rig.command("board.input", { input: "key-switch", state: "run" })
  await rig.entry(({ event, detail }) => event === "input.changed" && detail?.["before"] === "island")
  assert.is((await rig.status()).island, true)
  assert.is((await rig.command("island", { state: "off" })).ok, true)
  assert.is((await rig.status()).posture.normal, "open")
})

test("[NDR 3.11] an opened enclosure is an alarm over a restart until it is cleared; its rows and CR 3.6 are met", async () => {
  await rig.command("board.input", { input: "enclosure", state: "open" })
  await rig.entry(({ event }) => event === "tamper.detected")
  assert.is((await rig.status()).posture.normal, "open")
  await rig.gateway.kill9()
  await rig.gateway.start()
  assert.match((await rig.lockgate("status")).out, /tamper {4}ALARM by enclosure/)
  const answer = await rig.command("assess")
  const rows = answer.ok ? (answer.result as readonly RowResult[]) : []
  for (const id of ["CR 3.6", "EDR 3.11", "EDR 3.11 RE(1)", "NDR 3.11", "NDR 3.11 RE(1)"]) {
    assert.is(rows.find(({ requirement }) => requirement === id)?.result, "met", id)
  }
  assert.match((await rig.lockgate("tamper", "clear", "--reason", "door of the cabinet")).out, /cleared \(enclosure\)/)
  assert.equal((await rig.status()).lines?.tampered, [])
})

test.run()
