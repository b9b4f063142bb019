import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { Expected } from "../../support/faults.ts"
import type { Parsed } from "../../../policy/language/fault.ts"
import type { MqttRule, Policy } from "../../../policy/language/policy.ts"
import { conditionText } from "../../../policy/language/input-condition.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import { faulty, good } from "../../support/faults.ts"
import { makeForm } from "../../support/json-forms.ts"
import { policy, rule } from "../../support/policy-text.ts"

const test = suite("policy/language/mqtt-rule")

const read = (text: string): Parsed<Policy> => parsePolicy(text, "policy.yaml")
const r = (text: string): string => rule(`{ id: r, allow: publish, roles: [sensor], topics: [a], ${text} }`)
const j = (text: string): string => r(`form: { json: ${text} }`)
const m = (text: string): string => r(`form: { sparkplug-b: [${text}] }`)

function ruleOf(text: string): MqttRule {
  const [first] = good(read(text)).rules
  assert.is(first?.protocol, "mqtt")
  return first as MqttRule
}

const ANYTHING = makeForm()

test("record, hours, emergency and form are read", () => {
  const rule = ruleOf(
    r(
      'record: each, hours: { days: [sun, mon], from: 22:30, to: "06:00", utc: "-03:30" }, emergency: flood, form: utf8',
    ),
  )
  assert.is(rule.record, "each")
  assert.equal(rule.hours, { days: [1, 7], fromMinute: 1350, toMinute: 360, utcOffsetMinutes: -210 })
  assert.is(rule.emergency, "flood")
  assert.equal(rule.payload, { kind: "utf8" })
})

test("hours are of every day, of UTC, and end at midnight whichever way that is written", () => {
  const hours = (text: string) => ruleOf(r(`hours: ${text}`)).hours
  const all = { days: [1, 2, 3, 4, 5, 6, 7], fromMinute: 0, toMinute: 1440, utcOffsetMinutes: 0 }
  assert.equal(hours("{ from: 00:00, to: 24:00 }"), all)
  assert.equal(hours("{ from: 00:00, to: 00:00 }"), all)
  assert.equal(hours('{ from: 00:00, to: 00:00, utc: "-00:00" }'), all)
  assert.equal(hours("{ from: 23:59, to: 14:00, utc: +14:00 }")?.utcOffsetMinutes, 840)
})

test("conditions on inputs are read, one or a list", () => {
  const when = (text: string) => ruleOf(r(`when: ${text}`)).when
  const service = { input: "key-switch", is: true, state: "service" }
  assert.equal(when("key-switch is service"), [service])
  assert.equal(when("[key-switch is service, door is not open]"), [
    service,
    { input: "door", is: false, state: "open" },
  ])
  assert.is(ruleOf(r("qos: 0")).when, null)
})

test("[CR 3.5] island mode by input is read; any key but its two, and a condition that is none, is a fault", () => {
  const own = good(read(policy({ rules: "rules: []\nisland: { when: [key is island, box is open] }" })))
  assert.equal(own.island?.when.map(conditionText), ["key is island", "box is open"])
  assert.is(own.island?.restore, "command")
  assert.is(good(read(policy({ rules: "rules: []" }))).island, undefined)
  for (const bad of [
    "{}",
    "{ when: [] }",
    "{ when: key is island, restore: never }",
    "{ when: key is island, then: shut }",
    "key is island",
  ]) {
    assert.not.ok(read(policy({ rules: `rules: []\nisland: ${bad}` })).ok, bad)
  }
})

test("a deny has hours", () => {
  const rule = ruleOf(
    policy({
      rules: "rules: [{ id: r, deny: publish, roles: [sensor], topics: [a], hours: { from: 01:00, to: 02:00 } }]",
    }),
  )
  assert.equal([rule.hours?.fromMinute, rule.hours?.toMinute], [60, 120])
})

