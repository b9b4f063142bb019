import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import { MAX_PAIRS } from "../../../policy/compile/modbus.ts"
import { MAX_DENY_STEPS, MAX_OVERLAP } from "../../../policy/filter/modbus/layout.ts"
import { isAllowed, REASON, verdict } from "../../../policy/filter/verdict.ts"
import type { Hours, Policy } from "../../../policy/language/policy.ts"
import { seeded } from "../../support/hostile.ts"
import { modbusPeer, randomModbusPolicy } from "../../support/modbus-cases.ts"
import { chooser } from "../../support/filter-cases.ts"
import { ask, judgeModbusBy } from "../../support/modbus-peers.ts"
import { functions, makeModbusConduit, makeModbusPolicy, makeModbusRule } from "../../support/modbus-policies.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/compile/modbus")

const range = (from: number, to = from) => [{ from, to }]
const of = { conduit: "field", roles: ["operator"], essentialOnly: false, world: 0 }

test("the compiled policy is plain data: it crosses to another thread and decides there", () => {
  const policy = makeModbusPolicy([makeModbusRule({ registers: range(0, 9), rate: { perSecond: 1, burst: 1 } })])
  const peer = modbusPeer(policy, structuredClone(compilePolicy(policy)), of)
  assert.ok(isAllowed(peer.filter(ask(1, 3, 0, 10))))
  assert.not.ok(isAllowed(peer.filter(ask(1, 3, 0, 10))))
})

test("the same policy gives the same table, byte by byte", () => {
  const policy = randomModbusPolicy(chooser(3))
  assert.equal(compilePolicy(policy).modbus, compilePolicy(structuredClone(policy)).modbus)
})

test("a policy without Modbus costs next to nothing, and its conduits have no Modbus rights", () => {
  const { modbus } = compilePolicy(makePolicy([makeRule({ topics: ["a"] })]))
  assert.ok(modbus.words.length < 16)
  assert.is(modbus.records.length, 0)
  assert.equal(modbus.conduitRefusals, [])
})

test("classes with the same rules, units that no rule tells apart, and functions with the same rules share", () => {
  const rule = makeModbusRule({
    units: range(1, 200),
    functions: functions(3, 6, 16),
    registers: range(0, 9),
    roles: ["a", "b"],
  })
  const size = (policy: Policy) => compilePolicy(policy).modbus.words.length
  const one = size(makeModbusPolicy([rule], [["a"]]))
  // 256 of them say which group a unit is in.
  assert.ok(one < 310, `${one}`)
  assert.ok(size(makeModbusPolicy([rule], [["a"], ["b"], ["a", "b"]])) < one + 10)
  const conduits = [makeModbusConduit(), makeModbusConduit({ name: "other", direction: "in" })]
  assert.ok(size(makeModbusPolicy([{ ...rule, conduits: ["field", "other"] }], [["a"]], conduits)) < one + 10)
})

test("[CR 2.1] too many rules about one address are refused, naming class, function and bound", async () => {
  const same = (count: number) =>
    makeModbusPolicy(
      Array.from({ length: count }, (_, k) =>
        makeModbusRule({ id: `r${k}`, functions: functions(3), registers: range(k % 7, 20) }),
      ),
    )
  assert.is(judgeModbusBy(same(MAX_OVERLAP))(ask(1, 3, 20, 1)), "allowed r0")
  const error = await rejects(() => compilePolicy(same(MAX_OVERLAP + 1)), "ERR_POLICY_TOO_COMPLEX")
  assert.is(error.kind, "input")
  assert.equal(error.detail, {
    where: "class field [operator], function 3",
    bound: "rules that name one address",
    found: MAX_OVERLAP + 1,
    limit: MAX_OVERLAP,
  })
  // As many rules that no address meets at once are no trouble.
  const apart = Array.from({ length: 5000 }, (_, k) =>
    makeModbusRule({ id: `a${k}`, registers: range(k * 13, k * 13 + 12) }),
  )
  const judge = judgeModbusBy(makeModbusPolicy(apart))
  for (const k of [0, 1, 77, 2500, 4998, 4999]) {
    assert.is(judge(ask(1, 3, k * 13, 13)), `allowed a${k}`)
    assert.is(judge(ask(1, 3, k * 13 + 1, 13)), `address a${k}`)
  }
})

test("denies without hours never pile up: only those that can be named are kept", () => {
  const rules = Array.from({ length: 1000 }, (_, k) =>
    makeModbusRule({ id: `d${k}`, effect: "deny", registers: range(0, 1000 + k) }),
  )
  const judge = judgeModbusBy(makeModbusPolicy([...rules.slice(0, 100), makeModbusRule({ registers: range(0, 9999) })]))
  assert.is(judge(ask(1, 3, 0, 1)), "deny-rule d0")
  assert.is(judge(ask(1, 3, 1050, 1)), "deny-rule d50")
  assert.is(judge(ask(1, 3, 1100, 1)), "allowed rule")
  // Each next one shorter: the first covers them all.
  const all = judgeModbusBy(makeModbusPolicy(rules.toReversed()))
  assert.is(all(ask(1, 3, 500, 1)), "deny-rule d999")
})

