import { suite } from "uvu"
import * as assert from "uvu/assert"
import { CONDITIONS, POSTURE, posture, postureTable } from "../../policy/posture.ts"
import type { Condition } from "../../policy/posture.ts"
import type { FlowPosture } from "../../firmware/conduits/messages.ts"

const test = suite("policy/posture")

/** The same rule in other words: what is left that can vouch for a flow. */
function expected(has: (condition: Condition) => boolean): { normal: boolean; essential: boolean } {
  const somethingDecides = !has("no-policy") && !has("filter-fault") && !has("policy-integrity-failure")
  const permissionStands = !has("policy-expired")
  const gatewayIsSound =
    !has("integrity-failure") && !has("boundary-lost") && !has("log-failing") && !has("log-full-uncollected")
  const notCutApart = !has("island")
  return { essential: somethingDecides, normal: somethingDecides && permissionStands && gatewayIsSound && notCutApart }
}

function subsets(): ReadonlySet<Condition>[] {
  return Array.from({ length: 2 ** CONDITIONS.length }, (_, bits) => {
    return new Set(CONDITIONS.filter((_, index) => (bits & (1 << index)) !== 0))
  })
}

test("[NDR 5.2] every combination of conditions opens and closes what the rule says", () => {
  assert.is(subsets().length, 16384)
  for (const conditions of subsets()) {
    const { normal, essential } = posture(conditions)
    const wanted = expected((condition) => conditions.has(condition))
    assert.is(normal === "open", wanted.normal, [...conditions].join(" "))
    assert.is(essential === "open", wanted.essential, [...conditions].join(" "))
  }
})

test("[NDR 5.2 RE(1)] no further condition ever opens anything, and what is essential is never shut before what is not", () => {
  for (const conditions of subsets()) {
    const here = posture(conditions)
    if (here.essential === "closed") assert.is(here.normal, "closed")
    for (const more of CONDITIONS) {
      const there = posture(new Set([...conditions, more]))
      if (here.normal === "closed") assert.is(there.normal, "closed")
      if (here.essential === "closed") assert.is(there.essential, "closed")
    }
  }
})

test("the reasons are exactly the conditions whose end would open something", () => {
  for (const conditions of subsets()) {
    const { normal, because } = posture(conditions)
    assert.is(because.length > 0, normal === "closed")
    assert.ok(because.every((condition) => conditions.has(condition)))
    const without = posture(new Set([...conditions].filter((condition) => !because.includes(condition))))
    assert.equal(without, { normal: "open", essential: "open", because: [] })
  }
})

test("[CCSC 1] only what leaves nothing to say which flow is essential closes essential flows", () => {
  const closing = CONDITIONS.filter((condition) => POSTURE[condition].essential === "closed")
  assert.equal(closing, ["no-policy", "policy-integrity-failure", "filter-fault"])
})

test("each row says why, in a sentence, and by which clause", () => {
  for (const condition of CONDITIONS) {
    assert.match(POSTURE[condition].why, /^[A-Z].{20,}\.$/)
    assert.match(POSTURE[condition].clause, /^(NDR|CR) \d\.\d/)
  }
})

test("the printed table has every condition once, with what the table says of it", () => {
  const lines = postureTable()
  assert.is(lines.length, CONDITIONS.length + 1)
  CONDITIONS.forEach((condition, k) => {
    const { normal, essential, clause } = POSTURE[condition]
    assert.equal(lines[k + 1]?.split(/ {2,}/), [condition, normal, essential, clause])
  })
})

test("the engine takes the outcome as it is", () => {
  const forEngine: FlowPosture = posture(new Set(["island"]))
  assert.is(forEngine.normal, "closed")
  assert.is(forEngine.essential, "open")
})

test.run()