test("a JSON form is resolved, whatever is required named", () => {
  const rule = ruleOf(
    j(`{ title: T, type: object, required: [a, c],
      properties: { a: { const: 1 }, b: { type: array, minItems: 1, maxItems: 2, items: { enum: [x, 2, true, null] } },
      d: { additionalProperties: { type: [string, "null"], maxLength: 9 } } } }`),
  )
  const other = { ...ANYTHING, types: ["string", "null"], maxLength: 9 }
  assert.equal(rule.payload, {
    kind: "json",
    form: {
      ...ANYTHING,
      types: ["object"],
      properties: [
        { name: "a", required: true, form: { ...ANYTHING, values: [1] } },
        {
          name: "b",
          required: false,
          form: {
            ...ANYTHING,
            types: ["array"],
            minItems: 1,
            maxItems: 2,
            items: { ...ANYTHING, values: ["x", 2, true, null] },
          },
        },
        { name: "d", required: false, form: { ...ANYTHING, additional: other } },
        { name: "c", required: true, form: ANYTHING },
      ],
    },
  })
  const numbers = j("{ minimum: -1.5, maximum: 2, exclusiveMinimum: -2, exclusiveMaximum: 3, const: null }")
  assert.equal(ruleOf(numbers).payload, {
    kind: "json",
    form: { ...ANYTHING, values: [null], minimum: -1.5, maximum: 2, exclusiveMinimum: -2, exclusiveMaximum: 3 },
  })
})

test("Sparkplug metrics are read, one type or several", () => {
  assert.equal(
    ruleOf(m("{ metric: Pump/*, types: Float, min: 0, max: 1.5 }, { metric: bdSeq, types: [Int64, UInt64] }")).payload,
    {
      kind: "sparkplug-b",
      metrics: [
        { name: "Pump/*", types: ["Float"], min: 0, max: 1.5 },
        { name: "bdSeq", types: ["Int64", "UInt64"], min: null, max: null },
      ],
    },
  )
})

test("zones and conduits say kind, clear text, direction and transport", () => {
  const value = good(
    read(
      policy({
        zones:
          "zones: { field: { level: 2, clear-text: true }, control: { level: 3 }, far: { level: 0, kind: untrusted } }",
        conduits: `conduits:
  a: { from: field, to: control, protocol: mqtt, direction: out, transport: { from: tcp } }
  b: { from: control, to: field, protocol: modbus, direction: in, transport: { from: tls, to: rtu }, refusal: 2 }
  c: { from: far, to: control, protocol: modbus, transport: tls, refusal: server-device-busy }`,
      }),
    ),
  )
  assert.equal(
    value.zones.map(({ kind, clearText }) => [kind, clearText]),
    [
      ["plant", true],
      ["plant", false],
      ["untrusted", false],
    ],
  )
  assert.equal(value.conduits, [
    {
      name: "a",
      from: "field",
      to: "control",
      protocol: "mqtt",
      direction: "out",
      access: "always",
      transport: { from: "tcp", to: "tls" },
      upstreamIdentity: "strip",
      onDeny: "ack",
      enhancedAuth: "refuse",
      buffer: null,
    },
    {
      name: "b",
      from: "control",
      to: "field",
      protocol: "modbus",
      direction: "in",
      access: "always",
      transport: { from: "tls", to: "rtu" },
      refusal: 2,
    },
    {
      name: "c",
      from: "far",
      to: "control",
      protocol: "modbus",
      direction: "both",
      access: "approved",
      transport: { from: "tls", to: "tls" },
      refusal: 6,
    },
  ])
})

const deep = (levels: number): string => "{ items: ".repeat(levels) + "{}" + " }".repeat(levels)
const conduit = (text: string, zones?: string): string =>
  policy({ conduits: `conduits:\n  c: ${text}`, ...(zones === undefined ? {} : { zones }) })
const on = (direction: string, text: string): string =>
  policy({
    conduits: `conduits: { c: { from: field, to: control, protocol: mqtt, direction: ${direction} } }`,
    rules: `rules: [{ id: r, roles: [sensor], topics: [a], conduits: [c], ${text} }]`,
  })

