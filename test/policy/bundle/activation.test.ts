import { suite } from "uvu"
import * as assert from "uvu/assert"
import { inForce, isReachable, NOTHING_ACTIVE, step } from "../../../policy/bundle/activation.ts"
import type { ActivationEvent, ActivationState } from "../../../policy/bundle/activation.ts"

const test = suite("policy/bundle/activation")

const VERSIONS = [1, 2, 3, 4]
const EVENTS: readonly ActivationEvent[] = [
  ...VERSIONS.flatMap((version): ActivationEvent[] => [
    { kind: "activate", version },
    { kind: "confirm", version },
  ]),
  { kind: "rollback" },
  { kind: "expire" },
  { kind: "boot" },
]

/** Every state that any sequence of events can lead to, and every step on the way. */
function search(): {
  states: readonly ActivationState[]
  steps: readonly [ActivationState, ActivationEvent, ActivationState][]
} {
  const found = new Map([[JSON.stringify(NOTHING_ACTIVE), NOTHING_ACTIVE]])
  const steps: [ActivationState, ActivationEvent, ActivationState][] = []
  for (const state of found.values()) {
    for (const event of EVENTS) {
      const next = step(state, event)
      if (next === null) continue
      steps.push([state, event, next])
      found.set(JSON.stringify(next), next)
    }
  }
  return { states: [...found.values()], steps }
}
const { states, steps } = search()

test("the search sees every reachable state, and isReachable is exactly that set", () => {
  const all: ActivationState[] = []
  const numbers = [null, ...VERSIONS]
  for (const active of numbers) {
    for (const trial of numbers) for (const highest of [0, ...VERSIONS]) all.push({ active, trial, highest })
  }
  const text = (list: readonly ActivationState[]): string[] => list.map((s) => JSON.stringify(s)).sort()
  assert.equal(text(all.filter(isReachable)), text(states))
})

test("[CR 7.4] no event but a confirmation changes the confirmed policy, and none loses it", () => {
  for (const [from, event, to] of steps) {
    if (event.kind === "confirm") assert.is(to.active, from.trial)
    else assert.is(to.active, from.active)
    if (from.active !== null) assert.is.not(to.active, null)
  }
})

test("[CR 7.4] once a policy was confirmed there is always one in force, never both lost", () => {
  for (const state of states) if (state.active !== null) assert.is.not(inForce(state), null)
})

test("[CR 3.4] versions only go up, and a number that was tried is not used again", () => {
  for (const [from, event, to] of steps) {
    assert.ok(to.highest >= from.highest)
    assert.ok((to.active ?? 0) >= (from.active ?? 0))
    if (event.kind === "activate") assert.ok(event.version > from.highest && to.highest === event.version)
  }
  const tried = step(NOTHING_ACTIVE, { kind: "activate", version: 2 })!
  const back = step(tried, { kind: "rollback" })!
  assert.equal(back, { active: null, trial: null, highest: 2 })
  for (const version of [1, 2]) assert.is(step(back, { kind: "activate", version }), null)
  assert.is.not(step(back, { kind: "activate", version: 3 }), null)
})

test("[CR 7.4] a restart, a rollback and the end of a trial leave exactly what was confirmed", () => {
  for (const [from, event, to] of steps) {
    if (event.kind === "activate" || event.kind === "confirm") continue
    assert.equal(to, { active: from.active, trial: null, highest: from.highest })
    assert.is(inForce(to), from.active)
  }
})

test("what is not in the table is refused", () => {
  const trial = { active: 1, trial: 2, highest: 2 }
  assert.is(step(trial, { kind: "activate", version: 3 }), null)
  assert.is(step(trial, { kind: "confirm", version: 1 }), null)
  assert.is(step({ active: 1, trial: null, highest: 2 }, { kind: "confirm", version: 2 }), null)
  for (const kind of ["rollback", "expire"] as const)
    assert.is(step({ active: 1, trial: null, highest: 1 }, { kind }), null)
  assert.is(step(NOTHING_ACTIVE, { kind: "activate", version: NaN }), null)
})

test.run()
