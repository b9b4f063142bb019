import { suite } from "uvu"
import * as assert from "uvu/assert"
import { areTwoFactors, gateOf, type Factor, type Person } from "../../../policy/people/gate.ts"
import { DEFAULT_PEOPLE, type PeopleRules } from "../../../policy/people/rules.ts"

const test = suite("policy/people/gate")

const KEY: Person = { account: "a", factors: ["key"], keys: ["k"] }
const RULES: PeopleRules = {
  ...DEFAULT_PEOPLE,
  twoPersons: ["policy"],
  presence: ["trust"],
  twoFactors: ["people", "policy"],
}
const asked = { person: KEY, present: "no", approved: false, rules: RULES } as const

test("[CR 1.1 RE(2)] two factors are of two kinds, or a token that asks for its PIN", () => {
  const cases: readonly (readonly [readonly Factor[], boolean])[] = [
    [[], false],
    [["key"], false],
    [["password"], false],
    [["key", "key"], false],
    [["key", "password"], true],
    [["password", "key"], true],
    [["token"], true],
    [["token", "key"], true],
  ]
  for (const [factors, are] of cases) assert.is(areTwoFactors(factors), are, factors.join())
})

test("what no rule names is carried out at once", () => {
  for (const permission of ["read", "island", "alarm"] as const) assert.is(gateOf({ ...asked, permission }), null)
})

test("[CR 1.1 RE(2)] what asks for two factors waits for no second person before it has them", () => {
  assert.is(gateOf({ ...asked, permission: "people" }), "ERR_SECOND_FACTOR")
  assert.is(gateOf({ ...asked, permission: "policy" }), "ERR_SECOND_FACTOR")
  const person: Person = { ...KEY, factors: ["token"] }
  assert.is(gateOf({ ...asked, person, permission: "people" }), null)
  assert.is(gateOf({ ...asked, person, permission: "policy" }), "ERR_APPROVAL_NEEDED")
  assert.is(gateOf({ ...asked, person, permission: "policy", approved: true }), null)
})

test("[EDR 2.13] somebody is there only if the inputs surely say so, also for who holds the machine", () => {
  for (const person of [KEY, null]) {
    assert.is(gateOf({ ...asked, person, permission: "trust" }), "ERR_NOT_PRESENT")
    assert.is(gateOf({ ...asked, person, permission: "trust", present: "uncertain" }), "ERR_NOT_PRESENT")
    assert.is(gateOf({ ...asked, person, permission: "trust", present: "yes" }), null)
  }
})

test("before anybody has an account nobody is asked for a second person or factor", () => {
  assert.is(gateOf({ ...asked, person: null, permission: "policy" }), null)
})

test.run()
