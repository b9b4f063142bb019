import { suite } from "uvu"
import * as assert from "uvu/assert"
import { simulate, type Change, type Simulation } from "../../../policy/analysis/simulate.ts"
import { describeSimulation } from "../../../policy/analysis/simulate-text.ts"
import type { Policy, SubjectRule } from "../../../policy/language/policy.ts"
import { chooser, randomPolicy, WORDS } from "../../support/filter-cases.ts"
import { makePolicy, makeRule, makeSubject } from "../../support/policies.ts"
import { recordRandomTraffic } from "../../support/recorded-traffic.ts"
import { makeFlow, makePeer, makeRecording } from "../../support/recordings.ts"

const test = suite("policy/analysis/simulate")

/** Subjects are named by their common name, as `makePeer` has it. */
function withSubjects(policy: Policy, ...subjects: readonly Partial<SubjectRule>[]): Policy {
  return { ...policy, subjects: subjects.map((over) => ({ ...makeSubject("cell", ["sensor"]), ...over })) }
}
const REPORT = makeRule({ id: "report", topics: ["plant/%u/#"], maxQos: 1, retain: false, maxPayloadBytes: 100 })
const POLICY = withSubjects(makePolicy([REPORT]), {})

const told = (simulation: Simulation): readonly string[] =>
  simulation.peers.flatMap((peer) => peer.changes.map(({ outcome, why, rule }: Change) => `${outcome} ${why} ${rule}`))
const one = (policy: Policy, flow: ReturnType<typeof makeFlow>, over = {}): readonly string[] =>
  told(simulate(policy, [makeRecording([makePeer([flow], over)])]))

test("what passes both then and by the candidate is no change", () => {
  const simulation = simulate(POLICY, [makeRecording([makePeer([makeFlow("plant/s-1/temp")])])])
  assert.equal(told(simulation), [])
  assert.equal([simulation.totals.flows, simulation.totals.same, simulation.totals.messages], [1, 1, 60])
  assert.equal(describeSimulation(simulation, String).at(-1), "Nothing that passed would be denied.")
})

test("what passed and would be denied is told with reason and rule", () => {
  assert.equal(one(POLICY, makeFlow("plant/s-2/temp")), ["denied no-rule null"])
  assert.equal(one(POLICY, makeFlow("plant/s-1/x", { qos: 2 })), ["denied qos report"])
  assert.equal(one(POLICY, makeFlow("plant/s-1/x", { retain: true })), ["denied retain report"])
  assert.equal(one(POLICY, makeFlow("plant/s-1/x", { maxBytes: 101 })), ["denied payload-size report"])
  const deny = makeRule({ id: "no", effect: "deny", topics: ["plant/+/x"] })
  assert.equal(one(withSubjects(makePolicy([REPORT, deny]), {}), makeFlow("plant/s-1/x")), ["denied deny-rule no"])
  const subscribe = makeFlow("plant/#", { action: "subscribe" })
  const some = makeRule({ id: "look", actions: ["subscribe"], topics: ["plant/a/#"] })
  assert.equal(one(withSubjects(makePolicy([some]), {}), subscribe), ["denied not-contained null"])
})

test("what was denied and would pass is told too; what stays denied is not", () => {
  assert.equal(one(POLICY, makeFlow("plant/s-1/x", { verdict: "no-rule" })), ["allowed allowed report"])
  assert.equal(one(POLICY, makeFlow("plant/s-2/x", { verdict: "no-rule" })), [])
  assert.equal(one(POLICY, makeFlow("", { verdict: "bad-topic" })), [])
})

test("what hangs on payload or hour is no yes and no no", () => {
  const json = makeRule({ id: "report", topics: ["a"], payload: { kind: "utf8" } })
  assert.equal(one(withSubjects(makePolicy([json]), {}), makeFlow("a")), ["may-be-denied depends report"])
  const hours = { days: [1], fromMinute: 0, toMinute: 60, utcOffsetMinutes: 0 }
  const night = makeRule({ id: "night", topics: ["a"], hours })
  assert.equal(one(withSubjects(makePolicy([night]), {}), makeFlow("a")), ["may-be-denied depends night"])
  assert.equal(one(withSubjects(makePolicy([night]), {}), makeFlow("a", { verdict: "hours" })), [])
  assert.equal(one(withSubjects(makePolicy([night]), {}), makeFlow("a", { verdict: "no-rule" })), ["may-be-allowed depends night"]) // prettier-ignore
  const closed = makeRule({ id: "closed", effect: "deny", topics: ["a"], hours })
  const open = makeRule({ id: "open", topics: ["a"] })
  assert.equal(one(withSubjects(makePolicy([open, closed]), {}), makeFlow("a")), ["may-be-denied depends open"])
  const fire = makeRule({ id: "fire", topics: ["a"], emergency: "fire" })
  assert.equal(one(withSubjects(makePolicy([fire]), {}), makeFlow("a")), ["denied no-rule null"])
})

test("rates are held against the busiest second: enough, too little, and between", () => {
  const at = (perSecond: number, burst: number): Policy =>
    withSubjects(makePolicy([makeRule({ id: "r", topics: ["a", "b"], rate: { perSecond, burst } })]), {})
  const flow = makeFlow("a", { busiest: 10, count: 100 })
  assert.equal(one(at(10, 20), flow), [])
  assert.equal(one(at(10, 19), flow), ["may-be-denied rate-near r"])
  assert.equal(one(at(9, 20), flow), ["may-be-denied rate-near r"])
  assert.equal(one(at(5, 5), flow), ["may-be-denied rate-near r"])
  assert.equal(one(at(5, 4), flow), ["denied rate-exceeded r"])
  const both = [flow, makeFlow("b", { busiest: 10, count: 100 })]
  const together = (busiestUp: number): readonly string[] =>
    told(simulate(at(12, 24), [makeRecording([makePeer(both, { busiestUp })])]))
  assert.equal(together(12), [], "the peer never sent more than 12 in a second")
  assert.is(together(13).length, 2)
})

