import { suite } from "uvu"
import * as assert from "uvu/assert"
import { changeLines, classText, type Change } from "../../../policy/analysis/change.ts"
import { diffPolicies } from "../../../policy/analysis/diff.ts"
import { diffTopics } from "../../../policy/analysis/diff-topics.ts"
import { judge } from "../../../policy/analysis/judge.ts"
import { permissionOf } from "../../../policy/analysis/permission.ts"
import { tablesOf } from "../../../policy/analysis/classes.ts"
import { matches } from "../../../policy/filter/reference.ts"
import type { Action, MqttRule, Policy } from "../../../policy/language/policy.ts"
import { topicsOver } from "../../support/filter-cases.ts"
import { seeded } from "../../support/hostile.ts"
import { makePolicy, makeRule, makeSubject } from "../../support/policies.ts"

const test = suite("policy/analysis/diff")

const random = seeded(21)
const below = (n: number): number => Math.floor(random() * n)
const pick = <T>(of: readonly T[]): T => of[below(of.length)]!

const PARTS = ["a", "b", "", "$x", "+", "%u"]
const TOPICS = topicsOver(["a", "b", "", "$x", "fresh", "dev"], 3)
const NAMES = ["a", "b", "dev"]

function randomFilter(): string {
  const levels = Array.from({ length: 1 + below(3) }, () => pick(PARTS))
  if (random() < 0.3) levels[levels.length - 1] = "#"
  return levels.join("/") === "" ? "a" : levels.join("/")
}

function randomRule(k: number): MqttRule {
  const effect = random() < 0.25 ? "deny" : "allow"
  return makeRule({
    id: `r${k}`,
    effect,
    actions: pick<readonly Action[]>([["publish"], ["receive"], ["publish", "receive"]]),
    topics: Array.from({ length: 1 + below(2) }, randomFilter),
    maxQos: effect === "deny" ? 2 : pick([1, 2]),
    maxPayloadBytes: effect === "deny" ? 268_435_455 : pick([100, 268_435_455]),
  })
}

/** What a brute force over the universe finds: `action kind rules before -> rules after`. */
function expected(before: Policy, after: Policy): ReadonlySet<string> {
  const found = new Set<string>()
  for (const table of ["publish", "receive"] as const) {
    for (const name of NAMES) {
      for (const topic of TOPICS) {
        const permissions = [before, after].map((policy) => {
          const matching = policy.rules.flatMap((rule, k) => {
            const filters = rule.protocol === "mqtt" ? (tablesOf(rule).get(table) ?? []) : []
            return filters.some((filter) => matches(filter, topic, { name, clientId: name })) ? [k] : []
          })
          return permissionOf(policy, matching, table)
        })
        const [old, now] = permissions as [ReturnType<typeof permissionOf>, ReturnType<typeof permissionOf>]
        if (old.key === now.key) continue
        const kind = old.key === "" ? "allowed" : now.key === "" ? "denied" : "terms"
        const ids = ({ rules }: typeof old, { rules: all }: Policy): string => rules.map((k) => all[k]!.id).join()
        found.add(`${table} ${kind} ${ids(old, before)} -> ${ids(now, after)}`)
      }
    }
  }
  return found
}

const says = ({ action, kind, before, after }: Change): string =>
  `${action} ${kind} ${before.join()} -> ${after.join()}`

/** Whether the policy allows this topic at all, by the reference. */
function allows(policy: Policy, kind: "publish" | "receive", topic: string, name: string): boolean {
  const who = { conduit: "field", name, clientId: name, roles: ["sensor"] }
  const message = { topic, qos: 0, retain: false, payloadBytes: 0, payload: null }
  return judge(policy, { ...message, kind, who, at: null, emergencies: [], essentialOnly: false }).allowed
}

