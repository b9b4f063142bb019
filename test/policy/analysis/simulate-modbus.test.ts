import { suite } from "uvu"
import * as assert from "uvu/assert"
import { simulate, type Change } from "../../../policy/analysis/simulate.ts"
import { describeSimulation } from "../../../policy/analysis/simulate-text.ts"
import type { ModbusRule } from "../../../policy/language/modbus-rule.ts"
import type { ModbusFlow } from "../../../policy/recording/recording.ts"
import { chooser } from "../../support/filter-cases.ts"
import { randomModbusPolicy } from "../../support/modbus-cases.ts"
import {
  functions,
  makeModbusConduit,
  makeModbusPolicy,
  makeModbusRule,
  makePoint,
} from "../../support/modbus-policies.ts"
import { recordRandomModbus } from "../../support/recorded-modbus.ts"
import { makeModbusFlow, makePeer, makeRecording } from "../../support/recordings.ts"

const test = suite("policy/analysis/simulate-modbus")

const PEER = { zone: "plant", roles: ["operator"], clientId: "" }
const RANGE = [{ from: 0, to: 99 }]
const read = makeModbusRule({ id: "read", functions: functions(1, 2, 3, 4), registers: RANGE, coils: RANGE })
const write = makeModbusRule({ id: "write", functions: functions(6, 16, 22, 23), registers: RANGE })

function run(rules: readonly ModbusRule[], flows: readonly ModbusFlow[], conduits = [makeModbusConduit()]) {
  return simulate(makeModbusPolicy(rules, [["operator"]], conduits), [makeRecording([makePeer(flows, PEER)])])
}
/** `outcome why rule` of what changes. */
function told(rules: readonly ModbusRule[], over: Partial<ModbusFlow> = {}, conduits = [makeModbusConduit()]) {
  const { peers } = run(rules, [makeModbusFlow(over)], conduits)
  return peers.flatMap((peer) => peer.changes.map(({ outcome, why, rule }: Change) => `${outcome} ${why} ${rule}`))
}
const at = (from: number, to = from): { from: number; to: number } => ({ from, to })

test("what passes both then and by the candidate is no change", () => {
  assert.equal(told([read]), [])
  assert.equal(run([read], [makeModbusFlow()]).totals.same, 1)
  for (const code of [6, 16, 22]) assert.equal(told([write], { function: code, range: at(5) }), [])
  assert.equal(told([write], { function: 23, range: at(5, 9), written: at(0, 1) }), [])
})

test("[CR 2.1] what passed and would be denied is told with unit, function or address", () => {
  assert.equal(told([read], { unit: 2 }), ["denied unit read"])
  assert.equal(told([read], { function: 16 }), ["denied function read"])
  assert.equal(told([read], { range: at(95, 104) }), ["denied address read"])
  assert.equal(told([write], { function: 23, range: at(5), written: at(99, 100) }), ["denied address write"])
  const deny = makeModbusRule({ id: "no", effect: "deny", functions: functions(3), registers: [at(9)] })
  assert.equal(told([read, deny]), ["denied deny-rule no"])
  assert.equal(told([read, deny], { range: at(0, 8) }), [])
  assert.equal(told([write], { function: 6, range: at(5) }, [makeModbusConduit({ direction: "in" })]), ["denied function null"]) // prettier-ignore
})

test("sub-functions, types, files and functions without addresses are judged by what is known of them", () => {
  const rule = makeModbusRule({
    id: "odd",
    functions: [{ code: 8, sub: [10] }, { code: 43, sub: [14] }, ...functions(7, 20, 21, 24, 65)],
    files: [{ file: 4, records: at(0, 9) }],
    fifos: [at(7)],
  })
  const passing: readonly Partial<ModbusFlow>[] = [
    { function: 8, sub: 10, range: null },
    { function: 43, sub: 14, range: null },
    { function: 7, range: null },
    { function: 65, range: null },
    { function: 24, range: at(7) },
    { function: 20, sub: 4, range: at(0, 9) },
    { function: 21, sub: 4, range: at(3, 4) },
  ]
  for (const flow of passing) assert.equal(told([rule], flow), [], JSON.stringify(flow))
  assert.equal(told([rule], { function: 8, sub: 11, range: null }), ["denied function odd"])
  assert.equal(told([rule], { function: 20, sub: 5, range: at(0) }), ["denied address odd"])
})

test("what hangs on a value is no yes and no no; to write a part of a point is a no, whatever the value", () => {
  const level = makePoint({ name: "level", at: 10, type: "uint32", min: 0, max: 500 })
  const rule = { ...write, points: [level] }
  assert.equal(told([rule], { function: 16, range: at(10, 11) }), ["may-be-denied depends write"])
  assert.equal(told([rule], { function: 16, range: at(10, 11), verdict: "value" }), [])
  assert.equal(told([rule], { function: 16, range: at(10, 11), verdict: "no-rule" }), ["may-be-allowed depends write"])
  assert.equal(told([rule], { function: 6, range: at(11) }), ["denied part-of-point write"])
  assert.equal(told([rule], { function: 22, range: at(11) }), ["denied part-of-point write"])
  assert.equal(told([rule], { function: 16, range: at(12, 20) }), [])
  assert.equal(told([{ ...rule, functions: functions(3) }], { range: at(10, 11) }), [], "a reading has no value")
  const every = { ...write, points: [makePoint({ at: 10, min: 0, max: 65_535 })] }
  assert.equal(told([every], { function: 6, range: at(10) }), [])
  const none = { ...write, points: [makePoint({ at: 10, min: 0.2, max: 0.8 })] }
  assert.equal(told([none], { function: 6, range: at(10) }), ["denied value write"])
  assert.equal(told([rule, write], { function: 16, range: at(10, 11) }), [], "another rule has no point there")
})

