import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import type { Expected } from "../../support/faults.ts"
import type { Parsed } from "../../../policy/language/fault.ts"
import type { Policy } from "../../../policy/language/policy.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import { measure, writeOut } from "../../../policy/language/sets.ts"
import { cpuMs } from "../../support/cpu-time.ts"
import { faulty, good } from "../../support/faults.ts"
import { policy } from "../../support/policy-text.ts"

const test = suite("policy/language/sets")

const read = (text: string): Parsed<Policy> => parsePolicy(text, "policy.yaml")
const sets = (sets: string, topics: string, allow = "publish"): string =>
  policy({
    head: `lockgate-policy: 1\nname: x\nsets: ${sets}`,
    rules: `rules:\n  - { id: r, allow: ${allow}, roles: [sensor], topics: ${topics} }`,
  })

function topicsOf(text: string): readonly string[] {
  const [rule] = good(read(text)).rules
  return rule?.protocol === "mqtt" ? rule.topics : []
}

test("sets are written out: whole levels, parts of levels, every combination, one word both times", () => {
  const two = "{ s: [a, b], t.1: [x, y] }"
  assert.equal(topicsOf(sets(two, '["p/{s}/#"]')), ["p/a/#", "p/b/#"])
  assert.equal(topicsOf(sets(two, '["p-{s}{t.1}/q", z]')), ["p-ax/q", "p-ay/q", "p-bx/q", "p-by/q", "z"])
  assert.equal(topicsOf(sets(two, '["{s}/{t.1}/{s}"]')), ["a/x/a", "a/y/a", "b/x/b", "b/y/b"])
  assert.equal(topicsOf(sets("{ s: [a, ab], t: [b, bb] }", '["{s}{t}"]')), ["ab", "abb", "abbb"])
  assert.equal(topicsOf(sets(two, '["$share/g-{s}/x"]', "subscribe")), ["$share/g-a/x", "$share/g-b/x"])
})

test("a document without sets has braces like any character", () => {
  const text = policy({ rules: 'rules: [{ id: r, allow: publish, roles: [sensor], topics: ["a/{x}/}{"] }]' })
  assert.equal(topicsOf(text), ["a/{x}/}{"])
})

test("sets stand in names of Sparkplug metrics", () => {
  const text = policy({
    head: "lockgate-policy: 1\nname: x\nsets: { line: [a, b] }",
    rules:
      'rules: [{ id: r, allow: publish, roles: [sensor], topics: [x], form: { sparkplug-b: [{ metric: "{line}/*", types: Float }] } }]',
  })
  const [rule] = good(read(text)).rules
  assert.ok(rule?.protocol === "mqtt" && rule.payload.kind === "sparkplug-b")
  assert.equal(
    rule.payload.metrics.map(({ name }) => name),
    ["a/*", "b/*"],
  )
  faulty(read, text.replace('"{line}/*"', '¦"{lime}/*"'), [
    ["rules[0].form.sparkplug-b[0].metric", 'no set "lime"', '"line"'],
  ])
})

// prettier-ignore
const FAULTS: readonly (readonly [name: string, marked: string, ...expected: Expected[]])[] = [
  ["an unknown set", sets("{ site: [a] }", '[b, ¦"x/{sit}"]'), ["rules[0].topics[1]", 'no set "sit"', '"site"']],
  ["any set where none is declared", sets("{}", '[¦"x/{site}"]'), ["rules[0].topics[0]", 'no set "site"']],
  ["a brace that is left open", sets("{ s: [a] }", '[¦"x/{s"]'), ["rules[0].topics[0]", "braces stand around the name"]],
  ["a brace in a brace", sets("{ s: [a] }", '[¦"x/{{s}}"]'), ["rules[0].topics[0]", "braces stand around the name"]],
  ["braces around nothing", sets("{ s: [a] }", '[¦"x/{}"]'), ["rules[0].topics[0]", "braces stand around the name"]],
  ["a set called name", sets("{ name: ¦[a] }", "[b]"), ["sets.name", "no set is called so"]],
  ["a set called as every object has it", sets("{ ¦constructor: [a] }", "[b]"), ["sets.constructor", "reserved"]],
  ["a set of nothing", sets("{ s: ¦[] }", "[b]"), ["sets.s", "at least 1"]],
  ["a word with two levels", sets("{ s: [¦a/b] }", '["{s}"]'), ["sets.s[0]", "one level"]],
  ["a word with a wildcard", sets('{ s: [¦"a+", ¦"#"] }', '["{s}"]'), ["sets.s[0]", "one level"], ["sets.s[1]", "one level"]],
  ["a word with %", sets('{ s: [¦"%u"] }', '["{s}"]'), ["sets.s[0]", "none of"]],
  ["a set in a set", sets('{ s: [a], t: [¦"{s}"] }', '["{t}"]'), ["sets.t[0]", "none of"]],
  ["a word twice", sets("{ s: [a, ¦a] }", "[b]"), ["sets.s[1]", "twice"]],
  ["a set that stands beside a wildcard", sets("{ s: [a] }", '[¦"x/{s}+"]'), ["rules[0].topics[0]", "a whole level"]],
  ["[NDR 5.2] a set that makes lockgate/", sets("{ s: [plant, lockgate] }", '[¦"{s}/x"]'), ["rules[0].topics[0]", 'it makes "lockgate/x"']],
  ["[NDR 5.2] two sets that make lockgate/", sets("{ s: [plant, lock], t: [gate, x] }", '[¦"{s}{t}/x"]'), ["rules[0].topics[0]", 'it makes "lockgate/x"']],
  ["a set that makes a shared subscription of a publish", sets("{ s: [share] }", '[¦"${s}/g/x"]'), ["rules[0].topics[0]", "never made of sets"]],
  ["1,001 topics of one rule", sets(`{ s: [${Array.from({ length: 143 }, (_, i) => `w${i}`).join(", ")}], t: [a, b, c, d, e, f, g] }`, '¦["{s}/{t}"]'), ["rules[0].topics", "make 1001 of this list, at most 1000"]],
]

