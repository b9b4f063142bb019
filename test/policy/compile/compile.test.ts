import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import { classOf, decideTopic } from "../../../policy/filter/decide.ts"
import { fullHash, quickHash } from "../../../policy/filter/hash.ts"
import { CLASS_WORDS, HEADER_WORDS, MAX_LEVELS, MAX_WORK } from "../../../policy/filter/layout.ts"
import { decideReference } from "../../../policy/filter/reference.ts"
import { isAllowed } from "../../../policy/filter/verdict.ts"
import type { Rule } from "../../../policy/language/policy.ts"
import { judgeBy, say, stateFor } from "../../support/filter-peers.ts"
import { seeded } from "../../support/hostile.ts"
import { makePolicy, makeRule, makeSubject } from "../../support/policies.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/compile")
const text = new TextEncoder()

test("[CR 2.1] there is a class for every conduit and set of roles that its zone's subjects can get, and no other", () => {
  const policy = makePolicy([], [["b", "a"], ["a", "b", "a"], ["a"], []], ["one", "two"])
  const other = { ...policy.conduits[0]!, name: "back", from: "plant" }
  const compiled = compilePolicy({
    ...policy,
    conduits: [...policy.conduits, other],
    subjects: [...policy.subjects, makeSubject("plant", ["c"])],
  })
  assert.equal(compiled.classes, [
    { conduit: "one", roles: ["a", "b"] },
    { conduit: "one", roles: ["a"] },
    { conduit: "one", roles: [] },
    { conduit: "two", roles: ["a", "b"] },
    { conduit: "two", roles: ["a"] },
    { conduit: "two", roles: [] },
    { conduit: "back", roles: ["c"] },
  ])
  assert.is(classOf(compiled, "two", ["b", "a"]), 3)
  assert.is(classOf(compiled, "two", ["a", "b", "b"]), 3)
  assert.is(classOf(compiled, "back", ["c"]), 6)
  for (const [conduit, roles] of [
    ["back", ["a"]],
    ["one", ["b"]],
    ["none", ["a"]],
    ["one", ["a,b"]],
    ["one", ["a", "b", "c"]],
  ] as const) {
    assert.is(classOf(compiled, conduit, roles), -1)
  }
})

test("[CR 2.1] a rule bears on its conduits and roles only", () => {
  const rules = [
    makeRule({ id: "one-a", topics: ["t"], conduits: ["one"], roles: ["a"] }),
    makeRule({ id: "two-b", topics: ["t"], conduits: ["two"], roles: ["b", "c"] }),
  ]
  const policy = makePolicy(rules, [["a"], ["b"], ["a", "b"]], ["one", "two"])
  const by = (conduit: string, roles: readonly string[]): string => judgeBy(policy, { conduit, roles })("t")
  assert.is(by("one", ["a"]), "allowed one-a")
  assert.is(by("one", ["a", "b"]), "allowed one-a")
  assert.is(by("one", ["b"]), "no-rule")
  assert.is(by("two", ["b"]), "allowed two-b")
  assert.is(by("two", ["b", "a"]), "allowed two-b")
  assert.is(by("two", ["a"]), "no-rule")
})

test("the compiled policy is plain data: it crosses to another thread and decides there", () => {
  const policy = makePolicy([makeRule({ id: "r", topics: ["a/+/%u"], rate: { perSecond: 1, burst: 2 } })])
  const compiled = structuredClone(compilePolicy(policy))
  const state = stateFor(compiled)
  const topic = text.encode("a/b/dev")
  assert.is(say(compiled, decideTopic(compiled.table, state, topic, 0, topic.length, 0, 0, 0)), "allowed r")
  assert.equal(compiled.ruleIds, ["r"])
})

test("the same policy gives the same tables; equal tables stand once", () => {
  const rules = [
    makeRule({ id: "r", topics: ["a/b", "a/+/c", "x/#"], roles: ["a", "b"], actions: ["publish"] }),
    makeRule({ id: "s", topics: ["a/b", "q"], roles: ["a", "b"], actions: ["subscribe"] }),
  ]
  const two = compilePolicy(makePolicy(rules, [["a"], ["b"]]))
  assert.equal(two.table, compilePolicy(makePolicy(rules, [["a"], ["b"]])).table)
  const one = compilePolicy(makePolicy(rules, [["a"]]))
  assert.is(two.table.words.length, one.table.words.length + CLASS_WORDS)
  const root = (classIndex: number, table: number) => two.table.words[HEADER_WORDS + classIndex * CLASS_WORDS + table]
  assert.is(root(0, 0), root(1, 0))
  // Nothing is received but what may be subscribed to: one table for both.
  assert.is(root(0, 1), root(0, 2))
})