test("what was no request stays none; of unit 0 only the serial line may have been why", () => {
  const all = [makeModbusRule({ id: "all", units: [at(0, 255)], registers: [at(0, 65_535)] })]
  assert.equal(told(all, { verdict: "bad-request" }), [])
  assert.equal(told(all, { verdict: "bad-request", unit: 0 }), ["may-be-allowed depends all"])
  assert.equal(told(all, { verdict: "bad-request", unit: 0, range: null }), [])
  const line = [makeModbusConduit({ transport: { from: "tls", to: "rtu" } })]
  assert.equal(told(all, { unit: 0 }, line), ["denied bad-request null"])
})

test("[CR 3.5] flows that no request could be are never surely anything", () => {
  const all = [makeModbusRule({ id: "all", registers: [at(0, 65_535)], coils: [at(0, 65_535)] })]
  for (const over of [
    { range: null },
    { range: at(0, 131_070) },
    { function: 16, range: at(0, 65_535) },
    { function: 23 },
    { function: 8 },
    { function: 20, sub: 4, range: at(0, 9_999) },
  ])
    // prettier-ignore
    assert.equal(told(all, over), ["may-be-denied depends null"], JSON.stringify(over))
  for (const code of [0, 128, 255])
    assert.equal(told(all, { function: code, range: null }), ["may-be-denied depends null"])
})

test("rates are held against the busiest second, of all that may use them", () => {
  const rated = (perSecond: number, burst: number): ModbusRule => ({ ...read, rate: { perSecond, burst } })
  const flow = { busiest: 10, count: 100 }
  assert.equal(told([rated(10, 20)], flow), [])
  assert.equal(told([rated(10, 19)], flow), ["may-be-denied rate-near read"])
  assert.equal(told([rated(5, 4)], flow), ["denied rate-exceeded read"])
  const both = makeModbusRule({ ...read, id: "both", functions: functions(3, 6), points: [makePoint({ at: 50, max: 9 })], rate: { perSecond: 10, burst: 20 } }) // prettier-ignore
  const writes = makeModbusFlow({ function: 6, range: at(50), busiest: 1 })
  const whys = run([both], [makeModbusFlow({ busiest: 10 }), writes]).peers.flatMap((p) => p.changes.map(({ why }) => why)) // prettier-ignore
  assert.equal(whys, ["rate-near", "depends"], "the write may take a token")
})

test("an operator reads unit, function and addresses in words", () => {
  const flows = [
    makeModbusFlow({ unit: 3, function: 16, range: at(100, 109), count: 2 }),
    makeModbusFlow({ unit: 3, function: 23, range: at(1), written: at(5, 6), count: 2 }),
    makeModbusFlow({ unit: 3, function: 21, sub: 4, range: at(0, 9), count: 2 }),
    makeModbusFlow({ unit: 3, function: 8, sub: 10, range: null, count: 2 }),
    makeModbusFlow({ unit: 3, function: 66, range: null, count: 2 }),
  ]
  const point = { ...write, points: [makePoint({ at: 1, max: 3 })] }
  const lines = describeSimulation(run([point], [...flows, makeModbusFlow({ function: 6, range: at(1), count: 2 })]), () => "12:00") // prettier-ignore
  const shown = lines.filter((line) => line.startsWith("    ")).map((line) => line.trim())
  assert.equal(shown, [
    "unit 3 write-multiple-registers 100..109: not a unit that is allowed (rule write); 2 times, last 12:00",
    "unit 3 read-write-multiple-registers 1 writing 5..6: not a unit that is allowed (rule write); 2 times, last 12:00",
    "unit 3 write-file-record file 4 records 0..9: not a unit that is allowed (rule write); 2 times, last 12:00",
    "unit 3 diagnostics sub-function 10: not a unit that is allowed (rule write); 2 times, last 12:00",
    "unit 3 function 66: not a unit that is allowed (rule write); 2 times, last 12:00",
    "unit 1 write-single-register 1: it hangs on the value written or the hour, which a recording does not tell (rule write); 2 times, last 12:00", // prettier-ignore
  ])
})

test("[property] replayed against the Modbus policy that was in force, nothing surely changes", () => {
  const seen = { flows: 0, hanging: 0, passed: 0 }
  for (let seed = 1; seed <= 250; seed++) {
    const choose = chooser(seed)
    const policy = randomModbusPolicy(choose)
    const recording = recordRandomModbus(choose, policy, 60)
    const { totals, peers } = simulate(policy, [recording])
    const surely = peers.flatMap((p) =>
      p.changes.filter(({ outcome }) => outcome === "denied" || outcome === "allowed"),
    )
    assert.equal(surely, [], `seed ${seed}`)
    seen.flows += totals.flows
    seen.hanging += totals.changed["may-be-denied"].flows + totals.changed["may-be-allowed"].flows
    seen.passed += recording.peers.flatMap((p) => p.flows).filter((f) => f.verdict === "allowed").length
  }
  assert.ok(seen.passed > 300 && seen.hanging * 5 < seen.flows, JSON.stringify(seen))
})

test.run()
