import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compilePolicy, MAX_GATES } from "../../../policy/compile/compile.ts"
import { decideSubscription } from "../../../policy/filter/contain.ts"
import { createBuckets, decideMessage, decideTopic } from "../../../policy/filter/decide.ts"
import { setGates } from "../../../policy/filter/gates.ts"
import { GATE_HOLDS, GATE_ON, GATE_OPEN, GATE_OUTSIDE, GATE_WITHIN } from "../../../policy/filter/layout.ts"
import type { Inputs } from "../../../policy/filter/inputs.ts"
import { decideReference, type Asked } from "../../../policy/filter/reference.ts"
import { reasonName } from "../../../policy/filter/verdict.ts"
import type { Hours, MqttRule } from "../../../policy/language/policy.ts"
import type { TimeInterval } from "../../../policy/time/interval.ts"
import { say, stateFor } from "../../support/filter-peers.ts"
import { makeModbusPolicy, makeModbusRule } from "../../support/modbus-policies.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/filter/gates")
const text = new TextEncoder()
const HOUR = 3_600_000

/** Monday to Friday, 06:00 to 22:00. */
const shift: Hours = { days: [1, 2, 3, 4, 5], fromMinute: 360, toMinute: 1320, utcOffsetMinutes: 0 }
const monday = (hour: number): number => Date.UTC(2026, 10, 23) + hour * HOUR
const at = (from: number, to = from): TimeInterval => ({ earliestAt: monday(from), latestAt: monday(to) })
const DAY = at(12)
const NIGHT = at(3)
const DAWN = at(5, 7)
const UNKNOWN: TimeInterval = { earliestAt: 0, latestAt: Infinity }
const none: ReadonlySet<string> = new Set()

/** What is said of topic `t` and of a subscription to it. */
function world(rules: readonly MqttRule[]) {
  const compiled = compilePolicy(makePolicy(rules))
  const { table } = compiled
  const buckets = createBuckets(table)
  const publish = stateFor(compiled, { buckets })
  const subscribe = stateFor(compiled, { action: "subscribe" })
  return {
    table,
    publish: (flags = 0, payloadBytes = 0) =>
      say(compiled, decideTopic(table, publish, text.encode("t"), 0, 1, flags, payloadBytes, 0)),
    subscribe: (filter = "t", qos = 0) =>
      say(compiled, decideSubscription(table, subscribe, text.encode(filter), 0, text.encode(filter).length, qos)),
    set: (now: TimeInterval, emergencies: readonly string[] = [], inputs?: Inputs) =>
      setGates(table, now, new Set(emergencies), inputs),
  }
}

const both = (over: Partial<MqttRule>): MqttRule =>
  makeRule({ id: "r", topics: ["t"], actions: ["publish", "subscribe"], ...over })

test("[CR 2.1] before anybody says what time it is, allow rules with hours are closed and deny rules in force", () => {
  const { publish, subscribe } = world([both({ hours: shift })])
  assert.is(publish(), "hours r")
  assert.is(subscribe(), "hours r")
  const deny = world([both({ id: "yes" }), both({ id: "no", effect: "deny", hours: shift })])
  assert.is(deny.publish(), "deny-rule no")
  assert.is(deny.subscribe(), "deny-rule no")
})

test("[CR 2.1] an allow counts when it surely is its hour, a deny when it may be", () => {
  const allow = world([both({ hours: shift })])
  const deny = world([both({ id: "yes" }), both({ id: "no", effect: "deny", hours: shift })])
  const cases: readonly (readonly [TimeInterval, string, string])[] = [
    [DAY, "allowed r", "deny-rule no"],
    [NIGHT, "hours r", "allowed yes"],
    [DAWN, "hours r", "deny-rule no"],
    [UNKNOWN, "hours r", "deny-rule no"],
  ]
  for (const [now, expectedAllow, expectedDeny] of cases) {
    allow.set(now)
    deny.set(now)
    assert.is(allow.publish(), expectedAllow)
    assert.is(allow.subscribe(), expectedAllow)
    assert.is(deny.publish(), expectedDeny)
    assert.is(deny.subscribe(), expectedDeny)
  }
})

