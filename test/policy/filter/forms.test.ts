import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compilePolicy, MAX_FORM_PARTS, MAX_FORMS } from "../../../policy/compile/compile.ts"
import { decideSubscription } from "../../../policy/filter/contain.ts"
import { createBuckets, decide, decideMessage, decideTopic } from "../../../policy/filter/decide.ts"
import { MAX_LOOKS } from "../../../policy/filter/layout.ts"
import { MAX_INSPECTED_BYTES, type JsonForm, type PayloadForm } from "../../../policy/language/payload-form.ts"
import type { MqttRule } from "../../../policy/language/policy.ts"
import { judgeBy, say, stateFor } from "../../support/filter-peers.ts"
import { makeForm } from "../../support/json-forms.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/filter, payload forms")
const text = new TextEncoder()
const utf8: PayloadForm = { kind: "utf8" }
const formed = (over: Partial<MqttRule> = {}): MqttRule => makeRule({ id: "r", topics: ["t"], payload: utf8, ...over })
const GOOD = text.encode("grün")
const BAD = Uint8Array.of(0x67, 0xc0, 0xaf)

/** A PUBLISH to `t`, QoS 1, version 5 with one property. */
function packet(payload: Uint8Array): Uint8Array {
  return Uint8Array.from([0x32, 3 + 2 + 3 + payload.length, 0, 1, 0x74, 0, 7, 2, 1, 1, ...payload])
}

/** Judges packets of which `hand` bytes are there. */
function packets(rules: readonly MqttRule[]) {
  const compiled = compilePolicy(makePolicy(rules))
  const buckets = createBuckets(compiled.table)
  const state = stateFor(compiled, { version: 5, buckets })
  return (bytes: Uint8Array, hand = bytes.length, nowMs = 0): string =>
    say(compiled, decide(compiled.table, state, bytes, 0, hand, nowMs))
}

test("[CR 3.5] a payload passes if it is of the form, and is denied as such if it is not", () => {
  const judge = packets([formed()])
  assert.is(judge(packet(GOOD)), "allowed r")
  assert.is(judge(packet(BAD)), "payload-form r")
  assert.is(judge(packet(new Uint8Array(0))), "allowed r")
})

test("[CR 3.5] as long as a byte of the payload lacks, the verdict is incomplete, and no byte behind it is read", () => {
  const judge = packets([formed()])
  for (const payload of [GOOD, BAD]) {
    const whole = packet(payload)
    for (let hand = 10; hand < whole.length; hand++) assert.is(judge(whole, hand), "incomplete")
    for (let hand = 0; hand < 8; hand++) assert.is(judge(whole, hand), "bad-topic", String(hand))
  }
  const followed = Uint8Array.from([...packet(GOOD), 0xff, 0xff])
  assert.is(judge(followed), "allowed r")
})

test("a verdict that does not hang on the payload needs none of it", () => {
  const cut = (rules: readonly MqttRule[]): string => packets(rules)(packet(BAD), 10)
  assert.is(cut([formed({ maxQos: 0 })]), "qos r")
  assert.is(cut([formed({ maxPayloadBytes: 2 })]), "payload-size r")
  assert.is(cut([formed(), makeRule({ id: "no", topics: ["#"], effect: "deny" })]), "deny-rule no")
  assert.is(cut([formed(), makeRule({ id: "plain", topics: ["#"] })]), "allowed plain")
  assert.is(cut([formed(), makeRule({ id: "plain", topics: ["#"], maxQos: 0 })]), "incomplete")
  // Whether a token is spent hangs on it.
  assert.is(cut([formed(), makeRule({ id: "paid", topics: ["#"], rate: { perSecond: 1, burst: 1 } })]), "incomplete")
})

