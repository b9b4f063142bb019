import { suite } from "uvu"
import * as assert from "uvu/assert"
import fc from "fast-check"
import { DRIFT } from "../../../policy/time/floor.ts"
import { lookForStep, QUIET_MS, STEP_MS, watchSteps, type WallStep } from "../../../policy/time/step-watch.ts"

const test = suite("policy/time/step-watch")
const AT = Date.UTC(2026, 10, 23)

/** Steps told while the wall clock shows `offset(ms)` beside its honest way, looked at every second. */
function told(seconds: number, offset: (ms: number) => number): WallStep[] {
  let watch = watchSteps({ wallAt: AT + offset(0), monotonicMs: 0 })
  const steps: WallStep[] = []
  for (let ms = 1000; ms <= seconds * 1000; ms += 1000) {
    const looked = lookForStep(watch, { wallAt: AT + ms + offset(ms), monotonicMs: ms })
    watch = looked.watch
    if (looked.step !== null) steps.push(looked.step)
  }
  return steps
}

test("[CR 2.11 RE(2)] a clock that is set is told with what it would have shown and what it shows", () => {
  for (const byMs of [3_600_000, -3_600_000, STEP_MS + 1, -STEP_MS - 1, Date.UTC(2099, 0, 1) - AT]) {
    const steps = told(60, (ms) => (ms < 30_000 ? 0 : byMs))
    assert.equal(steps, [{ beforeAt: AT + 30_000, afterAt: AT + 30_000 + byMs, byMs }])
  }
})

test("a clock that drifts as far as clocks do, for a month, is not told", () => {
  for (const rate of [DRIFT, -DRIFT]) {
    let watch = watchSteps({ wallAt: AT, monotonicMs: 0 })
    for (let ms = 60_000; ms < 30 * 86_400_000; ms += 60_000) {
      const looked = lookForStep(watch, { wallAt: AT + ms * (1 + rate), monotonicMs: ms })
      assert.is(looked.step, null, `after ${ms} ms`)
      watch = looked.watch
    }
  }
})

test("[CR 2.11 RE(2)] many small steps are told once they sum up", () => {
  const steps = told(120, (ms) => (ms / 1000) * 20)
  assert.ok(steps.length >= 3, `${steps.length}`)
  assert.ok(steps.every(({ byMs }) => byMs > STEP_MS && byMs < 2 * STEP_MS))
})

test("[CR 2.11 RE(2)] who sets the clock each second fills no log, and where it ends is told", () => {
  const steps = told(3600, (ms) => ((ms / 1000) % 2) * 60_000 + ms)
  assert.ok(steps.length <= 3600 / (QUIET_MS / 1000) + 1, `${steps.length}`)
  assert.ok(steps.length > 100)
})

test("a monotonic clock that stands still, and a wall clock that says no number, tell nothing and break nothing", () => {
  const watch = watchSteps({ wallAt: AT, monotonicMs: 5 })
  assert.is(lookForStep(watch, { wallAt: AT, monotonicMs: 5 }).step, null)
  const nothing = lookForStep(watch, { wallAt: NaN, monotonicMs: 6 })
  assert.is(nothing.step, null)
  assert.is(lookForStep(nothing.watch, { wallAt: AT + 9000, monotonicMs: 7 }).step?.afterAt, AT + 9000)
})

test("[CR 2.11 RE(2)] whatever steps there are, the clock ends within the threshold of what was last told or is told", () => {
  const walks = fc.array(
    fc.record({ afterMs: fc.integer({ min: 1, max: 30_000 }), by: fc.integer({ min: -5000, max: 5000 }) }),
  )
  fc.assert(
    fc.property(walks, (walk) => {
      let [offset, ms, seen] = [0, 0, 0]
      let watch = watchSteps({ wallAt: AT, monotonicMs: 0 })
      for (const { afterMs, by } of [...walk, { afterMs: QUIET_MS, by: 0 }]) {
        ms += afterMs
        offset += by
        const looked = lookForStep(watch, { wallAt: AT + ms + offset, monotonicMs: ms })
        watch = looked.watch
        if (looked.step !== null) seen = offset
      }
      assert.ok(Math.abs(offset - seen) <= STEP_MS + DRIFT * ms + 1, `${offset} ${seen}`)
    }),
    { numRuns: 200 },
  )
})

test.run()
