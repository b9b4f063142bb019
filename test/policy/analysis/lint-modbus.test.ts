import { suite } from "uvu"
import * as assert from "uvu/assert"
import { lintPolicy } from "../../../policy/analysis/lint.ts"
import { firstUncovered } from "../../../policy/analysis/modbus-space.ts"
import type { ModbusRule, Point, Range } from "../../../policy/language/modbus-rule.ts"
import { functions, makeModbusConduit, makeModbusPolicy, makeModbusRule } from "../../support/modbus-policies.ts"
import { seeded } from "../../support/hostile.ts"

const test = suite("policy/analysis/lint, Modbus")

const sealed = makeModbusConduit({ transport: { from: "tls", to: "tls" } })
const codes = (rules: readonly ModbusRule[]): readonly string[] =>
  lintPolicy(makeModbusPolicy(rules, [["operator"]], [sealed])).map(({ code, place }) => `${code} ${place.id}`)
const reads = (id: string, ...registers: readonly Range[]): ModbusRule =>
  makeModbusRule({ id, functions: [{ code: 3, sub: null }], registers })
const speed: Point = { name: "speed", at: 100, type: "uint16", words: "high-first", min: 0, max: 3000 }
const writes = (id: string, point: Partial<Point>, over: Partial<ModbusRule> = {}): ModbusRule =>
  makeModbusRule({ id, functions: [{ code: 6, sub: null }], registers: [{ from: 100, to: 100 }], points: [{ ...speed, ...point }], record: "changes", ...over }) // prettier-ignore

test("the smallest interval that no one of others holds, against trying all", () => {
  const random = seeded(3)
  const range = (): Range => {
    const from = Math.floor(random() * 12)
    return { from, to: from + Math.floor(random() * 6) }
  }
  let none = 0
  for (let round = 0; round < 3000; round++) {
    const run = range()
    const others = Array.from({ length: Math.floor(random() * 4) }, range)
    const most = 1 + Math.floor(random() * 6)
    let expected: Range | null = null
    for (let n = 1; n <= most && expected === null; n++) {
      for (let from = run.from; from + n - 1 <= run.to && expected === null; from++) {
        const to = from + n - 1
        if (!others.some((other) => other.from <= from && to <= other.to)) expected = { from, to }
      }
    }
    assert.equal(firstUncovered(run, others, most), expected, JSON.stringify([run, others, most]))
    if (expected === null) none++
  }
  assert.ok(none > 200 && none < 2800, `${none}`)
})

test("an allow that another one holds whole is needless; two halves are no whole", () => {
  assert.equal(codes([reads("wide", { from: 0, to: 99 }), reads("narrow", { from: 10, to: 20 })]), ["rule-shadowed narrow"]) // prettier-ignore
  const halves = [reads("low", { from: 0, to: 14 }), reads("high", { from: 15, to: 99 })]
  assert.equal(codes([...halves, reads("whole", { from: 10, to: 20 })]), [])
  const nothing = makeModbusRule({ id: "nothing", functions: [{ code: 3, sub: null }], coils: [{ from: 1, to: 2 }] })
  assert.equal(codes([...halves, nothing]), ["rule-shadowed nothing"])
})

test("more than a request can ask at once needs no one rule", () => {
  // Function 3 asks for 125 at most, and any 125 of 0..200 lie in one of these.
  const parts = [reads("a", { from: 0, to: 150 }), reads("b", { from: 20, to: 200 })]
  assert.equal(codes([...parts, reads("whole", { from: 0, to: 200 })]), ["rule-shadowed whole"])
  assert.equal(codes([...parts, { ...reads("whole", { from: 0, to: 200 }), rate: { perSecond: 1, burst: 1 } }]), [
    "rule-shadowed whole",
  ])
  const apart = [reads("a", { from: 0, to: 100 }), reads("b", { from: 20, to: 200 })]
  assert.equal(codes([...apart, { ...reads("whole", { from: 0, to: 200 }), rate: { perSecond: 1, burst: 1 } }]), [])
})

test("denies: one that takes all away, one that leaves something, one that touches nothing", () => {
  const deny = (registers: readonly Range[]): ModbusRule => ({ ...reads("no", ...registers), effect: "deny" })
  assert.equal(codes([reads("r", { from: 0, to: 9 }), deny([])]), ["rule-denied r"])
  assert.equal(codes([reads("r", { from: 0, to: 9 }), deny([{ from: 0, to: 8 }])]), [])
  assert.equal(codes([reads("r", { from: 0, to: 9 }), deny([{ from: 10, to: 18 }])]), ["deny-of-nothing no"])
})

