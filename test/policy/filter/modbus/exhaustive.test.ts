import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compilePolicy } from "../../../../policy/compile/compile.ts"
import { decideModbus } from "../../../../policy/filter/modbus/decide.ts"
import { decideModbusReference } from "../../../../policy/filter/modbus/reference.ts"
import { reasonName } from "../../../../policy/filter/verdict.ts"
import type { ModbusRule, Range } from "../../../../policy/language/modbus-rule.ts"
import type { Policy } from "../../../../policy/language/policy.ts"
import { tellStorm } from "../../../storm/figures.ts"
import { modbusPeer } from "../../../support/modbus-cases.ts"
import { ask, files, modbusStateFor, readWrite, write, writeCoils } from "../../../support/modbus-peers.ts"
import {
  functions,
  makeModbusConduit,
  makeModbusPolicy,
  makeModbusRule,
  makePoint,
} from "../../../support/modbus-policies.ts"

const test = suite("policy/filter/modbus, the whole request header space")

const range = (from: number, to = from): Range[] => [{ from, to }]
const anyFunction = Array.from({ length: 127 }, (_, k) => ({ code: k + 1, sub: null }))

/** A pump with everything that a rule can say, a reader of all of it, and denies across both. */
const PUMP: readonly ModbusRule[] = [
  makeModbusRule({
    id: "read",
    units: range(1, 9),
    functions: functions(1, 2, 3, 4),
    registers: range(0, 99),
    coils: range(0, 15),
  }),
  makeModbusRule({
    id: "write",
    units: [...range(0), ...range(5, 5)],
    registers: [...range(10, 19), ...range(65_535)],
    coils: range(3, 9),
    points: [
      makePoint({ at: 12, type: "uint16", min: 0, max: 0 }),
      makePoint({ at: 14, type: "float32", min: -1, max: 1 }),
    ],
  }),
  makeModbusRule({
    id: "no-write",
    effect: "deny",
    units: range(7),
    functions: functions(6, 16),
    registers: range(15, 17),
  }),
  makeModbusRule({ id: "no-coil", effect: "deny", units: range(5), coils: range(9), functions: functions(5, 15) }),
  makeModbusRule({
    id: "more",
    units: range(0, 255),
    registers: range(90, 300),
    inputRegisters: range(0, 124),
    functions: functions(3, 4, 6),
  }),
]

/** Files, queues, sub-functions, and functions that the standard does not know. */
const RARE: readonly ModbusRule[] = [
  makeModbusRule({
    id: "some",
    units: range(1, 3),
    functions: [...functions(7, 20, 24, 65, 100), { code: 8, sub: [0, 11, 300] }, { code: 43, sub: [14] }],
    fifos: range(7, 8),
    files: [
      { file: 1, records: { from: 0, to: 10 } },
      { file: 65_535, records: { from: 9990, to: 9999 } },
    ],
  }),
  makeModbusRule({
    id: "all",
    units: range(3, 4),
    functions: anyFunction,
    files: [{ file: 1, records: { from: 5, to: 20 } }],
    registers: range(0, 9),
  }),
  makeModbusRule({
    id: "no",
    effect: "deny",
    units: range(4),
    functions: [{ code: 8, sub: [10, 11] }, ...functions(11, 21, 110)],
    files: [{ file: 1, records: { from: 20, to: 20 } }],
  }),
]

const serial = makeModbusConduit({ transport: { from: "tls", to: "rtu" } })
const POLICIES: readonly (readonly [name: string, policy: Policy])[] = [
  ["a pump on TCP", makeModbusPolicy(PUMP)],
  ["a pump on a serial line", makeModbusPolicy(PUMP, [["operator"]], [serial])],
  ["a pump that is only read", makeModbusPolicy(PUMP, [["operator"]], [makeModbusConduit({ direction: "in" })])],
  ["a pump that is only written", makeModbusPolicy(PUMP, [["operator"]], [{ ...serial, direction: "out" }])],
  ["files, queues and diagnostics", makeModbusPolicy(RARE)],
  ["the same on a serial line", makeModbusPolicy(RARE, [["operator"]], [serial])],
  ["no rule at all", makeModbusPolicy([])],
  ["everything", makeModbusPolicy([everything("yes")])],
  ["everything but everything", makeModbusPolicy([everything("yes"), { ...everything("no"), effect: "deny" }])],
]

