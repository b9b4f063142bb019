import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compilePolicy } from "../../../../policy/compile/compile.ts"
import { createBuckets } from "../../../../policy/filter/decide.ts"
import { createModbusState, decideModbus, exceptionFor } from "../../../../policy/filter/modbus/decide.ts"
import { GATE_HOLDS, GATE_ON, GATE_OUTSIDE, GATE_WITHIN } from "../../../../policy/filter/modbus/layout.ts"
import { REASON, verdict } from "../../../../policy/filter/verdict.ts"
import {
  ask,
  files,
  judgeModbusBy,
  modbusStateFor,
  readWrite,
  write,
  writeCoils,
} from "../../../support/modbus-peers.ts"
import {
  functions,
  makeModbusConduit,
  makeModbusPolicy,
  makeModbusRule,
  makePoint,
} from "../../../support/modbus-policies.ts"
import { makePolicy, makeRule } from "../../../support/policies.ts"
import { rejects } from "../../../support/rejects.ts"

const test = suite("policy/filter/modbus/decide")

const from = (a: number, b: number) => [{ from: a, to: b }]

test("[NDR 5.2] an allow rule covers a request whole or not at all; two halves do not add up", () => {
  const judge = judgeModbusBy(
    makeModbusPolicy([
      makeModbusRule({ id: "low", registers: from(100, 109), functions: functions(3) }),
      makeModbusRule({ id: "high", registers: [...from(110, 119), ...from(200, 300)], functions: functions(3) }),
    ]),
  )
  assert.is(judge(ask(1, 3, 100, 10)), "allowed low")
  assert.is(judge(ask(1, 3, 109, 1)), "allowed low")
  assert.is(judge(ask(1, 3, 110, 10)), "allowed high")
  assert.is(judge(ask(1, 3, 105, 10)), "address low")
  assert.is(judge(ask(1, 3, 99, 2)), "address low")
  assert.is(judge(ask(1, 3, 119, 2)), "address high")
  assert.is(judge(ask(1, 3, 150, 1)), "address low")
  assert.is(judge(ask(1, 3, 200, 101)), "allowed high")
  assert.is(judge(ask(1, 3, 200, 102)), "address high")
})

test("[NDR 5.2] a deny rule refuses whatever touches it; without addresses it stands for all", () => {
  const judge = judgeModbusBy(
    makeModbusPolicy([
      makeModbusRule({ id: "all", registers: from(0, 65_535), coils: from(0, 65_535), fifos: from(0, 9) }),
      makeModbusRule({ id: "no-write", effect: "deny", registers: from(100, 109), functions: functions(6, 16, 23) }),
      makeModbusRule({ id: "no-fifo", effect: "deny", functions: functions(24) }),
    ]),
  )
  assert.is(judge(ask(1, 3, 0, 125)), "allowed all")
  assert.is(judge(write(1, 95, 1, 2, 3, 4, 5)), "allowed all")
  assert.is(judge(write(1, 95, 1, 2, 3, 4, 5, 6)), "deny-rule no-write")
  assert.is(judge(write(1, 109, 1)), "deny-rule no-write")
  assert.is(judge(write(1, 110, 1)), "allowed all")
  assert.is(judge(write(1, 90, ...new Array<number>(40).fill(0))), "deny-rule no-write")
  assert.is(judge(readWrite(1, 100, 1, 0, 7)), "deny-rule no-write")
  assert.is(judge(readWrite(1, 0, 1, 100, 7)), "deny-rule no-write")
  assert.is(judge(readWrite(1, 0, 100, 110, 7)), "allowed all")
  assert.is(judge(ask(1, 24, 3)), "deny-rule no-fifo")
  assert.is(judge(ask(1, 24, 300)), "deny-rule no-fifo")
})

test("of several denies the first in the policy is named, wherever the request touches them", () => {
  const deny = (id: string, a: number, b: number) => makeModbusRule({ id, effect: "deny", registers: from(a, b) })
  const judge = judgeModbusBy(
    makeModbusPolicy([deny("d0", 30, 31), deny("d1", 10, 40), deny("d2", 0, 20), deny("d3", 12, 15)]),
  )
  assert.is(judge(ask(1, 3, 5, 5)), "deny-rule d2")
  assert.is(judge(ask(1, 3, 5, 8)), "deny-rule d1")
  assert.is(judge(ask(1, 3, 12, 1)), "deny-rule d1")
  assert.is(judge(ask(1, 3, 5, 60)), "deny-rule d0")
  assert.is(judge(ask(1, 3, 32, 60)), "deny-rule d1")
  assert.is(judge(ask(1, 3, 41, 60)), "no-rule")
})