test("[CR 2.1] finds exactly what a brute force over a small universe finds, in both directions", () => {
  let changes = 0
  let same = 0
  for (let round = 0; round < 130; round++) {
    const rules = Array.from({ length: 1 + below(4) }, (_, k) => randomRule(k))
    const others = rules.map((rule, k) => (random() < 0.4 ? randomRule(k) : rule)).filter(() => random() < 0.9)
    const [before, after] = [makePolicy(rules), makePolicy(others)]
    const found = diffPolicies(before, after)
    const wanted = expected(before, after)
    const show = JSON.stringify([rules, others].map((list) => list.map(({ effect, actions, topics, maxQos, maxPayloadBytes }) => ({ effect, actions, topics, maxQos, maxPayloadBytes })))) // prettier-ignore
    assert.equal([...new Set(found.map(says))].sort(), [...wanted].sort(), show)
    const back = diffPolicies(after, before)
    assert.is(back.length, found.length, `symmetric: ${show}`)
    for (const { kind, action, example } of found) {
      if (example === null || !("topic" in example) || (action !== "publish" && action !== "receive")) continue
      const { topic, name } = example
      const verdicts = [before, after].map((policy) => allows(policy, action, topic, name ?? "nobody"))
      assert.equal(verdicts, { allowed: [false, true], denied: [true, false], terms: [true, true] }[kind as "terms"], show) // prettier-ignore
      changes++
    }
    if (found.length === 0) same++
  }
  assert.ok(changes > 150 && same > 10, `${changes} ${same}`)
})

test("no change: other ids, another order, a rule cut in two, a needless rule, a name for what a name stood for", () => {
  const rules = [
    makeRule({ id: "a", topics: ["a/b", "a/+"], maxQos: 1 }),
    makeRule({ id: "c", topics: ["c/%u"], actions: ["publish", "subscribe"] }),
    makeRule({ id: "no", topics: ["a/x"], effect: "deny" }),
  ]
  const same = (others: readonly MqttRule[]): void =>
    assert.equal(diffPolicies(makePolicy(rules), makePolicy(others)).flatMap(changeLines), [])
  same(rules.toReversed())
  same(rules.map((rule) => ({ ...rule, id: `new-${rule.id}` })))
  same([...rules, makeRule({ id: "less", topics: ["a/c"], maxQos: 0 })])
  const [a, c, no] = rules as [MqttRule, MqttRule, MqttRule]
  same([{ ...a, topics: ["a/+"] }, { ...c, actions: ["publish"] }, { ...c, id: "d", actions: ["subscribe"] }, no])
  // The client id is the name here.
  same([a, { ...c, topics: ["c/%c"] }, no])
})

const lines = (before: readonly MqttRule[], after: readonly MqttRule[]): readonly string[] =>
  diffPolicies(makePolicy(before), makePolicy(after)).flatMap(changeLines)

test("a change is told with what, for whom, an example and the rules", () => {
  const report = makeRule({ id: "report", topics: ["plant/%u/telemetry"], maxPayloadBytes: 512 })
  assert.equal(lines([report], [{ ...report, topics: ["plant/+/telemetry"] }]), [
    "+ now allowed: publish plant/+/telemetry",
    "    for       sensor on field",
    "    example   plant/any/telemetry",
    "    rules     none -> report",
  ])
  const wider = lines([report], [{ ...report, maxPayloadBytes: 1024, maxQos: 1, rate: { perSecond: 10, burst: 20 } }])
  assert.is(wider[0], "~ publish plant/%u/telemetry: QoS 2 -> 1, payload 512B -> 1KiB, rate none -> 10/s burst 20")
  assert.is(wider[2], "    example   plant/some-device/telemetry by some-device")
  const deny = makeRule({ id: "no", topics: ["plant/pump/#"], effect: "deny" })
  assert.equal(lines([report], [report, deny]).slice(0, 3), [
    "- no longer allowed: publish plant/pump/telemetry",
    "    for       sensor on field",
    "    example   plant/pump/telemetry by pump",
  ])
  const hours = { days: [1], fromMinute: 0, toMinute: 60, utcOffsetMinutes: 0 }
  assert.match(lines([report], [report, { ...deny, hours }])[0]!, "now denied Mon 00:00-01:00 UTC+00:00")
})

