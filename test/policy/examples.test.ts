import { readFileSync, readdirSync } from "node:fs"
import { Validator } from "@cfworker/json-schema"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { parse } from "yaml"
import { casesJsonSchema } from "../../policy/analysis/cases-shape.ts"
import { parseCases, rulesNotExercised, runCases } from "../../policy/analysis/cases.ts"
import { compilePolicy } from "../../policy/compile/compile.ts"
import { policyJsonSchema } from "../../policy/language/policy-shape.ts"
import { parsePolicy } from "../../policy/language/parse-policy.ts"
import { good } from "../support/faults.ts"

const test = suite("policy/examples, cases")

const folder = new URL("../../policy/examples/", import.meta.url)
const read = (name: string): string => readFileSync(new URL(name, folder), "utf8")
const POLICIES = readdirSync(folder).filter((name) => !name.endsWith(".cases.yaml"))

test("there are worked policies, and nothing but policies and their cases", () => {
  assert.ok(POLICIES.length >= 5)
  const own = POLICIES.flatMap((name) => [name, name.replace(".yaml", ".cases.yaml")])
  assert.equal(readdirSync(folder).sort(), own.sort())
})

test("[CR 3.5] an editor that goes by the JSON Schemas finds no fault in them, and finds what is faulty", () => {
  const schemas = { policy: policyJsonSchema(), cases: casesJsonSchema() }
  const faults = (which: keyof typeof schemas, document: unknown): number =>
    new Validator(schemas[which], "2020-12", false).validate(document).errors.length
  for (const name of POLICIES) {
    const policy = parse(read(name)) as { rules: object[] }
    const cases = parse(read(name.replace(".yaml", ".cases.yaml"))) as { cases: object[] }
    assert.is(faults("policy", policy), 0, name)
    assert.is(faults("cases", cases), 0, name)
    const [rule] = policy.rules
    const [first] = cases.cases
    for (const slip of [{ topic: ["a"] }, { roles: "r" }, { rate: "10 per second" }, { qos: 3 }]) {
      assert.ok(faults("policy", { ...policy, rules: [{ ...rule, ...slip }] }) > 0, JSON.stringify(slip))
    }
    for (const slip of [{ expected: "deny" }, { expect: "denied" }, { roles: [7] }, { qos: 3 }, { hex: "0" }]) {
      assert.ok(faults("cases", { ...cases, cases: [{ ...first, ...slip }] }) > 0, JSON.stringify(slip))
    }
  }
})

for (const name of POLICIES) {
  const file = name.replace(".yaml", ".cases.yaml")
  const policy = good(parsePolicy(read(name), name))

  test(`[NDR 5.2] ${name} says what ${file} demands, and each of its rules decides a case`, () => {
    const results = runCases(policy, compilePolicy(policy), good(parseCases(read(file), file)))
    const failed = results.flatMap((result) => (result.passed ? [] : [`${result.case.line}: ${result.lines[0]}`]))
    assert.equal(failed, [])
    assert.equal(rulesNotExercised(policy, results), [])
  })

  test(`${file} notices the loss of any one rule of ${name}`, () => {
    const cases = good(parseCases(read(file), file))
    for (const rule of policy.rules) {
      const without = { ...policy, rules: policy.rules.filter((own) => own !== rule) }
      const results = runCases(without, compilePolicy(without), cases)
      assert.ok(
        results.some(({ passed }) => !passed),
        rule.id,
      )
    }
  })
}

test.run()