// prettier-ignore
const FAULTS: readonly (readonly [name: string, marked: string, ...expected: Expected[]])[] = [
  ["an essential flow with hours", r("essential: true, hours: ¦{ from: 01:00, to: 02:00 }"), ["rules[0].hours", "never stopped by the gateway: a clock", "two rules"]],
  ["an essential flow that waits for an emergency", r("essential: true, emergency: ¦flood"), ["rules[0].emergency", "somebody's switch"]],
  ["an essential flow with a condition", r("essential: true, when: ¦key is run"), ["rules[0].when", "never stopped by the gateway: an input", "two rules"]],
  ["a condition with another verb", r("when: ¦key was run"), ["rules[0].when", "key-switch is maintenance"]],
  ["a condition without a state", r("when: ¦key is not"), ["rules[0].when", "found", "the state is missing"]],
  ["a condition with two spaces", r("when: ¦key  is run"), ["rules[0].when", "key-switch is maintenance"]],
  ["a condition in capitals", r("when: ¦key IS run"), ["rules[0].when", "key-switch is maintenance"]],
  ["a condition on what every object has", r("when: ¦constructor is run"), ["rules[0].when", "reserved"]],
  ["no conditions", r("when: ¦[]"), ["rules[0].when", "at least 1"]],
  ["too many conditions", r("when: ¦[a is a, a is b, a is c, a is d, a is e, a is f, a is g, a is h, a is i]"), ["rules[0].when", "at most 8"]],
  ["a condition twice", r("when: ¦[key is run, key is run]"), ["rules[0].when", "twice"]],
  ["hours without an end", r("hours: ¦{ from: 01:00 }"), ["rules[0].hours.to", 'needs the key "to"']],
  ["an hour that is none", r("hours: { from: ¦24:00, to: ¦7:00 }"), ["rules[0].hours.from", "00:00..23:59"], ["rules[0].hours.to", "00:00..24:00"]],
  ["a day that is none", r("hours: { days: [mon, ¦tues], from: 01:00, to: 02:00 }"), ["rules[0].hours.days[1]", '"tue"', 'mean "tue"']],
  ["a day twice", r("hours: { days: [mon, ¦mon], from: 01:00, to: 02:00 }"), ["rules[0].hours.days[1]", "twice"]],
  ["no days", r("hours: { days: ¦[], from: 01:00, to: 02:00 }"), ["rules[0].hours.days", "at least 1"]],
  ["an offset without a sign", r("hours: { from: 01:00, to: 02:00, utc: ¦01:00 }"), ["rules[0].hours.utc", '"+01:00"']],
  ["an offset beyond the earth", r("hours: { from: 01:00, to: 02:00, utc: ¦+14:30 }"), ["rules[0].hours.utc", "+14:00"]],
  ["a record of another word", r("record: ¦always"), ["rules[0].record", '"each"']],
  ["a deny with a form", rule("{ id: r, deny: publish, roles: [sensor], topics: [a], ¦form: utf8 }"), ["rules[0].form", "topics alone"]],
  ["a deny with an emergency", rule("{ id: r, deny: publish, roles: [sensor], topics: [a], ¦emergency: a }"), ["rules[0].emergency", "it does not close"]],
  ["a form where nothing is carried", rule("{ id: r, allow: subscribe, roles: [sensor], topics: [a], form: ¦utf8 }"), ["rules[0].form", "publish and receive"]],
  ["a form with a payload too long to look into", r("payload: ¦257KiB, form: utf8"), ["rules[0].payload", "at most 256KiB", "form: any"]],
  ["a form of no name", r("form: ¦JSON"), ["rules[0].form", '"any" or "utf8"']],
  ["the bare word of a form that says more", r("form: ¦json"), ["rules[0].form", "write { json: {"]],
  ["a form of no kind", r("form: ¦{}"), ["rules[0].form", '"json" or "sparkplug-b"']],
  ["two forms", r("form: { json: {}, ¦sparkplug-b: [] }"), ["rules[0].form.sparkplug-b", "found both"]],
  ["a reference in a form", j('{ ¦$ref: "#/a" }'), ["rules[0].form.json.$ref".replace(".$ref", '["$ref"]'), "no references"]],
  ["a pattern in a form", j("{ type: string, ¦pattern: a+ }"), ["rules[0].form.json.pattern", "unbounded time"]],
  ["a format in a form", j("{ ¦format: date }"), ["rules[0].form.json.format", "a comment"]],
  ["anyOf in a form", j("{ ¦anyOf: [] }"), ["rules[0].form.json.anyOf", "a rule for each"]],
  ["uniqueItems in a form", j("{ type: array, ¦uniqueItems: true }"), ["rules[0].form.json.uniqueItems", "maxItems"]],
  ["a misspelt keyword", j("{ type: number, ¦minumum: 1 }"), ["rules[0].form.json.minumum", "has no key", '"minimum"']],
  ["a keyword without effect", j("{ type: number, ¦maxLength: 1 }").replace("¦maxLength: 1", "maxLength: ¦1"), ["rules[0].form.json.maxLength", "bears on the type string", "remove"]],
  ["const and enum", j("{ enum: [1], const: ¦1 }"), ["rules[0].form.json.const", "two ways"]],
  ["const of nothing", j("{ const: ¦}"), ["rules[0].form.json.const", "a text, a number", "write null"]],
  ["const of a list", j("{ const: ¦[1] }"), ["rules[0].form.json.const", "a text, a number"]],
  ["a number in a form that loses digits", j("{ enum: [¦9007199254740993] }"), ["rules[0].form.json.enum[0]", "last digits"]],
  ["bounds in a form that nothing fits", j("{ minimum: ¦2, maximum: 1, minItems: ¦2, maxItems: 1, minLength: ¦2, maxLength: 1 }"), ["rules[0].form.json.minimum", "nothing fits"], ["rules[0].form.json.minItems", "nothing fits"], ["rules[0].form.json.minLength", "nothing fits"]],
  ["a member that must be and must not", j("{ required: [¦a], additionalProperties: false }"), ["rules[0].form.json.required[0]", "must not", "properties"]],
  ["a member that must be there without a form", j("{ required: [¦a], additionalProperties: { type: string } }"), ["rules[0].form.json.required[0]", "nothing says its form", "properties"]],
  ["a form of a member that is a flag", j("{ properties: { a: ¦true } }"), ["rules[0].form.json.properties.a", "a map"]],
  ["a list of forms for items", j("{ items: ¦[{}] }"), ["rules[0].form.json.items", "a map"]],
  ["a keyword in a deep form", j("{ items: { properties: { a: { additionalProperties: { ¦not: {} } } } } }"), ["rules[0].form.json.items.properties.a.additionalProperties.not", "what may be there"]],
  ["a form deeper than documents are", rule(`{ id: r, allow: publish, roles: [sensor], topics: [a], form: { json: ${deep(29)} } }`).replace("{}", "¦{}"), ["", "within each other"]],
  ["a metric without types", m("¦{ metric: a }"), ["rules[0].form.sparkplug-b[0].types", 'needs the key "types"']],
  ["a metric with * inside", m("{ metric: ¦a/*/b, types: Float }"), ["rules[0].form.sparkplug-b[0].metric", '"*" at its end']],
  ["a metric of an unknown type", m("{ metric: a, types: [¦float] }"), ["rules[0].form.sparkplug-b[0].types[0]", '"Float"', 'mean "Float"']],
  ["bounds of a metric that nothing fits", m("{ metric: a, types: Float, min: ¦2, max: 1 }"), ["rules[0].form.sparkplug-b[0].min", "nothing fits"]],
  ["bounds of a metric without numbers", m("{ metric: a, types: [String, UUID], min: ¦2 }"), ["rules[0].form.sparkplug-b[0].min", "bears on numbers"]],
  ["bounds outside of all types of a metric", m("{ metric: a, types: [UInt8, Int8], max: ¦256 }"), ["rules[0].form.sparkplug-b[0].max", "outside of UInt8, Int8"]],
  ["no metrics", r("form: { sparkplug-b: ¦[] }"), ["rules[0].form.sparkplug-b", "at least 1"]],
  ["clear text in an untrusted zone", policy({ zones: "zones: { field: { level: 0, kind: untrusted, clear-text: ¦true }, control: { level: 1 } }" }), ["zones.field.clear-text", "always encrypted"]],
  ["clear text that no zone accepts", conduit("{ from: field, to: control, protocol: mqtt, transport: { from: tls, to: ¦tcp } }"), ["conduits.c.transport.to", 'zone "control" does not accept', "say clear-text: true"]],
  ["clear text that neither zone accepts", conduit("{ from: field, to: control, protocol: modbus, transport: ¦tcp }").replace("¦tcp", "¦¦tcp"), ["conduits.c.transport", 'zone "field"'], ["conduits.c.transport", 'zone "control"']],
  ["clear text towards an untrusted zone", conduit("{ from: field, to: control, protocol: mqtt, transport: { from: ¦tcp } }", "zones: { field: { level: 0, kind: untrusted }, control: { level: 1 } }"), ["conduits.c.transport.from", "clear text", "always encrypted"]],
  ["masters on a serial line", conduit("{ from: field, to: control, protocol: modbus, transport: { from: ¦rtu, to: tcp } }"), ["conduits.c.transport.from", "units' end: write { from: tls, to: rtu }"]],
  ["an authentication both ways where data only leaves", conduit("{ from: field, to: control, protocol: mqtt, direction: out, enhanced-auth: ¦pass }"), ["conduits.c.enhanced-auth", "nothing in but codes"]],
  ["a serial line at both ends", conduit("{ from: field, to: control, protocol: modbus, transport: ¦rtu }"), ["conduits.c.transport", "units' end: write { from: tls, to: rtu }"]],
  ["MQTT on a serial line", conduit("{ from: field, to: control, protocol: mqtt, transport: ¦rtu }"), ["conduits.c.transport", "carries Modbus, not MQTT"]],
  ["a transport of no name", conduit("{ from: field, to: control, protocol: mqtt, transport: { to: ¦ssl } }"), ["conduits.c.transport.to", '"tls" or "tcp"']],
  ["a conduit without a protocol", conduit("¦{ from: field, to: control }"), ["conduits.c.protocol", 'needs the key "protocol"']],
  ["a key of MQTT on Modbus", conduit("{ from: field, to: control, protocol: modbus, ¦on-deny: ack }"), ["conduits.c.on-deny", "protocol: mqtt"]],
  ["a key of Modbus on MQTT", conduit("{ from: field, to: control, protocol: mqtt, ¦refusal: 1 }"), ["conduits.c.refusal", "protocol: modbus"]],
  ["publish against the direction", on("in", "allow: [publish, receive]").replace("[c]", "[¦c]"), ["rules[0].conduits[0]", "this rule's publish", "take it out"]],
  ["subscribe against the direction", on("out", "allow: [publish, subscribe]").replace("[c]", "[¦c]"), ["rules[0].conduits[0]", "this rule's subscribe"]],
  ["a deny of what the direction forbids", on("out", "deny: receive").replace("[c]", "[¦c]"), ["rules[0].conduits[0]", "this rule's receive"]],
]

for (const [name, marked, ...expected] of FAULTS) {
  test(`[CR 3.5] refuses ${name}`, () => faulty(read, marked, expected))
}

test("[CR 3.5] forms are counted, in a rule and in a policy", () => {
  const form = (n: number): string =>
    `{ properties: { ${Array.from({ length: n }, (_, i) => `p${i}: {}`).join(", ")} } }`
  good(read(j(form(999))))
  faulty(read, r(`form: { json: ¦{ items: ${form(999)} } }`), [["rules[0].form.json", "1001 forms"]])
  const rules = (n: number): string =>
    policy({
      rules: `rules:\n${Array.from({ length: n }, (_, i) => `  - { id: r${i}, allow: publish, roles: [sensor], topics: [a], form: { json: ${i === 20 ? "¦" : ""}${form(999)} } }\n`).join("")}`,
    })
  good(read(rules(20)))
  faulty(read, rules(22), [["rules[20].form.json", "more than 20000"]])
})

test.run()