test("neither an incomplete verdict nor a payload of another form takes a token", () => {
  const judge = packets([formed({ rate: { perSecond: 1, burst: 1 } })])
  for (let k = 0; k < 3; k++) assert.is(judge(packet(GOOD), 10), "incomplete")
  for (let k = 0; k < 3; k++) assert.is(judge(packet(BAD)), "payload-form r")
  assert.is(judge(packet(GOOD)), "allowed r")
  assert.is(judge(packet(GOOD)), "rate r")
  assert.is(judge(packet(BAD)), "payload-form r")
})

test("rules that do not look go first, then the first whose form fits, then those with a rate", () => {
  const rules = [
    formed({ id: "paid", rate: { perSecond: 1, burst: 9 } }),
    formed({ id: "strict", payload: { kind: "sparkplug-b", metrics: [] } }),
    formed({ id: "text" }),
    formed({ id: "text-too" }),
  ]
  assert.is(packets(rules)(packet(GOOD)), "allowed text")
  assert.is(packets([...rules, makeRule({ id: "plain", topics: ["t"] })])(packet(GOOD)), "allowed plain")
  assert.is(packets(rules.slice(0, 2))(packet(GOOD)), "allowed paid")
})

test("a payload beyond what may be looked into is too large for the rule, whatever its limit", () => {
  const compiled = compilePolicy(makePolicy([formed()]))
  const state = stateFor(compiled)
  const topic = text.encode("t")
  const payload = new Uint8Array(MAX_INSPECTED_BYTES + 1).fill(0x20)
  const judge = (length: number): string =>
    say(compiled, decideMessage(compiled.table, state, topic, 0, 1, 0, length, 0, payload, 0))
  assert.is(judge(MAX_INSPECTED_BYTES), "allowed r")
  assert.is(judge(MAX_INSPECTED_BYTES + 1), "payload-size r")
  const cut = decideTopic(compiled.table, state, topic, 0, 1, 0, MAX_INSPECTED_BYTES + 1, 0)
  assert.is(say(compiled, cut), "payload-size r")
})

test("a payload that is said to be longer than what is in hand is not in hand", () => {
  const compiled = compilePolicy(makePolicy([formed()]))
  const judge = (length: number, from: number): string =>
    say(compiled, decideMessage(compiled.table, stateFor(compiled), text.encode("t"), 0, 1, 0, length, 0, GOOD, from))
  assert.is(judge(GOOD.length, 0), "allowed r")
  assert.is(judge(GOOD.length, 1), "incomplete")
  assert.is(judge(GOOD.length + 1, 0), "incomplete")
  assert.is(judge(1, -1), "incomplete")
  assert.is(judge(0, -1), "allowed r")
})

test("forms are looked at on receipt too, and say nothing of a request to subscribe", () => {
  const rules = [formed({ actions: ["subscribe"] })]
  const compiled = compilePolicy(makePolicy(rules))
  const receive = stateFor(compiled, { action: "receive" })
  const received = (payload: Uint8Array): string =>
    say(compiled, decideMessage(compiled.table, receive, text.encode("t"), 0, 1, 0, payload.length, 0, payload, 0))
  assert.is(received(GOOD), "allowed r")
  assert.is(received(BAD), "payload-form r")
  const asking = stateFor(compiled, { action: "subscribe" })
  assert.is(say(compiled, decideSubscription(compiled.table, asking, text.encode("t"), 0, 1, 0)), "allowed r")
})

test("a deny rule looks into no payload", () => {
  const { table } = compilePolicy(makePolicy([formed({ effect: "deny" })]))
  assert.equal(table.forms, [])
  assert.is(judgeBy(makePolicy([formed({ effect: "deny" })]))("t", { payloadBytes: 5 }), "deny-rule r")
})

