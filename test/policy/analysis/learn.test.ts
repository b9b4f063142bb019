import { suite } from "uvu"
import * as assert from "uvu/assert"
import { DEFAULT_WILD, learn, type Learnt } from "../../../policy/analysis/learn.ts"
import { policyOf, writeLearnt } from "../../../policy/analysis/learn-text.ts"
import { covers, filterFor, widen, WordSets } from "../../../policy/analysis/learn-topics.ts"
import { lintPolicy } from "../../../policy/analysis/lint.ts"
import { simulate } from "../../../policy/analysis/simulate.ts"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import { formatFault } from "../../../policy/language/fault.ts"
import { parsePolicy } from "../../../policy/language/parse-policy.ts"
import type { Policy } from "../../../policy/language/policy.ts"
import type { RecordedPeer, Recording } from "../../../policy/recording/recording.ts"
import { chooser, randomPolicy } from "../../support/filter-cases.ts"
import { makePolicy } from "../../support/policies.ts"
import { recordRandomTraffic } from "../../support/recorded-traffic.ts"
import { makeFlow, makePeer, makeRecording } from "../../support/recordings.ts"

const test = suite("policy/analysis/learn")

const NAMELESS = { sanUri: [], sanDns: [], commonName: null }
const BASE = toldApart(makePolicy([], [["sensor"], ["pump", "sensor"]]))
const OPTIONS = { base: BASE, includeDenied: false, wild: DEFAULT_WILD }

/** Certificates of the same zone must not make two subjects: a prefix for each entry. */
function toldApart(policy: Policy): Policy {
  return { ...policy, subjects: policy.subjects.map((subject, k) => ({ ...subject, prefix: `${k}-` })) }
}

const peer = (name: string, flows: RecordedPeer["flows"], over: Partial<RecordedPeer> = {}): RecordedPeer =>
  makePeer(flows, { subject: name, clientId: name, names: NAMELESS, ...over })
const learnt = (peers: readonly RecordedPeer[], options = {}): Learnt =>
  learn([makeRecording(peers)], { ...OPTIONS, ...options })
/** `allow topics` of every rule, as they are written. */
const rules = (proposal: Learnt): readonly string[] =>
  proposal.rules.map((rule) => `${rule.roles.join("+")} ${rule.allow.join("+")} ${rule.written.join(" ")}`)

/** Rules with their topics in one order. */
const sorted = ({ rules: all }: Policy): readonly object[] =>
  all.map((rule) => (rule.protocol === "mqtt" ? { ...rule, topics: [...rule.topics].sort() } : rule))

/** The policy that a proposal's text parses to. */
function parsed(proposal: Learnt): Policy {
  const result = parsePolicy(writeLearnt(proposal, String), "learnt.yaml")
  if (!result.ok) throw new Error(result.faults.map(formatFault).join("\n") + writeLearnt(proposal, String))
  return result.value
}

test("a subject's own name in a topic becomes %u, its client id %c; any other word stands", () => {
  const own = peer("s-1", [makeFlow("plant/s-1/temp"), makeFlow("by-id/c-7/x")], { clientId: "c-7" })
  const other = peer("s-2", [makeFlow("plant/s-2/temp"), makeFlow("plant/s-1/spy")])
  assert.equal(rules(learnt([own, other])), ["sensor publish by-id/%c/x plant/%u/temp plant/s-1/spy"])
})

test("many different words in one place become +, the first level never", () => {
  const words = Array.from({ length: 50 }, (_, k) => `w${k}`)
  const wide = peer(
    "s-1",
    words.flatMap((w) => [makeFlow(`log/${w}/x`), makeFlow(`${w}/y`)]),
  )
  const [rule] = learnt([wide]).rules
  assert.equal(rule?.topics.filter((topic) => topic.includes("+")), ["log/+/x"]) // prettier-ignore
  assert.is(rule?.topics.length, 51)
  const fewer = learnt([peer("s-1", words.slice(1).map((w) => makeFlow(`log/${w}/x`)))]) // prettier-ignore
  assert.equal(fewer.rules[0]?.topics.filter((topic) => topic.includes("+")), []) // prettier-ignore
})

test("a few words in one place are written as a set, which admits exactly these", () => {
  const flows = ["a", "b", "c"].flatMap((w) => [makeFlow(`plant/${w}/temp`), makeFlow(`plant/${w}/flow`)])
  const proposal = learnt([peer("s-1", flows)])
  assert.equal(rules(proposal), ["sensor publish plant/{words-1}/flow plant/{words-1}/temp"])
  assert.equal(sorted(parsed(proposal)), sorted(policyOf(proposal)))
  assert.is(proposal.beyond.filter(({ filter }) => filter !== null).length, 0)
})

test("topics with braces keep every topic written out, for there can be no sets beside them", () => {
  const flows = ["a", "b", "{c}"].map((w) => makeFlow(`plant/${w}/temp`))
  const proposal = learnt([peer("s-1", flows)])
  assert.equal(proposal.sets, [])
  assert.equal(sorted(parsed(proposal)), sorted(policyOf(proposal)))
})

