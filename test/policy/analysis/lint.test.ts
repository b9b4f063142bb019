import { readdirSync, readFileSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { DEMO_POLICY } from "../../../firmware/demo/policy-text.ts"
import { lintPolicy } from "../../../policy/analysis/lint.ts"
import { reachOf } from "../../../policy/analysis/lint-reach.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import type { Conduit, MqttRule, Policy, Rule } from "../../../policy/language/policy.ts"
import { good } from "../../support/faults.ts"
import { makePolicy, makeRule, makeSubject } from "../../support/policies.ts"
import { rule } from "../../support/policy-text.ts"

const test = suite("policy/analysis/lint")

/** `code place` of each finding. */
const codes = (policy: Policy): readonly string[] => lintPolicy(policy).map(({ code, place }) => `${code} ${place.id}`)
const ofRules = (rules: readonly Rule[], roleSets?: readonly (readonly string[])[]): readonly string[] =>
  codes(makePolicy(rules, roleSets))

const own = makeRule({ id: "own", topics: ["plant/%u/#"] })

/** What the worked policies show on purpose; each says so in a comment. Nothing else is found in them. */
const POINTS: Readonly<Record<string, readonly string[]>> = {
  "building.yaml": [
    "conduit-weaker-than-zone rooms",
    "conduit-weaker-than-zone chiller",
    "access-always energy",
    "deny-of-nothing no-presence",
  ],
  "packaging-line.yaml": [],
  "pumping-station.yaml": ["write-without-limits drive-parameters", "serial-line drives"],
  "substation.yaml": [
    "conduit-weaker-than-zone metering",
    "conduit-weaker-than-zone protection",
    "access-always metering",
    "deny-of-nothing no-settings",
  ],
  "test-bench.yaml": ["write-without-limits registers"],
}

test("in the worked policies is found what is their point, and nothing else", () => {
  const folder = new URL("../../../policy/examples/", import.meta.url)
  const files = readdirSync(folder).filter((name) => !name.endsWith(".cases.yaml"))
  const found = files.map((name) => [name, codes(good(parsePolicy(readFileSync(new URL(name, folder), "utf8"), name)))])
  assert.equal(Object.fromEntries(found), POINTS)
  assert.equal(codes(good(parsePolicy(DEMO_POLICY, "demo"))), [
    "conduit-weaker-than-zone drive",
    "deny-of-nothing no-commands-from-the-field",
  ])
})

test("an allow that others make needless or a deny takes away is found, together and alone", () => {
  const narrow = makeRule({ id: "narrow", topics: ["a/b", "a/c"], maxQos: 1 })
  assert.equal(ofRules([makeRule({ id: "wide", topics: ["a/+"] }), narrow]), ["rule-shadowed narrow"])
  assert.equal(ofRules([narrow, makeRule({ id: "wide", topics: ["a/+"] })]), ["rule-shadowed narrow"])
  const parts = [makeRule({ id: "b", topics: ["a/b"] }), makeRule({ id: "c", topics: ["a/c"] })]
  assert.equal(ofRules([...parts, narrow]), ["rule-shadowed narrow"])
  assert.equal(ofRules([parts[0]!, narrow]), [])
  assert.equal(ofRules([makeRule({ id: "no", topics: ["a/#"], effect: "deny" }), narrow]), ["rule-denied narrow"])
  assert.equal(ofRules([makeRule({ id: "no", topics: ["a/b"], effect: "deny" }), narrow]), [])
  const message = lintPolicy(makePolicy([...parts, narrow]))[0]!
  assert.match(message.message, "decided without it, by b, c")
})

test("what one rule alone does not replace, and a rule that makes an earlier one needless", () => {
  const [narrow, wide] = [makeRule({ id: "narrow", topics: ["a/b"] }), makeRule({ id: "wide", topics: ["a/+"] })]
  assert.equal(ofRules([narrow, wide]), ["rule-shadowed narrow"])
  const rules = [narrow, makeRule({ id: "both", topics: ["a/b", "a/c"] }), makeRule({ id: "c", topics: ["a/c"] })]
  assert.equal(ofRules(rules), ["rule-shadowed narrow", "rule-shadowed c"])
})

test("of two rules alike the later one is needless; one with other terms is not", () => {
  const [first, second] = [makeRule({ id: "first", topics: ["a"] }), makeRule({ id: "second", topics: ["a"] })]
  assert.equal(ofRules([first, second]), ["rule-shadowed second"])
  assert.equal(ofRules([first, { ...second, record: "each" }]), [])
  assert.equal(ofRules([first, { ...second, essential: true }]), ["rule-shadowed first"])
  assert.equal(ofRules([first, { ...second, essential: true, maxQos: 1 }]), [])
  const weaker: readonly Partial<typeof first>[] = [
    { maxQos: 0 },
    { retain: false },
    { maxPayloadBytes: 10 },
    { rate: { perSecond: 1, burst: 1 } },
    { payload: { kind: "utf8" } },
    { hours: { days: [1], fromMinute: 0, toMinute: 60, utcOffsetMinutes: 0 } },
  ]
  for (const term of weaker) {
    assert.equal(ofRules([{ ...first, ...term }, second]), ["rule-shadowed first"], JSON.stringify(term))
  }
  const rated = { rate: { perSecond: 1, burst: 1 } }
  assert.equal(
    ofRules([
      { ...first, ...rated },
      { ...second, ...rated },
    ]),
    [],
    "two buckets are more than one",
  )
})

test("a rule counts if it counts for one role, one action or one name", () => {
  const both = makeRule({ id: "both", topics: ["a/b"], actions: ["publish", "receive"] })
  assert.equal(ofRules([makeRule({ id: "up", topics: ["a/+"] }), both]), [])
  const roles = makeRule({ id: "roles", topics: ["a/b"], roles: ["sensor", "pump"] })
  assert.equal(ofRules([makeRule({ id: "up", topics: ["a/+"] }), roles], [["sensor"], ["pump"]]), [])
  // Only for the subject that is named pump: a deny on all of plant/pump leaves the rest.
  assert.equal(ofRules([own, makeRule({ id: "no", topics: ["plant/pump/#"], effect: "deny" })]), [])
  const fixed = { ...makeSubject("cell", ["sensor"]), fixedName: "pump" }
  const policy = { ...makePolicy([own, makeRule({ id: "no", topics: ["plant/pump/#"], effect: "deny" })]), subjects: [fixed] } // prettier-ignore
  assert.equal(codes(policy), ["rule-denied own"])
})

test("a deny that takes nothing away is a note, a rule for nobody a warning", () => {
  assert.equal(ofRules([own, makeRule({ id: "no", topics: ["x"], effect: "deny" })]), ["deny-of-nothing no"])
  const ghost = makeRule({ id: "ghost", topics: ["x"], roles: ["ghost"] })
  assert.equal(ofRules([own, ghost]), ["rule-for-nobody ghost"])
})

test("[NDR 5.2] filters that open everything, and rules that let speak for others", () => {
  assert.equal(ofRules([makeRule({ id: "r", topics: ["#"] })]), ["publish-anywhere r"])
  assert.equal(ofRules([makeRule({ id: "r", topics: ["+/#"], actions: ["receive"] })]), ["read-anything r"])
  assert.equal(ofRules([makeRule({ id: "r", topics: ["plant/#"] })]), ["publish-for-others r"])
  assert.equal(ofRules([makeRule({ id: "r", topics: ["plant/#"], actions: ["receive"] })]), [])
  assert.equal(ofRules([makeRule({ id: "r", topics: ["plant/#"], actions: ["receive"], essential: true })]), ["essential-and-broad r"]) // prettier-ignore
})

test("a shared subscription without a receive rule that drops nothing", () => {
  const shared = makeRule({ id: "s", topics: ["$share/g/a/+"], actions: ["subscribe"], maxPayloadBytes: 1000 })
  assert.equal(ofRules([shared]), ["shared-without-receive s"])
  assert.equal(ofRules([shared, makeRule({ id: "r", topics: ["a/#"], actions: ["receive"] })]), [])
})

function placed(change: { readonly conduit?: Partial<Conduit>; readonly policy?: Partial<Policy> }): readonly string[] {
  const policy = makePolicy([own])
  const conduits = policy.conduits.map((conduit) => ({ ...conduit, ...change.conduit }) as Conduit)
  return codes({ ...policy, conduits, ...change.policy })
}

test("[CR 3.1 RE(1)] a conduit weaker than the zones it joins, by clear text, TLS 1.2 or a serial line", () => {
  assert.equal(placed({}), [])
  assert.equal(placed({ conduit: { transport: { from: "tls", to: "tcp" } } }), ["conduit-weaker-than-zone field"])
  assert.equal(placed({ conduit: { transport: { from: "tls", to: "rtu" } } }), ["serial-line field"])
  const { zones } = makePolicy([])
  const low = zones.map((zone) => ({ ...zone, level: 1 }))
  assert.equal(placed({ conduit: { transport: { from: "tls", to: "tcp" } }, policy: { zones: low } }), ["clear-text field"]) // prettier-ignore
  const old = zones.map((zone) => ({ ...zone, tlsMin: "1.2" as const }))
  assert.equal(placed({ policy: { zones: old } }), ["conduit-weaker-than-zone field", "conduit-weaker-than-zone field"])
  const untrusted = zones.map((zone, k) => (k === 0 ? { ...zone, kind: "untrusted" as const } : zone))
  assert.equal(placed({ policy: { zones: untrusted } }), ["untrusted-without-rate own", "access-always field"])
  const waits = { policy: { zones: untrusted }, conduit: { access: "approved" as const } }
  assert.equal(placed(waits), ["untrusted-without-rate own"])
  const out = { policy: { zones: zones.map((zone, k) => (k === 1 ? { ...zone, kind: "untrusted" as const } : zone)) } }
  assert.equal(placed({ ...out, conduit: { direction: "out" } }), [])
})

test("[CR 1.2] a conduit on which no peer can show a certificate lets nothing pass", () => {
  const low = makePolicy([]).zones.map((zone) => ({ ...zone, level: 1 }))
  for (const from of ["tcp", "rtu"] as const) {
    const found = placed({ conduit: { transport: { from, to: "tls" } }, policy: { zones: low } })
    assert.ok(found.includes("conduit-without-subject field"), from)
  }
  assert.not(placed({ conduit: { transport: { from: "tls", to: "rtu" } } }).includes("conduit-without-subject field"))
})

test("a name of a set in a policy without sets stands for itself, and a deny with it denies nothing", () => {
  const braces = (over: Partial<MqttRule>): readonly string[] => ofRules([own, makeRule({ id: "r", topics: ["a"], ...over })]).filter((code) => code !== "deny-of-nothing r") // prettier-ignore
  assert.equal(braces({ topics: ["plant/{line}/state"] }), ["braces-without-sets r"])
  assert.equal(braces({ topics: ["plant/x-{line}"], effect: "deny" }), ["braces-without-sets r"])
  assert.equal(braces({ payload: { kind: "sparkplug-b", metrics: [{ name: "{line}/speed", types: ["Float"], min: null, max: null }] } }), ["braces-without-sets r"]) // prettier-ignore
  assert.equal(braces({ topics: ["plant/{/}", "plant/{}", "plant/{a b}"] }), [])
  const found = (sets: string) => codes(good(parsePolicy(rule("{ id: r, allow: publish, roles: [sensor], topics: [\"a/{line}\"] }").replace("rules:", `${sets}rules:`), "p"))) // prettier-ignore
  assert.ok(found("").includes("braces-without-sets r"))
  assert.not(found("sets: { line: [one, two] }\n").includes("braces-without-sets r"))
})

test("places that nobody can use", () => {
  const { zones, roles, subjects } = makePolicy([])
  const alone = { ...zones[0]!, name: "alone" }
  assert.equal(placed({ policy: { zones: [...zones, alone] } }), ["zone-without-conduit alone"])
  assert.equal(placed({ policy: { zones: zones.map((zone) => ({ ...zone, authorities: [] })) } }), ["zone-without-authority cell"]) // prettier-ignore
  assert.equal(placed({ policy: { roles: [...roles, { name: "ghost", description: "" }] } }), [
    "role-for-nobody ghost",
    "role-without-rule ghost",
  ])
  assert.equal(placed({ policy: { subjects: [...subjects, { ...makeSubject("plant", ["sensor"]), id: "inner" }] } }), ["subject-without-conduit inner"]) // prettier-ignore
  assert.equal(placed({ policy: { subjects: [] } }).includes("zone-without-subject cell"), true)
  assert.equal(placed({ policy: { rules: [] } }), ["conduit-without-rule field", "role-without-rule sensor", "no-rules test"].sort((a, b) => placed({ policy: { rules: [] } }).indexOf(a) - placed({ policy: { rules: [] } }).indexOf(b))) // prettier-ignore
})

test("errors come first, then warnings, then notes", () => {
  const { zones } = makePolicy([])
  const untrusted = zones.map((zone, k) => (k === 0 ? { ...zone, kind: "untrusted" as const } : zone))
  const policy = makePolicy([makeRule({ id: "r", topics: ["plant/#"] })])
  const conduits = policy.conduits.map((conduit) => ({ ...conduit, transport: { from: "tcp", to: "tls" } as const }))
  const severities = lintPolicy({ ...policy, zones: untrusted, conduits }).map(({ severity }) => severity)
  assert.equal(severities, ["error", "warning", "warning", "warning", "note", "note"])
})

test("a thousand rules cost a bounded number of places", () => {
  const rules = Array.from({ length: 1000 }, (_, k) => makeRule({ id: `r${k}`, topics: [`plant/${k % 250}/+/${k}/#`, `line/+/${k}`] })) // prettier-ignore
  const { places, dead } = reachOf(makePolicy(rules))
  assert.is(dead.size, 0)
  assert.ok(places < 10_000, `${places}`)
})

test.run()