test("[CR 2.1] an emergency rule is closed until its own emergency is switched on", () => {
  const { publish, subscribe, set } = world([both({ emergency: "fire" })])
  for (const [emergencies, expected] of [
    [[], "emergency r"],
    [["leak"], "emergency r"],
    [["leak", "fire"], "allowed r"],
    [[], "emergency r"],
  ] as const) {
    set(UNKNOWN, emergencies)
    assert.is(publish(), expected)
    assert.is(subscribe(), expected)
  }
})

test("a rule with hours and an emergency needs both; the emergency is asked first", () => {
  const { publish, set } = world([both({ hours: shift, emergency: "fire" })])
  set(DAY)
  assert.is(publish(), "emergency r")
  set(NIGHT, ["fire"])
  assert.is(publish(), "hours r")
  set(DAY, ["fire"])
  assert.is(publish(), "allowed r")
})

test("closed gates come after essential and before qos; named is the rule that came furthest", () => {
  const rules = [
    both({ id: "waits", emergency: "fire" }),
    both({ id: "late", hours: shift }),
    both({ id: "late-too", hours: shift }),
    both({ id: "low", hours: { ...shift, days: [6] }, maxQos: 0 }),
  ]
  const { publish, subscribe, set } = world(rules)
  set(NIGHT)
  assert.is(publish(4), "hours late")
  assert.is(subscribe("t", 2), "hours late")
  set(at(24 * 5 + 12))
  assert.is(publish(4), "qos low")
  assert.is(subscribe("t", 2), "qos low")
  assert.is(publish(0), "allowed low")
})

test("a deny rule out of its hours leaves no trace in the verdict", () => {
  const { publish, subscribe, set } = world([both({ effect: "deny", hours: shift })])
  set(NIGHT)
  assert.is(publish(), "no-rule")
  assert.is(subscribe(), "not-contained")
})

test("a deny never waits for an emergency, whatever the rule says", () => {
  const { table, publish } = world([both({ id: "yes" }), both({ id: "no", effect: "deny", emergency: "fire" })])
  assert.equal(table.gates, [])
  assert.is(publish(), "deny-rule no")
})

test("equal pairs of hours and emergency are one gate; a rule without has none", () => {
  const rules = [
    both({ id: "a", hours: shift }),
    both({ id: "b", hours: { ...shift } }),
    both({ id: "c", emergency: "fire" }),
    both({ id: "d", hours: shift, emergency: "fire" }),
    both({ id: "e" }),
  ]
  const { table } = world(rules)
  assert.equal(table.gates, [
    { hours: shift, emergency: null, when: null },
    { hours: null, emergency: "fire", when: null },
    { hours: shift, emergency: "fire", when: null },
  ])
})

test("gates are bounded in number", async () => {
  const policy = (count: number) =>
    makePolicy(Array.from({ length: count }, (_, k) => makeRule({ topics: [`${k}`], emergency: `e${k}` })))
  assert.is(compilePolicy(policy(MAX_GATES)).table.gates.length, MAX_GATES)
  await rejects(() => compilePolicy(policy(MAX_GATES + 1)), "ERR_POLICY_TOO_COMPLEX")
})

test("setting the gates says whether anything changed, and when the next border comes", () => {
  const { table, set } = world([both({ hours: shift }), both({ id: "e", emergency: "fire" })])
  // Nothing new: it was not known before. 1970 began on a Thursday.
  assert.equal(set(UNKNOWN), { changed: false, againInMs: 6 * HOUR })
  assert.equal(set(at(5, 5.5)), { changed: true, againInMs: HOUR / 2 })
  assert.equal([...table.gateStates], [GATE_ON | GATE_OUTSIDE | GATE_HOLDS, GATE_WITHIN | GATE_HOLDS])
  assert.equal(set(at(5.25, 5.75)), { changed: false, againInMs: HOUR / 4 })
  assert.equal(set(DAWN), { changed: true, againInMs: HOUR })
  assert.equal([...table.gateStates], [GATE_ON | GATE_HOLDS, GATE_WITHIN | GATE_HOLDS])
  assert.equal(set(DAY), { changed: true, againInMs: 10 * HOUR })
  assert.equal(set(DAY, ["fire"]), { changed: true, againInMs: 10 * HOUR })
  assert.equal([...table.gateStates], [GATE_OPEN, GATE_OPEN])
  assert.equal(world([both({ emergency: "fire" })]).set(DAY).againInMs, Infinity)
})