test("[CR 2.1] a policy whose worst topic takes too many steps is refused, naming class and bound", async () => {
  const same = (count: number): Rule[] =>
    Array.from({ length: count }, (_, k) => makeRule({ id: `r${k}`, topics: ["#"] }))
  assert.is(judgeBy(makePolicy(same(MAX_WORK)))("a"), "allowed r0")
  const error = await rejects(() => compilePolicy(makePolicy(same(MAX_WORK + 1))), "ERR_POLICY_TOO_COMPLEX")
  assert.equal(error.detail, {
    where: "class field [sensor], publish",
    bound: "steps of the worst topic",
    found: MAX_WORK + 1,
    limit: MAX_WORK,
  })
  assert.is(error.kind, "input")
  // Every mixture of `+` and `a` in eleven levels: the topic a/a/... reaches them all.
  const mixed = Array.from({ length: 2048 }, (_, bits) =>
    makeRule({
      id: `m${bits}`,
      topics: [Array.from({ length: 11 }, (_, k) => ((bits >> k) & 1 ? "+" : "a")).join("/")],
    }),
  )
  await rejects(() => compilePolicy(makePolicy(mixed)), "ERR_POLICY_TOO_COMPLEX")
  // As many rules that no topic meets at once are no trouble.
  const apart = Array.from({ length: 5000 }, (_, k) => makeRule({ id: `a${k}`, topics: [`${k}/#`] }))
  assert.is(judgeBy(makePolicy(apart))("77/x"), "allowed a77")
})

test("a filter deeper than the bound is refused, one at the bound is not", async () => {
  const deep = (levels: number): string => Array.from({ length: levels }, () => "a").join("/")
  const judge = judgeBy(makePolicy([makeRule({ id: "r", topics: [deep(MAX_LEVELS), `${"+/".repeat(MAX_LEVELS)}#`] })]))
  assert.is(judge(deep(MAX_LEVELS)), "allowed r")
  assert.is(judge(deep(MAX_LEVELS - 1)), "no-rule")
  assert.is(judge(deep(MAX_LEVELS + 1)), "allowed r")
  await rejects(
    () => compilePolicy(makePolicy([makeRule({ topics: [deep(MAX_LEVELS + 1)] })])),
    "ERR_POLICY_TOO_COMPLEX",
  )
  await rejects(() => compilePolicy(makePolicy([makeRule({ topics: [deep(300)] })])), "ERR_POLICY_TOO_COMPLEX")
})

test("what the parser should have refused as a filter is an invariant error", async () => {
  for (const topic of ["", "a/#/b", "$share/g/", "$share/g"]) {
    const policy = makePolicy([makeRule({ topics: [topic], actions: ["subscribe"] })])
    const error = await rejects(() => compilePolicy(policy), "ERR_POLICY_FILTER")
    assert.is(error.kind, "invariant")
  }
})

/** Two different words with the same hash over all their bytes, and the same length, ends and quick hash besides. */
function twins(): [string, string] {
  const known = new Map<number, string>()
  for (let k = 0; ; k++) {
    const word = `p${k.toString(36).padStart(6, "0")}tail`
    const hash = fullHash(text.encode(word), 0, word.length)
    const other = known.get(hash)
    if (other !== undefined) return [other, word]
    known.set(hash, word)
  }
}

test("levels that agree in every hash are told apart all the same", () => {
  const [first, second] = twins()
  assert.is.not(first, second)
  const hash = (word: string): number => quickHash(text.encode(word), 0, word.length)
  assert.is(hash(first), hash(second))
  const third = `p${"z".repeat(6)}tail`
  const judge = judgeBy(
    makePolicy([
      makeRule({ id: "first", topics: [`a/${first}/x`] }),
      makeRule({ id: "second", topics: [`a/${second}/x`, `a/${second}/y`] }),
      makeRule({ id: "third", topics: [`a/${third}/#`] }),
    ]),
  )
  assert.is(judge(`a/${first}/x`), "allowed first")
  assert.is(judge(`a/${second}/x`), "allowed second")
  assert.is(judge(`a/${second}/y`), "allowed second")
  assert.is(judge(`a/${first}/y`), "no-rule")
  assert.is(judge(`a/${third}/y`), "allowed third")
  // The quick hash agrees, the full one does not.
  assert.is(judge(`a/p${"y".repeat(6)}tail/x`), "no-rule")
})

test("ten thousand rules in one class: every table grows, and a sample is judged as the reference judges it", () => {
  const random = seeded(12)
  const number = (n: number): number => Math.floor(random() * n)
  const rules = Array.from({ length: 10_000 }, (_, k) =>
    makeRule({
      id: `r${k}`,
      effect: number(10) === 0 ? "deny" : "allow",
      topics: [
        `plant/${number(30)}/line-${number(20)}/${number(4) === 0 ? "+" : `device-${number(900)}`}/${number(3) === 0 ? "#" : `é${number(9)}`}`,
      ],
    }),
  )
  const policy = makePolicy(rules)
  const compiled = compilePolicy(policy)
  const state = stateFor(compiled)
  const asked = {
    policy,
    conduit: "field",
    roles: ["sensor"],
    action: "publish",
    name: "dev",
    clientId: "cid",
    essentialOnly: false,
  } as const
  let allowed = 0
  for (let round = 0; round < 60; round++) {
    const topic = text.encode(
      rules[number(rules.length)]!.topics[0]!.replace("+", `device-${number(900)}`).replace(
        "#",
        round % 3 === 0 ? "x/y" : "é1",
      ),
    )
    const message = { topic, qos: 0, retain: false, payloadBytes: 1, nowMs: 0 }
    const verdict = decideTopic(compiled.table, state, topic, 0, topic.length, 0, 1, 0)
    assert.is(verdict, decideReference(asked, message, new Map()))
    if (isAllowed(verdict)) allowed++
  }
  assert.ok(allowed > 20 && allowed < 60, `${allowed}`)
})

test.run()