test("shared groups, requests with # over a denied topic, and a second token bucket", () => {
  const shared = makeRule({ id: "s", topics: ["$share/g/a/+"], actions: ["subscribe"] })
  const found = diffPolicies(makePolicy([shared]), makePolicy([{ ...shared, topics: ["$share/h/a/+"] }]))
  assert.equal(found.map(({ kind, action }) => `${kind} ${action}`), ["allowed share:h", "denied share:g"]) // prettier-ignore
  const wide = makeRule({ id: "w", topics: ["a/#"], actions: ["subscribe"] })
  const no = makeRule({ id: "no", topics: ["a"], actions: ["subscribe", "receive"], effect: "deny" })
  assert.match(
    lines([wide, no], [{ ...wide, topics: ["a/+/#"] }, no]).join("\n"),
    "a request that ends in # and holds it",
  )
  const rated = makeRule({ id: "r", topics: ["a"], rate: { perSecond: 1, burst: 1 } })
  assert.match(lines([rated], [rated, { ...rated, id: "r2" }]).join("\n"), "1 token buckets -> 2")
})

test("a subject that has one fixed name is no other", () => {
  const rules = [makeRule({ id: "r", topics: ["plant/%u/x"] })]
  const fixed = { ...makeSubject("cell", ["sensor"]), fixedName: "pump" }
  const before = { ...makePolicy(rules), subjects: [fixed] }
  const after = { ...before, rules: [makeRule({ id: "r", topics: ["plant/pump/x"] })] }
  assert.equal(diffPolicies(before, after), [])
  const free = { ...after, subjects: makePolicy(rules).subjects }
  assert.ok(diffPolicies({ ...before, subjects: free.subjects }, free).length > 0)
})

test("zones, conduits, roles, and who becomes what", () => {
  const before = makePolicy([makeRule({ topics: ["a"] })])
  const [cell, plant] = before.zones as [Policy["zones"][0], Policy["zones"][0]]
  const after: Policy = {
    ...before,
    zones: [{ ...cell, tlsMin: "1.2", authorities: ["new-ca"] }, plant, { ...cell, name: "yard" }],
    roles: [...before.roles, { name: "pump", description: "" }],
    subjects: [{ ...before.subjects[0]!, roles: ["sensor", "pump"], clientId: "%u-*" }],
    conduits: before.conduits.map((conduit) => ({ ...conduit, direction: "out" })),
  }
  const places = (a: Policy, b: Policy): readonly string[] => diffPolicies(a, b).flatMap(({ kind, text }) => (kind === "place" ? [text] : [])) // prettier-ignore
  assert.equal(places(before, after), [
    "zone cell: authorities cell-ca -> new-ca, tls-min 1.3 -> 1.2",
    "zone yard is new",
    "conduit field: direction both -> out",
    "role pump is new",
    'who has cn "{name}" in zone cell gets pump',
    'who has cn "{name}" in zone cell: client id %u -> %u-*',
  ])
  // The same certificates have other roles, and may do the same: that is no change of rights.
  assert.ok(diffPolicies(before, after).every(({ kind }) => kind === "place"))
  const stranger = { ...after, subjects: [{ ...after.subjects[0]!, suffix: ".new" }] }
  assert.equal(
    diffPolicies(before, stranger).flatMap(({ kind, classes }) =>
      kind === "place" ? [] : [kind, ...classes.map(classText)],
    ),
    ["allowed", "pump+sensor, so far nobody, on field", "denied", "nobody, so far sensor, on field"],
  )
  assert.equal(places(after, before).length, 6)
})

test("one changed rule of many costs what it touches; what is beyond the bound is said, and what differs in the text", () => {
  const rules = Array.from({ length: 1000 }, (_, k) => makeRule({ id: `r${k}`, topics: [`plant/${k}/+/x`, `plant/+/${k}/#`] })) // prettier-ignore
  const [first, ...rest] = rules as [MqttRule, ...MqttRule[]]
  const [before, after] = [makePolicy(rules), makePolicy([...rest, { ...first, topics: ["plant/0/+/x"] }])]
  const work = { places: 0 }
  const changes = diffTopics(before, after, work)
  assert.ok(changes.some(({ text }) => text.startsWith("no longer allowed: publish plant/+/0")))
  assert.ok(work.places < 5000, `${work.places}`)
  const bounded = diffTopics(before, makePolicy([]), { places: 0 }, 100)
  assert.ok(bounded.some(({ kind, before: ids }) => kind === "unknown" && ids.length === 1000))
})

test.run()
