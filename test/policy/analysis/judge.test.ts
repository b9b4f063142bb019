import { suite } from "uvu"
import * as assert from "uvu/assert"
import { askFilter } from "../../../policy/analysis/ask-filter.ts"
import { parseRequestText, encodeRequest, requestText } from "../../../policy/analysis/modbus-request.ts"
import { judge } from "../../../policy/analysis/judge.ts"
import type { Question } from "../../../policy/analysis/question.ts"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import type { Action, MqttRule } from "../../../policy/language/policy.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"
import { makeModbusPolicy, makeModbusRule } from "../../support/modbus-policies.ts"
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
    hours: random() < 0.2 ? { days: [pick([1, 2])], fromMinute: 0, toMinute: 720, utcOffsetMinutes: 0 } : null,
    emergency: !deny && random() < 0.15 ? "flood" : null,
    payload: !deny && random() < 0.2 ? { kind: "utf8" } : { kind: "any" },
  })
}

test("agrees with the filter on verdict, reason and rule, on messages and on requests to subscribe", () => {
  const reasons = new Set<string>()
  for (let round = 0; round < 400; round++) {
    const rules = Array.from({ length: 1 + below(5) }, (_, k) => randomRule(k))
    const plain = makePolicy(rules, [["sensor"], ["meter"], ["sensor", "meter"], ["idle"]])
    const direction = pick(["both", "both", "both", "in", "out"] as const)
    const policy = { ...plain, conduits: plain.conduits.map((conduit) => ({ ...conduit, direction })) }
    const compiled = compilePolicy(policy)
    for (let n = 0; n < 25; n++) {
      const name = pick(["a", "dev"])
      const who = { conduit: "field", name, clientId: pick([name, "b", "+"]), roles: pick([["sensor"], ["meter"], ["meter", "sensor"], ["idle"], ["unknown"]]) } // prettier-ignore
      const at = pick([null, Date.parse("2026-02-02T06:00:00Z"), Date.parse("2026-02-02T18:00:00Z")])
      const base = { who, at, emergencies: random() < 0.5 ? ["flood"] : [], essentialOnly: random() < 0.15 }
      const kind = pick(["publish", "receive", "subscribe"] as const)
      const topic = Array.from({ length: 1 + below(3) }, () => pick(["a", "b", "", "dev", "$x", "lockgate"])).join("/")
      const filter = random() < 0.6 ? pick(pick(rules).topics).replaceAll(/%[uc]/g, name) : randomFilter(true)
      const payloadBytes = pick([0, 10, 11])
      const question: Question =
        kind === "subscribe"
          ? { ...base, kind, filter, qos: below(3) }
          : {
              ...base,
              kind,
              topic,
              qos: below(3),
              retain: random() < 0.3,
              payloadBytes,
              payload: pick([null, new Uint8Array(payloadBytes), new Uint8Array(payloadBytes).fill(0xff)]),
            }
      const mine = judge(policy, question)
      reasons.add(mine.reason)
      assert.equal(mine, askFilter(compiled, question), JSON.stringify([question, rules], null, 1))
    }
  }
  assert.ok(reasons.size >= 15, [...reasons].join(" "))
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

test("Modbus requests in words are asked of the filter as bytes, with the same answer as by definition", () => {
  const level = { name: "level", at: 10, type: "uint32", words: "high-first", min: 5, max: 70_000 } as const
  const policy = makeModbusPolicy([
    makeModbusRule({ id: "all", coils: [{ from: 0, to: 20 }], discreteInputs: [{ from: 0, to: 5 }], registers: [{ from: 0, to: 30 }], inputRegisters: [{ from: 0, to: 5 }], fifos: [{ from: 7, to: 7 }], files: [{ file: 4, records: { from: 0, to: 9 } }], points: [level] }), // prettier-ignore
    makeModbusRule({
      id: "no",
      effect: "deny",
      functions: [{ code: 3, sub: null }],
      registers: [{ from: 30, to: 30 }],
    }),
  ])
  const compiled = compilePolicy(policy)
  const who = { conduit: "field", name: "desk", clientId: "desk", roles: ["operator"] }
  const expected: readonly (readonly [words: string, reason: string, again?: string])[] = [
    ["unit 1 read-coils 0 x 21", "allowed", "unit 1 read-coils 0..20"],
    ["1 read-discrete-inputs 0..5", "allowed", "unit 1 read-discrete-inputs 0..5"],
    ["unit 1 read-holding-registers 29..30", "deny-rule"],
    ["unit 1 4 5..6", "address", "unit 1 read-input-registers 5..6"],
    ["unit 1 write-single-coil 20 = 1", "allowed"],
    [
      "unit 1 write-multiple-coils 3..11 = 1 0 1 0 1 0 1 0 1",
      "allowed",
      "unit 1 write-multiple-coils 3..11 = 1 0 1 0 1 0 1 0 ...",
    ],
    ["unit 1 write-single-register 9 = 1500", "allowed"],
    ["unit 1 write-single-register 10 = 1500", "part-of-point"],
    ["unit 1 write-multiple-registers 10..11 = 1 0", "allowed"],
    ["unit 1 write-multiple-registers 10..11 = 1 5000", "value"],
    ["unit 1 mask-write-register 9 = 255 1", "allowed"],
    ["unit 1 mask-write-register 10 = 255 1", "part-of-point"],
    [
      "unit 1 read-write-multiple-registers 0..3 write 9 = 7",
      "allowed",
      "unit 1 read-write-multiple-registers 0..3 9 = 7",
    ],
    ["unit 1 read-fifo-queue 7", "allowed"],
    ["unit 1 read-file-record 4", "allowed", "unit 1 read-file-record file 4 record 0"],
    ["unit 1 write-file-record 4 = 1 2", "allowed", "unit 1 write-file-record file 4 record 0..1"],
    ["unit 1 diagnostics 2", "allowed", "unit 1 diagnostics sub-function 2"],
    ["unit 1 encapsulated-interface 14", "allowed", "unit 1 encapsulated-interface sub-function 14"],
    ["unit 1 report-server-id", "allowed"],
    ["unit 2 report-server-id", "unit"],
    ["unit 1 99", "function", "unit 1 function 99"],
  ]
  for (const [words, reason, again] of expected) {
    const request = parseRequestText(words)
    if (!request.ok) assert.unreachable(`${words}: ${request.why}`)
    else {
      const question = { kind: "modbus", who, at: null, emergencies: [], essentialOnly: false, request: request.value } as const // prettier-ignore
      const asked = askFilter(compiled, question)
      assert.is(asked.reason, reason, `${words}: ${encodeRequest(request.value).join(" ")}`)
      assert.equal(judge(policy, question), asked, words)
      assert.is(requestText(request.value), again ?? words)
    }
  }
})

test("what is no request in words is told", () => {
  const wrong = ["", "unit 1", "unit 300 read-coils 0", "unit 1 read-coil 0", "unit 1 read-coils 5..4", "unit 1 read-coils 0 x 2001", "unit 1 write-single-register 5", "unit 1 write-single-register 5 = 70000", "unit 1 read-coils 65535 x 2", "unit 1 mask-write-register 1 = 5"] // prettier-ignore
  for (const words of wrong) assert.not(parseRequestText(words).ok, words)
})

test.run()
