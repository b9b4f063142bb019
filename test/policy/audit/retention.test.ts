import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import {
  decideRetention,
  marksOf,
  ROOMY,
  takesFromReserve,
  type Fill,
  type Held,
} from "../../../policy/audit/retention.ts"
import { DEFAULT_AUDIT_STORAGE } from "../../../policy/language/audit-shape.ts"
import type { AuditStorage } from "../../../policy/language/policy.ts"
import { POSTURE } from "../../../policy/posture.ts"

const test = suite("policy/audit/retention")

const KIB = 1024
const MIB = 1024 * KIB
const CAPACITY = 64 * MIB
const BUNDLE = 160 * KIB
const MARKS = marksOf(DEFAULT_AUDIT_STORAGE, CAPACITY, { usedBytes: 0, freeBytes: Infinity, bundleBytes: BUNDLE })

const held: Held = { firstSeq: 2560, tailSeq: 256_000, collected: 0 }
const rules = (more: Partial<AuditStorage> = {}): AuditStorage => ({ ...DEFAULT_AUDIT_STORAGE, ...more })
const NEAR: Fill = { near: true, full: false, blocked: false }
const FULL: Fill = { near: true, full: true, blocked: false }
const BLOCKED: Fill = { near: true, full: true, blocked: true }
const { warn, full, slack, limit, reserve } = MARKS

/** Each row: how full, how it stood, policy, collected; and what is told, how many bundles go, and the condition. */
// prettier-ignore
const TABLE: readonly (readonly [string, number, Fill, Partial<AuditStorage>, number, readonly string[], number, string | null])[] = [
  ["an empty log", 0, ROOMY, {}, 0, [], 0, null],
  ["just below the threshold", warn - 1, ROOMY, {}, 0, [], 0, null],
  ["at the threshold", warn, ROOMY, {}, 0, ["near"], 0, null],
  ["above it, told already", warn + MIB, NEAR, {}, 0, [], 0, null],
  ["a little below it again", warn - 1, NEAR, {}, 0, [], 0, null],
  ["far below it again", warn - limit / 20 - 1, NEAR, {}, 0, ["not-near"], 0, null],
  ["a threshold that policy lowered", limit / 2, ROOMY, { warnAtPercent: 50 }, 0, ["near"], 0, null],
  ["just below full", full - 1, NEAR, {}, 1e6, [], 0, null],
  ["full, collected", full, NEAR, {}, 1e6, ["full"], Math.ceil(slack / BUNDLE), "log-full"],
  ["full, from empty at once", full, ROOMY, {}, 1e6, ["near", "full"], Math.ceil(slack / BUNDLE), "log-full"],
  ["full, told already, room made", full - slack, FULL, {}, 1e6, [], 0, "log-full"],
  ["full, told already, full anew", full, FULL, {}, 1e6, [], Math.ceil(slack / BUNDLE), "log-full"],
  ["room again", full - limit / 8 - 1, FULL, {}, 1e6, ["not-full"], 0, null],
  ["full, nothing collected", full, NEAR, {}, 0, ["full", "blocked"], 0, "log-full-uncollected"],
  ["full, collected up to the first that is there", full, NEAR, {}, 2560 + 255, ["full", "blocked"], 0, "log-full-uncollected"],
  ["full, one bundle collected: room for now", full, NEAR, {}, 2560 + 256, ["full"], 1, "log-full"],
  ["far over, one bundle collected: not enough", full + MIB, NEAR, {}, 2560 + 256, ["full", "blocked"], 1, "log-full-uncollected"],
  ["blocked, nothing new", full + 1, BLOCKED, {}, 0, [], 0, "log-full-uncollected"],
  ["blocked, a little room is not enough", full - 1, BLOCKED, {}, 0, [], 0, "log-full-uncollected"],
  ["blocked, a slack is", full - slack, BLOCKED, {}, 0, ["unblocked"], 0, "log-full"],
  ["blocked, then all collected", full + MIB, BLOCKED, {}, 1e6, ["unblocked"], Math.ceil((MIB + slack) / BUNDLE), "log-full"],
  ["blocked, then policy gives up what nobody has", full, BLOCKED, { overwriteUncollected: true }, 0, ["unblocked"], Math.ceil(slack / BUNDLE), "log-full"],
  ["full, and policy gives up what nobody has", full, NEAR, { overwriteUncollected: true }, 0, ["full"], Math.ceil(slack / BUNDLE), "log-full"],
  ["full, and policy keeps all, whoever has it", full, NEAR, { whenFull: "close" }, 1e6, ["full", "blocked"], 0, "log-full-uncollected"],
  ["blocked by such a policy, and a larger capacity", full / 2, BLOCKED, { whenFull: "close" }, 0, ["unblocked", "not-full", "not-near"], 0, null],
]

