import { suite } from "uvu"
import * as assert from "uvu/assert"
import fc from "fast-check"
import {
  DRIFT,
  MAX_STEP_MS,
  floorNow,
  intervalNow,
  lowerFloor,
  observe,
  raise,
  startTime,
  storedFloor,
} from "../../../policy/time/floor.ts"
import type { BoundSource, TimeBound, TimeState } from "../../../policy/time/floor.ts"
import { within } from "../../../policy/time/interval.ts"

const test = suite("policy/time/floor")

const DAY_MS = 86_400_000
const BUILD = Date.UTC(2026, 0, 1)

function bound(source: BoundSource, earliestAt: number, latestAt: number | null = null): TimeBound {
  return { source, earliestAt, latestAt }
}

test("[CR 2.11] after a start the time is at least floor and build, and nothing bounds it from above", () => {
  assert.equal(intervalNow(startTime(null, BUILD, 5), 5), { earliestAt: BUILD, latestAt: Infinity })
  const stored = { floorAt: BUILD + DAY_MS, source: "cosignature" } as const
  assert.equal(intervalNow(startTime(stored, BUILD, 5), 5), { earliestAt: BUILD + DAY_MS, latestAt: Infinity })
  assert.is(startTime({ ...stored, floorAt: BUILD - 1 }, BUILD, 5).floor.source, "firmware-build")
})

test("[CR 2.11] a clock that nobody vouches for moves nothing", () => {
  const state = startTime(null, BUILD, 0)
  for (const at of [0, BUILD + 1, Date.UTC(2099, 0, 1), NaN, Infinity, -Infinity]) {
    assert.equal(observe(state, { at, trusted: false }, 1, 1000), { state, decision: "untrusted" })
  }
  for (const at of [NaN, Infinity, -Infinity]) {
    assert.is(observe(state, { at, trusted: true }, 1, 1000).decision, "untrusted")
  }
  for (const uncertaintyMs of [-1, NaN]) {
    assert.is(observe(state, { at: BUILD, trusted: true }, 1, uncertaintyMs).decision, "untrusted")
  }
})

test("[CR 2.11] one boot with a clock in 2099, vouched for or not, does not poison the floor for ever", () => {
  for (const trusted of [false, true]) {
    let state = startTime({ floorAt: BUILD + DAY_MS, source: "owner-signed" }, BUILD, 0)
    state = observe(state, { at: Date.UTC(2099, 0, 1), trusted }, 10, 1000).state
    // What that boot writes into log and store rests on the floor alone, even where the clock is a believable year off.
    state = observe(state, { at: BUILD + 390 * DAY_MS, trusted }, 20, 1000).state
    const written = storedFloor(state, 60_000)
    assert.ok(written.floorAt < BUILD + 2 * DAY_MS)
    const next = raise(startTime(written, BUILD, 0), bound("log-entry-earliest", floorNow(state, 60_000)), 1)
    const now = intervalNow(next.state, 1)
    assert.is(within(now, BUILD, BUILD + 10 * DAY_MS), "uncertain", "what is fresh today can still be fresh")
    assert.ok(now.earliestAt < BUILD + 2 * DAY_MS)
  }
})

test("[CR 2.11] a trusted clock bounds the time on both sides, and the monotonic clock carries it on with its drift", () => {
  const at = BUILD + 30 * DAY_MS
  const { state, decision } = observe(startTime(null, BUILD, 0), { at, trusted: true }, 100, 2000)
  assert.is(decision, "accepted")
  assert.equal(intervalNow(state, 100), { earliestAt: at - 2000, latestAt: at + 2000 })
  const later = intervalNow(state, 100 + DAY_MS)
  assert.is(later.earliestAt, at - 2000 + DAY_MS / (1 + DRIFT))
  assert.is(later.latestAt, at + 2000 + DAY_MS / (1 - DRIFT))
  assert.equal(observe(state, { at: 0, trusted: false }, 200, 0).state, state, "a clock lost later takes nothing back")
})

test("[CR 2.11] the uncertainty reaches below the floor only as far as the floor", () => {
  const { state } = observe(startTime(null, BUILD, 0), { at: BUILD + 500, trusted: true }, 0, 2000)
  assert.equal(intervalNow(state, 0), { earliestAt: BUILD, latestAt: BUILD + 2500 })
})

