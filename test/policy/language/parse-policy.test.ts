import { readFileSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { parse } from "yaml"
import type { Policy } from "../../../policy/language/policy.ts"
import type { Parsed } from "../../../policy/language/fault.ts"
import { auditStorageOf, DEFAULT_AUDIT_STORAGE } from "../../../policy/language/audit-shape.ts"
import { formatFault } from "../../../policy/language/fault.ts"
import { POLICY_LIMITS, parsePolicy } from "../../../policy/language/parse-policy.ts"
import { policyAsJson } from "../../../policy/language/policy-as-json.ts"
import { cpuMs } from "../../support/cpu-time.ts"
import { faulty, good } from "../../support/faults.ts"
import { YAML_PIECES } from "../../support/hostile.ts"
import { policy, rule, topic } from "../../support/policy-text.ts"

const test = suite("policy/language/parse-policy")

const example = readFileSync(new URL("../../../policy/examples/pumping-station.yaml", import.meta.url), "utf8")
const read = (text: string): Parsed<Policy> => parsePolicy(text, "policy.yaml")

test("[CR 2.9] what the policy says of the log's room is read, and the defaults stand where it says nothing", () => {
  const MIB = 1024 * 1024
  const own = { whenFull: "overwrite", overwriteUncollected: false, warnAtPercent: 75, windowBytes: 32 * MIB } as const
  assert.equal(good(read(example)).audit, own)
  const none = good(read(policy({ rules: "rules: []" })))
  assert.is(none.audit, undefined)
  assert.equal(auditStorageOf(none), DEFAULT_AUDIT_STORAGE)
  assert.equal(auditStorageOf(null), DEFAULT_AUDIT_STORAGE)
  assert.equal(good(read(policy({ rules: "rules: []\naudit: {}" }))).audit, DEFAULT_AUDIT_STORAGE)
  assert.is(good(read(policy({ rules: "rules: []\naudit: { when-full: close }" }))).audit?.whenFull, "close")
})

test("the worked example is read whole, every default filled in", () => {
  const value = good(read(example))
  assert.is(value.format, 1)
  assert.is(value.name, "pumping station")
  assert.equal(value.zones, [
    { name: "field", level: 2, kind: "plant", authorities: ["field-ca"], tlsMin: "1.3", clearText: false },
    { name: "control", level: 3, kind: "plant", authorities: ["control-ca"], tlsMin: "1.3", clearText: false },
    { name: "drives", level: 1, kind: "plant", authorities: [], tlsMin: "1.3", clearText: true },
  ])
  assert.equal(value.roles[0], { name: "sensor", description: "reads a process value and reports it" })
  assert.equal(value.subjects.slice(0, 3), [
    {
      id: "subject-1",
      zone: "field",
      source: "san-uri",
      prefix: "urn:example:plant:",
      suffix: "",
      fixedName: null,
      roles: ["sensor"],
      clientId: "%u",
    },
    {
      id: "subject-2",
      zone: "field",
      source: "san-dns",
      prefix: "",
      suffix: ".pumps.plant.example",
      fixedName: null,
      roles: ["sensor", "pump"],
      clientId: "%u-*",
    },
    {
      id: "historian",
      zone: "field",
      source: "cn",
      prefix: "Plant historian",
      suffix: "",
      fixedName: "historian",
      roles: ["historian"],
      clientId: "%u",
    },
  ])
  assert.equal(value.conduits, [
    {
      name: "telemetry",
      from: "field",
      to: "control",
      protocol: "mqtt",
      direction: "both",
      access: "always",
      transport: { from: "tls", to: "tls" },
      upstreamIdentity: "strip",
      onDeny: "ack",
      enhancedAuth: "refuse",
      buffer: { maxBytes: 64 * 1024 * 1024, whenFull: "drop-oldest" },
    },
    {
      name: "drives",
      from: "control",
      to: "drives",
      protocol: "modbus",
      direction: "both",
      access: "always",
      transport: { from: "tls", to: "rtu" },
      refusal: 1,
    },
  ])
  const rules = value.rules.filter((rule) => rule.protocol === "mqtt")
  assert.equal(rules[0], {
    protocol: "mqtt",
    id: "report",
    effect: "allow",
    actions: ["publish"],
    conduits: ["telemetry"],
    roles: ["sensor"],
    topics: ["plant/%u/#"],
    maxQos: 1,
    retain: false,
    maxPayloadBytes: 4096,
    rate: { perSecond: 100, burst: 200 },
    payload: { kind: "any" },
    essential: false,
    record: "none",
    hours: null,
    emergency: null,
    when: null,
  })
  assert.equal(rules[2]?.actions, ["subscribe", "receive"])
  assert.is(rules[2]?.essential, true)
  assert.is(rules[2]?.maxPayloadBytes, 65_536)
  assert.equal(rules[1]?.payload, { kind: "utf8" })
  const deny = rules.at(-1)
  assert.is(deny?.effect, "deny")
  assert.is(deny?.maxQos, 2)
  assert.is(deny?.rate, null)
  const drives = value.rules.filter((rule) => rule.protocol === "modbus")
  assert.equal(
    drives.map(({ id, effect, record, emergency, refusal }) => [id, effect, record, emergency, refusal]),
    [
      ["drive-state", "allow", "none", null, null],
      ["drive-set-points", "allow", "changes", null, 3],
      ["drive-stop", "allow", "each", null, null],
      ["drive-diagnostics", "allow", "none", null, null],
      ["drive-parameters", "allow", "each", "drive-failure", null],
      ["drive-jog", "allow", "changes", null, null],
      ["no-addresses", "deny", "none", null, null],
    ],
  )
})

test("JSON form equals YAML form", () => {
  const json = JSON.stringify(parse(example))
  assert.equal(good(read(json)), good(read(example)))
  assert.equal(good(read(JSON.stringify(parse(example), null, 2).replaceAll("\n", "\r\n"))), good(read(example)))
})

test("a policy as JSON is the same policy, in few bytes and in its order", () => {
  const json = good(policyAsJson(example, "p"))
  assert.is(json.includes("\n"), false)
  assert.equal(good(parsePolicy(json, "p")), good(read(example)))
  assert.is(good(policyAsJson(json, "p")), json)
  const numbered = policy({ roles: "roles: { b: x, '2': y, '1': z }" })
  assert.match(good(policyAsJson(numbered, "p")), '"roles":{"b":"x","2":"y","1":"z"}')
  const faults = policyAsJson(policy({ roles: "roles: { a: 1 }" }), "p")
  assert.is(faults.ok, false)
})

test("an empty plant is a policy: it lets nobody in", () => {
  const value = good(
    read(
      '{"lockgate-policy": 1, "name": "closed", "zones": {}, "roles": {}, "subjects": [], "conduits": {}, "rules": []}',
    ),
  )
  assert.equal(value.rules, [])
})

const GOOD_TOPICS = [
  "a",
  "/",
  "+",
  '"#"',
  "a/+/b",
  "a/#",
  "+/+/#",
  '"%u/x"',
  '"a/%c"',
  "$SYS/#",
  "a//b",
  "lockgatex/a",
  "é/ü",
]
for (const text of GOOD_TOPICS) {
  test(`[NDR 5.2] takes the topic filter ${text}`, () => void good(read(topic(text).replace("¦", ""))))
}

test("[CR 3.5] finds faults of different kinds at once, also behind a faulty entry", () => {
  const marked = `lockgate-policy: 1
name: ¦17
zones:
  field: { level: ¦9 }
  control: { level: 3, ¦tls: "1.3" }
roles:
  sensor: reports
subjects:
  - { zone: field, match: { cn: "{name}" }, roles: [¦sensr] }
conduits:
  t: { from: field, to: ¦controll, protocol: mqtt }
rules:
  - { id: a, allow: ¦publis, roles: [sensor], topics: [x] }
  - { id: b, allow: publish, roles: [¦pump], topics: [x] }
  - { id: ¦b, allow: publish, roles: [sensor], topics: [x] }
¦extra: 1
`
  faulty(read, marked, [
    ["name", "a title"],
    ["zones.field.level", "0..4"],
    ["zones.control.tls", "has no key", '"tls-min"'],
    ["subjects[0].roles[0]", "no role", '"sensor"'],
    ["conduits.t.to", "no zone", '"control"'],
    ["rules[0].allow", '"publish"'],
    ["rules[1].roles[0]", 'no role "pump"'],
    ["rules[2].id", "is taken"],
    ["extra", "has no key"],
  ])
})

test("[CR 3.5] bounds the number of everything", () => {
  const many = (n: number, make: (i: number) => string): string =>
    Array.from({ length: n }, (_, i) => make(i)).join(", ")
  const zones = (n: number): string =>
    policy({ zones: `zones: ¦{ field: {level: 1}, control: {level: 1}, ${many(n - 2, (i) => `z${i}: {level: 1}`)} }` })
  good(read(zones(64).replace("¦", "")))
  faulty(read, zones(65), [["zones", "at most 64"]])
  faulty(read, policy({ roles: `roles: ¦{ ${many(65, (i) => `r${i}: x`)} }` }), [["roles", "at most 64"]])
  faulty(
    read,
    policy({ conduits: `conduits: ¦{ ${many(65, (i) => `c${i}: {from: field, to: control, protocol: mqtt}`)} }` }),
    [["conduits", "at most 64"]],
  )
  faulty(read, policy({ subjects: `subjects: ¦[${many(1001, () => "0")}]` }), [["subjects", "at most 1000"]])
  faulty(read, policy({ rules: `rules: ¦[${many(100_001, () => "0")}]` }), [["rules", "at most 100000"]])
  faulty(read, rule(`{ id: r, allow: publish, roles: [sensor], topics: ¦[${many(1001, (i) => `t${i}`)}] }`), [
    ["rules[0].topics", "at most 1000"],
  ])
})

test("sizes and rates are read to bytes and to messages a second", () => {
  const value = good(
    read(
      policy({
        rules: `rules:
  - { id: a, allow: publish, roles: [sensor], topics: [x], payload: 0, rate: 6/min }
  - { id: b, allow: publish, roles: [sensor], topics: [x], payload: 512B, rate: 1/h burst 10 }
  - { id: c, allow: publish, roles: [sensor], topics: [x], payload: 256MiB, rate: 250/s }
  - { id: d, allow: publish, roles: [sensor], topics: [x], qos: 0 }`,
      }),
    ),
  )
  assert.equal(
    value.rules.filter((r) => r.protocol === "mqtt").map((r) => [r.maxPayloadBytes, r.rate, r.maxQos]),
    [
      [0, { perSecond: 0.1, burst: 1 }, 1],
      [512, { perSecond: 1 / 3600, burst: 10 }, 1],
      [256 * 1024 * 1024, { perSecond: 250, burst: 250 }, 1],
      [65_536, null, 0],
    ],
  )
})

test("a rule without conduits applies to all of them, in a list that is never empty", () => {
  const value = good(
    read(
      policy({
        conduits:
          "conduits:\n  one: { from: field, to: control, protocol: mqtt }\n  two: { from: field, to: control, protocol: mqtt }",
        rules:
          "rules:\n  - { id: a, allow: publish, roles: [sensor], topics: [x] }\n  - { id: b, deny: publish, conduits: [two], roles: [sensor], topics: [x] }",
      }),
    ),
  )
  assert.equal(
    value.rules.map((r) => r.conduits),
    [["one", "two"], ["two"]],
  )
})

test("[CR 3.7] a fault cuts and escapes what it quotes", () => {
  const parsed = read(policy({ head: `lockgate-policy: 1\nname: x\n"\\u001b[31m${"x".repeat(3000)}": 1` }))
  assert.ok(!parsed.ok)
  const line = formatFault(parsed.faults[0]!)
  assert.ok(line.length < 300, line)
  assert.not(/\p{Cc}/u.test(line))
})

test("[CR 3.5] every truncation of the example is a policy or has faults, and never throws", () => {
  let policies = 0
  for (let length = 0; length < example.length; length += 23) {
    const parsed = read(example.slice(0, length))
    if (parsed.ok) policies++
    else assert.ok(parsed.faults.length > 0)
  }
  // Only a cut between two rules, or within a comment, leaves a document that is whole.
  assert.ok(policies < example.length / 23 / 3, `${policies}`)
})

test("[CR 3.5] every truncation of the JSON form has faults", () => {
  const json = JSON.stringify(parse(example))
  for (let length = 0; length < json.length; length += 7) assert.not(read(json.slice(0, length)).ok)
})

test("[CR 3.5] documents with random damage never throw", () => {
  const damage = fc.record({
    at: fc.nat(example.length),
    remove: fc.nat(12),
    insert: fc.constantFrom(...YAML_PIECES),
  })
  fc.assert(
    fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (damages) => {
      let text = example
      for (const { at, remove, insert } of damages) text = text.slice(0, at) + insert + text.slice(at + remove)
      const parsed = read(text)
      if (!parsed.ok) for (const fault of parsed.faults) assert.ok(fault.line >= 1 && fault.column >= 1)
    }),
    { numRuns: 80 },
  )
  fc.assert(
    fc.property(fc.json(), (text) => void read(text)),
    { numRuns: 80 },
  )
})

test("10,000 rules are read in linear time, in YAML and in JSON", () => {
  const source = parse(policy({})) as Record<string, unknown>
  const rules = (n: number): unknown[] =>
    Array.from({ length: n }, (_, i) => ({
      id: `r${i}`,
      allow: "publish",
      roles: ["sensor"],
      topics: [`plant/%u/m${i}/#`],
      payload: "4KiB",
      rate: "100/s",
    }))
  const timed = (text: string, n: number): void => {
    const [parsed, ms] = cpuMs(() => parsePolicy(text, "big", POLICY_LIMITS))
    assert.is(good(parsed).rules.length, n)
    // It takes about 2 s and 0.5 s; the bound is there for what is quadratic.
    assert.ok(ms < 8000, `${ms} ms`)
  }
  const flow = rules(10_000)
    .map((r) => `  - ${JSON.stringify(r)}\n`)
    .join("")
  timed(policy({ rules: `rules:\n${flow}` }), 10_000)
  timed(JSON.stringify({ ...source, rules: rules(10_000) }), 10_000)
})

test.run()
