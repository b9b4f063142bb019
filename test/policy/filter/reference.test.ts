import { suite } from "uvu"
import * as assert from "uvu/assert"
import { STORM, tellStorm } from "../../storm/figures.ts"
import { compareRandom, compareSubscriptions } from "../../support/filter-cases.ts"

const test = suite("policy/filter against its reference")
/** In a storm every run draws other cases; the seed is told if one fails. */
const SEED = STORM ? Date.now() : 1

test("[CR 2.1] 20,000 random messages (a million in a storm) are judged as the reference judges them", () => {
  const cases = STORM ? 1_000_000 : 20_000
  const { cases: counted, reasons, differences } = compareRandom(cases, SEED)
  assert.equal(differences, [], `seed ${SEED}`)
  assert.ok(counted >= cases)
  for (const reason of ["allowed", "no-rule", "deny-rule", "qos", "retain", "payload-size", "rate", "reserved"]) {
    assert.ok((reasons.get(reason) ?? 0) >= counted / 2000, `${reason}: ${reasons.get(reason) ?? 0}`)
  }
  for (const reason of ["bad-topic", "not-essential", "hours", "when", "emergency", "payload-form", "incomplete"]) {
    assert.ok((reasons.get(reason) ?? 0) >= counted / 2000, `${reason}: ${reasons.get(reason) ?? 0}`)
  }
  tellStorm("random cases", "filter against its reference: messages", {
    cases: counted,
    differences: differences.length,
  })
})

test("[CR 2.1] random requests to subscribe are judged as the reference judges them topic by topic", () => {
  const cases = STORM ? 20_000 : 3000
  const { cases: counted, reasons, differences } = compareSubscriptions(cases, SEED)
  assert.equal(differences, [], `seed ${SEED}`)
  assert.ok(counted >= cases)
  for (const reason of [
    "allowed",
    "not-contained",
    "deny-rule",
    "qos",
    "shared-subscription",
    "reserved",
    "bad-topic",
    "hours",
    "when",
    "emergency",
  ]) {
    assert.ok((reasons.get(reason) ?? 0) >= counted / 2000, `${reason}: ${reasons.get(reason) ?? 0}`)
  }
  tellStorm("random cases", "filter against its reference: subscriptions", {
    cases: counted,
    differences: differences.length,
  })
})

test.run()