function everything(id: string): ModbusRule {
  const all = range(0, 65_535)
  const more = { coils: all, discreteInputs: all, registers: all, inputRegisters: all, fifos: all }
  return makeModbusRule({ id, units: range(0, 255), functions: anyFunction, ...more })
}

/** Both sides of every edge, within 0..limit. */
function edges(ranges: readonly Range[], limit: number): number[] {
  const each = [...ranges, { from: 0, to: limit }].flatMap(({ from, to }) => [
    from - 1,
    from,
    from + 1,
    to - 1,
    to,
    to + 1,
  ])
  return [...new Set(each)].filter((x) => x >= 0 && x <= limit).sort((a, b) => a - b)
}

/** Every quantity at which something can change for a request from `from` on: the function's limits, and the edges behind. */
function quantities(from: number, at: readonly number[], limits: readonly number[]): number[] {
  const reaching = at.flatMap((edge) => [edge - from, edge - from + 1])
  const all = [0, 1, 2, 65_535, ...limits.flatMap((limit) => [limit - 1, limit, limit + 1]), ...reaching]
  return [...new Set(all)].filter((x) => x >= 0 && x <= 65_535)
}

/** One request of unit 0 for every class of headers that the policy's edges make. */
function* headers(rules: readonly ModbusRule[]): Generator<Uint8Array> {
  const at = (of: "coils" | "discreteInputs" | "registers" | "inputRegisters" | "fifos") =>
    edges(
      rules.flatMap((rule) => rule[of]),
      65_535,
    )
  const registers = edges(
    rules.flatMap((rule) => [...rule.registers, ...rule.points.map((p) => ({ from: p.at, to: p.at + 1 }))]),
    65_535,
  )
  const reads = [
    [1, at("coils"), 2000],
    [2, at("discreteInputs"), 2000],
    [3, registers, 125],
    [4, at("inputRegisters"), 125],
  ] as const
  for (const [code, addresses, limit] of reads) {
    for (const from of addresses)
      for (const count of quantities(from, addresses, [limit])) yield ask(0, code, from, count)
  }
  for (const from of at("coils")) {
    for (const value of [0, 0xff00, 1, 0xff01, 0xfe00, 0xffff]) yield ask(0, 5, from, value)
    for (const count of quantities(from, at("coils"), [1968]).filter((n) => n <= 1969)) yield writeCoils(0, from, count)
  }
  for (const from of registers) {
    for (const value of [0, 1, 0x3f80, 0xffff]) yield ask(0, 6, from, value)
    yield ask(0, 22, from, 0xffff, 0)
    for (const count of quantities(from, registers, [123]).filter((n) => n <= 124)) {
      yield write(0, from, ...new Array<number>(count).fill(0))
      yield write(0, from, ...new Array<number>(count).fill(0x4000))
    }
    const few = registers.filter((_, k) => k % 3 === 0)
    for (const write of few) {
      for (const count of [0, 1, 2, 121, 122]) yield readWrite(0, from, 1, write, ...new Array<number>(count).fill(0))
      for (const count of [0, 5, 125, 126]) yield readWrite(0, from, count, write, 0)
    }
  }
  for (const from of at("fifos")) yield ask(0, 24, from)
  const named = [...new Set([1, 2, 65_535, ...rules.flatMap((rule) => rule.files.map(({ file }) => file))])]
  const records = edges(
    rules.flatMap((rule) => rule.files.map((one) => one.records)),
    10_000,
  )
  for (const file of [0, ...named]) {
    for (const record of records) {
      for (const count of [0, 1, 2, 10, 11, 123, 124, 125]) yield files(0, [file, record, count])
      for (const count of [0, 1, 2, 11]) yield files(0, [file, record, new Array<number>(count).fill(0)])
      for (const other of named) yield files(0, [file, record, 1], [other, 5, 1])
    }
  }
  for (let sub = 0; sub < 400; sub++) for (const data of [0, 1, 0xff00, 0x4100]) yield ask(0, 8, sub, data)
  for (const sub of [0xff, 0xffff]) yield ask(0, 8, sub, 0)
  for (let type = 0; type < 256; type++) for (const code of [0, 1, 4, 5]) yield Uint8Array.from([0, 43, type, code, 0])
  // Every function with bodies of every small length, be it that of another function.
  for (let code = 0; code < 256; code++) {
    for (let length = 0; length <= 9; length++) yield Uint8Array.from([0, code, ...new Uint8Array(length)])
    for (const length of [252, 253]) yield Uint8Array.from([0, code, ...new Uint8Array(length).fill(1)])
  }
}

