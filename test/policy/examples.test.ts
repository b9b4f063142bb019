import { readFileSync, readdirSync } from "node:fs"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { parseCases, rulesNotExercised, runCases } from "../../policy/analysis/cases.ts"
import { compilePolicy } from "../../policy/compile/compile.ts"
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