test("the gates of Modbus rules are set alike", () => {
  const { modbus } = compilePolicy(
    makeModbusPolicy([makeModbusRule({ hours: shift }), makeModbusRule({ emergency: "fire" })]),
  )
  assert.is(modbus.gates.length, 2)
  assert.equal(setGates(modbus, DAY, new Set(["fire"])), { changed: true, againInMs: 10 * HOUR })
  assert.equal([...modbus.gateStates], [GATE_OPEN, GATE_OPEN])
  assert.equal(setGates(modbus, NIGHT, none), { changed: true, againInMs: 3 * HOUR })
  assert.equal([...modbus.gateStates], [GATE_ON | GATE_OUTSIDE | GATE_HOLDS, GATE_WITHIN | GATE_HOLDS])
})

const service = [{ input: "key", is: true, state: "service" }]
const notRun = [{ input: "key", is: false, state: "run" }]
const key = (state: string, words = ["run", "service", "off"]): Inputs => new Map([["key", { state, words }]])

test("[CR 2.1] a rule with a condition on an input is in force only while it holds; unknown closes an allow, keeps a deny", () => {
  for (const [when, inputs, allow, deny] of [
    [service, key("service"), "allowed r", "deny-rule no"],
    [service, key("run"), "when r", "allowed yes"],
    [notRun, key("service"), "allowed r", "deny-rule no"],
    [notRun, key("run"), "when r", "allowed yes"],
    // The input is lost, the board has none of that name, or it never is in that state.
    [service, new Map(), "when r", "deny-rule no"],
    [notRun, new Map([["door", { state: "run" }]]), "when r", "deny-rule no"],
    [[{ input: "key", is: false, state: "servise" }], key("run"), "when r", "deny-rule no"],
    // All must hold: one that surely does not decides, whatever is unknown of the others.
    [[...service, { input: "door", is: true, state: "shut" }], key("service"), "when r", "deny-rule no"],
    [[{ input: "door", is: true, state: "shut" }, ...service], key("run"), "when r", "allowed yes"],
  ] as const) {
    const one = world([both({ when })])
    const other = world([both({ id: "yes" }), both({ id: "no", effect: "deny", when })])
    one.set(DAY, [], inputs)
    other.set(DAY, [], inputs)
    const about = JSON.stringify([when, [...inputs]])
    assert.equal([one.publish(), one.subscribe()], [allow, allow], about)
    assert.equal([other.publish(), other.subscribe()], [deny, deny], about)
    const modbus = compilePolicy(
      makeModbusPolicy([makeModbusRule({ when }), makeModbusRule({ effect: "deny", when })]),
    ).modbus
    setGates(modbus, DAY, none, inputs)
    assert.is((modbus.gateStates[0]! & GATE_OPEN) === GATE_OPEN, allow.startsWith("allowed"), about)
    assert.is((modbus.gateStates[0]! & GATE_OUTSIDE) === 0, deny.startsWith("deny"), about)
  }
})

test("[CR 2.1] before anybody says what the inputs are, conditions are unknown; emergency and hours are asked first", () => {
  const one = world([both({ when: service, hours: shift, emergency: "fire" })])
  assert.is(one.publish(), "emergency r")
  one.set(NIGHT, ["fire"], key("service"))
  assert.equal([one.publish(), one.subscribe()], ["hours r", "hours r"])
  one.set(DAY, ["fire"])
  assert.equal([one.publish(), one.subscribe("t", 2)], ["when r", "when r"])
  assert.equal(one.set(DAY, ["fire"], key("service")).changed, true)
  assert.equal([one.publish(), one.subscribe()], ["allowed r", "allowed r"])
  assert.equal(one.set(DAY, ["fire"], key("service")).changed, false)
  assert.equal([one.set(DAY, ["fire"], key("off")).changed, one.publish()], [true, "when r"])
})