test("what no rule can name is + at its level, or not learnt and said to be", () => {
  const flows = ["plant/50%/x", "plant/a\u202eb/x", "%odd/x"].map((topic) => makeFlow(topic))
  const proposal = learnt([peer("s-1", flows)])
  assert.equal(proposal.rules.flatMap(({ topics }) => topics), ["plant/+/x"]) // prettier-ignore
  assert.equal([...proposal.notLearnt.values()], [60])
  parsed(proposal)
})

test("sizes are rounded up, QoS and retain are as seen, rates have headroom over the busiest second", () => {
  const [rule] = learnt([peer("s-1", [makeFlow("a", { maxBytes: 1_025, qos: 1, retain: true, busiest: 11 })])]).rules
  const { payloadBytes, qos, retain, rate } = rule!
  assert.equal({ payloadBytes, qos, retain, rate }, { payloadBytes: 2_048, qos: 1, retain: true, rate: { perSecond: 17, burst: 34 } }) // prettier-ignore
  const [small] = learnt([peer("s-1", [makeFlow("a", { maxBytes: 1 })])]).rules
  assert.is(small?.payloadBytes, 64)
})

test("topics of different QoS, retain or size do not lend each other theirs", () => {
  const flows = [makeFlow("a"), makeFlow("b", { qos: 2 }), makeFlow("c", { maxBytes: 9_999 })]
  assert.equal(learnt([peer("s-1", flows)]).rules.map(({ topics }) => topics), [["a"], ["b"], ["c"]]) // prettier-ignore
})

test("[CR 2.1] what was denied is not learnt, unless it is asked for", () => {
  const rogue = peer("s-1", [makeFlow("secret", { verdict: "no-rule" }), makeFlow("", { verdict: "bad-topic" })])
  assert.equal(rules(learnt([rogue])), [])
  assert.equal(rules(learnt([rogue], { includeDenied: true })), ["sensor publish secret"])
})

test("a request to subscribe is granted as it was asked; what came by it gives the size", () => {
  const flows = [makeFlow("plant/#", { action: "subscribe", qos: 1, maxBytes: 0 }), makeFlow("plant/x", { action: "receive", maxBytes: 700 })] // prettier-ignore
  const [rule, none] = learnt([peer("s-1", flows)]).rules
  assert.equal([rule?.allow, rule?.topics, rule?.payloadBytes, rule?.rate, none], [["subscribe", "receive"], ["plant/#"], 1_024, null, undefined]) // prettier-ignore
})

test("what was received unasked is a rule of its own that says so; shared subscriptions have one that drops nothing", () => {
  const unasked = learnt([peer("s-1", [makeFlow("a/b", { action: "receive" })])])
  assert.equal(rules(unasked), ["sensor receive a/b"])
  assert.match(writeLearnt(unasked, String), /Received without a request to subscribe/)
  const shared = learnt([peer("s-1", [makeFlow("$share/g/a/+", { action: "subscribe", maxBytes: 0 })])])
  assert.equal(rules(shared), ["sensor subscribe $share/g/a/+", "sensor receive a/+"])
  assert.is(shared.rules[1]?.payloadBytes, 256 * 1024 * 1024)
})

test("the role is the one that fewest others hold", () => {
  const pump = peer("p-1", [makeFlow("pump/%")], { roles: ["pump", "sensor"] })
  const speed = peer("p-1", [makeFlow("pump/p-1/speed")], { roles: ["pump", "sensor"] })
  assert.equal(rules(learnt([speed])), ["pump publish pump/%u/speed"])
  const both = learnt([peer("p-1", [makeFlow("t/p-1")], { roles: ["pump", "sensor"] }), peer("s-1", [makeFlow("t/s-1")])]) // prettier-ignore
  assert.equal(rules(both), ["sensor publish t/%u"])
  assert.is(pump.roles.length, 2)
})

test("what it admits beyond the recording is listed: own names, words, everything below, other roles", () => {
  const words = Array.from({ length: 50 }, (_, k) => `w${k}`)
  const flows = [makeFlow("plant/s-1/t"), ...words.map((w) => makeFlow(`log/${w}`))]
  const said = learnt([peer("s-1", [...flows, makeFlow("x/#", { action: "subscribe" })])]).beyond.map(({ filter, admits }) => `${filter}: ${admits}`) // prettier-ignore
  assert.ok(said.includes("plant/%u/t: at level 2 the name of whoever asks, for every subject with role sensor"))
  assert.ok(said.includes("log/+: any word at level 2; recorded: w0, w1, w10, w11, w12 and 45 more"))
  assert.ok(said.includes("x/#: every topic below x"))
  assert.ok(said.includes("null: subjects with roles pump and sensor, which did not use it"))
  assert.ok(said.includes("null: every other subject with role sensor; recorded: s-1"))
})