test("connections of one subject share a rate; each recording is held against it by itself", () => {
  const policy = withSubjects(makePolicy([makeRule({ id: "r", topics: ["a"], rate: { perSecond: 10, burst: 20 } })]), { clientId: "*" }) // prettier-ignore
  const peer = (clientId: string) => makePeer([makeFlow("a", { busiest: 10 })], { clientId })
  assert.is(told(simulate(policy, [makeRecording([peer("x"), peer("y")])])).length, 2)
  assert.is(told(simulate(policy, [makeRecording([peer("x")]), makeRecording([peer("x")])])).length, 0)
})

test("a peer is who its certificate makes it by the candidate: other roles, nobody, another client id", () => {
  const flow = makeFlow("plant/s-1/temp")
  const guest = makeSubject("cell", ["guest"])
  const roles = [{ name: "sensor", description: "" }, { name: "guest", description: "" }] // prettier-ignore
  const changed: Policy = { ...POLICY, roles, subjects: [guest] }
  assert.equal(one(changed, flow), ["denied no-rule null"])
  const [peer] = simulate(changed, [makeRecording([makePeer([flow])])]).peers
  assert.equal([peer?.rolesBefore, peer?.rolesNow], [["sensor"], ["guest"]])
  assert.equal(one(withSubjects(POLICY, { prefix: "x-" }), flow), ["denied no-subject null"])
  assert.equal(one(withSubjects(POLICY, { clientId: "%u-*" }), flow), ["denied client-id null"])
  assert.equal(one({ ...POLICY, conduits: [] }, flow), ["denied no-conduit null"])
  assert.equal(
    one(withSubjects(POLICY, { prefix: "s-", clientId: "s-%u" }), flow),
    ["denied no-rule null"],
    "its name is 1 now",
  )
})

test("a recording without names in certificates falls back on the name and roles of its time", () => {
  const names = { sanUri: [], sanDns: [], commonName: null }
  assert.equal(one(withSubjects(POLICY, { prefix: "x-" }), makeFlow("plant/s-1/temp"), { names }), [])
})

test("several recordings are counted together, the last time seen is the latest", () => {
  const first = makeRecording([makePeer([makeFlow("x", { lastMs: 1_000 })])])
  const second = makeRecording([makePeer([makeFlow("x", { lastMs: 30_000 })])])
  const { peers, totals } = simulate(POLICY, [second, first])
  assert.equal([peers.length, peers[0]?.changes.length, peers[0]?.changes[0]?.flow.count], [1, 1, 120])
  assert.is(peers[0]?.changes[0]?.lastAt, second.header.from.wallAt + 30_000)
  assert.equal(totals.changed.denied, { flows: 1, messages: 120 })
})

test("an operator reads who, what, why, how often and when last; long lists are cut and counted", () => {
  const flows = Array.from({ length: 14 }, (_, k) => makeFlow(`old/${k}`, { lastMs: k * 1_000 + 500, count: 1_000 }))
  const peers = [makePeer([makeFlow("plant/s-1/a", { verdict: "no-rule", count: 1 }), ...flows], { clientId: "s-1" })]
  const lines = describeSimulation(simulate(POLICY, [makeRecording(peers, { missed: { peers: 0, messages: 3 } })]), () => "12:00:00") // prettier-ignore
  assert.equal(lines.slice(0, 3), [
    "WOULD BE DENIED, and passed: 14,000 messages, 14 flows, 1 peer",
    "  s-1 (field)",
    "    publish old/13 up to 12 B: no rule allows it; 1,000 times, last 12:00:00",
  ])
  assert.ok(lines.includes("    and 4 more flows with 4,000 messages"))
  assert.ok(lines.includes("would pass, and was denied: 1 message, 1 flow, 1 peer"))
  assert.ok(lines.includes("    publish plant/s-1/a up to 12 B: rule report allows it; once, last 12:00:00"))
  assert.ok(lines.includes("note: the recordings had no room for 3 messages; nothing is known of them"))
  assert.is(lines.at(-1), "Something that passed would be denied.")
})

test("[property] replayed against the policy that was in force, nothing surely changes", () => {
  const seen = { flows: 0, hanging: 0, passed: 0 }
  for (let seed = 1; seed <= 250; seed++) {
    const choose = chooser(seed)
    const policy = randomPolicy(choose, WORDS)
    const recording = recordRandomTraffic(choose, policy, WORDS, 60)
    const { totals } = simulate(policy, [recording])
    assert.equal([totals.changed.denied.flows, totals.changed.allowed.flows], [0, 0], `seed ${seed}`)
    seen.flows += totals.flows
    seen.hanging += totals.changed["may-be-denied"].flows + totals.changed["may-be-allowed"].flows
    seen.passed += recording.peers.flatMap((p) => p.flows).filter((f) => f.verdict === "allowed").length
  }
  assert.ok(seen.passed > 300 && seen.hanging * 5 < seen.flows, JSON.stringify(seen))
})

test.run()
