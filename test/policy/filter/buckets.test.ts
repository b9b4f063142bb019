import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import { createBuckets, decideTopic } from "../../../policy/filter/decide.ts"
import { judgeBy, say, stateFor } from "../../support/filter-peers.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"

const test = suite("policy/filter buckets")
const text = new TextEncoder()
const rated = (over: object = {}) =>
  makeRule({ id: "rated", topics: ["t"], rate: { perSecond: 10, burst: 3 }, ...over })

test("a burst passes, then one message per refilled token", () => {
  const judge = judgeBy(makePolicy([rated()]))
  for (let k = 0; k < 3; k++) assert.is(judge("t", { nowMs: 1000 }), "allowed rated")
  assert.is(judge("t", { nowMs: 1000 }), "rate rated")
  assert.is(judge("t", { nowMs: 1099 }), "rate rated")
  assert.is(judge("t", { nowMs: 1100 }), "allowed rated")
  assert.is(judge("t", { nowMs: 1100 }), "rate rated")
  // However long it rests, a bucket holds no more than its burst.
  for (let k = 0; k < 3; k++) assert.is(judge("t", { nowMs: 1e9 }), "allowed rated")
  assert.is(judge("t", { nowMs: 1e9 }), "rate rated")
})

test("a clock that goes back gives no tokens and takes none away", () => {
  const judge = judgeBy(makePolicy([rated()]))
  for (let k = 0; k < 3; k++) judge("t", { nowMs: 5000 })
  assert.is(judge("t", { nowMs: 0 }), "rate rated")
  assert.is(judge("t", { nowMs: 4999 }), "rate rated")
  assert.is(judge("t", { nowMs: 5100 }), "allowed rated")
  assert.is(judge("t", { nowMs: 0 }), "rate rated")
  assert.is(judge("t", { nowMs: 5100 }), "rate rated")
  assert.is(judge("t", { nowMs: NaN }), "rate rated")
  // A token paid while the clock is back does not make the time since then count twice.
  const again = judgeBy(makePolicy([rated()]))
  assert.is(again("t", { nowMs: 5000 }), "allowed rated")
  assert.is(again("t", { nowMs: 0 }), "allowed rated")
  assert.is(again("t", { nowMs: 5000 }), "allowed rated")
  assert.is(again("t", { nowMs: 5000 }), "rate rated")
})

test("two connections of one subject share their buckets; two subjects do not", () => {
  const compiled = compilePolicy(makePolicy([rated()]))
  const buckets = createBuckets(compiled.table)
  const states = [stateFor(compiled, { buckets }), stateFor(compiled, { buckets, clientId: "other" })]
  const stranger = stateFor(compiled, { name: "other" })
  const judge = (state: (typeof states)[number]): string =>
    say(compiled, decideTopic(compiled.table, state, text.encode("t"), 0, 1, 0, 0, 0))
  assert.equal(
    [0, 1, 0, 1, 0].map((k) => judge(states[k]!)),
    ["allowed rated", "allowed rated", "allowed rated", "rate rated", "rate rated"],
  )
  assert.is(judge(stranger), "allowed rated")
})

test("a rule without rate is preferred, so that no token is spent", () => {
  const judge = judgeBy(makePolicy([rated(), makeRule({ id: "free", topics: ["t"], maxPayloadBytes: 10 })]))
  for (let k = 0; k < 9; k++) assert.is(judge("t"), "allowed free")
  for (let k = 0; k < 3; k++) assert.is(judge("t", { payloadBytes: 11 }), "allowed rated")
  assert.is(judge("t", { payloadBytes: 11 }), "rate rated")
})

test("among rules with rates the first that has a token pays", () => {
  const second = rated({ id: "second", topics: ["+"], rate: { perSecond: 1, burst: 1 } })
  const judge = judgeBy(makePolicy([rated(), second]))
  for (let k = 0; k < 3; k++) assert.is(judge("t"), "allowed rated")
  assert.is(judge("t"), "allowed second")
  assert.is(judge("t"), "rate rated")
  assert.is(judge("u"), "rate second")
})

test("a message that a deny or another constraint stops takes no token", () => {
  const judge = judgeBy(
    makePolicy([rated({ topics: ["t", "t/#"], maxQos: 0 }), makeRule({ id: "no", topics: ["t/x"], effect: "deny" })]),
  )
  for (let k = 0; k < 9; k++) {
    assert.is(judge("t/x"), "deny-rule no")
    assert.is(judge("t", { qos: 1 }), "qos rated")
  }
  // One filter of the rule or two: one token.
  for (let k = 0; k < 3; k++) assert.is(judge("t"), "allowed rated")
  assert.is(judge("t"), "rate rated")
})

test("a deny rule has no bucket, whatever its rate says", () => {
  const compiled = compilePolicy(makePolicy([rated({ effect: "deny" }), rated()]))
  assert.is(compiled.table.rateCount, 1)
  assert.is(createBuckets(compiled.table).length, 2)
})

test.run()