for (const [name, usedBytes, before, policy, collected, tell, bundles, condition] of TABLE) {
  test(`[CR 2.9] [CR 2.10] ${name}`, () => {
    const measured = { usedBytes, freeBytes: Infinity, bundleBytes: BUNDLE }
    const decision = decideRetention(rules(policy), CAPACITY, measured, { ...held, collected }, before)
    assert.equal(decision.tell, tell)
    assert.is(decision.dropBelow, bundles === 0 ? null : held.firstSeq + bundles * 256)
    assert.is(decision.condition, condition)
  })
}

test("[CR 2.10] no condition of a full or failing log closes an essential flow", () => {
  for (const condition of ["log-full", "log-full-uncollected", "log-failing"] as const) {
    assert.is(POSTURE[condition].essential, "open")
  }
  assert.is(POSTURE["log-full-uncollected"].normal, "closed")
})

test("[CR 2.9] the newest bundle never goes, and what is wanted is no reason to drop what is not collected", () => {
  const decide = (collected: number, tailSeq: number) =>
    decideRetention(
      rules(),
      CAPACITY,
      { usedBytes: full + 40 * MIB, freeBytes: Infinity, bundleBytes: BUNDLE },
      { firstSeq: 0, tailSeq, collected },
      ROOMY,
    )
  assert.is(decide(1e9, 1024).dropBelow, 768)
  assert.is(decide(1e9, 256).dropBelow, null)
  assert.is(decide(700, 1024).dropBelow, 512)
})

test("[CR 2.9] where the disk has less than the capacity, what it has counts", () => {
  const marks = marksOf(rules(), CAPACITY, { usedBytes: 10 * MIB, freeBytes: 6 * MIB, bundleBytes: BUNDLE })
  assert.ok(marks.byDisk)
  assert.is(marks.limit, 15.75 * MIB)
  const roomy = marksOf(rules(), CAPACITY, { usedBytes: 10 * MIB, freeBytes: 60 * MIB, bundleBytes: BUNDLE })
  assert.is(roomy.limit, CAPACITY)
  assert.not(roomy.byDisk)
})

test("[CR 2.9 RE(1)] whatever the numbers, each crossing is told once, and its end once, in turn", () => {
  const step = fc.record({
    usedBytes: fc.integer({ min: 0, max: 80 * MIB }),
    collected: fc.integer({ min: 0, max: 300_000 }),
    close: fc.boolean(),
    uncollected: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let fill = ROOMY
      const on = new Set<string>()
      const pairs: Record<string, string> = { "not-near": "near", "not-full": "full", unblocked: "blocked" }
      for (const { usedBytes, collected, close, uncollected } of steps) {
        const policy = rules({ whenFull: close ? "close" : "overwrite", overwriteUncollected: uncollected })
        const measured = { usedBytes, freeBytes: Infinity, bundleBytes: BUNDLE }
        const decision = decideRetention(policy, CAPACITY, measured, { ...held, collected }, fill)
        for (const word of decision.tell) {
          const started = pairs[word]
          if (started === undefined) assert.not(on.has(word))
          else assert.ok(on.delete(started))
          if (started === undefined) on.add(word)
        }
        ;({ fill } = decision)
        assert.is(on.has("near"), fill.near)
        assert.is(on.has("blocked"), fill.blocked)
        assert.ok(fill.near || !fill.full)
        if (decision.dropBelow !== null) {
          assert.not(close)
          assert.ok(decision.dropBelow <= held.tailSeq - 256)
          assert.ok(uncollected || decision.dropBelow <= collected)
        }
        // Full without blocked: then there is room, or it is being made.
        if (usedBytes >= full && decision.dropBelow === null) assert.ok(fill.blocked)
      }
    }),
    { numRuns: 300 },
  )
})

test("[CR 2.10] the reserve: peers take half of it, people and the gateway all but an eighth, the log's own words always fit", () => {
  const taken = (id: Parameters<typeof takesFromReserve>[0], part: number): boolean =>
    takesFromReserve(id, reserve * part, reserve)
  assert.equal(
    [1, 0.51, 0.5, 0].map((part) => taken("conduit.denied", part)),
    [true, true, false, false],
  )
  assert.equal(
    [1, 0.5, 0.13, 0.12].map((part) => taken("policy.activated", part)),
    [true, true, true, false],
  )
  assert.equal(
    [1, 0.1, 0, -1].map((part) => taken("audit.blocked", part)),
    [true, true, true, true],
  )
})

test.run()
