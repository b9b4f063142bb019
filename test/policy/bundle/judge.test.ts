import { suite } from "uvu"
import * as assert from "uvu/assert"
import { freshness, judgeBundle, judgeOrigin } from "../../../policy/bundle/judge.ts"
import type { BundleQuestion } from "../../../policy/bundle/judge.ts"
import { aStatement } from "../../support/bundles.ts"

const test = suite("policy/bundle/judge")

const base: BundleQuestion = {
  statement: aStatement({ version: 7, notBeforeAt: 1000, notAfterAt: 2000 }),
  signers: ["anna", "bert"],
  threshold: 2,
  highestVersion: 6,
  gateway: "press-hall",
  now: { earliestAt: 1400, latestAt: 1600 },
}
const code = (change: Partial<BundleQuestion>): string => {
  const verdict = judgeBundle({ ...base, ...change })
  return verdict.accepted ? (verdict.timeUncertain ? "uncertain" : "accepted") : verdict.code
}

const CASES: readonly (readonly [what: string, change: Partial<BundleQuestion>, expected: string])[] = [
  ["two distinct signers of two", {}, "accepted"],
  ["three signers of two", { signers: ["a", "b", "c"] }, "accepted"],
  ["one signer of two", { signers: ["anna"] }, "ERR_BUNDLE_SIGNATURES"],
  ["one signer twice", { signers: ["anna", "anna"] }, "ERR_BUNDLE_SIGNATURES"],
  ["nobody", { signers: [] }, "ERR_BUNDLE_SIGNATURES"],
  ["nobody where nobody is asked for", { signers: [], threshold: 0 }, "ERR_BUNDLE_SIGNATURES"],
  ["nobody under a negative threshold", { signers: [], threshold: -1 }, "ERR_BUNDLE_SIGNATURES"],
  ["a threshold that is no number", { threshold: NaN }, "ERR_BUNDLE_SIGNATURES"],
  ["the version in force", { highestVersion: 7 }, "ERR_BUNDLE_VERSION"],
  ["an older version", { highestVersion: 8 }, "ERR_BUNDLE_VERSION"],
  ["a much newer version", { highestVersion: 0 }, "accepted"],
  ["our name among others", { statement: aStatement({ version: 7, gateways: ["a", "press-hall"] }) }, "accepted"],
  ["other gateways only", { statement: aStatement({ version: 7, gateways: ["a", "b"] }) }, "ERR_BUNDLE_GATEWAY"],
  ["our name in other letters", { gateway: "Press-hall", statement: aStatement({ version: 7, gateways: ["press-hall"] }) }, "ERR_BUNDLE_GATEWAY"],
  ["surely too late", { now: { earliestAt: 2001, latestAt: Infinity } }, "ERR_BUNDLE_EXPIRED"],
  ["surely too early", { now: { earliestAt: 0, latestAt: 999 } }, "ERR_BUNDLE_NOT_YET"],
  ["perhaps too late", { now: { earliestAt: 1500, latestAt: Infinity } }, "uncertain"],
  ["perhaps too early", { now: { earliestAt: 0, latestAt: 1500 } }, "uncertain"],
  ["no idea of the time", { now: { earliestAt: 0, latestAt: Infinity } }, "uncertain"],
  ["no idea of the time, and no bounds", { now: { earliestAt: 0, latestAt: Infinity }, statement: aStatement({ version: 7 }) }, "accepted"],
] // prettier-ignore
for (const [what, change, expected] of CASES) {
  test(`[CR 3.4] ${what}: ${expected}`, () => assert.is(code(change), expected))
}

test("[CR 3.4] of several faults the signatures come first: an unsigned bundle learns nothing else", () => {
  const all = { signers: [], highestVersion: 9, gateway: "x", now: { earliestAt: 9e9, latestAt: 9e9 } }
  assert.is(code({ ...all, statement: aStatement({ version: 7, gateways: ["a"] }) }), "ERR_BUNDLE_SIGNATURES")
})

test("a bundle in force is not refused for its version or time", () => {
  assert.is(judgeOrigin(base), null)
  assert.is(judgeOrigin({ ...base, signers: ["anna"] }), "ERR_BUNDLE_SIGNATURES")
})

test("freshness has three values, and says which way a no points", () => {
  const at = (earliestAt: number, latestAt: number): string => freshness(base.statement, { earliestAt, latestAt })
  assert.equal([at(1000, 2000), at(2001, 2002), at(1, 2), at(999, 1000)], ["fresh", "expired", "not-yet", "uncertain"])
})

test.run()
