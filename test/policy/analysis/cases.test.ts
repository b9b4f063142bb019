import { suite } from "uvu"
import * as assert from "uvu/assert"
import { failuresOf, parseCases, rulesNotExercised, runCases } from "../../../policy/analysis/cases.ts"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"
import { faulty, good, MARK } from "../../support/faults.ts"

const test = suite("policy/analysis/cases")

const policy = makePolicy(
  [
    makeRule({ id: "own", topics: ["plant/%u/#"], maxQos: 1, maxPayloadBytes: 100 }),
    makeRule({ id: "set", topics: ["set/%u"], actions: ["subscribe", "receive"], essential: true }),
    makeRule({ id: "secret", topics: ["plant/+/secret"], effect: "deny" }),
    makeRule({ id: "unused", topics: ["x"] }),
  ],
  [["sensor"]],
)
const compiled = compilePolicy(policy)
const read = (text: string) => parseCases(text, "plant.cases.yaml")
const document = (...cases: readonly string[]): string =>
  `lockgate-cases: 1\ncases:\n${cases.map((one) => `  - ${one}\n`).join("")}`
const results = (...cases: readonly string[]) => runCases(policy, compiled, good(read(document(...cases))))

test("what the policy says as expected passes; roles and conduit come from the policy", () => {
  const found = results(
    "{ as: dev, publish: plant/dev/a, qos: 1, payload: 100B, expect: allow, rule: own }",
    "{ as: dev, publish: plant/other/a, expect: deny, reason: no-rule }",
    "{ as: dev, publish: plant/dev/a, text: hello, expect: allow }",
    "{ as: dev, publish: plant/dev/secret, expect: deny, rule: secret, reason: deny-rule }",
    "{ as: dev, subscribe: set/dev, qos: 2, expect: allow, rule: set }",
    "{ as: dev, receive: set/dev, essential-only: true, expect: allow }",
    "{ as: dev, publish: plant/dev/a, essential-only: true, expect: deny, reason: not-essential }",
  )
  assert.equal(
    found.map(({ passed }) => passed),
    found.map(() => true),
  )
  assert.equal(rulesNotExercised(policy, found), ["unused"])
})

test("each case that fails says what was expected, what was found, and why", () => {
  const cases = document(
    "{ as: dev, publish: plant/dev/a, payload: 101, expect: allow }",
    "{ as: dev, publish: plant/dev/a, expect: deny }",
    "{ as: dev, publish: plant/dev/a, expect: allow, rule: set }",
    "{ as: dev, publish: plant/dev/a, qos: 2, expect: deny, reason: retain }",
    "{ name: a stranger, as: dev, roles: [pump], publish: plant/dev/a, expect: deny }",
  )
  assert.equal(failuresOf(policy, compiled, cases), [
    "line 3, dev: publish plant/dev/a: expected allow, found deny by own (payload-size)",
    "line 4, dev: publish plant/dev/a: expected deny, found allow by own",
    "line 5, dev: publish plant/dev/a: expected allow by set, found allow by own",
    "line 6, dev: publish plant/dev/a: expected deny (retain), found deny by own (qos)",
    "line 7, a stranger: cannot be asked: no subject entry gives dev exactly the roles pump (it can have sensor)",
  ])
  const [first] = runCases(policy, compiled, good(read(cases)))
  assert.match(first!.lines.join("\n"), "a payload of 101B, the rule allows 100B")
})

test("a payload that is not text is given in hex, with or without spaces", () => {
  const text = makePolicy([makeRule({ id: "text", topics: ["a"], payload: { kind: "utf8" } })])
  const found = (hex: string, expect: string): readonly string[] =>
    failuresOf(text, compilePolicy(text), document(`{ as: dev, publish: a, hex: "${hex}", expect: ${expect} }`))
  for (const fine of ["c3a9", "C3 A9", "6869 20"]) assert.equal(found(fine, "allow"), [], fine)
  for (const bad of ["c3", "a9c3", "c3 69"]) assert.equal(found(bad, "deny, reason: payload-form"), [], bad)
})

test("a rule that is only the nearest one has decided nothing", () => {
  const found = results("{ as: dev, publish: plant/dev/a, qos: 2, expect: deny, reason: qos }")
  assert.ok(found[0]!.passed)
  assert.equal(rulesNotExercised(policy, found), ["own", "set", "secret", "unused"])
})

test("each case begins with full buckets", () => {
  const slow = makePolicy([makeRule({ id: "slow", topics: ["a"], rate: { perSecond: 1, burst: 1 } })])
  const one = "{ as: dev, publish: a, expect: allow }"
  assert.equal(failuresOf(slow, compilePolicy(slow), document(one, one, one)), [])
})

test("[CR 3.5] cases with faults are refused whole, every fault with its place", () => {
  const cases = (...lines: readonly string[]): string => document(...lines)
  faulty(
    read,
    cases(
      `{ as: dev, publish: a, expect: ${MARK}yes }`,
      `${MARK}{ as: dev, expect: allow }`,
      `{ as: dev, publish: a, ${MARK}subscribe: a, expect: allow }`,
      `{ as: dev, publish: a, text: x, payload: ${MARK}5, expect: allow }`,
      `{ as: dev, publish: a, expect: allow, reason: ${MARK}qos }`,
      `{ as: dev, publish: a, at: ${MARK}"2026-02-31T09:99:00Z", expect: allow }`,
      `{ as: dev, modbus: ${MARK}{ unit: 3, function: write-single-register, address: 1 }, expect: allow }`,
      `{ as: dev, publish: a, expct: allow, ${MARK}${MARK}expect: allow }`.replace(`${MARK}${MARK}`, "").replace("expct", `${MARK}expct`), // prettier-ignore
      `{ as: dev, publish: a, text: x, hex: ${MARK}"00", expect: allow }`,
      `{ as: dev, publish: a, hex: ${MARK}"0a1", expect: allow }`,
    ),
    [
      ["cases[0].expect", '"allow" or "deny"'],
      ["cases[1]", 'needs the key "publish" or "receive" or "subscribe" or "modbus"'],
      ["cases[2].subscribe", "found both"],
      ["cases[3].payload", "given as text and as payload"],
      ["cases[4].reason", "does not go with"],
      ["cases[5].at", "no such time"],
      ["cases[6].modbus", 'needs "values"'],
      ["cases[7].expct", "has no key", "expect"],
      ["cases[8].hex", "given as text and as hex"],
      ["cases[9].hex", "pairs of hexadecimal digits"],
    ],
  )
  assert.not(read("lockgate-cases: 2\ncases: []\n").ok)
  assert.match(failuresOf(policy, compiled, "cases: [").join(), /^cases:1/)
})

test.run()
