import { readFileSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { explain } from "../../../policy/analysis/explain.ts"
import { explainEntry, isDenial } from "../../../policy/analysis/explain-entry.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import { parseRequestText } from "../../../policy/analysis/modbus-request.ts"
import type { MessageQuestion, Question, SubscribeQuestion } from "../../../policy/analysis/question.ts"
import { findWho } from "../../../policy/analysis/who.ts"
import type { Entry } from "../../../policy/audit/entry.ts"
import type { Policy } from "../../../policy/language/policy.ts"
import { makeModbusPolicy, makeModbusRule, makePoint } from "../../support/modbus-policies.ts"
import { makePolicy, makeRule, makeSubject } from "../../support/policies.ts"

const test = suite("policy/analysis/explain")

const policy = makePolicy(
  [
    makeRule({ id: "report", topics: ["plant/%u/telemetry"], maxQos: 1, maxPayloadBytes: 512, retain: false }),
    makeRule({ id: "set", topics: ["plant/%u/set/+"], actions: ["subscribe", "receive"], roles: ["pump"], essential: true }), // prettier-ignore
    makeRule({ id: "secret", topics: ["plant/+/secret"], effect: "deny" }),
    makeRule({ id: "text", topics: ["note/#"], payload: { kind: "utf8" } }),
  ],
  [["sensor"], ["pump", "sensor"]],
)
const flow = { conduit: "field", name: "flow-1", clientId: "flow-1", roles: ["sensor"] }
const base = { who: flow, at: null, emergencies: [], essentialOnly: false }
const message = (topic: string, over: Partial<MessageQuestion> = {}): MessageQuestion => ({
  ...base,
  kind: "publish",
  topic,
  qos: 0,
  retain: false,
  payloadBytes: 0,
  payload: null,
  ...over,
})
const subscribe = (filter: string, over: Partial<SubscribeQuestion> = {}): SubscribeQuestion => ({ ...base, kind: "subscribe", filter, qos: 0, ...over }) // prettier-ignore

/** The lines of each kind, without those of what was asked. */
function told(question: Question, by: Policy = policy): readonly string[] {
  const { lines } = explain(by, question)
  assert.ok(lines.length >= 3 && lines.length <= 10, lines.join("\n"))
  return lines.slice(2).map((line) => line.replace(/ +/g, " "))
}

test("an allowed message: the rule, by which filter, on what terms", () => {
  assert.equal(told(message("plant/flow-1/telemetry")), [
    "verdict ALLOWED by rule report",
    "because it allows publish on plant/%u/telemetry for sensor; flow-1 is sensor; plant/%u/telemetry matches, %u is flow-1",
    "terms QoS up to 1, not retained, payload up to 512B",
  ])
})

test("[NDR 5.2] a denial names the nearest rule, the level that differs, and both ways to change it", () => {
  assert.equal(told(message("plant/flow-2/telemetry")), [
    "verdict DENIED: no-rule",
    "because no rule allows it",
    "nearest rule report: it allows publish on plant/%u/telemetry for sensor",
    'differs level 2 is "flow-2", the rule wants %u, which is "flow-1" here',
    "change publish to plant/flow-1/telemetry; what is another's takes a rule of its own",
  ])
  assert.match(told(message("plant/flow-1/telemetri")).join("\n"), 'wants "telemetry": a slip of the pen?')
  assert.match(
    told(message("plant/flow-1/telemetry/x")).join("\n"),
    'level 4: the rule ends, the topic goes on with "x"',
  )
  assert.match(told(message("plant/flow-1")).join("\n"), 'level 3: the topic ends, the rule goes on with "telemetry"')
})

test("all terms that do not hold are told at once", () => {
  const lines = told(message("plant/flow-1/telemetry", { qos: 2, retain: true, payloadBytes: 2048 })).join("\n")
  assert.match(lines, "verdict DENIED: qos, nearest rule report\nbecause QoS 2, the rule allows up to 1")
  assert.match(lines, "differs the retain flag is set")
  assert.match(lines, "differs a payload of 2KiB, the rule allows 512B")
})

test("a deny tells what would allow it else, and whether narrowing it would help", () => {
  const own = makePolicy([...policy.rules, makeRule({ id: "wide", topics: ["plant/#"] })])
  assert.equal(told(message("plant/flow-1/secret"), own).slice(2), [
    "else rule wide would allow it",
    "change narrow what secret denies",
  ])
  assert.match(told(message("plant/flow-1/secret")).join("\n"), "no rule allows it either")
})

test("another role, another action, another conduit, another posture", () => {
  assert.match(told(subscribe("plant/flow-1/set/+")).join("\n"), "differs it is for the role pump; flow-1 has sensor\nchange give flow-1 the role pump") // prettier-ignore
  assert.match(
    told(message("plant/flow-1/telemetry", { kind: "receive" })).join("\n"),
    "it allows publish, not receive",
  )
  assert.match(
    told(message("plant/flow-1/telemetry", { essentialOnly: true })).join("\n"),
    "normal flows are closed now",
  )
  assert.match(told(message("lockgate/gw/audit")).join("\n"), "the gateway's own")
  assert.match(told(message("any/thing/else/altogether/far/off")).join("\n"), "no rule is near")
  const out = { ...policy, conduits: policy.conduits.map((conduit) => ({ ...conduit, direction: "out" as const })) }
  assert.match(
    told(subscribe("plant/flow-1/set/+"), out).join("\n"),
    "has direction: out, so its peers publish and are sent nothing",
  )
})

test("a rule that looks into a payload of which only the length is known", () => {
  assert.match(told(message("note/1", { payloadBytes: 5 })).join("\n"), "DEPENDS on the payload.+\nbecause rule text looks into it".replace(".+", ", of which only the length is known")) // prettier-ignore
  const payload = Uint8Array.of(0xff)
  assert.match(
    told(message("note/1", { payloadBytes: 1, payload })).join("\n"),
    "the payload is not of the form utf8 that the rule demands: byte 0: is not UTF-8",
  )
})

test("Modbus: unit, function, addresses, values, a part of a point", () => {
  const points = [makePoint({ name: "pressure", at: 107, type: "uint32", min: 0, max: 70_000 })]
  const rules = [makeModbusRule({ id: "set", units: [{ from: 3, to: 3 }], functions: [{ code: 6, sub: null }, { code: 16, sub: null }], registers: [{ from: 100, to: 110 }], points })] // prettier-ignore
  const plant = makeModbusPolicy(rules)
  const ask = (words: string): string => {
    const request = parseRequestText(words)
    if (!request.ok) throw new TypeError(request.why)
    return told({ ...base, who: { ...flow, roles: ["operator"] }, kind: "modbus", request: request.value }, plant).join("\n") // prettier-ignore
  }
  assert.match(ask("unit 3 write-multiple-registers 107..108 = 1 0"), "ALLOWED by rule set")
  assert.match(ask("unit 3 write-multiple-registers 107..108 = 1 5000"), "the value does not fit pressure (uint32 at 107..108, from 0 up to 70000)") // prettier-ignore
  assert.match(ask("unit 3 write-single-register 107 = 1500"), "it writes a part of pressure")
  assert.match(ask("unit 4 write-single-register 100 = 1"), "unit 4, but it is for unit 3\nchange add 4 to its units")
  assert.match(
    ask("unit 3 read-holding-registers 100"),
    "not read-holding-registers\nchange add read-holding-registers",
  )
  assert.match(ask("unit 3 write-multiple-registers 109..111 = 1 2 3"), "109..111 is not whole in its ranges 100..110")
})

test("who is meant is found in the policy, or what to say is told", () => {
  const named = { as: "flow-1", roles: null, conduit: null, clientId: null }
  const two = findWho(policy, named, "mqtt")
  assert.not(two.ok)
  assert.is(two.ok ? "" : two.hint, "say its roles: sensor or pump,sensor")
  const one = findWho(policy, { ...named, roles: ["sensor", "pump"] }, "mqtt")
  assert.equal(one.ok ? one.value.roles : [], ["pump", "sensor"])
  const fixed = { ...makeSubject("cell", ["sensor"]), id: "historian", fixedName: "hist" }
  const own = { ...policy, subjects: [fixed] }
  const entry = findWho(own, { ...named, as: "historian" }, "mqtt")
  assert.is(entry.ok ? entry.value.name : "", "hist")
  const misspelt = findWho(own, { ...named, as: "hisst" }, "mqtt")
  assert.is(misspelt.ok ? "" : misspelt.hint, 'did you mean "hist"?')
  assert.not(findWho(policy, { ...named, conduit: "filed" }, "mqtt").ok)
  assert.not(findWho(policy, named, "modbus").ok)
})

const entry = (over: Partial<Entry>): Entry => ({
  ...{ seq: 1, time: "2026-01-31T09:00:00.000Z", earliest: 0, latest: null, boot: "b", mono: 1, gateway: "gw" },
  ...{
    source: "conduit/field",
    category: "access-control",
    type: "warning",
    event: "conduit.denied",
    outcome: "denied",
  },
  ...{
    subject: "flow-1",
    conduit: "field",
    object: "plant/flow-2/telemetry",
    reason: "no-rule",
    requirement: "NDR 5.2",
  },
  detail: { action: "publish" },
  ...over,
})

test("[NDR 5.2] a denial of the log is explained without knowing roles, QoS or size", () => {
  const lines = (over: Partial<Entry>): string => {
    const found = explainEntry(policy, entry(over))
    return found.ok ? found.value.lines.join("\n") : found.why
  }
  assert.match(lines({}), 'level 2 is "flow-2"')
  const size = lines({ object: "plant/flow-1/telemetry", rule: "report", reason: "payload-size" })
  assert.match(size, "DENIED: payload-size, nearest rule report\nbecause   its payload is longer than 512B")
  assert.not.match(size, "QoS")
  assert.match(lines({ object: "plant/flow-1/telemetry", rule: "report", reason: "rate" }), "raise rate and burst")
  assert.match(lines({ object: "plant/flow-1/secret", rule: "secret", reason: "deny-rule" }), "DENIED by rule secret")
  // A sensor has nothing near; that it was said of a pump is seen by the rule.
  const pump = lines({ object: "plant/flow-1/set/x", rule: "set", reason: "qos", detail: { action: "subscribe" } })
  assert.match(pump, "[pump, sensor]")
  assert.match(lines({ object: "plant/flow-1/telemetry" }), "the log says no-rule; this policy would say allowed")
  assert.match(lines({ conduit: "gone" }), "no conduit gone")
  assert.match(lines({ reason: "of-tomorrow" }), "does not know the reason")
  assert.not(isDenial(entry({ object: "*" })))
  assert.ok(isDenial(entry({})))
})

test("of a denied Modbus write the log has no values, and the explanation makes none up", () => {
  const text = readFileSync(new URL("../../../policy/examples/pumping-station.yaml", import.meta.url), "utf8")
  const parsed = parsePolicy(text, "pumping-station.yaml")
  assert.ok(parsed.ok)
  if (!parsed.ok) return
  const first = (object: string): string | undefined => {
    const over = { subject: "one", conduit: "drives", reason: "address", rule: "drive-set-points" }
    const found = explainEntry(parsed.value, entry({ ...over, object, detail: { action: "request" } }))
    return found.ok ? found.value.lines[0] : found.why
  }
  const at = "at 2026-01-31T09:00:00Z"
  const one = "unit 1 write-single-register 105"
  assert.is(first(one), `asked     ${one}, values not logged, ${at}`)
  const twelve = "unit 1 write-multiple-registers 100..111"
  assert.is(first(twelve), `asked     ${twelve}, values not logged, ${at}`)
  assert.is(first("unit 1 read-holding-registers 500"), `asked     unit 1 read-holding-registers 500, ${at}`)
})

test.run()
