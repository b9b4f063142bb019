import { suite } from "uvu"
import * as assert from "uvu/assert"
import { BucketStore } from "../../../firmware/conduits/bucket-store.ts"
import { countDenial, newCounters, snapshot } from "../../../firmware/conduits/counters.ts"
import { createBuckets } from "../../../policy/filter/decide.ts"
import type { FilterTable } from "../../../policy/filter/table.ts"

const test = suite("firmware/conduits/bucket-store")

const table = (): FilterTable => ({
  words: new Uint32Array(16),
  scratch: new Int32Array(0),
  numbers: new Float64Array(8),
  rateCount: 0,
  gates: [],
  gateStates: new Uint8Array(),
  forms: [],
})

test("[CR 7.1] all connections of a subject share their buckets, and reconnecting does not refill them", () => {
  const store = new BucketStore(createBuckets)
  const now = table()
  assert.is(store.of(now, "a"), store.of(now, "a"))
  assert.is.not(store.of(now, "a"), store.of(now, "b"))
  const before = store.of(now, "a")
  assert.is.not(store.of(table(), "a"), before, "another policy starts anew")
})

test("[CR 7.2] the number of subjects kept is bounded, and the one unused for longest goes first", () => {
  const store = new BucketStore(createBuckets)
  const now = table()
  const first = store.of(now, "first")
  const second = store.of(now, "second")
  for (let i = 0; i < 9_998; i++) store.of(now, `s${i}`)
  assert.is(store.of(now, "first"), first)
  store.of(now, "one-more")
  assert.is(store.of(now, "first"), first)
  assert.is.not(store.of(now, "second"), second)
})

test("[NDR 5.2] denials are counted by rule and reason in a bounded table; none is lost in the sum", () => {
  const set = newCounters()
  for (let i = 0; i < 200; i++) countDenial(set, i % 2 === 0 ? "up" : "down", `rule-${i % 100}`, "qos")
  const { denials, deniedUp, deniedDown } = snapshot("c", set)
  assert.equal([deniedUp, deniedDown], [100, 100])
  assert.is(denials.length, 65)
  assert.is(
    denials.reduce((sum, row) => sum + row.count, 0),
    200,
  )
  assert.is(denials.find((row) => row.rule === "*")?.count, 72)
})

test.run()
