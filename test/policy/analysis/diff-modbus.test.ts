import { suite } from "uvu"
import * as assert from "uvu/assert"
import { changeLines } from "../../../policy/analysis/change.ts"
import { diffModbus } from "../../../policy/analysis/diff-modbus.ts"
import { judge } from "../../../policy/analysis/judge.ts"
import type { ModbusRequest } from "../../../policy/analysis/modbus-request.ts"
import type { ModbusRule, Point, PointType, Range } from "../../../policy/language/modbus-rule.ts"
import type { Policy } from "../../../policy/language/policy.ts"
import { seeded } from "../../support/hostile.ts"
import {
  functions,
  makeModbusConduit,
  makeModbusPolicy,
  makeModbusRule,
  makePoint,
} from "../../support/modbus-policies.ts"

const test = suite("policy/analysis/diff, Modbus")

const random = seeded(31)
const below = (n: number): number => Math.floor(random() * n)
const pick = <T>(of: readonly T[]): T => of[below(of.length)]!

function range(last: number): Range {
  const from = below(last + 1)
  return { from, to: from + below(last + 1 - from) }
}

/** Over four registers, two of which may be a point of one or of two. */
function randomRule(k: number): ModbusRule {
  const effect = random() < 0.2 ? "deny" : "allow"
  const registers = random() < 0.1 && effect === "deny" ? [] : [range(3)]
  const whole = registers[0] ?? { from: 0, to: 3 }
  const wide = random() < 0.3 && whole.from <= 1 && whole.to >= 2
  const at = wide ? 1 : whole.from + below(whole.to - whole.from + 1)
  const bounds = pick([
    { min: 0, max: 1 },
    { min: 1, max: null },
    { min: null, max: 2 },
  ])
  const points = effect === "allow" && random() < 0.6 ? [makePoint({ at, type: wide ? "uint32" : "uint16", ...bounds })] : [] // prettier-ignore
  return makeModbusRule({
    id: `r${k}`,
    effect,
    units: [range(2)],
    functions: functions(...pick([[3], [6], [3, 16], [6, 16], [22], [23]] as const)),
    registers,
    points,
    essential: effect === "allow" && random() < 0.3,
  })
}

/** Every request on four registers with values 0..3, by function. */
function* requests(): Generator<ModbusRequest> {
  const bare = { sub: null, reads: null, writes: null, values: [], file: null }
  for (let unit = 0; unit <= 3; unit++) {
    for (let from = 0; from <= 4; from++) {
      for (let to = from; to <= 4; to++) {
        yield { ...bare, unit, code: 3, reads: { from, to } }
        const length = to - from + 1
        if (length > 3) continue
        for (let value = 0; value < 4 ** length; value++) {
          const values = Array.from({ length }, (_, k) => Math.floor(value / 4 ** k) % 4)
          const writes = { from, to }
          yield { ...bare, unit, code: 16, writes, values }
          if (length === 1) {
            yield { ...bare, unit, code: 6, writes, values }
            yield { ...bare, unit, code: 22, writes, values: [0, 0] }
          }
          if (length > 2) continue
          for (let read = 0; read <= 4; read++) {
            for (const last of [read, read + 1]) yield { ...bare, unit, code: 23, reads: { from: read, to: last }, writes, values }
          } // prettier-ignore
        }
      }
    }
  }
}

const who = { conduit: "field", name: "desk", clientId: "desk", roles: ["operator"] }

/** How the policy answers: 0 no, 1 yes, 2 even where only essential flows are open. */
function answer(policy: Policy, request: ModbusRequest): 0 | 1 | 2 {
  const ask = (essentialOnly: boolean): boolean => judge(policy, { kind: "modbus", who, at: null, emergencies: [], essentialOnly, request }).allowed // prettier-ignore
  return ask(true) ? 2 : ask(false) ? 1 : 0
}

function kindOf(before: 0 | 1 | 2, after: 0 | 1 | 2): string {
  return before === 0 ? "allowed" : after === 0 ? "denied" : "terms"
}

