import { readFileSync, readdirSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { parse, stringify } from "yaml"
import { formatPolicy } from "../../../policy/language/policy-format.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import { readYamlComments } from "../../../policy/language/yaml-text.ts"
import { good } from "../../support/faults.ts"
import { policy } from "../../support/policy-text.ts"

const test = suite("policy/language/policy-format")

const folder = new URL("../../../policy/examples/", import.meta.url)
const EXAMPLES = readdirSync(folder)
  .filter((name) => !name.endsWith(".cases.yaml"))
  .map((name) => [name, readFileSync(new URL(name, folder), "utf8")] as const)

const format = (text: string): string => good(formatPolicy(text, "p"))

for (const [name, text] of EXAMPLES) {
  test(`${name} is in canonical layout`, () => assert.is(format(text), text))
}

test("keys are put in order, brackets kept where they fit, comments stay with what they stand by", () => {
  const before = `# a plant

name: 'x'   # title
lockgate-policy: 1
conduits: {c: {protocol: mqtt, to: b,   from: a}}
zones:
    # behind the fence
    a: {level: 1,
      # nobody yet
      authorities: []}


    b: {level: 2}
roles: { r: "it: is" }
subjects: []
rules:
    -   topics:   # where
          - x
            # and no more
        roles: [r]
        # all of them
        allow: [publish]
        id: one
    - {id: two, deny: publish, roles: [r], topics: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, "+"]} # no
    # end`
  const after = `# a plant

lockgate-policy: 1
name: "x" # title

zones:
  # behind the fence
  a:
    level: 1
    # nobody yet
    authorities: []

  b: { level: 2 }

roles:
  r: "it: is"

subjects: []

conduits:
  c: { from: a, to: b, protocol: mqtt }

rules:
  - id: one
    # all of them
    allow: [publish]
    roles: [r]
    topics: # where
      - x
      # and no more
  # no
  - id: two
    deny: publish
    roles: [r]
    topics: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, "+"]
  # end
`
  assert.is(format(before), after)
  assert.is(format(after), after)
  assert.is(format(before.replaceAll("\n", "\r\n")), after)
})

test("JSON stays JSON", () => {
  const text = policy({})
  const json = JSON.stringify(parse(text))
  const out = format(json)
  assert.is(format(out), out)
  assert.equal(JSON.parse(out), JSON.parse(json))
  assert.ok(out.startsWith("{\n"))
})

test("what is faulty is not laid out, its faults are told", () => {
  const parsed = formatPolicy(policy({ rules: "rules: [x]" }), "p")
  assert.ok(!parsed.ok && parsed.faults.length === 1)
})

test("text that could be read as something else keeps its quotes", () => {
  const words = [
    "1.3",
    "null",
    "~",
    "true",
    "0x1",
    "a: b",
    "a #b",
    "-",
    "- a",
    "[a]",
    "a, b",
    "",
    "é",
    "a\\b",
    'a"b',
    " a",
    "*a",
    "%a",
    "1e3",
    ".inf",
    "01:30",
    "a:",
    "@a",
    "...",
    "---",
    "a]b",
  ]
  for (const word of words) {
    for (const written of [
      JSON.stringify(word),
      `'${word.replaceAll("'", "''")}'`,
      `|-\n    ${word}`,
      `>-\n    ${word}`,
    ]) {
      const text = policy({ roles: `roles:\n  sensor: ${written}\n  pump: obeys` })
      const parsed = parsePolicy(text, "p")
      if (!parsed.ok) continue
      assert.equal(good(parsePolicy(format(text), "p")), parsed.value, written)
    }
  }
})

/** A text as another hand would have written it: other brackets, indentation, comments and empty lines. */
function rewrite(text: string, seeds: readonly number[]): string {
  let at = 0
  const seed = (max: number): number => (seeds[at++ % seeds.length] ?? 0) % max
  const indent = 1 + seed(4)
  const flow = seed(3)
  const styled = stringify(parse(text), {
    indent,
    indentSeq: seed(2) === 0,
    lineWidth: [0, 40, 80, 120][seed(4)] ?? 0,
    collectionStyle: flow === 0 ? "block" : flow === 1 ? "flow" : "any",
    defaultStringType: seed(2) === 0 ? "PLAIN" : "QUOTE_SINGLE",
    defaultKeyType: "PLAIN",
  })
  const out: string[] = []
  // Within a text on several lines a comment would be text.
  const isFolded = /[^,[\]{}:"']\n +[^-#\s"'][^:]*\n/.test(styled)
  for (const line of styled.split("\n")) {
    const what = isFolded ? 9 : seed(9)
    if (what === 0) out.push(`${" ".repeat(seed(9))}# own ${at}`)
    if (what === 1) out.push("")
    if (what === 2) out.push("", `# spaced ${at}`, "")
    out.push(what === 3 && line !== "" ? `${line} # beside ${at}` : line)
  }
  return out.join("\n")
}

test("[CR 3.5] whoever wrote it, it is laid out to the same policy with the same comments, once and for all", () => {
  let laidOut = 0
  fc.assert(
    fc.property(fc.nat(EXAMPLES.length - 1), fc.array(fc.nat(), { minLength: 8, maxLength: 60 }), (which, seeds) => {
      const text = rewrite(EXAMPLES[which]?.[1] ?? "", seeds)
      const parsed = parsePolicy(text, "p")
      if (!parsed.ok) return
      const out = format(text)
      assert.equal(good(parsePolicy(out, "p")), parsed.value)
      assert.is(format(out), out)
      const words = (of: string): string[] =>
        readYamlComments(of)
          .map((one) => one.text)
          .toSorted()
      assert.equal(words(out), words(text))
      laidOut++
    }),
    { numRuns: 30 },
  )
  assert.ok(laidOut > 8, `${laidOut}`)
})

test.run()
