import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compareRandom, compareSubscriptions } from "../../support/filter-cases.ts"

const test = suite("policy/filter against its reference")
const LONG = process.env["LOCKGATE_FILTER_CASES"]

test("[CR 2.1] 20,000 random messages are judged as the reference judges them", () => {
  const cases = LONG === undefined ? 20_000 : Number(LONG)
  const { cases: counted, reasons, differences } = compareRandom(cases, 1)
  assert.equal(differences, [])
  assert.ok(counted >= cases)
  for (const reason of ["allowed", "no-rule", "deny-rule", "qos", "retain", "payload-size", "rate", "reserved"]) {
    assert.ok((reasons.get(reason) ?? 0) >= counted / 1000, `${reason}: ${reasons.get(reason) ?? 0}`)
  }
  for (const reason of ["bad-topic", "not-essential"]) {
    assert.ok((reasons.get(reason) ?? 0) >= counted / 1000, `${reason}: ${reasons.get(reason) ?? 0}`)
  }
})

test("[CR 2.1] random requests to subscribe are judged as the reference judges them topic by topic", () => {
  const cases = LONG === undefined ? 3000 : Math.ceil(Number(LONG) / 50)
  const { cases: counted, reasons, differences } = compareSubscriptions(cases, 2)
  assert.equal(differences, [])
  assert.ok(counted >= cases)
  for (const reason of [
    "allowed",
    "not-contained",
    "deny-rule",
    "qos",
    "shared-subscription",
    "reserved",
    "bad-topic",
  ]) {
    assert.ok((reasons.get(reason) ?? 0) >= counted / 1000, `${reason}: ${reasons.get(reason) ?? 0}`)
  }
})

test.run()