test("[CR 2.1] finds what trying every request on four registers finds, and each example is one", () => {
  const ALL = [...requests()]
  let changes = 0
  let same = 0
  for (let round = 0; round < 20; round++) {
    const rules = Array.from({ length: 1 + below(3) }, (_, k) => randomRule(k))
    const others = rules.map((rule, k) => (random() < 0.5 ? randomRule(k) : rule))
    const [before, after] = [makeModbusPolicy(rules), makeModbusPolicy(others)]
    const expected = new Set<string>()
    for (const request of ALL) {
      const [old, now] = [answer(before, request), answer(after, request)]
      if (old !== now) expected.add(`${request.code} ${kindOf(old, now)}`)
    }
    const found = diffModbus(before, after)
    const show = JSON.stringify([rules, others].map((list) => list.map(({ effect, units, functions: own, registers, points, essential }) => ({ effect, units, own, registers, points, essential })))) // prettier-ignore
    const says = found.flatMap(({ kind, example }) => (example !== null && "request" in example ? [`${example.request.code} ${kind}`] : [])) // prettier-ignore
    assert.equal([...new Set(says)].sort(), [...expected].sort(), show)
    for (const { kind, example } of found) {
      if (example === null || !("request" in example)) assert.unreachable(show)
      else assert.is(kindOf(answer(before, example.request), answer(after, example.request)), kind, `${JSON.stringify(example.request)} ${show}`) // prettier-ignore
      changes++
    }
    const back = diffModbus(after, before)
    const turned = { allowed: "denied", denied: "allowed", terms: "terms", place: "", unknown: "" }
    assert.equal(back.map(({ kind }) => turned[kind]).sort(), found.map(({ kind }) => kind).sort(), show)
    if (found.length === 0) same++
  }
  assert.ok(changes > 40 && same > 0, `${changes} ${same}`)
})

const told = (before: readonly ModbusRule[], after: readonly ModbusRule[]): readonly string[] =>
  diffModbus(makeModbusPolicy(before), makeModbusPolicy(after)).flatMap(changeLines)
const speed = makePoint({ name: "speed", at: 107, min: 0, max: 3000 })
const set = makeModbusRule({ id: "set", functions: functions("write-single-register"), registers: [{ from: 100, to: 110 }], points: [speed] }) // prettier-ignore

test("a change is told with unit, function, addresses and a request that shows it", () => {
  assert.equal(told([set], [{ ...set, points: [{ ...speed, max: 4000 }] }]), [
    "+ now allowed: write-single-register 107 of unit 1, such as unit 1 write-single-register 107 = 3001",
    "    for       operator on field",
    "    rules     set -> set",
  ])
  assert.match(told([set], [{ ...set, registers: [{ from: 103, to: 110 }] }])[0]!, "no longer allowed: write-single-register 100..102 of unit 1, such as unit 1 write-single-register 100 = 0") // prettier-ignore
  assert.match(told([set], [{ ...set, units: [{ from: 1, to: 4 }] }])[0]!, "write-single-register 100..110 of unit 2..4") // prettier-ignore
  assert.match(told([set], [{ ...set, record: "each" }])[0]!, "record none -> each")
})

test("no change: another order, a rule cut in two where no request spans the cut, a range of values cut in two", () => {
  const same = (before: readonly ModbusRule[], after: readonly ModbusRule[]): void =>
    assert.equal(told(before, after), [])
  const other = { ...set, id: "other", units: [{ from: 7, to: 7 }] }
  same([set, other], [other, { ...set, id: "new" }])
  same([set], [{ ...set, registers: [{ from: 100, to: 105 }], points: [] }, { ...set, id: "b", registers: [{ from: 106, to: 110 }] }]) // prettier-ignore
  same(
    [set],
    [
      { ...set, points: [{ ...speed, max: 1000 }] },
      { ...set, id: "b", points: [{ ...speed, min: 1001 }] },
    ],
  )
  const reads = (id: string, registers: readonly Range[]): ModbusRule => makeModbusRule({ id, functions: functions("read-holding-registers"), registers }) // prettier-ignore
  same([reads("a", [{ from: 0, to: 200 }])], [reads("a", [{ from: 0, to: 150 }]), reads("b", [{ from: 20, to: 200 }])])
  assert.match(told([reads("a", [{ from: 0, to: 20 }])], [reads("a", [{ from: 0, to: 9 }]), reads("b", [{ from: 10, to: 20 }])])[0]!, "no longer allowed: read-holding-registers 0..20 of unit 1, such as unit 1 read-holding-registers 9..10") // prettier-ignore
})