test("without a base policy the recording's own zones, conduits, roles and certificates are written", () => {
  const names = { sanUri: ["urn:plant:s-1"], sanDns: [], commonName: "x" }
  const recording = makeRecording([peer("s-1", [makeFlow("plant/s-1/t")], { names, clientId: "c 1" }), peer("s-2", [makeFlow("plant/s-2/t")])]) // prettier-ignore
  const proposal = learn([recording], { base: null, includeDenied: false, wild: DEFAULT_WILD })
  const policy = parsed(proposal)
  assert.equal(policy.subjects.map(({ source, prefix, fixedName, clientId }) => [source, prefix, fixedName, clientId]), [
    ["san-uri", "urn:plant:s-1", "s-1", "*"],
    ["cn", "s-2", "s-2", "%u"],
  ]) // prettier-ignore
  assert.is(simulate(policy, [recording]).totals.changed.denied.flows, 0)
})

test("who is nobody in the base policy, and what its conduits never let pass, is not learnt and said so", () => {
  const names = { sanUri: ["urn:x"], sanDns: [], commonName: null }
  const stranger = learnt([peer("x", [makeFlow("a")], { names })])
  assert.equal([...stranger.notLearnt], [["x on field: it is nobody in the base policy (no-subject)", 60]])
  const out: Policy = { ...BASE, conduits: BASE.conduits.map((one) => ({ ...one, direction: "out" })) }
  const asked = learnt([peer("s-1", [makeFlow("a", { action: "subscribe" })])], { base: out })
  assert.equal([asked.rules.length, asked.notLearnt.size], [0, 1])
})

test("covers is containment of filters", () => {
  const yes = [["a/#", "a"], ["a/#", "a/b/c"], ["a/+", "a/%u"], ["#", "a/+"], ["a/+/c", "a/+/c"]] // prettier-ignore
  const no = [["a/+", "a"], ["a/+", "a/#"], ["+/b", "$x/b"], ["#", "$x"], ["a/b", "a/+"], ["a/%u", "a/b"]] // prettier-ignore
  for (const [outer, inner] of yes) assert.ok(covers(outer!, inner!), `${outer} ${inner}`)
  for (const [outer, inner] of no) assert.not(covers(outer!, inner!), `${outer} ${inner}`)
})

test("levels are taken one by one; deep topics end in #", () => {
  const who = { name: "n", clientId: "c" }
  assert.is(filterFor("n/x/c/", who), "%u/x/%c/")
  assert.is(filterFor(Array(130).fill("x").join("/"), who)?.endsWith("/x/#"), true)
  assert.is(filterFor("lockgate/x", who), null)
  assert.is(filterFor("$share/a%b/x", who), null)
  const { becomes } = widen(["a/1/x", "a/2/x", "b/1/y"], 2)
  assert.equal([...becomes.values()], ["a/+/x", "a/+/x", "b/1/y"])
  const sets = new WordSets([], 1)
  assert.equal(sets.factor(["a/1", "a/2", "a/3"]), ["a/{words-1}"])
  assert.equal(sets.factor(["b/4", "b/5", "b/6"]), ["b/4", "b/5", "b/6"], "no more than so many sets")
})

/** The subjects of random policies, told apart by names that never collide: a recording knows none of their certificates. */
function check(seed: number): { passed: number; rules: number; whole: number } {
  const choose = chooser(seed)
  const words = ["a", "b", "", "dev", "é", "a b", "x%y", "{w}", "\u202e", "c", "d", "e"].filter(() =>
    choose.chance(0.7),
  )
  const policy = toldApart(randomPolicy(choose, words.length > 2 ? words : ["a", "b"]))
  const recording: Recording = recordRandomTraffic(choose, policy, words.length > 2 ? words : ["a", "b"], 80)
  const base = choose.chance(0.5)
    ? { ...policy, subjects: policy.subjects.filter(({ roles }) => roles.length > 0) }
    : null
  const proposal = learn([recording], { base, includeDenied: false, wild: choose.pick([3, 50]) })
  const told = policyOf(proposal)
  // Sets of roles without any are nothing a document can say: such subjects stay out of the text.
  const read = parsed(proposal)
  assert.equal(sorted(read), sorted(told), `seed ${seed}`)
  compilePolicy(read)
  const errors = lintPolicy(read).filter(({ severity }) => severity === "error")
  assert.equal(errors, [], `seed ${seed}`)
  const { peers, totals } = simulate(read, [recording])
  const denied = peers.flatMap((p) => p.changes.filter((c) => c.outcome === "denied" || c.outcome === "may-be-denied"))
  const unlearnt = [...proposal.notLearnt.values()].reduce((sum, n) => sum + n, 0)
  const lost = denied.reduce((sum, { flow }) => sum + flow.count, 0)
  assert.ok(lost <= unlearnt, `seed ${seed}: ${JSON.stringify(denied)}`)
  return { passed: totals.flows, rules: read.rules.length, whole: unlearnt === 0 ? 1 : 0 }
}

test("[property] a proposal parses without fault, lints without error, and replayed against it nothing that passed is denied", () => {
  const seen = { passed: 0, rules: 0, whole: 0 }
  for (let seed = 1; seed <= 150; seed++) {
    const one = check(seed)
    seen.passed += one.passed
    seen.rules += one.rules
    seen.whole += one.whole
  }
  assert.ok(seen.rules > 200 && seen.passed > 1_000 && seen.whole > 40, JSON.stringify(seen))
})

test.run()
