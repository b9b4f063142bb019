import { suite } from "uvu"
import * as assert from "uvu/assert"
import { askFilter } from "../../../policy/analysis/ask-filter.ts"
import { isWithinHours, judge } from "../../../policy/analysis/judge.ts"
import type { Question } from "../../../policy/analysis/question.ts"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import type { Action, MqttRule } from "../../../policy/language/policy.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"
import { seeded } from "../../support/hostile.ts"

const test = suite("policy/analysis/judge")

const random = seeded(5)
const below = (n: number): number => Math.floor(random() * n)
const pick = <T>(of: readonly T[]): T => of[below(of.length)]!

function randomFilter(share: boolean): string {
  const levels = Array.from({ length: 1 + below(3) }, () => pick(["a", "b", "", "+", "%u", "%c", "$x", "lockgate2"]))
  if (random() < 0.3) levels[levels.length - 1] = "#"
  const filter = levels.join("/") === "" ? "a" : levels.join("/")
  return share && random() < 0.4 ? `$share/g/${filter}` : filter
}

function randomRule(k: number): MqttRule {
  const actions = pick<readonly Action[]>([["publish"], ["subscribe"], ["receive"], ["publish", "receive"], ["subscribe", "receive"]]) // prettier-ignore
  const effect = random() < 0.2 ? "deny" : "allow"
  const deny = effect === "deny"
  const share = actions.length === 1 && actions[0] === "subscribe"
  return makeRule({
    id: `r${k}`,
    effect,
    actions,
    roles: pick([["sensor"], ["meter"], ["sensor", "meter"]]),
    topics: Array.from({ length: 1 + below(2) }, () => randomFilter(share)),
    maxQos: deny ? 2 : pick([0, 1, 2]),
    retain: deny || random() < 0.5,
    maxPayloadBytes: deny || random() < 0.5 ? 268_435_455 : 10,
    rate: !deny && random() < 0.2 ? { perSecond: 1, burst: 1 } : null,
    essential: !deny && random() < 0.3,
  })
}

test("agrees with the filter on verdict, reason and rule, on messages and on requests to subscribe", () => {
  const reasons = new Set<string>()
  for (let round = 0; round < 400; round++) {
    const rules = Array.from({ length: 1 + below(5) }, (_, k) => randomRule(k))
    const policy = makePolicy(rules, [["sensor"], ["meter"], ["sensor", "meter"], ["idle"]])
    const compiled = compilePolicy(policy)
    for (let n = 0; n < 25; n++) {
      const name = pick(["a", "dev"])
      const who = { conduit: "field", name, clientId: pick([name, "b", "+"]), roles: pick([["sensor"], ["meter"], ["meter", "sensor"], ["idle"], ["unknown"]]) } // prettier-ignore
      const base = { who, at: null, emergencies: [], essentialOnly: random() < 0.15 }
      const kind = pick(["publish", "receive", "subscribe"] as const)
      const topic = Array.from({ length: 1 + below(3) }, () => pick(["a", "b", "", "dev", "$x", "lockgate"])).join("/")
      const filter = random() < 0.6 ? pick(pick(rules).topics).replaceAll(/%[uc]/g, name) : randomFilter(true)
      const payloadBytes = pick([0, 10, 11])
      const question: Question =
        kind === "subscribe"
          ? { ...base, kind, filter, qos: below(3) }
          : { ...base, kind, topic, qos: below(3), retain: random() < 0.3, payloadBytes, payload: null }
      const mine = judge(policy, question)
      reasons.add(mine.reason)
      assert.equal(mine, askFilter(policy, compiled, question), JSON.stringify([question, rules], null, 1))
    }
  }
  assert.ok(reasons.size >= 11, [...reasons].join(" "))
})

test("hours: the begin counts, the end does not, a night belongs to the day on which it begins", () => {
  const at = (text: string): number => Date.parse(text)
  // 2026-02-02 is a Monday.
  const shift = { days: [1, 2, 3, 4, 5], fromMinute: 360, toMinute: 1080, utcOffsetMinutes: 60 }
  assert.ok(isWithinHours(shift, at("2026-02-02T05:00:00Z")))
  assert.not(isWithinHours(shift, at("2026-02-02T04:59:59.999Z")))
  assert.not(isWithinHours(shift, at("2026-02-02T17:00:00Z")))
  assert.not(isWithinHours(shift, at("2026-02-01T12:00:00Z")))
  const night = { days: [1], fromMinute: 1320, toMinute: 360, utcOffsetMinutes: 0 }
  assert.ok(isWithinHours(night, at("2026-02-03T05:59:00Z")))
  assert.not(isWithinHours(night, at("2026-02-02T05:59:00Z")))
  const whole = { days: [7], fromMinute: 0, toMinute: 1440, utcOffsetMinutes: 0 }
  assert.ok(isWithinHours(whole, at("2026-02-01T23:59:00Z")))
  assert.not(isWithinHours(whole, at("2026-02-02T00:00:00Z")))
  assert.ok(isWithinHours(whole, at("1969-12-28T12:00:00Z")))
})

test("hours and emergencies: an allow needs to be surely in force, a deny only perhaps", () => {
  const hours = { days: [1], fromMinute: 0, toMinute: 1440, utcOffsetMinutes: 0 }
  const monday = Date.parse("2026-02-02T12:00:00Z")
  const who = { conduit: "field", name: "dev", clientId: "dev", roles: ["sensor"] }
  const ask = (rules: readonly MqttRule[], at: number | null, emergencies: readonly string[] = []): string =>
    judge(makePolicy(rules), { who, at, emergencies, essentialOnly: false, kind: "publish", topic: "a", qos: 0, retain: false, payloadBytes: 0, payload: null }).reason // prettier-ignore
  const allow = makeRule({ topics: ["a"], hours })
  const deny = makeRule({ id: "no", topics: ["a"], effect: "deny", hours })
  const open = makeRule({ id: "yes", topics: ["a"] })
  assert.equal([monday, monday + 86_400_000, null].map((at) => ask([allow], at)), ["allowed", "hours", "hours"]) // prettier-ignore
  assert.equal([monday, monday + 86_400_000, null].map((at) => ask([open, deny], at)), ["deny-rule", "allowed", "deny-rule"]) // prettier-ignore
  const emergency = makeRule({ topics: ["a"], emergency: "flood" })
  assert.equal([ask([emergency], null), ask([emergency], null, ["flood"])], ["emergency", "allowed"])
})

test.run()