test("the rule that came furthest is named: unit, function, first address, addresses, point, value", () => {
  const judge = judgeModbusBy(
    makeModbusPolicy([
      makeModbusRule({ id: "unit", units: from(7, 7), registers: from(0, 9) }),
      makeModbusRule({ id: "reads", functions: functions(3, 4), registers: from(0, 9) }),
      makeModbusRule({ id: "far", functions: functions(16), registers: from(5000, 5001) }),
      makeModbusRule({ id: "near", functions: functions(16), registers: from(100, 105) }),
      makeModbusRule({
        id: "points",
        functions: functions(16),
        registers: from(200, 205),
        points: [
          makePoint({ at: 200, type: "uint32", min: 0, max: 100 }),
          makePoint({ at: 202, type: "uint16", min: 5, max: 6 }),
        ],
      }),
    ]),
  )
  assert.is(judge(ask(9, 3, 0, 1)), "unit unit")
  assert.is(judge(ask(1, 5, 0, 0)), "function reads")
  assert.is(judge(ask(1, 4, 0, 1)), "address reads")
  assert.is(judge(write(1, 0, 1)), "address far")
  assert.is(judge(write(1, 104, 1, 2, 3)), "address near")
  assert.is(judge(write(1, 200, 0)), "part-of-point points")
  assert.is(judge(write(1, 201, 0, 5)), "part-of-point points")
  assert.is(judge(write(1, 200, 1, 0)), "value points")
  assert.is(judge(write(1, 200, 0, 100)), "allowed points")
  assert.is(judge(write(1, 200, 0, 100, 4)), "value points")
  assert.is(judge(write(1, 200, 0, 100, 5)), "allowed points")
  assert.is(judge(write(1, 203, 0, 100, 5)), "allowed points")
})

test("[CR 3.5] a mask write changes single bits, so it is refused on a point with a value rule, and on no other", () => {
  const points = [makePoint({ at: 5, min: 0, max: 65_535 }), makePoint({ at: 7 })]
  const judge = judgeModbusBy(makeModbusPolicy([makeModbusRule({ registers: from(0, 9), points })]))
  assert.is(judge(ask(1, 22, 5, 0, 1)), "part-of-point rule")
  assert.is(judge(ask(1, 22, 7, 0, 1)), "allowed rule")
  assert.is(judge(ask(1, 22, 4, 0, 1)), "allowed rule")
  assert.is(judge(ask(1, 6, 5, 9)), "allowed rule")
  assert.is(judge(readWrite(1, 0, 9, 5, 9)), "allowed rule")
})

test("function 23 needs one rule for what it reads and what it writes", () => {
  const judge = judgeModbusBy(
    makeModbusPolicy([
      makeModbusRule({ id: "a", registers: from(0, 9) }),
      makeModbusRule({ id: "b", registers: from(10, 19) }),
      makeModbusRule({ id: "c", registers: [...from(5, 6), ...from(15, 16)] }),
    ]),
  )
  assert.is(judge(readWrite(1, 0, 3, 4, 1)), "allowed a")
  assert.is(judge(readWrite(1, 0, 3, 14, 1)), "address a")
  assert.is(judge(readWrite(1, 14, 1, 3, 1)), "address b")
  assert.is(judge(readWrite(1, 5, 2, 15, 1, 2)), "allowed c")
  assert.is(judge(readWrite(1, 16, 1, 5, 1)), "allowed c")
  assert.is(judge(readWrite(1, 5, 2, 15, 1, 2, 3)), "address a")
})

test("functions 20 and 21 go by file and record", () => {
  const judge = judgeModbusBy(
    makeModbusPolicy([
      makeModbusRule({ id: "none", functions: functions(20) }),
      makeModbusRule({
        id: "logs",
        functions: functions(20, 21),
        files: [
          { file: 4, records: { from: 1, to: 10 } },
          { file: 5, records: { from: 0, to: 9999 } },
        ],
      }),
      makeModbusRule({ id: "no", effect: "deny", files: [{ file: 5, records: { from: 50, to: 60 } }] }),
    ]),
  )
  assert.is(judge(files(1, [4, 1, 2], [5, 0, 50])), "allowed logs")
  assert.is(judge(files(1, [4, 1, 2], [5, 0, 51])), "deny-rule no")
  assert.is(judge(files(1, [4, 1, 2], [6, 0, 1])), "address logs")
  assert.is(judge(files(1, [6, 0, 1], [4, 1, 2])), "address none")
  assert.is(judge(files(1, [4, 1, 11])), "address logs")
  assert.is(judge(files(1, [4, 9, [1, 2]])), "allowed logs")
  assert.is(judge(files(1, [4, 10, [1, 2]])), "address logs")
  assert.is(judge(files(1, [5, 9999, [1]])), "allowed logs")
})