test("[CR 2.11] a trusted clock behind the floor has lost the time, and what it said before goes with it", () => {
  const before = observe(startTime(null, BUILD, 0), { at: BUILD + DAY_MS, trusted: true }, 0, 1000).state
  const { state, decision } = observe(before, { at: Date.UTC(1970, 0, 1), trusted: true }, 1, 1000)
  assert.is(decision, "behind-floor")
  assert.is(intervalNow(state, 1).latestAt, Infinity)
})

test("[CR 2.11] each authenticated source raises the floor; a lower bound never lowers it", () => {
  for (const source of ["owner-signed", "certificate-not-before", "cosignature", "log-entry-earliest"] as const) {
    const up = raise(startTime(null, BUILD, 0), bound(source, BUILD + DAY_MS), 0)
    assert.is(up.decision, "accepted")
    assert.equal(storedFloor(up.state, 0), { floorAt: BUILD + DAY_MS, source })
    const down = raise(up.state, bound(source, BUILD), 0)
    assert.equal(down, { state: up.state, decision: "known" })
  }
})

test("[CR 2.11] a step over 400 days needs presence, by clock and by bound alike", () => {
  const state = startTime(null, BUILD, 0)
  const exactly = BUILD + MAX_STEP_MS
  assert.is(raise(state, bound("certificate-not-before", exactly), 0).decision, "accepted")
  assert.equal(raise(state, bound("certificate-not-before", exactly + 1), 0), { state, decision: "needs-presence" })
  assert.is(raise(state, bound("certificate-not-before", exactly + 1), 0, true).decision, "accepted")
  assert.equal(observe(state, { at: exactly + 1, trusted: true }, 0, 0), { state, decision: "needs-presence" })
  assert.is(observe(state, { at: exactly + 1, trusted: true }, 0, 0, true).decision, "accepted")
})

test("[CR 2.11] only an owner's answer bounds from above, and it outranks authorities and clocks", () => {
  const start = startTime(null, BUILD, 0)
  const signed = raise(start, bound("owner-signed", BUILD + DAY_MS, BUILD + DAY_MS + 5000), 0).state
  assert.equal(intervalNow(signed, 0), { earliestAt: BUILD + DAY_MS, latestAt: BUILD + DAY_MS + 5000 })
  const later = bound("certificate-not-before", BUILD + 2 * DAY_MS)
  assert.equal(raise(signed, later, 0), { state: signed, decision: "beyond-ceiling" })
  const clock = observe(signed, { at: BUILD + 2 * DAY_MS, trusted: true }, 0, 1000)
  assert.equal(clock, { state: signed, decision: "beyond-ceiling" })
  const other = raise(start, bound("cosignature", BUILD + DAY_MS, BUILD + DAY_MS + 5000), 0).state
  assert.is(intervalNow(other, 0).latestAt, Infinity)
})

test("[CR 2.11] an answer that contradicts itself or the floor is refused", () => {
  const state = startTime(null, BUILD, 0)
  for (const [earliestAt, latestAt] of [
    [BUILD + 10, BUILD + 5],
    [BUILD - 10, BUILD - 5],
  ] as const) {
    assert.equal(raise(state, bound("owner-signed", earliestAt, latestAt), 0), { state, decision: "behind-floor" })
  }
  for (const bad of [
    bound("owner-signed", NaN),
    bound("owner-signed", BUILD + 1, NaN),
    bound("cosignature", Infinity),
  ]) {
    assert.equal(raise(state, bad, 0), { state, decision: "untrusted" })
  }
})

test("[CR 2.11] a trusted clock that a signed time proves wrong is dropped", () => {
  const clock = observe(startTime(null, BUILD, 0), { at: BUILD + 1000, trusted: true }, 0, 10).state
  const ahead = raise(clock, bound("cosignature", BUILD + 9000), 0).state
  assert.equal(intervalNow(ahead, 0), { earliestAt: BUILD + 9000, latestAt: Infinity })
  const fast = observe(startTime(null, BUILD, 0), { at: BUILD + 9000, trusted: true }, 0, 10).state
  const signed = raise(fast, bound("owner-signed", BUILD + 1000, BUILD + 2000), 0).state
  assert.equal(intervalNow(signed, 0), { earliestAt: BUILD + 1000, latestAt: BUILD + 2000 })
})