test("each thread sets the gates of its own copy", () => {
  const compiled = compilePolicy(makePolicy([both({ hours: shift })]))
  const copy = structuredClone(compiled)
  setGates(compiled.table, DAY, none)
  const judged = (of: typeof compiled): string =>
    say(of, decideTopic(of.table, stateFor(of), text.encode("t"), 0, 1, 0, 0, 0))
  assert.is(judged(compiled), "allowed r")
  assert.is(judged(copy), "hours r")
})

test("[CR 2.1] a shared subscription needs a receive rule that is always in force, and no deny at any hour", () => {
  const group = makeRule({ id: "group", topics: ["$share/g/a/#"], actions: ["subscribe"] })
  const receive = (over: Partial<MqttRule>): MqttRule =>
    makeRule({ id: "rec", topics: ["a/#"], actions: ["receive"], ...over })
  const said = (...rules: readonly MqttRule[]): string => {
    const own = world(rules)
    own.set(DAY, ["fire"])
    return own.subscribe("$share/g/a/#")
  }
  assert.is(said(group), "allowed group")
  assert.is(said({ ...group, hours: shift }), "shared-subscription group")
  assert.is(said({ ...group, emergency: "fire" }), "shared-subscription group")
  assert.is(said({ ...group, payload: { kind: "utf8" } }), "shared-subscription group")
  assert.is(said({ ...group, hours: shift }, receive({})), "allowed group")
  assert.is(said({ ...group, hours: shift }, receive({ hours: shift })), "shared-subscription group")
  const weekend = { ...shift, days: [6] }
  assert.is(said(group, receive({ effect: "deny", hours: weekend })), "shared-subscription group")
})

test("[CR 2.1] every pair of rules in every state of gate, form and bucket is judged as the reference judges it", () => {
  const hours = [null, { ...shift }, { ...shift, days: [6] }, { ...shift, fromMinute: 725 }]
  const emergencies = [null, "fire", "leak"]
  const forms = [{ kind: "any" }, { kind: "utf8" }] as const
  const rates = [null, { perSecond: 1, burst: 1 }, { perSecond: 1, burst: 0 }]
  const allows = hours.flatMap((h) =>
    emergencies.flatMap((emergency) =>
      forms.flatMap((payload) => rates.map((rate) => ({ hours: h, emergency, payload, rate }))),
    ),
  )
  const rules: Partial<MqttRule>[] = [...allows, ...hours.map((h) => ({ effect: "deny" as const, hours: h }))]
  const time = at(12, 12.25)
  const payloads = [text.encode("ok"), Uint8Array.of(0xc0, 0xaf), undefined]
  const seen = new Map<string, number>()
  let compared = 0
  for (const first of rules) {
    for (const second of rules) {
      const policy = makePolicy([
        makeRule({ id: "first", topics: ["t"], ...first }),
        makeRule({ id: "second", topics: ["+"], ...second }),
      ])
      const { table, ...compiled } = compilePolicy(policy)
      setGates(table, time, new Set(["fire"]))
      for (const payload of payloads) {
        const state = stateFor({ table, ...compiled })
        const [bytes, from] = payload === undefined ? [new Uint8Array(0), -1] : [payload, 0]
        const mine = decideMessage(table, state, text.encode("t"), 0, 1, 0, 2, 0, bytes, from)
        const asked: Asked = {
          policy,
          conduit: "field",
          roles: ["sensor"],
          action: "publish",
          name: "dev",
          clientId: "cid",
          essentialOnly: false,
          time,
          emergencies: new Set(["fire"]),
        }
        const message = { topic: text.encode("t"), qos: 0, retain: false, payloadBytes: 2, nowMs: 0 }
        const expected = decideReference(asked, payload === undefined ? message : { ...message, payload }, new Map())
        if (mine !== expected) assert.unreachable(`${JSON.stringify([first, second, payload])}: ${mine}, ${expected}`)
        seen.set(reasonName(mine), (seen.get(reasonName(mine)) ?? 0) + 1)
        compared++
      }
    }
  }
  assert.is(rules.length, 76)
  assert.is(compared, 76 * 76 * 3)
  const reasons = ["allowed", "deny-rule", "emergency", "hours", "incomplete", "no-rule", "payload-form", "rate"]
  assert.equal([...seen.keys()].sort(), reasons)
})

test.run()