test("[CR 2.1] data passes a one-way conduit one way only", () => {
  const rule = makeRule({ id: "r", topics: ["t", "$share/g/t"], actions: ["publish", "subscribe", "receive"] })
  const said = (direction: "both" | "in" | "out"): string[] => {
    const base = makePolicy([rule])
    const policy = { ...base, conduits: base.conduits.map((conduit) => ({ ...conduit, direction })) }
    const compiled = compilePolicy(policy)
    const asking = stateFor(compiled, { action: "subscribe" })
    const subscribe = (filter: string): string => {
      const bytes = text.encode(filter)
      return say(compiled, decideSubscription(compiled.table, asking, bytes, 0, bytes.length, 0))
    }
    const messages = (["publish", "receive"] as const).map((action) => judgeBy(policy, { action })("t"))
    return [...messages, subscribe("t"), subscribe("$share/g/t")]
  }
  assert.equal(said("both"), ["allowed r", "allowed r", "allowed r", "allowed r"])
  assert.equal(said("out"), ["allowed r", "no-rule", "not-contained", "not-contained"])
  assert.equal(said("in"), ["no-rule", "allowed r", "allowed r", "allowed r"])
})

test("[CR 2.1] a policy whose worst topic would be looked into too often is refused", async () => {
  const same = (count: number): MqttRule[] =>
    Array.from({ length: count }, (_, k) => formed({ id: `r${k}`, topics: [k % 2 === 0 ? "t/#" : "t/+"] }))
  assert.is(judgeBy(makePolicy(same(MAX_LOOKS)))("t/a"), "allowed r0")
  const error = await rejects(() => compilePolicy(makePolicy(same(MAX_LOOKS + 1))), "ERR_POLICY_TOO_COMPLEX")
  assert.equal(error.detail, {
    where: "class field [sensor], publish",
    bound: "rules with a payload form on the worst topic",
    found: MAX_LOOKS + 1,
    limit: MAX_LOOKS,
  })
  // As many that no topic meets at once are no trouble.
  const apart = Array.from({ length: 500 }, (_, k) => formed({ id: `a${k}`, topics: [`${k}/x`] }))
  assert.is(judgeBy(makePolicy(apart))("77/x"), "allowed a77")
})

test("payload forms are bounded in number and in size; equal ones count once", async () => {
  const metric = (name: string) => ({ name, types: ["Int8"] as const, min: null, max: null })
  const sparkplug = (name: string, count = 1): PayloadForm => ({
    kind: "sparkplug-b",
    metrics: Array.from({ length: count }, (_, k) => metric(`${name}${k}`)),
  })
  const policy = (forms: readonly PayloadForm[]) =>
    makePolicy(forms.map((payload, k) => makeRule({ topics: [`${k}`], payload })))
  const many = Array.from({ length: MAX_FORMS + 1 }, (_, k) => sparkplug(`m${k}`))
  const error = await rejects(() => compilePolicy(policy(many)), "ERR_POLICY_TOO_COMPLEX")
  assert.is(error.detail["bound"], "payload forms")
  assert.is(compilePolicy(policy(many.slice(1))).table.forms.length, MAX_FORMS)
  assert.is(compilePolicy(policy(many.map(() => sparkplug("same")))).table.forms.length, 1)
  const large = await rejects(() => compilePolicy(policy([sparkplug("m", MAX_FORM_PARTS)])), "ERR_POLICY_TOO_COMPLEX")
  assert.is(large.detail["bound"], "parts of payload forms")
  assert.is(compilePolicy(policy([sparkplug("m", MAX_FORM_PARTS - 1)])).table.forms.length, 1)

  const leaf = makeForm()
  const properties = Array.from({ length: 300 }, (_, k) => ({ name: `p${k}`, required: false, form: leaf }))
  const wide: JsonForm = { ...leaf, values: [1, 2], properties, additional: { ...leaf, properties }, items: leaf }
  const nested: JsonForm = { ...leaf, properties: properties.map((property) => ({ ...property, form: wide })) }
  const json = await rejects(() => compilePolicy(policy([{ kind: "json", form: nested }])), "ERR_POLICY_TOO_COMPLEX")
  assert.is(json.detail["found"], 1 + 300 * (1 + 2 + 300 + 301 + 1))
})

test.run()
