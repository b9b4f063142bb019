import { readFileSync, readdirSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import { compileModbus } from "../../../policy/compile/modbus.ts"
import { formatFault } from "../../../policy/language/fault.ts"
import { formatPolicy } from "../../../policy/language/policy-format.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import { policyAsJson } from "../../../policy/language/policy-as-json.ts"
import { cpuMs } from "../../support/cpu-time.ts"
import { good } from "../../support/faults.ts"
import { YAML_PIECES } from "../../support/hostile.ts"

const test = suite("policy/examples")

const folder = new URL("../../../policy/examples/", import.meta.url)
// The cases beside them are read by `policy/analysis`.
const POLICIES = readdirSync(folder).filter((name) => !name.endsWith(".cases.yaml"))
const EXAMPLES = POLICIES.map((name) => [name, readFileSync(new URL(name, folder), "utf8")] as const)

for (const [name, text] of EXAMPLES) {
  test(`${name} is a policy, and compiles`, () => {
    const policy = good(parsePolicy(text, name))
    const { ruleIds, classes } = compilePolicy(policy)
    assert.is(ruleIds.length, policy.rules.length)
    assert.ok(compileModbus(policy, classes))
    assert.equal(good(parsePolicy(good(policyAsJson(text, name)), name)), policy)
  })
}

test("the worked policies together show every key that a document can have", () => {
  const page = readFileSync(new URL("../../../policy/README.md", import.meta.url), "utf8")
  const reference = page.slice(0, page.indexOf("## The rooms"))
  const keys = [...reference.matchAll(/^\| `([a-z0-9-]+)`( \*)? \|/gim)].map(([, key]) => key ?? "")
  const all = EXAMPLES.map(([, text]) => text).join("\n")
  const shown = (key: string): boolean => new RegExp(`(^|[\\s{,[])"?${key}"?:|[[ ,:]${key}[,\\] \n}]`, "m").test(all)
  const missing = new Set(keys.filter((key) => !shown(key)))
  // What is seldom needed: functions and keywords that the reference explains as well.
  const rare = ["const", "exclusiveMinimum", "exclusiveMaximum", "minItems", "title", "description", "deny"]
  assert.equal(
    [...missing].filter((key) => !rare.includes(key) && !/^(read|write|get)-|read-exc/.test(key)),
    [],
  )
})

test("[CR 3.5] worked policies with random damage are read or refused, never thrown at, in bounded time", () => {
  const insert = fc.constantFrom(...YAML_PIECES, "%u", "{bay}", "-", "65536", "read")
  const damage = fc.record({ at: fc.nat(), remove: fc.nat(20), insert, from: fc.nat() })
  let slowest = 0
  let read = 0
  fc.assert(
    fc.property(fc.nat(EXAMPLES.length - 1), fc.array(damage, { minLength: 1, maxLength: 5 }), (which, damages) => {
      let text = EXAMPLES[which]?.[1] ?? ""
      for (const { at, remove, insert, from } of damages) {
        const place = at % text.length
        // One in three moves a piece of the document to another place.
        const piece = from % 3 === 0 ? text.slice(from % text.length, (from % text.length) + remove * 10) : insert
        text = text.slice(0, place) + piece + text.slice(place + remove)
      }
      const [parsed, ms] = cpuMs(() => formatPolicy(text, "p"))
      slowest = Math.max(slowest, ms)
      if (parsed.ok) read++
      else for (const fault of parsed.faults) assert.ok(formatFault(fault).length < 1200)
    }),
    { numRuns: 120 },
  )
  assert.ok(slowest < 2000, `${slowest} ms`)
  assert.ok(read > 0)
})

/** What is small to write and could be much to read: each has faults or not, but is done soon. */
const HOSTILE: Readonly<Record<string, () => unknown>> = {
  "100,000 ranges of one rule": () => ({
    units: 1,
    allow: "read",
    registers: Array.from({ length: 100_000 }, (_, i) => i % 65536),
  }),
  "1,000 points at one address": () => ({
    units: 1,
    allow: "write",
    points: Array.from({ length: 1000 }, (_, i) => ({ name: `p${i}`, at: 1, type: "float64" })),
  }),
  "a form of 60,000 members": () => ({
    topics: ["a"],
    allow: "publish",
    form: {
      json: {
        properties: Object.fromEntries(
          Array.from({ length: 999 }, (_, i) => [`p${i}`, { enum: Array.from({ length: 60 }, (_, k) => k) }]),
        ),
      },
    },
  }),
  "1,000 topics of 60 names of sets": () => ({
    topics: Array.from({ length: 1000 }, (_, i) => `${i}/${"{s}".repeat(60)}`),
    allow: "publish",
  }),
  "a topic with 20,000 braces": () => ({ topics: ["{".repeat(20_000)], allow: "publish" }),
  "a topic with 20,000 names of sets": () => ({ topics: ["{s}".repeat(20_000)], allow: "publish" }),
  "a topic of 20,000 unknown sets": () => ({ topics: ["{t}".repeat(20_000)], allow: "publish" }),
  "1,000 metrics of sets": () => ({
    topics: ["a"],
    allow: "publish",
    form: { "sparkplug-b": Array.from({ length: 1000 }, (_, i) => ({ metric: `{s}{s}${i}`, types: "Float" })) },
  }),
}

for (const [name, rule] of Object.entries(HOSTILE)) {
  test(`[CR 3.5] reads or refuses in bounded time: ${name}`, () => {
    const text = JSON.stringify({
      "lockgate-policy": 1,
      name: "x",
      sets: { s: Array.from({ length: 1000 }, (_, i) => `w${i}`) },
      zones: { a: { level: 1 }, b: { level: 1 } },
      roles: { r: "" },
      subjects: [],
      conduits: { c: { from: "a", to: "b", protocol: "mqtt" }, d: { from: "a", to: "b", protocol: "modbus" } },
      rules: [{ id: "r", roles: ["r"], ...(rule() as object) }],
    })
    const [, ms] = cpuMs(() => parsePolicy(text, "p"))
    assert.ok(ms < 2000, `${ms} ms`)
  })
}

test.run()