test("units and functions are told apart", () => {
  const one = reads("one", { from: 0, to: 9 })
  assert.equal(codes([one, { ...one, id: "two", units: [{ from: 1, to: 2 }] }]), ["rule-shadowed one"])
  assert.equal(codes([one, { ...one, id: "two", units: [{ from: 2, to: 2 }] }]), [])
  const diagnostics = (id: string, sub: readonly number[] | null): ModbusRule => makeModbusRule({ id, functions: [{ code: 8, sub }] }) // prettier-ignore
  assert.equal(codes([diagnostics("all", null), diagnostics("few", [0, 2])]), ["rule-shadowed few"])
  assert.equal(codes([diagnostics("few", [0, 2]), diagnostics("other", [0, 3])]), [])
})

test("value rules: only as wide or wider ones stand in", () => {
  assert.equal(codes([writes("wide", {}), writes("narrow", { max: 2000 })]), ["rule-shadowed narrow"])
  assert.equal(codes([writes("low", { max: 2000 }), writes("high", { min: 1000 })]), [])
  assert.equal(codes([writes("wide", {}), writes("other", { type: "int16" })]), [])
})

test("[CR 2.12 RE(1)] writes without limits, and writes that are not recorded", () => {
  assert.equal(codes([writes("w", {})]), [])
  assert.equal(codes([writes("w", {}, { record: "none" })]), ["write-not-recorded w"])
  assert.equal(codes([writes("w", { min: null, max: null })]), ["write-without-limits w"])
  assert.equal(codes([reads("r", { from: 0, to: 9 })]), [])
})

test("min and max bound writes, and help nothing on a rule that only reads", () => {
  const point = { ...speed, at: 0 }
  const read = (over: Partial<ModbusRule>): readonly string[] => codes([{ ...reads("r", { from: 0, to: 9 }), points: [point], ...over }]) // prettier-ignore
  assert.equal(read({}), ["bounds-without-write r"])
  assert.equal(read({ points: [{ ...point, min: null, max: null }] }), [])
  assert.equal(read({ functions: functions(3, 6), record: "each" }), [])
  // Coils are written, and points are registers.
  const coils = { functions: functions(3, 5), coils: [{ from: 0, to: 1 }], record: "each" } as const
  assert.equal(read(coils), ["bounds-without-write r"])
})

test("a deny that leaves another function to do the same at the same place has a gap", () => {
  const allowed = (...codes: readonly number[]): ModbusRule => makeModbusRule({ id: "r", functions: functions(...codes), registers: [{ from: 0, to: 9 }], coils: [{ from: 0, to: 9 }], points: [{ ...speed, at: 0 }], record: "each" }) // prettier-ignore
  const deny = (over: Partial<ModbusRule>, ...codes: readonly number[]): ModbusRule =>
    makeModbusRule({ id: "no", effect: "deny", functions: functions(...codes), registers: [{ from: 9, to: 20 }], ...over }) // prettier-ignore
  const gap = ["deny-with-gap no"]
  const gaps = (rules: readonly ModbusRule[]): readonly string[] => codes(rules).filter((code) => code.startsWith("deny-with-gap")) // prettier-ignore
  assert.equal(gaps([allowed(6, 22), deny({}, 6, 16)]), gap)
  assert.equal(gaps([allowed(6, 23), deny({}, 6, 16)]), gap)
  assert.equal(gaps([allowed(3, 23), deny({}, 3)]), gap)
  assert.equal(gaps([allowed(5, 15), deny({ registers: [], coils: [{ from: 9, to: 9 }] }, 5)]), gap)
  assert.equal(gaps([allowed(6, 22), deny({}, 6, 16, 22, 23)]), [])
  assert.equal(gaps([allowed(6, 22), deny({}, 6, 16), { ...deny({}, 22), id: "rest" }]), [])
  // Elsewhere, for another unit, and for the function itself it is no gap.
  assert.equal(gaps([allowed(6, 16), { ...allowed(22), id: "mask", registers: [{ from: 0, to: 8 }], coils: [] }, deny({}, 6, 16)]), []) // prettier-ignore
  assert.equal(gaps([allowed(6, 16), { ...allowed(22), id: "mask", units: [{ from: 2, to: 2 }], coils: [] }, deny({}, 6, 16)]), []) // prettier-ignore
  assert.equal(gaps([allowed(3, 6, 22), deny({}, 22)]), [])
  const [found] = lintPolicy(makeModbusPolicy([allowed(6, 22, 23), deny({}, 6, 16)], [["operator"]], [sealed]))
  assert.match(
    found!.message,
    /^mask-write-register and read-write-multiple-registers may still do the same .+ by rule r$/,
  )
})

test.run()