test("[CR 2.1] a policy in which one request could meet too many denies is refused", async () => {
  const hours = (k: number): Hours => ({ days: [1], fromMinute: k, toMinute: k + 1, utcOffsetMinutes: 0 })
  // Three denies of different hours at every one of many addresses.
  const gated = (count: number) =>
    makeModbusPolicy(
      Array.from({ length: count }, (_, k) =>
        makeModbusRule({ id: `d${k}`, effect: "deny", registers: range(k >> 2), hours: hours(k % 4) }),
      ),
    )
  assert.is(judgeModbusBy(gated(MAX_DENY_STEPS))(ask(1, 3, 500, 125)), "deny-rule d2000")
  const error = await rejects(() => compilePolicy(gated(9000)), "ERR_POLICY_TOO_COMPLEX")
  assert.is(error.detail["bound"], "denies that one request can touch")
})

test("[CR 2.1] rules that tell all units apart, in thousands, are refused before they fill the memory", async () => {
  const rules = Array.from({ length: 40_000 }, (_, k) =>
    makeModbusRule({ id: `r${k}`, functions: functions(7), units: range(k % 256, 255) }),
  )
  const error = await rejects(() => compilePolicy(makeModbusPolicy(rules)), "ERR_POLICY_TOO_COMPLEX")
  assert.is(error.detail["bound"], "pairs of rule and group of units")
  assert.is(error.detail["limit"], MAX_PAIRS)
})

test("ranges that touch are one, in whatever order they stand", () => {
  const judge = judgeModbusBy(
    makeModbusPolicy([
      makeModbusRule({
        registers: [...range(10, 19), ...range(0, 9), ...range(21, 30)],
        files: [5, 4, 5].map((file, k) => ({ file, records: { from: k * 10, to: k * 10 + 9 } })),
      }),
    ]),
  )
  assert.is(judge(ask(1, 3, 0, 20)), "allowed rule")
  assert.is(judge(ask(1, 3, 0, 21)), "address rule")
  assert.is(judge("01 14 07 06 0005 0014 000A"), "allowed rule")
  assert.is(judge("01 14 07 06 0005 0009 0002"), "address rule")
})

test("every one of 65,536 addresses finds its rule, wherever ranges begin and end", () => {
  const random = seeded(4)
  for (const [count, length, grid] of [
    [5, 20_000, 1],
    [6, 12_000, 256],
    [100, 700, 1],
    [700, 100, 32],
    [300, 3, 1],
    [2000, 40, 8],
  ] as const) {
    // Ranges apart, that end on a grid or one behind it: where blocks of the table may begin.
    const owner = new Int32Array(65_536).fill(-1)
    const rules = []
    for (let k = 0, at = 0; k < count; k++) {
      const from = at + 1 + Math.floor(random() * (65_500 / count))
      const to = Math.min(65_535, Math.floor((from + random() * length) / grid) * grid + Math.floor(random() * 2))
      if (to < from || from > 65_535) continue
      owner.fill(rules.length, from, to + 1)
      rules.push(makeModbusRule({ id: `r${rules.length}`, functions: functions(3), registers: range(from, to) }))
      at = to + 1
    }
    const compiled = compilePolicy(makeModbusPolicy(rules))
    const peer = modbusPeer(makeModbusPolicy(rules), compiled, of)
    for (let at = 0; at < 65_536; at++) {
      const expected = owner[at] === -1 ? verdict(REASON.address, 0) : verdict(REASON.allowed, owner[at]!)
      const found = peer.filter(ask(1, 3, at, 1))
      if (found !== expected) assert.unreachable(`${count} ranges, address ${at}: ${found} for ${expected}`)
    }
  }
})

test("ten thousand rules of one unit: a sample is judged as the reference judges it", () => {
  const random = seeded(12)
  const below = (n: number): number => Math.floor(random() * n)
  const rules = Array.from({ length: 10_000 }, (_, k) => {
    const from = below(65_000)
    return makeModbusRule({
      id: `r${k}`,
      effect: below(20) === 0 ? "deny" : "allow",
      functions: functions(below(2) === 0 ? 3 : 6),
      registers: range(from, from + below(30)),
    })
  })
  const policy = makeModbusPolicy(rules)
  const peer = modbusPeer(policy, compilePolicy(policy), of)
  let allowed = 0
  for (let k = 0; k < 150; k++) {
    const request = random() < 0.5 ? ask(1, 3, below(65_000), 1 + below(4)) : ask(1, 6, below(65_536), 0)
    const mine = peer.filter(request)
    assert.is(mine, peer.reference(request))
    if (isAllowed(mine)) allowed++
  }
  assert.ok(allowed > 30 && allowed < 140, `${allowed}`)
})

test.run()
