import { once } from "node:events"
import { Worker } from "node:worker_threads"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { BucketStore, createRateMemory } from "../../../firmware/conduits/bucket-store.ts"
import { addUp, countDenial, newCounters, snapshot, type CounterSet } from "../../../firmware/conduits/counters.ts"
import { lockOf, takeToken, tokensIn } from "../../../policy/filter/buckets.ts"
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

/** One bucket: one token a second, at most five. */
const rated = (): FilterTable => ({ ...table(), numbers: Float64Array.of(0.001, 5), rateCount: 1 })

test("[CR 7.1 RE(1)] workers share a subject's buckets; each tells its tables apart from those of another policy", () => {
  const memory = createRateMemory(1, 2)
  const [here, there] = [rated(), rated()]
  const [one, two] = [new BucketStore(createBuckets), new BucketStore(createBuckets)]
  one.share(here, memory, 0)
  two.share(there, memory, 1)
  const leave = one.join("a")
  const [mine, theirs] = [one.of(here, "a"), two.of(there, "a")]
  const take = (of: typeof mine): boolean => takeToken(of, lockOf(of), here.numbers, 0, 10)
  assert.equal([take(mine), take(theirs), take(mine), take(theirs), take(mine), take(theirs)], [true, true, true, true, true, false]) // prettier-ignore
  assert.ok(take(two.of(there, "b")), "another subject has its own")
  leave()
  assert.is(take(one.of(here, "a")), false, "coming back does not refill it")
  const next = rated()
  one.share(next, createRateMemory(1, 2), 0)
  assert.ok(take(one.of(next, "a")), "another policy starts anew")
})

test("[CR 7.2] a subject that is connected keeps its buckets however many others come", () => {
  const store = new BucketStore(createBuckets)
  const now = rated()
  store.share(now, createRateMemory(1, 2), 0)
  store.join("here")
  const before = store.of(now, "here")
  for (let i = 0; i < 10_100; i++) store.of(now, `s${i}`)
  assert.is(store.of(now, "here"), before)
})

test("one worker, or a policy without rates, needs no shared memory", () => {
  assert.is(createRateMemory(3, 1), null)
  assert.is(createRateMemory(0, 4), null)
  assert.ok((createRateMemory(1_000_000, 4)?.accounts ?? 0) >= 1)
})

test("a lock whose thread died inside holds nobody up", () => {
  const memory = createRateMemory(1, 2)
  const now = rated()
  const store = new BucketStore(createBuckets)
  store.share(now, memory, 0)
  const buckets = store.of(now, "a")
  const lock = lockOf(buckets)
  assert.ok(lock)
  Atomics.store(lock, 0, 1)
  assert.is(tokensIn(buckets, lock, now.numbers, 0, 0), 5)
  assert.ok(takeToken(buckets, lock, now.numbers, 0, 0))
})

test("[CR 7.1 RE(1)] two real threads that draw from one bucket get what it holds, no more", async () => {
  const now = { ...rated(), numbers: Float64Array.of(0, 1_000) }
  const store = new BucketStore(createBuckets)
  store.share(now, createRateMemory(1, 2), 0)
  const buckets = store.of(now, "a")
  const source = `
    import { parentPort, workerData } from "node:worker_threads"
    import { lockOf, takeToken } from ${JSON.stringify(new URL("../../../policy/filter/buckets.ts", import.meta.url).href)}
    const { buckets, numbers } = workerData
    const lock = lockOf(buckets)
    let taken = 0
    for (let k = 0; k < 20_000; k++) if (takeToken(buckets, lock, numbers, 0, 1)) taken++
    parentPort.postMessage(taken)`
  const draw = async (): Promise<number> => {
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
      workerData: { buckets, numbers: now.numbers },
    })
    return ((await once(worker, "message")) as [number])[0]
  }
  const [one, two] = await Promise.all([draw(), draw()])
  // A thread that is put to sleep inside the lock may cost a token of accuracy.
  assert.ok(one + two >= 1_000 && one + two <= 1_010, `${one} and ${two}`)
})

test("the totals of several threads are added up; rows of denials stay bounded", () => {
  const set = (rules: number, from: number): CounterSet => {
    const own = newCounters()
    own.connections = 2
    for (let i = 0; i < rules; i++) countDenial(own, "up", `rule-${from + i}`, "qos")
    return own
  }
  const [sum, other] = addUp([[snapshot("a", set(40, 0)), snapshot("b", set(1, 0))], [], [snapshot("a", set(40, 20))]])
  assert.equal([sum?.conduit, sum?.connections, sum?.deniedUp], ["a", 4, 80])
  assert.is(sum?.denials.length, 60)
  assert.is(sum?.denials.find(({ rule }) => rule === "rule-30")?.count, 2)
  assert.is(other?.connections, 2)
  const many = addUp([[snapshot("a", set(60, 0))], [snapshot("a", set(60, 60))]])[0]
  assert.is(many?.denials.length, 65)
  assert.is(many?.denials.reduce((total, { count }) => total + count, 0), 120) // prettier-ignore
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