test("[CR 2.11] an owner on the spot may lower the floor, not below the firmware, and nobody else may", () => {
  const wrong = raise(startTime(null, BUILD, 0), bound("certificate-not-before", BUILD + 300 * DAY_MS), 0).state
  const to = BUILD + DAY_MS
  assert.equal(lowerFloor(wrong, to, BUILD, 0, false), { state: wrong, decision: "needs-presence" })
  const lowered = lowerFloor(wrong, to, BUILD, 0, true)
  assert.is(lowered.decision, "accepted")
  assert.equal(intervalNow(lowered.state, 0), { earliestAt: to, latestAt: Infinity })
  assert.is(intervalNow(lowerFloor(wrong, 0, BUILD, 0, true).state, 0).earliestAt, BUILD)
  assert.equal(lowerFloor(wrong, BUILD + 301 * DAY_MS, BUILD, 0, true), { state: wrong, decision: "known" })
})

test("a monotonic clock that seems to run backwards takes no time away", () => {
  const state = observe(startTime(null, BUILD, 1000), { at: BUILD + 5, trusted: true }, 1000, 0).state
  assert.equal(intervalNow(state, 0), intervalNow(state, 1000))
})

/** A world with a hidden true time, in which clocks and bounds are honest but imprecise. */
test("[CR 2.11] as long as what is trusted is true, the interval holds the true time, through restarts too", () => {
  const event = fc.record({
    kind: fc.constantFrom("trusted", "untrusted", "bound", "signed", "restart" as const),
    afterMs: fc.integer({ min: 0, max: 90 * DAY_MS }),
    error: fc.double({ min: -1, max: 1, noNaN: true }),
    drift: fc.double({ min: -DRIFT, max: DRIFT, noNaN: true }),
    wildAt: fc.integer({ min: 0, max: 2 ** 42 }),
  })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      let trueAt = BUILD
      let monotonicMs = 0
      let state: TimeState = startTime(null, BUILD, 0)
      let storedAt = BUILD
      for (const { kind, afterMs, error, drift, wildAt } of events) {
        trueAt += afterMs
        monotonicMs += afterMs * (1 + drift)
        const slack = Math.abs(error) * 60_000
        if (kind === "trusted")
          state = observe(state, { at: trueAt + error * 1000, trusted: true }, monotonicMs, 1000).state
        if (kind === "untrusted") state = observe(state, { at: wildAt, trusted: false }, monotonicMs, 1000).state
        if (kind === "bound") state = raise(state, bound("cosignature", trueAt - slack), monotonicMs).state
        if (kind === "signed")
          state = raise(state, bound("owner-signed", trueAt - slack, trueAt + slack), monotonicMs).state
        if (kind === "restart") {
          const stored = storedFloor(state, monotonicMs)
          assert.ok(stored.floorAt >= storedAt, "the stored floor never falls")
          storedAt = stored.floorAt
          monotonicMs = 0
          state = startTime(stored, BUILD, 0)
        }
        const { earliestAt, latestAt } = intervalNow(state, monotonicMs)
        // A millisecond for the rounding of sums around 2^41.
        assert.ok(earliestAt <= trueAt + 1 && trueAt <= latestAt + 1, `${earliestAt} ${trueAt} ${latestAt}`)
      }
    }),
    { numRuns: 500 },
  )
})

test("[CR 2.11] whatever is said, the interval is never empty and the floor never falls", () => {
  const step = fc.record({
    clock: fc.boolean(),
    trusted: fc.boolean(),
    at: fc.double(),
    latestAt: fc.option(fc.double()),
    uncertaintyMs: fc.double(),
    presence: fc.boolean(),
    afterMs: fc.integer({ min: 0, max: 1e9 }),
    source: fc.constantFrom<BoundSource>("owner-signed", "certificate-not-before", "cosignature"),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      let state = startTime(null, BUILD, 0)
      let monotonicMs = 0
      let floorAt = BUILD
      for (const s of steps) {
        monotonicMs += s.afterMs
        state = s.clock
          ? observe(state, { at: s.at, trusted: s.trusted }, monotonicMs, s.uncertaintyMs, s.presence).state
          : raise(state, bound(s.source, s.at, s.latestAt), monotonicMs, s.presence).state
        const { earliestAt, latestAt } = intervalNow(state, monotonicMs)
        assert.ok(earliestAt <= latestAt, `${earliestAt}..${latestAt}`)
        assert.ok(floorNow(state, monotonicMs) >= floorAt)
        floorAt = floorNow(state, monotonicMs)
      }
    }),
    { numRuns: 500 },
  )
})

test.run()
