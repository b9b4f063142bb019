import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import {
  afterFailure,
  attemptKey,
  LONGEST_AT_DEVICE_MS,
  waitMs,
  type Failures,
} from "../../../policy/people/attempts.ts"

const test = suite("policy/people/attempts")
const RULES = { free: 3, longestMs: 60_000 }

const delays = (origin: "local" | "serial" | "mqtt", count: number): readonly number[] => {
  let [failures, now]: [Failures | undefined, number] = [undefined, 0]
  return Array.from({ length: count }, () => {
    failures = afterFailure(failures, origin, now, RULES)
    const wait = waitMs(failures, now)
    now += wait
    return wait
  })
}

test("[CR 1.11] so many failures are free, each further one doubles the delay, up to the longest", () => {
  assert.equal(delays("mqtt", 11), [0, 0, 0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
})

test("[CR 1.11] at the device itself nobody waits longer than they can stand there", () => {
  for (const origin of ["serial", "local"] as const) assert.is(Math.max(...delays(origin, 40)), LONGEST_AT_DEVICE_MS)
})

test("[CR 1.11] who guesses over the network locks out the network, and names that nobody has share one count", () => {
  assert.is.not(attemptKey("alice", "mqtt"), attemptKey("alice", "serial"))
  assert.is.not(attemptKey("alice", "mqtt"), attemptKey("bob", "mqtt"))
  assert.is(attemptKey(null, "mqtt"), attemptKey(null, "mqtt"))
  assert.is(waitMs(undefined, 5), 0)
})

test("whatever the numbers, a delay is whole, never negative, never over the longest", () => {
  const rules = fc.record({
    free: fc.integer({ min: 1, max: 20 }),
    longestMs: fc.integer({ min: 10_000, max: 86_400_000 }),
  })
  fc.assert(
    fc.property(rules, fc.integer({ min: 0, max: 2_000_000 }), fc.nat(), (own, count, now) => {
      const after = afterFailure({ count, untilMs: 0 }, "mqtt", now, own)
      const wait = waitMs(after, now)
      assert.ok(Number.isSafeInteger(wait) && wait >= 0 && wait <= own.longestMs, `${wait}`)
      assert.is(wait > 0, after.count > own.free)
    }),
  )
})

test.run()