test("values of every type and word order: the first value beyond the old bound", () => {
  const words: readonly (readonly [type: PointType, words: Point["words"], max: number, said: string])[] = [
    ["int16", "high-first", -2, "= 65535"],
    ["uint32", "high-first", 65_536, "= 1 1"],
    ["uint32", "low-first", 65_536, "= 1 1"],
    ["int32", "low-first", 69_999, "= 4464 1"],
    ["float32", "high-first", 1, "= 16256 1"],
    ["float32", "high-first", 0.1, "= 15820 52429"],
    ["uint64", "high-first", 2 ** 40, "= 0 256 0 1"],
    ["int64", "low-first", 0, "= 1 0 0 0"],
    ["float64", "high-first", 1, "= 16368 0 0 1"],
  ]
  for (const [type, order, max, said] of words) {
    const bound = makePoint({ at: 0, type, words: order, min: max - 1, max })
    const rule = makeModbusRule({ functions: functions("write-multiple-registers"), registers: [{ from: 0, to: 3 }], points: [bound] }) // prettier-ignore
    const [before, after] = [makeModbusPolicy([rule]), makeModbusPolicy([{ ...rule, points: [{ ...bound, max: max + 1 }] }])] // prettier-ignore
    const [first] = diffModbus(before, after)
    assert.match(first?.text ?? "none", said, `${type} ${max}`)
    const { example } = first!
    if (example === null || !("request" in example)) assert.unreachable()
    else assert.equal([answer(before, example.request), answer(after, example.request)], [0, 1], type)
  }
})

test("denies, hours, directions and files", () => {
  const deny = makeModbusRule({
    id: "no",
    effect: "deny",
    functions: set.functions,
    registers: [{ from: 105, to: 105 }],
  })
  assert.match(told([set], [set, deny]).join("\n"), "no longer allowed: write-single-register 105 of unit 1, such as unit 1 write-single-register 105 = 0\n    for       operator on field\n    rules     set -> no") // prettier-ignore
  const hours = { days: [1], fromMinute: 0, toMinute: 60, utcOffsetMinutes: 0 }
  assert.match(told([set], [set, { ...deny, hours }])[0]!, "now denied Mon 00:00-01:00")
  const out = makeModbusPolicy([set], [["operator"]], [makeModbusConduit({ direction: "in" })])
  assert.match(diffModbus(makeModbusPolicy([set]), out)[0]!.text, "no longer allowed: write-single-register 100..110")
  const files = makeModbusRule({ id: "f", functions: functions("read-file-record"), files: [{ file: 4, records: { from: 0, to: 9 } }] }) // prettier-ignore
  assert.match(told([files], [{ ...files, files: [{ file: 4, records: { from: 0, to: 12 } }] }])[0]!, "now allowed: read-file-record file 4 0..12") // prettier-ignore
  const sub = makeModbusRule({ id: "d", functions: [{ code: 8, sub: [2] }] })
  assert.match(
    told([sub], [{ ...sub, functions: [{ code: 8, sub: [2, 4] }] }])[0]!,
    "diagnostics sub-function 4 of unit 1",
  )
})

test("what is beyond the bound is said", () => {
  const found = diffModbus(makeModbusPolicy([set]), makeModbusPolicy([]), 2)
  assert.ok(found.some(({ kind, before }) => kind === "unknown" && before[0] === "set"))
})

test.run()