for (const [name, marked, ...expected] of FAULTS) {
  const tagged = name.startsWith("[") ? name.replace("] ", "] refuses ") : `[CR 3.5] refuses ${name}`
  test(tagged, () => faulty(read, marked, expected))
}

test("[CR 3.5] what sets would make is counted and not built", () => {
  const words = Array.from({ length: 1000 }, (_, i) => `"w${i}"`).join(", ")
  const names = Array.from({ length: 60 }, (_, i) => `s${i}`)
  const declared = `{ ${names.map((name) => `${name}: [${words}]`).join(", ")} }`
  const [, ms] = cpuMs(() =>
    faulty(read, sets(declared, `¦["${names.map((name) => `{${name}}`).join("/")}"]`), [
      ["rules[0].topics", "more than a billion"],
    ]),
  )
  assert.ok(ms < 4000, `${ms} ms`)
})

test("[CR 3.5] all sets of a policy make 200,000 topics and 16 million characters at most", () => {
  const words = Array.from({ length: 1000 }, (_, i) => `"w${i}"`).join(", ")
  const many = (n: number, topic: string, marked = -1): string =>
    JSON.stringify({
      "lockgate-policy": 1,
      name: "x",
      sets: { s: JSON.parse(`[${words}]`) as unknown },
      zones: { a: { level: 1 }, b: { level: 1 } },
      roles: { r: "" },
      subjects: [],
      conduits: { c: { from: "a", to: "b", protocol: "mqtt" } },
      rules: Array.from({ length: n }, (_, i) => ({ id: `r${i}`, allow: "publish", roles: ["r"], topics: [topic] })),
    }).replaceAll(/"topics":\["/g, ((i) => (all: string) => (i++ === marked ? '"topics":[¦"' : all))(0))
  assert.is(good(read(many(200, "{s}/x"))).rules.length, 200)
  faulty(read, many(203, "{s}/x", 200), [["rules[200].topics[0]", "more than 200000 topics"]])
  faulty(read, many(20, `{s}/${"x".repeat(1000)}`, 16), [["rules[16].topics[0]", "characters"]])
})

test("what is measured is what is written out", () => {
  const word = fc.string({ minLength: 1, maxLength: 4 }).filter((text) => !/[{}]/.test(text))
  const declared = fc.record({
    a: fc.array(word, { minLength: 1, maxLength: 4 }),
    b: fc.array(word, { minLength: 1, maxLength: 3 }),
    c: fc.array(word, { minLength: 1, maxLength: 5 }),
  })
  const template = fc.array(fc.oneof(word, fc.constantFrom("{a}", "{b}", "{c}", "/")), { maxLength: 8 })
  fc.assert(
    fc.property(declared, template, (record, parts) => {
      const known = new Map(Object.entries(record))
      const text = parts.join("")
      const made = writeOut(text, known)
      assert.equal(measure(text, known), { texts: made.length, characters: made.join("").length })
      assert.ok(made.every((one) => !/\{[abc]\}/.test(one)))
    }),
    { numRuns: 300 },
  )
})

test.run()
