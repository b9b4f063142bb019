import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { ProbeContext, TimeView } from "../../../firmware/assess/probe-context.ts"
import {
  clockFollowsSource,
  entriesAreStamped,
  forgedTimeIsRefused,
  stepsAreTold,
} from "../../../firmware/assess/probes/time.ts"
import { runProbe } from "../../../firmware/assess/run.ts"
import type { TimeReport } from "../../../firmware/time-keeper.ts"
import { NO_TIME_SYNC } from "../../../hal/time-sync.ts"
import type { Entry } from "../../../policy/audit/entry.ts"
import { makeSigner } from "../../support/bundles.ts"
import { clocksOf } from "../../support/clocks.ts"
import { breaks } from "../../support/probe-world.ts"

const test = suite("firmware/assess/probes-time")
const signer = await makeSigner("owner")
const PROBES = [entriesAreStamped, clockFollowsSource, stepsAreTold, forgedTimeIsRefused]

/** What the four say of clocks that are in order but for `change`. */
async function outcomes(change: (good: TimeView) => Partial<TimeView>): Promise<string[]> {
  const good = await clocksOf([signer.trusted])
  const context = { time: { ...good, ...change(good) }, bundleInForce: () => null } as unknown as ProbeContext
  const results = await Promise.all(PROBES.map((probe) => runProbe(probe, context)))
  return results.map((result) => (result.outcome === "failed" ? `failed: ${result.seen}` : result.outcome))
}

const entry =
  (change: Partial<Entry>) =>
  (good: TimeView): Partial<TimeView> => ({
    newestEntry: async () => ({ ...(await good.newestEntry())!, ...change }),
  })
const report =
  (change: Partial<TimeReport>) =>
  (good: TimeView): Partial<TimeView> => ({
    report: () => ({ ...good.report(), ...change }),
  })

test("[CR 2.11] clocks in good order pass, and what was seen is evidence", async () => {
  assert.equal(await outcomes(() => ({})), ["passed", "passed", "passed", "passed"])
})

test("[CR 2.11] an entry of another run, from the future, without a sound interval, over the floor, or none at all is found", async () => {
  const wrong: readonly (readonly [(good: TimeView) => Partial<TimeView>, RegExp])[] = [
    [() => ({ newestEntry: async () => null }), /^failed: none$/],
    [entry({ boot: "other" }), /another one/],
    [entry({ mono: 1e12 }), /to come/],
    [entry({ latest: 1 }), /before its begin/],
    [entry({ earliest: Date.now() + 1e9, latest: null }), /over a floor/],
    [report({ wallAt: 0 }), /^failed: 1970/],
    [report({ wallAt: Date.UTC(2099, 0, 1) }), /^failed: 2099/],
  ]
  for (const [change, seen] of wrong) {
    const [first, ...others] = await outcomes(change)
    assert.match(first!, seen)
    assert.equal(others, ["passed", "passed", "passed"])
  }
  const [unbounded] = await outcomes(report({ latestAt: null, boundedBy: null }))
  assert.is(unbounded, "passed", "what is not known is said, and is no fault of the entry")
})

test("[CR 2.11 RE(1)] a daemon that follows nobody, or a clock that is apart from its source, fails; none at all is not tested", async () => {
  const { sync } = (await clocksOf([])).report()
  const cases: readonly (readonly [Partial<TimeReport>, string])[] = [
    [{ sync: { ...sync, synchronised: false, why: "no source answers" } }, "failed: no source answers"],
    [{ sync: { ...sync, offsetMs: -3_600_000 } }, "failed: -3600000 ms"],
    [{ sync: NO_TIME_SYNC }, "not-tested"],
    [{ network: "none" }, "not-tested"],
  ]
  for (const [change, outcome] of cases)
    assert.equal(await outcomes(report(change)), ["passed", outcome, "passed", "passed"])
})

test("[CR 2.11 RE(2)] a gateway that watches no clock, or takes a time that anybody signed, is found, and by no other probe", async () => {
  await breaks(({ time }) => ({ time: { ...time, rehearseStep: () => null } }), ["time.steps-told"])
  await breaks(({ time }) => ({ time: { ...time, examine: async () => null } }), ["time.forged-refused"])
  const always = await outcomes((good) => ({ rehearseStep: (byMs) => good.rehearseStep(byMs === 0 ? 60_000 : byMs) }))
  assert.is(always[2], "failed: a step")
  const oneWay = await outcomes((good) => ({ rehearseStep: (byMs) => good.rehearseStep(Math.abs(byMs)) }))
  assert.match(oneWay[2]!, /60000 ms/)
})

test.run()
