import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import { decideSubscription } from "../../../policy/filter/contain.ts"
import { decideTopic } from "../../../policy/filter/decide.ts"
import { matches } from "../../../policy/filter/reference.ts"
import { REASON, verdict } from "../../../policy/filter/verdict.ts"
import { topicsOver } from "../../support/filter-cases.ts"
import { stateFor } from "../../support/filter-peers.ts"
import { seeded } from "../../support/hostile.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"

/** A small universe, complete: every topic and filter of up to three levels over a plain word, the empty one and a `$` word. */
const WORDS = ["a", "", "$x"]
const FILTERS = [...topicsOver([...WORDS, "+"], 3), "#", ...topicsOver([...WORDS, "+"], 2).map((f) => `${f}/#`), "/#"]
const TOPICS = topicsOver(WORDS, 3)
/** For containment, words that stand in no rule, and one level more. */
const WIDER = topicsOver([...WORDS, "fresh"], 4)

const text = new TextEncoder()
const who = { name: "dev", clientId: "cid" }
const test = suite("policy/filter, a small universe complete")

test("[CR 2.1] every pair of filters on every topic: allow, allow twice, allow and deny", () => {
  const topics = TOPICS.map((topic) => text.encode(topic))
  const table = FILTERS.map((filter) => TOPICS.map((topic) => matches(filter, topic, who)))
  const [allowedFirst, allowedSecond] = [verdict(REASON.allowed, 0), verdict(REASON.allowed, 1)]
  const [denied, none] = [verdict(REASON["deny-rule"], 1), verdict(REASON["no-rule"], -1)]
  let decisions = 0
  let allowed = 0
  FILTERS.forEach((first, i) => {
    FILTERS.forEach((second, j) => {
      const compiled = compilePolicy(
        makePolicy([
          makeRule({ topics: [first], actions: ["publish", "receive"] }),
          makeRule({ topics: [second], actions: ["publish"], effect: "deny" }),
          makeRule({ topics: [second], actions: ["receive"] }),
        ]),
      )
      const publish = stateFor(compiled)
      const receive = stateFor(compiled, { action: "receive" })
      topics.forEach((topic, k) => {
        const [hitsFirst, hitsSecond] = [table[i]![k]!, table[j]![k]!]
        const up = decideTopic(compiled.table, publish, topic, 0, topic.length, 0, 0, 0)
        const down = decideTopic(compiled.table, receive, topic, 0, topic.length, 0, 0, 0)
        const expectedUp = hitsSecond ? denied : hitsFirst ? allowedFirst : none
        const expectedDown = hitsFirst ? allowedFirst : hitsSecond ? verdict(REASON.allowed, 2) : none
        if (up !== expectedUp || down !== expectedDown) {
          assert.unreachable(
            `${first} and ${second} on ${TOPICS[k]}: ${up} for ${expectedUp}, ${down} for ${expectedDown}`,
          )
        }
        decisions += 2
        if (expectedDown !== none) allowed++
      })
    })
  })
  assert.is(allowedSecond, 512)
  assert.is(FILTERS.length, 83 + 1 + 19 + 1)
  assert.is(TOPICS.length, 38)
  assert.is(decisions, 104 * 104 * 38 * 2)
  assert.ok(allowed > decisions / 20)
})

/** Which topics of the wider universe a filter matches, a bit each. */
function topicsOf(filter: string): Uint32Array {
  const bits = new Uint32Array((WIDER.length + 31) >> 5)
  WIDER.forEach((topic, k) => {
    if (matches(filter, topic, who)) bits[k >> 5]! |= 1 << (k & 31)
  })
  return bits
}

function within(request: Uint32Array, allowed: readonly Uint32Array[]): boolean {
  return request.every((bits, k) => (bits & ~allowed.reduce((sum, filter) => sum | filter[k]!, 0)) === 0)
}

test("[CR 2.1] every request against every pair of allowed filters: granted iff it lies in their union", () => {
  const sets = FILTERS.map(topicsOf)
  const requests = FILTERS.map((filter) => text.encode(filter))
  let compared = 0
  let granted = 0
  FILTERS.forEach((first, i) => {
    for (let j = i; j < FILTERS.length; j++) {
      const rules = [first, FILTERS[j]!].map((filter) => makeRule({ topics: [filter], actions: ["subscribe"] }))
      const compiled = compilePolicy(makePolicy(rules))
      const state = stateFor(compiled, { action: "subscribe" })
      requests.forEach((request, k) => {
        const found = decideSubscription(compiled.table, state, request, 0, request.length, 0) & 0xff
        const expected = within(sets[k]!, [sets[i]!, sets[j]!])
        if (found !== (expected ? REASON.allowed : REASON["not-contained"])) {
          assert.unreachable(`${FILTERS[k]} in ${first} and ${FILTERS[j]}: ${found}, expected ${expected}`)
        }
        compared++
        if (expected) granted++
      })
    }
  })
  assert.is(compared, ((104 * 105) / 2) * 104)
  assert.ok(granted > 10_000)
})

test("[CR 2.1] unions of three and four: what no single filter contains is found", () => {
  const sets = FILTERS.map(topicsOf)
  const random = seeded(9)
  let together = 0
  for (let round = 0; round < 3000; round++) {
    const chosen = Array.from({ length: 3 + (round & 1) }, () => Math.floor(random() * FILTERS.length))
    if (round < 300) chosen.splice(0, 3, ...["a", "a/+", "a/+/#"].map((filter) => FILTERS.indexOf(filter)))
    const rules = chosen.map((k) => makeRule({ topics: [FILTERS[k]!], actions: ["subscribe"] }))
    const compiled = compilePolicy(makePolicy(rules))
    const state = stateFor(compiled, { action: "subscribe" })
    const k = round < 300 ? FILTERS.indexOf("a/#") : Math.floor(random() * FILTERS.length)
    const request = text.encode(FILTERS[k])
    const found = (decideSubscription(compiled.table, state, request, 0, request.length, 0) & 0xff) === REASON.allowed
    assert.is(
      found,
      within(
        sets[k]!,
        chosen.map((n) => sets[n]!),
      ),
      `${FILTERS[k]} in ${chosen.map((n) => FILTERS[n]).join(", ")}`,
    )
    if (found && !chosen.some((n) => within(sets[k]!, [sets[n]!]))) together++
  }
  assert.ok(together >= 250, `${together}`)
})

test.run()