let total = 0
let judged = 0
for (const [name, policy] of POLICIES) {
  test(`[CR 2.1] ${name}: 256 functions, 256 units, every class of address and quantity`, () => {
    const rules = policy.rules as readonly ModbusRule[]
    const compiled = compilePolicy(policy)
    const state = modbusStateFor(compiled)
    const { asked } = modbusPeer(policy, compiled, {
      conduit: "field",
      roles: ["operator"],
      essentialOnly: false,
      world: 0,
    })
    // Units that no rule tells apart, each with the first of them; 0 is by itself.
    const begins = [0, 1, ...rules.flatMap((rule) => rule.units.flatMap(({ from, to }) => [from, to + 1]))]
    const first = Array.from({ length: 256 }, (_, unit) => Math.max(...begins.filter((x) => x <= unit)))
    const seen = new Map<string, number>()
    const functionsSeen = new Set<number>()
    const expected = new Int32Array(256)
    for (const request of headers(rules)) {
      functionsSeen.add(request[1]!)
      const bytes = new Uint8Array(request.length + 4).fill(1)
      bytes.set(request, 2)
      for (let unit = 0; unit < 256; unit++) {
        request[0] = unit
        const known = first[unit]!
        if (known === unit) {
          expected[unit] = decideModbusReference(asked, request, 0, new Map())
          judged++
        }
        bytes[2] = unit
        const mine = decideModbus(compiled.modbus, state, bytes, 2, 2 + request.length, 0)
        total++
        if (mine !== expected[known]) {
          const hex = Buffer.from(request).toString("hex")
          assert.unreachable(
            `${hex}: ${reasonName(mine)} for ${reasonName(expected[known]!)} (${mine}, ${expected[known]})`,
          )
        }
        if (known === unit) seen.set(reasonName(mine), (seen.get(reasonName(mine)) ?? 0) + 1)
      }
      request[0] = 0
    }
    assert.is(functionsSeen.size, 256)
    assert.ok(seen.has("bad-request"))
    if (rules.length > 0) assert.ok(seen.size >= 2, [...seen.keys()].join())
    if (policy === POLICIES[0]![1]) {
      const all = ["address", "allowed", "bad-request", "deny-rule", "function", "part-of-point", "unit", "value"]
      assert.equal(
        [...seen.keys()].sort(),
        all.filter((reason) => reason !== "unit"),
      )
    }
  })
}

test("how many requests that were", () => {
  const words = `${total.toLocaleString("en")} requests, of which the reference judged ${judged.toLocaleString("en")}`
  console.log(`  Modbus, the whole header space: ${words}`)
  tellStorm("random cases", "Modbus: the whole header space", { requests: total, judged, differences: 0 })
  assert.ok(total > 18_000_000, words)
})

test.run()
