import { serialize } from "node:v8"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { enginePolicyOf, nameAt, packNames } from "../../../firmware/conduits/engine-policy.ts"
import { prepareInForce } from "../../../firmware/conduits/in-force.ts"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"

const test = suite("firmware/conduits/engine-policy")
const OPEN = { normal: "open", essential: "open" } as const
const ESSENTIAL_ONLY = { normal: "closed", essential: "open" } as const

test("names are found again by their index, whatever they hold, and none beyond the last", () =>
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "grapheme" }), { maxLength: 20 }), (names) => {
      const packed = packNames(names)
      assert.equal(names.map((_, k) => nameAt(packed, k)), names) // prettier-ignore
      for (const index of [-1, names.length, 0.5, NaN]) assert.is(nameAt(packed, index), null)
    }),
    { numRuns: 200 },
  ))

test("[CR 7.1] what the engine has to read of a policy does not grow with its rules, and each thread writes its own", () => {
  const size = (rules: number): number => {
    const many = Array.from({ length: rules }, (_, k) => makeRule({ topics: [`a/${k}/+`], rate: { perSecond: 1, burst: k + 1 } })) // prettier-ignore
    const policy = makePolicy(many)
    const engine = enginePolicyOf(policy, compilePolicy(policy))
    const { words, numbers, scratch } = engine.compiled.table
    const { ruleNames } = engine.compiled
    for (const view of [words, numbers, ruleNames.bytes, ruleNames.starts]) {
      assert.instance(view.buffer, SharedArrayBuffer)
    }
    assert.instance(scratch.buffer, ArrayBuffer)
    const text = JSON.stringify(engine, (_, value: unknown) => (ArrayBuffer.isView(value) ? null : value))
    return serialize(JSON.parse(text)).byteLength
  }
  assert.ok(size(5_000) < size(5) + 100)
})

test("[NDR 5.2] while only essential flows are open, a peer is let in if some essential allow rule names a role of its", () => {
  const rules = [
    makeRule({ id: "a", topics: ["a"], roles: ["sensor"], conduits: ["field", "other"], essential: true }),
    makeRule({ id: "b", topics: ["b"], roles: ["pump"], conduits: ["other"], essential: true }),
    makeRule({ id: "c", topics: ["c"], roles: ["pump"], conduits: ["field"] }),
    makeRule({ id: "d", topics: ["d"], roles: ["pump"], conduits: ["field"], essential: true, effect: "deny" }),
  ]
  const policy = makePolicy(rules, [["sensor"], ["pump"], ["pump", "sensor"]], ["field", "other", "third"])
  const engine = enginePolicyOf(policy, compilePolicy(policy))
  assert.equal(engine.essentialRoles, { field: ["sensor"], other: ["sensor", "pump"], third: [] })
  const epoch = { epoch: 1, policy: engine, authorities: {} }
  const open = (conduit: string, roles: string[], posture: typeof OPEN | typeof ESSENTIAL_ONLY): boolean =>
    prepareInForce(epoch, posture, 1).conduits.get(conduit)!.classFor(roles) >= 0
  assert.equal(["sensor", "pump"].map((role) => open("field", [role], OPEN)), [true, true]) // prettier-ignore
  assert.equal(["sensor", "pump"].map((role) => open("field", [role], ESSENTIAL_ONLY)), [true, false]) // prettier-ignore
  assert.ok(open("field", ["pump", "sensor"], ESSENTIAL_ONLY))
  assert.ok(open("other", ["pump"], ESSENTIAL_ONLY))
  const inForce = prepareInForce(epoch, ESSENTIAL_ONLY, 1)
  assert.equal([...inForce.conduits].map(([name, own]) => [name, own.open]), [["field", true], ["other", true], ["third", false]]) // prettier-ignore
})

test("certificates of authorities are read by whoever remembers them", () => {
  const policy = makePolicy([])
  const epoch = { epoch: 1, policy: enginePolicyOf(policy, compilePolicy(policy)), authorities: { "cell-ca": "PEM" } }
  const asked: string[] = []
  prepareInForce(epoch, OPEN, 1, (pem) => {
    asked.push(pem)
    return []
  })
  assert.equal(asked, ["PEM"])
})

test.run()
