import { readFileSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { parse } from "yaml"
import type { JsonSchema, JsonValue } from "../../../policy/language/json-schema.ts"
import type { Parsed } from "../../../policy/language/fault.ts"
import { parseGatewayConfig } from "../../../firmware/config/parse-gateway-config.ts"
import { gatewayJsonSchema } from "../../../firmware/config/gateway-shape.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import { policyJsonSchema } from "../../../policy/language/policy-shape.ts"
import { accepts } from "../../support/json-schema.ts"

const test = suite("policy/language/json-schema")

interface Subject {
  readonly schema: JsonSchema
  readonly example: JsonValue
  readonly others: readonly JsonValue[]
  readonly reference: string
  readonly read: (text: string) => Parsed<unknown>
}

const file = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8")

const SUBJECTS: Readonly<Record<string, Subject>> = {
  "the policy": {
    schema: policyJsonSchema(),
    example: parse(file("policy/examples/pumping-station.yaml")),
    others: ["packaging-line", "substation", "building", "test-bench"].map(
      (name) => parse(file(`policy/examples/${name}.yaml`)) as JsonValue,
    ),
    reference: file("policy/README.md"),
    read: (text) => parsePolicy(text, "p"),
  },
  "the board file": {
    schema: gatewayJsonSchema(),
    example: parse(file("firmware/config/examples/gateway.yaml")),
    others: [],
    reference: file("firmware/config/README.md"),
    read: (text) => parseGatewayConfig(text, "g", "/etc/lockgate"),
  },
}

/** Every schema within a schema, itself included, with the key it stands under. */
function* within(schema: JsonValue, key = ""): Generator<{ key: string; schema: Record<string, JsonValue> }> {
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return
  const here = schema as Record<string, JsonValue>
  yield { key, schema: here }
  for (const [name, property] of Object.entries((here["properties"] ?? {}) as object)) yield* within(property, name)
  for (const [name, definition] of Object.entries((here["$defs"] ?? {}) as object)) yield* within(definition, name)
  for (const keyword of ["items", "additionalProperties"]) yield* within(here[keyword] ?? null)
  for (const keyword of ["anyOf", "oneOf"]) {
    for (const one of (here[keyword] ?? []) as JsonValue[]) yield* within(one, key)
  }
}

/** A copy of `value` in which one place, chosen by `seed`, is replaced, removed or gets another key. */
function damage(value: JsonValue, seed: number, by: JsonValue): JsonValue {
  const places: (() => void)[] = []
  const copy = structuredClone(value) as any
  const visit = (node: any): void => {
    if (typeof node !== "object" || node === null) return
    for (const key of Object.keys(node)) {
      places.push(() => (node[key] = by))
      places.push(() => (Array.isArray(node) ? node.splice(Number(key), 1) : Reflect.deleteProperty(node, key)))
      visit(node[key])
    }
    if (!Array.isArray(node)) places.push(() => (node["surplus"] = by))
  }
  visit(copy)
  places[seed % places.length]?.()
  return copy
}

for (const [name, { schema, example, others, reference, read }] of Object.entries(SUBJECTS)) {
  test(`the schema of ${name} accepts the example, and so does the reader`, () => {
    for (const one of [example, ...others]) {
      assert.ok(read(JSON.stringify(one)).ok)
      assert.ok(accepts(schema, one))
    }
    assert.is(schema["$schema"], "https://json-schema.org/draft/2020-12/schema")
    assert.equal(JSON.parse(JSON.stringify(schema)), schema)
  })

  test(`[CR 3.5] the schema of ${name} refuses unknown keys everywhere`, () => {
    let objects = 0
    for (const { schema: here } of within(schema)) {
      if (here["type"] !== "object") continue
      objects++
      assert.ok("additionalProperties" in here && here["additionalProperties"] !== true)
      if ("properties" in here) assert.is(here["additionalProperties"], false)
    }
    assert.ok(objects > 5)
    assert.not(accepts(schema, { ...(example as object), surplus: 1 }))
  })

  test(`whatever the reader of ${name} takes, its schema takes`, () => {
    const by = fc.oneof(
      fc.constantFrom<JsonValue>(
        null,
        "",
        "x",
        "a/b",
        "4KiB",
        "10s",
        "publish",
        "read",
        "5-9",
        "tls",
        "utf8",
        "08:00",
        "in",
        0,
        1,
        1.5,
        -1,
        true,
        [],
        {},
        ["a"],
        1e9,
      ),
      fc.json({ maxDepth: 2 }).map((text) => JSON.parse(text) as JsonValue),
    )
    let taken = 0
    let refused = 0
    let refusedByBoth = 0
    fc.assert(
      fc.property(fc.nat(), fc.nat(others.length), by, (seed, which, value) => {
        const damaged = damage([example, ...others][which] ?? null, seed, value)
        const reads = read(JSON.stringify(damaged)).ok
        if (reads) taken++
        else {
          refused++
          if (!accepts(schema, damaged)) refusedByBoth++
        }
        if (reads) assert.ok(accepts(schema, damaged), JSON.stringify(damaged))
      }),
      { numRuns: 600 },
    )
    assert.ok(taken > 10 && refused > 100, `${taken} ${refused}`)
    // The rest are names that nothing bears and keys that contradict, which no schema sees.
    assert.ok(refusedByBoth > refused * 0.7, `${refusedByBoth} of ${refused}`)
  })

  test(`every key and default of ${name} stands in its reference`, () => {
    for (const { key, schema: here } of within(schema)) {
      if (key === "" || key === "json-form") continue
      const row = reference.split("\n").find((line) => line.startsWith(`| \`${key}\``))
      assert.ok(row, `no row for ${key}`)
      const written = here["default"]
      if (written === undefined || typeof written === "object") continue
      const rows = reference.split("\n").filter((line) => line.startsWith(`| \`${key}\``))
      assert.ok(
        rows.some((line) => line.includes(`\`${JSON.stringify(written).replaceAll('"', "")}\``)),
        `default of ${key}`,
      )
    }
  })
}

/** A copy of `value` with every default of its schema that it lacks; `skip` says where a default would be a fault. */
function withDefaults(schema: JsonValue, value: any, defs: any, skip: (key: string, value: any) => boolean): any {
  const here = schema as any
  if (here.$ref !== undefined) return withDefaults(defs[here.$ref.replace("#/$defs/", "")], value, defs, skip)
  const branch = (here.oneOf ?? here.anyOf)?.find((one: JsonSchema) => accepts({ ...one, $defs: defs }, value))
  if (branch !== undefined) return withDefaults(branch, value, defs, skip)
  if (Array.isArray(value)) return value.map((item) => withDefaults(here.items ?? {}, item, defs, skip))
  if (typeof value !== "object" || value === null) return value
  const filled: Record<string, JsonValue> = {}
  for (const [key, inner] of Object.entries(value)) {
    filled[key] = withDefaults(here.properties?.[key] ?? here.additionalProperties ?? {}, inner, defs, skip)
  }
  for (const [key, { default: written }] of Object.entries<any>(here.properties ?? {})) {
    if (written !== undefined && !(key in value) && !skip(key, value)) {
      filled[key] = written
      filledIn.add(key)
    }
  }
  return filled
}
const filledIn = new Set<string>()

test("the defaults in the schemas are those of the readers: written out, the policies are the same", () => {
  const { schema, example, others } = SUBJECTS["the policy"]!
  const hasNoEffect = (key: string, value: any): boolean =>
    (key === "payload" && value.allow === "subscribe") ||
    (key === "additionalProperties" && ![value.type].flat().includes("object"))
  const rest = parse(`
lockgate-policy: 1
name: what the worked policies always say
zones: { a: { level: 1, clear-text: true }, b: { level: 1 } }
roles: { r: "" }
subjects: []
conduits: { c: { from: a, to: b, protocol: mqtt, transport: { from: tcp }, buffer: { size: 1MiB } } }
rules:
  - { id: r, deny: publish, roles: [r], topics: [x], hours: { from: "01:00", to: "02:00" } }
  - { id: s, allow: publish, roles: [r], topics: [x], form: { json: { type: object } } }
island: { when: key is island }
alarms: [{ id: grave, on: alarm }]
audit: {}
people:
  presence: {}
  sessions: {}
  passwords: {}
  attempts: {}
  identity-provider: { issuer: "https://id.example", audience: gw, keys: [{ kty: RSA, n: ${"n".repeat(342)}, e: AQAB }] }
`) as JsonValue
  for (const one of [example, ...others, rest]) {
    const written = withDefaults(schema, one, schema["$defs"], hasNoEffect)
    assert.ok(accepts(schema, written))
    assert.equal(parsePolicy(JSON.stringify(written), "p"), parsePolicy(JSON.stringify(one), "p"))
  }
  const defaults = [...within(schema)].filter(({ schema: here }) => "default" in here).map(({ key }) => key)
  assert.equal([...filledIn].toSorted(), [...new Set(defaults)].toSorted())
})

test.run()