test("functions 8 and 43 go by sub-function; undefined functions by number, with any body", () => {
  const judge = judgeModbusBy(
    makeModbusPolicy([
      makeModbusRule({ id: "any", functions: [{ code: 7, sub: null }] }),
      makeModbusRule({
        id: "some",
        functions: [
          { code: 8, sub: [0, 11] },
          { code: 43, sub: [14] },
          { code: 100, sub: null },
        ],
      }),
    ]),
  )
  assert.is(judge("01 08 0000 A537"), "allowed some")
  assert.is(judge("01 08 000B 0000"), "allowed some")
  assert.is(judge("01 08 000C 0000"), "function some")
  assert.is(judge("01 2B 0E 01 00"), "allowed some")
  assert.is(judge("01 2B 0D 0000"), "function some")
  assert.is(judge("01 07"), "allowed any")
  assert.is(judge("01 64"), "allowed some")
  assert.is(judge(Uint8Array.from([1, 100, ...new Uint8Array(252).fill(9)])), "allowed some")
  assert.is(judge(Uint8Array.from([1, 100, ...new Uint8Array(253).fill(9)])), "bad-request")
  assert.is(judge("01 65 00"), "function any")
})

test("[NDR 5.2] unit 0 is everybody on a serial line: only writes, and no deny can be passed by it", () => {
  const rules = [
    makeModbusRule({ id: "all", units: from(0, 9), registers: from(0, 99), functions: functions(3, 6, 16, 23, 65) }),
    makeModbusRule({ id: "no", units: from(5, 5), registers: from(10, 19), effect: "deny" }),
  ]
  const serial = judgeModbusBy(
    makeModbusPolicy(rules, [["operator"]], [makeModbusConduit({ transport: { from: "tls", to: "rtu" } })]),
  )
  const tcp = judgeModbusBy(makeModbusPolicy(rules))
  assert.is(serial(ask(0, 3, 0, 1)), "bad-request")
  assert.is(serial(readWrite(0, 0, 1, 0, 1)), "bad-request")
  assert.is(serial(ask(0, 65)), "allowed all")
  assert.is(tcp(ask(0, 3, 0, 1)), "allowed all")
  assert.is(tcp(ask(0, 3, 10, 1)), "allowed all")
  for (const judge of [serial, tcp]) {
    assert.is(judge(ask(0, 6, 0, 1)), "allowed all")
    assert.is(judge(ask(0, 6, 10, 1)), "deny-rule no")
    assert.is(judge(ask(1, 6, 10, 1)), "allowed all")
    assert.is(judge(ask(5, 6, 10, 1)), "deny-rule no")
    assert.is(judge(ask(5, 3, 10, 1)), "deny-rule no")
  }
})

test("[NDR 5.2] a conduit of one direction lets only what reads, or only what writes, through", () => {
  const rule = makeModbusRule({ registers: from(0, 9), functions: [...functions(3, 6, 23, 65, 43), ...functions(8)] })
  const by = (direction: "in" | "out") =>
    judgeModbusBy(makeModbusPolicy([rule], [["operator"]], [makeModbusConduit({ direction })]))
  const [reads, writes] = [by("in"), by("out")]
  const allowed = (request: string | Uint8Array) => [reads(request), writes(request)].map((said) => said.split(" ")[0])
  assert.equal(allowed(ask(1, 3, 0, 1)), ["allowed", "function"])
  assert.equal(allowed(ask(1, 6, 0, 1)), ["function", "allowed"])
  assert.equal(allowed(readWrite(1, 0, 1, 0, 1)), ["function", "function"])
  assert.equal(allowed(ask(1, 65)), ["function", "function"])
  assert.equal(allowed("01 2B 0E 01 00"), ["allowed", "function"])
  assert.equal(allowed("01 2B 0D 00"), ["function", "function"])
  assert.equal(allowed("01 08 000B 0000"), ["allowed", "function"])
  assert.equal(allowed("01 08 0000 0000"), ["function", "function"])
  assert.is(reads(ask(1, 6, 0, 1)), "function")
})

test("gates: an allow needs its override and to be surely within its hours, a deny falls only surely outside", () => {
  const hours = { days: [1], fromMinute: 0, toMinute: 60, utcOffsetMinutes: 0 }
  const policy = makeModbusPolicy([
    makeModbusRule({ id: "day", registers: from(0, 9), hours }),
    makeModbusRule({ id: "fire", registers: from(10, 19), emergency: "fire" }),
    makeModbusRule({ id: "both", registers: from(20, 29), hours, emergency: "fire" }),
    makeModbusRule({ id: "not-by-day", registers: from(5, 5), hours, effect: "deny", emergency: "fire" }),
  ])
  assert.equal(compilePolicy(policy).modbus.gates, [
    { hours, emergency: null, when: null },
    { hours: null, emergency: "fire", when: null },
    { hours, emergency: "fire", when: null },
  ])
  const by = (...gates: number[]) => {
    const judge = judgeModbusBy(policy, { gates })
    return [0, 5, 10, 20].map((at) => judge(ask(1, 3, at, 1)))
  }
  assert.equal(by(), ["emergency day", "deny-rule not-by-day", "emergency fire", "emergency both"])
  const within = GATE_ON | GATE_WITHIN | GATE_HOLDS
  assert.equal(by(GATE_ON, GATE_WITHIN, GATE_WITHIN), [
    "hours day",
    "deny-rule not-by-day",
    "emergency fire",
    "emergency both",
  ])
  assert.equal(by(within, within, within), ["allowed day", "deny-rule not-by-day", "allowed fire", "allowed both"])
  assert.equal(by(GATE_ON | GATE_OUTSIDE, within, GATE_ON | GATE_OUTSIDE), [
    "hours day",
    "hours day",
    "allowed fire",
    "hours both",
  ])
  // An input in another state, or in none that is known.
  const waits = GATE_ON | GATE_WITHIN
  assert.equal(by(waits, waits, waits), ["when day", "deny-rule not-by-day", "when fire", "when both"])
})

test("a posture that closes normal flows leaves what is essential", () => {
  const policy = makeModbusPolicy([
    makeModbusRule({ id: "normal", registers: from(0, 99) }),
    makeModbusRule({ id: "vital", registers: from(10, 19), essential: true, functions: functions(6) }),
  ])
  const judge = judgeModbusBy(policy, { essentialOnly: true })
  assert.is(judge(ask(1, 3, 10, 1)), "not-essential normal")
  assert.is(judge(ask(1, 6, 10, 1)), "allowed vital")
  assert.is(judgeModbusBy(policy)(ask(1, 6, 10, 1)), "allowed normal")
})

test("rates: free before paid, the first with a token pays, a refused request pays nothing", () => {
  const rate = { perSecond: 1, burst: 2 }
  const judge = judgeModbusBy(
    makeModbusPolicy([
      makeModbusRule({ id: "first", registers: from(0, 9), rate, points: [makePoint({ at: 0, min: 0, max: 5 })] }),
      makeModbusRule({ id: "second", registers: from(0, 4), rate: { perSecond: 1, burst: 1 } }),
      makeModbusRule({ id: "free", registers: from(2, 2), functions: functions(3) }),
    ]),
  )
  assert.is(judge(ask(1, 3, 2, 1)), "allowed free")
  assert.is(judge(ask(1, 6, 0, 6)), "allowed second")
  assert.is(judge(ask(1, 6, 0, 6)), "rate second")
  assert.is(judge(ask(1, 6, 0, 5)), "allowed first")
  assert.is(judge(ask(1, 6, 0, 5)), "allowed first")
  assert.is(judge(ask(1, 6, 9, 5)), "rate first")
  assert.is(judge(ask(1, 6, 9, 5), { nowMs: 1000 }), "allowed first")
  assert.is(judge(ask(1, 6, 9, 5), { nowMs: 1000 }), "rate first")
})

test("[NDR 5.2] who has no class has no rights, be the request well-formed or not", () => {
  const policy = makeModbusPolicy([makeModbusRule({ registers: from(0, 9) })])
  for (const who of [{ roles: [] }, { roles: ["other"] }, { conduit: "other" }]) {
    assert.is(judgeModbusBy(policy, who)(ask(1, 3, 0, 1)), "no-rule")
    assert.is(judgeModbusBy(policy, who)("01"), "no-rule")
  }
  const both = {
    ...policy,
    conduits: [...policy.conduits, ...makePolicy([]).conduits.map((c) => ({ ...c, name: "m", from: "plant" }))],
  }
  assert.is(judgeModbusBy(both)(ask(1, 3, 0, 1)), "allowed rule")
  assert.is(judgeModbusBy(both, { conduit: "m" })(ask(1, 3, 0, 1)), "no-rule")
})

test("rules of both protocols stand in one policy, and verdicts count them all", () => {
  const policy = makeModbusPolicy([
    makeRule({ id: "mqtt", topics: ["a"] }),
    makeModbusRule({ id: "one", registers: from(0, 9), refusal: 4 }),
    makeRule({ id: "more", topics: ["b"] }),
    makeModbusRule({ id: "two", registers: from(10, 19), functions: functions(3), rate: { perSecond: 1, burst: 1 } }),
  ])
  const judge = judgeModbusBy(policy)
  assert.is(judge(ask(1, 3, 0, 1)), "allowed one")
  assert.is(judge(ask(1, 3, 19, 1)), "allowed two")
  assert.is(judge(ask(1, 3, 20, 1)), "address one")
})

test("a refusal answers the exception of the rule that it names, else the conduit's", async () => {
  const policy = makeModbusPolicy(
    [makeModbusRule({ id: "plain" }), makeModbusRule({ id: "own", refusal: 4 })],
    [["operator"]],
    [makeModbusConduit({ refusal: 2 }), makeModbusConduit({ name: "constructor", refusal: 11 })],
  )
  const { modbus } = compilePolicy({ ...policy, rules: [makeRule({ topics: ["a"] }), ...policy.rules] })
  const named = (conduit: string, rule: number) => exceptionFor(modbus, conduit, verdict(REASON.address, rule))
  assert.equal(
    [named("field", 1), named("field", 2), named("field", -1), named("field", 0), named("constructor", -1)],
    [2, 4, 2, 2, 11],
  )
  const error = await rejects(() => named("toString", -1), "ERR_FILTER_CONDUIT")
  assert.is(error.kind, "invariant")
})

test("a state or buckets of another table are an invariant error", async () => {
  const one = compilePolicy(makeModbusPolicy([makeModbusRule({ rate: { perSecond: 1, burst: 1 } })]))
  const two = compilePolicy(makeModbusPolicy([makeModbusRule({})]))
  const state = modbusStateFor(one)
  const request = ask(1, 3, 0, 1)
  await rejects(() => decideModbus(two.modbus, state, request, 0, 6, 0), "ERR_FILTER_STATE")
  const input = { classIndex: 0, buckets: createBuckets(one.table), essentialOnly: false }
  await rejects(() => createModbusState(one.modbus, input), "ERR_FILTER_BUCKETS")
})

test("offsets outside the bytes in hand are a bad request, and nothing is read there", () => {
  const compiled = compilePolicy(
    makeModbusPolicy([makeModbusRule({ registers: from(0, 65_535), functions: functions(3, 16) })]),
  )
  const state = modbusStateFor(compiled)
  const bytes = write(1, 5, 1, 2)
  const judge = (start: number, end: number) => decideModbus(compiled.modbus, state, bytes, start, end, 0) & 0xff
  assert.is(judge(0, bytes.length), REASON.allowed)
  for (const [start, end] of [
    [-1, bytes.length],
    [0, bytes.length + 1],
    [0, 0],
    [1, 0],
    [bytes.length, bytes.length + 2],
  ] as const) {
    assert.is(judge(start, end), REASON["bad-request"])
  }
})

test("coils: single and multiple", () => {
  const judge = judgeModbusBy(makeModbusPolicy([makeModbusRule({ coils: from(10, 100), discreteInputs: from(0, 5) })]))
  assert.is(judge(ask(1, 5, 10, 0xff00)), "allowed rule")
  assert.is(judge(ask(1, 5, 9, 0)), "address rule")
  assert.is(judge(ask(1, 5, 10, 1)), "bad-request")
  assert.is(judge(ask(1, 5, 10, 0xff01)), "bad-request")
  assert.is(judge(writeCoils(1, 10, 91)), "allowed rule")
  assert.is(judge(writeCoils(1, 10, 92)), "address rule")
  assert.is(judge(ask(1, 2, 0, 6)), "allowed rule")
  assert.is(judge(ask(1, 1, 0, 6)), "address rule")
})

test.run()
