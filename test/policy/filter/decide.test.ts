import { getHeapStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import { createBuckets, createFilterState, decide, decideTopic } from "../../../policy/filter/decide.ts"
import { reasonName } from "../../../policy/filter/verdict.ts"
import { judgeBy, say, stateFor } from "../../support/filter-peers.ts"
import { seeded } from "../../support/hostile.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/filter/decide")
const text = new TextEncoder()

test("[NDR 5.2] what no rule allows is denied", () => {
  const judge = judgeBy(makePolicy([makeRule({ id: "own", topics: ["a/b"] })]))
  assert.is(judge("a/b"), "allowed own")
  for (const topic of ["a", "a/", "a/b/", "a/b/c", "/a/b", "A/b", "a/bb", "a/c", "b"])
    assert.is(judge(topic), "no-rule")
  assert.is(judgeBy(makePolicy([]))("a/b"), "no-rule")
})

test("wildcards, placeholders and empty levels match as MQTT says", () => {
  const matches = (filter: string, topic: string): boolean =>
    judgeBy(makePolicy([makeRule({ id: "r", topics: [filter] })]))(topic) === "allowed r"
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["a/#", "a", true],
    ["a/#", "a/", true],
    ["a/#", "a/b/c", true],
    ["a/#", "ab", false],
    ["#", "a//", true],
    ["#", "$SYS/a", false],
    ["+/a", "$SYS/a", false],
    ["$SYS/#", "$SYS/a", true],
    ["$SYS/+", "$SYS/a", true],
    ["+", "", false],
    ["+", "/", false],
    ["/", "/", true],
    ["+/+", "/", true],
    ["/+", "/a", true],
    ["a//b", "a//b", true],
    ["a/+/b", "a//b", true],
    ["a//b", "a/b", false],
    ["a/+", "a", false],
    ["a/%c", "a/cid", true],
    ["a/%c", "a/cidx", false],
    ["a/%c", "a/%c", false],
    ["%u/#", "dev", true],
    ["%u/#", "dev/x/y", true],
    ["%u/#", "devx", false],
    ["x/%u/y/%c", "x/dev/y/cid", true],
    ["é/ü", "é/ü", true],
    ["a/%cx", "a/cidx", false],
    ["a/%cx", "a/%cx", true],
  ]
  for (const [filter, topic, expected] of cases) assert.is(matches(filter, topic), expected, `${filter} on ${topic}`)
})

test("a matching deny wins over every allow, and the first of several is named", () => {
  const rules = [
    makeRule({ id: "all", topics: ["#"] }),
    makeRule({ id: "exact", topics: ["a/b"] }),
    makeRule({ id: "deny-b", topics: ["+/b"], effect: "deny" }),
    makeRule({ id: "deny-a", topics: ["a/#"], effect: "deny" }),
  ]
  const judge = judgeBy(makePolicy(rules))
  assert.is(judge("a/b"), "deny-rule deny-b")
  assert.is(judge("a/c"), "deny-rule deny-a")
  assert.is(judge("c/c"), "allowed all")
})

test("each constraint holds at its bound and denies one beyond it, naming the rule", () => {
  const rule = (over: object) => makePolicy([makeRule({ id: "r", topics: ["t"], ...over })])
  assert.is(judgeBy(rule({ maxQos: 1 }))("t", { qos: 1 }), "allowed r")
  assert.is(judgeBy(rule({ maxQos: 1 }))("t", { qos: 2 }), "qos r")
  assert.is(judgeBy(rule({ retain: false }))("t", { retain: false }), "allowed r")
  assert.is(judgeBy(rule({ retain: false }))("t", { retain: true }), "retain r")
  assert.is(judgeBy(rule({ maxPayloadBytes: 10 }))("t", { payloadBytes: 10 }), "allowed r")
  assert.is(judgeBy(rule({ maxPayloadBytes: 10 }))("t", { payloadBytes: 11 }), "payload-size r")
  assert.is(judgeBy(rule({ essential: true }), { essentialOnly: true })("t"), "allowed r")
  assert.is(judgeBy(rule({ essential: false }), { essentialOnly: true })("t"), "not-essential r")
})

test("quality of service and retain do not keep a message from being received; size does", () => {
  const rules = [
    makeRule({ id: "r", actions: ["receive"], topics: ["t"], maxQos: 0, retain: false, maxPayloadBytes: 5 }),
  ]
  const judge = judgeBy(makePolicy(rules), { action: "receive" })
  assert.is(judge("t", { qos: 2, retain: true, payloadBytes: 5 }), "allowed r")
  assert.is(judge("t", { payloadBytes: 6 }), "payload-size r")
})

test("who may subscribe may receive; who may only receive may not publish", () => {
  const rules = [
    makeRule({ id: "sub", actions: ["subscribe"], topics: ["s/#", "$share/g/q/#"] }),
    makeRule({ id: "rec", actions: ["receive"], topics: ["r/#"] }),
    makeRule({ id: "no-sub", actions: ["subscribe"], effect: "deny", topics: ["s/secret"] }),
    makeRule({ id: "no-share", actions: ["subscribe"], effect: "deny", topics: ["$share/g/s/x"] }),
  ]
  const receive = judgeBy(makePolicy(rules), { action: "receive" })
  const publish = judgeBy(makePolicy(rules))
  assert.is(receive("s/a"), "allowed sub")
  assert.is(receive("q/a"), "allowed sub")
  assert.is(receive("r/a"), "allowed rec")
  assert.is(receive("s/secret"), "deny-rule no-sub")
  assert.is(receive("s/x"), "allowed sub")
  for (const topic of ["s/a", "q/a", "r/a", "$share/g/q/a"]) assert.is(publish(topic), "no-rule")
})

test("the nearest rule is the one that fails last; of several the first in the policy", () => {
  const judge = judgeBy(
    makePolicy([
      makeRule({ id: "qos", topics: ["#"], maxQos: 0 }),
      makeRule({ id: "retain", topics: ["a/#"], retain: false }),
      makeRule({ id: "size-2", topics: ["a/+"], maxPayloadBytes: 2 }),
      makeRule({ id: "size-3", topics: ["a/b"], maxPayloadBytes: 3 }),
    ]),
  )
  assert.is(judge("a/b", { qos: 1, retain: true, payloadBytes: 9 }), "payload-size size-2")
  assert.is(judge("a/b/c", { qos: 1, retain: true, payloadBytes: 9 }), "retain retain")
  assert.is(judge("b", { qos: 1, retain: true, payloadBytes: 9 }), "qos qos")
  assert.is(judge("a/b", { qos: 1, retain: true, payloadBytes: 3 }), "allowed size-3")
})

test("[NDR 5.2] the gateway's own topics are reserved, whatever the rules", () => {
  const rules = [makeRule({ id: "all", topics: ["#", "lockgate/#", "$lockgate/#", "+/x", "lockgate", "%u"] })]
  for (const action of ["publish", "receive"] as const) {
    const judge = judgeBy(makePolicy([{ ...rules[0]!, actions: [action] }]), { action, name: "lockgate" })
    for (const topic of ["lockgate", "lockgate/", "lockgate/gw/audit/live", "$lockgate", "$lockgate/x"]) {
      assert.is(judge(topic), "reserved", topic)
    }
    for (const topic of ["lockgate2", "lockgat", "Lockgate/x", "x/lockgate", "/lockgate"]) {
      assert.is(judge(topic), "allowed all", topic)
    }
    assert.is(judge("$lockgate2"), "no-rule")
  }
})

test("[CR 3.5] a topic that is none is refused before any rule is asked", () => {
  const judge = judgeBy(makePolicy([makeRule({ id: "all", topics: ["#", "a/#", "a/+"] })]))
  const bytes = (...list: number[]): Uint8Array => Uint8Array.of(0x61, 0x2f, ...list)
  const bad: readonly Uint8Array[] = [
    new Uint8Array(0),
    ...["a/+", "+", "#", "a/#", "a+", "a/b#"].map((topic) => text.encode(topic)),
    ...[0x00, 0x01, 0x09, 0x0a, 0x1f, 0x7f].map((byte) => bytes(byte)),
    bytes(0x80), // continuation alone
    bytes(0xbf),
    bytes(0xc2), // cut short
    bytes(0xe2, 0x82),
    bytes(0xf0, 0x9f, 0x98),
    bytes(0xc0, 0xaf), // overlong slash
    bytes(0xc1, 0x81),
    bytes(0xe0, 0x80, 0xaf),
    bytes(0xe0, 0x9f, 0xbf),
    bytes(0xf0, 0x80, 0x80, 0xaf),
    bytes(0xf0, 0x8f, 0xbf, 0xbf),
    bytes(0xed, 0xa0, 0x80), // surrogates
    bytes(0xed, 0xbf, 0xbf),
    bytes(0xf4, 0x90, 0x80, 0x80), // above U+10FFFF
    bytes(0xf5, 0x80, 0x80, 0x80),
    bytes(0xff),
    bytes(0xfe),
    bytes(0xc2, 0x80), // C1 controls
    bytes(0xc2, 0x9f),
    bytes(0xc3, 0x2f), // a slash where a continuation should be
    new Uint8Array(65_536).fill(0x61),
  ]
  for (const topic of bad) assert.is(judge(topic), "bad-topic", topic.slice(0, 8).join(" "))
  const good: readonly Uint8Array[] = [
    ...[0x20, 0x21, 0x24, 0x25, 0x2b - 1, 0x7e].map((byte) => bytes(byte)),
    bytes(0xc2, 0xa0),
    bytes(0xdf, 0xbf),
    bytes(0xe0, 0xa0, 0x80),
    bytes(0xed, 0x9f, 0xbf),
    bytes(0xee, 0x80, 0x80),
    bytes(0xef, 0xbb, 0xbf),
    bytes(0xef, 0xbf, 0xbf),
    bytes(0xf0, 0x90, 0x80, 0x80),
    bytes(0xf4, 0x8f, 0xbf, 0xbf),
    new Uint8Array(65_535).fill(0x61),
  ]
  for (const topic of good) assert.is(judge(topic), "allowed all", topic.slice(0, 8).join(" "))
  assert.is(judge("a", { qos: 3 }), "bad-topic")
})

test("[CR 2.1] a peer without a class has no rights, and never those of class 0", () => {
  const policy = makePolicy([makeRule({ id: "all", topics: ["#"] })])
  const compiled = compilePolicy(policy)
  const topic = text.encode("a")
  for (const classIndex of [-1, 1, 2 ** 31, -(2 ** 31), 0.5, NaN, Infinity]) {
    const state = createFilterState(compiled.table, {
      classIndex,
      action: "publish",
      protocolVersion: 4,
      name: text.encode("dev"),
      clientId: text.encode("dev"),
      buckets: createBuckets(compiled.table),
      essentialOnly: false,
    })
    assert.is(say(compiled, decideTopic(compiled.table, state, topic, 0, 1, 0, 0, 0)), "no-rule", String(classIndex))
    assert.is(say(compiled, decideTopic(compiled.table, state, topic, 0, 0, 0, 0, 0)), "no-rule")
    assert.is(say(compiled, decide(compiled.table, state, topic, 0, 1, 0)), "no-rule")
  }
  assert.is(judgeBy(policy, { conduit: "other" })("a"), "no-rule")
  assert.is(judgeBy(policy, { roles: [] })("a"), "no-rule")
  assert.is(judgeBy(policy, { roles: ["sensor", "other"] })("a"), "no-rule")
  assert.is(judgeBy(policy)("a"), "allowed all")
})

test("a state is refused with a table that it was not made for", async () => {
  const policy = makePolicy([makeRule({ topics: ["#"], rate: { perSecond: 1, burst: 1 } })])
  const old = compilePolicy(policy)
  const compiled = compilePolicy(policy)
  const state = stateFor(old)
  await rejects(() => decideTopic(compiled.table, state, text.encode("a"), 0, 1, 0, 0, 0), "ERR_FILTER_STATE")
  await rejects(() => stateFor(compiled, { buckets: new Float64Array(4) }), "ERR_FILTER_BUCKETS")
})

test("the order of rules changes no outcome", () => {
  const random = seeded(5)
  const rules = [
    makeRule({ id: "a", topics: ["a/#"], maxQos: 1 }),
    makeRule({ id: "b", topics: ["a/+", "b"], retain: false }),
    makeRule({ id: "c", topics: ["+/b"], maxPayloadBytes: 3 }),
    makeRule({ id: "d", topics: ["a/secret/#"], effect: "deny" }),
    makeRule({ id: "e", topics: ["%u/#"] }),
    makeRule({ id: "f", topics: ["a/b/c"], effect: "deny" }),
  ]
  const topics = ["a", "a/b", "a/b/c", "a/secret", "a/secret/x", "b", "b/b", "dev", "dev/b", "c"]
  const outcomes = (order: typeof rules): string => {
    const judge = judgeBy(makePolicy(order))
    return topics
      .flatMap((topic) => [0, 1, 2].map((qos) => judge(topic, { qos, retain: qos === 1, payloadBytes: qos * 2 })))
      .map((said) => said.startsWith("allowed"))
      .join()
  }
  const first = outcomes(rules)
  assert.ok(first.includes("true") && first.includes("false"))
  for (let round = 0; round < 200; round++) {
    assert.is(
      outcomes(
        rules
          .map((rule) => ({ rule, key: random() }))
          .sort((x, y) => x.key - y.key)
          .map(({ rule }) => rule),
      ),
      first,
    )
  }
})

test("names that look like wildcards match nothing", () => {
  for (const clientId of ["+", "#", "a/b", "a+"]) {
    const judge = judgeBy(makePolicy([makeRule({ id: "r", topics: ["x/%c"] })]), { clientId })
    assert.is(judge("x/y"), "no-rule")
    assert.is(judge("x/a"), "no-rule")
  }
})

test("[CR 3.5] random bytes never make it throw, nor allow what the rules do not", () => {
  const compiled = compilePolicy(makePolicy([makeRule({ topics: ["a/#", "%u/+/é"] })]))
  const state = stateFor(compiled)
  const random = seeded(77)
  const seen = new Set<string>()
  for (let round = 0; round < 20_000; round++) {
    const bytes = Uint8Array.from({ length: Math.floor(random() * 30) }, () => Math.floor(random() * 256))
    if (random() < 0.5) bytes.set(text.encode("a/").subarray(0, bytes.length))
    const start = Math.floor(random() * 4)
    const verdict = decideTopic(compiled.table, state, bytes, start, bytes.length - Math.floor(random() * 3), 0, 0, 0)
    seen.add(reasonName(verdict))
    if (verdict === 256) assert.is(bytes[start], 0x61)
  }
  assert.equal([...seen].sort(), ["allowed", "bad-topic", "no-rule"])
})

test("hostile topics: thousands of levels are judged in bounded time and rightly", () => {
  const judge = judgeBy(
    makePolicy([
      makeRule({ id: "deep", topics: ["a/+/+/+/#", "+/+/+/x"] }),
      makeRule({ id: "no", topics: ["a/a/a/a/b/#"], effect: "deny" }),
    ]),
  )
  assert.is(judge("a/".repeat(32_767)), "allowed deep")
  assert.is(judge("b/".repeat(32_767)), "no-rule")
  assert.is(judge("/".repeat(65_535)), "no-rule")
  assert.is(judge(`a/a/a/a/b/${"é/".repeat(20_000)}`), "deny-rule no")
  assert.is(judge(`${"a/".repeat(32_766)}+`), "bad-topic")
})

test("deciding allocates nothing", () => {
  setFlagsFromString("--expose-gc")
  const collect = runInNewContext("gc") as () => void
  const compiled = compilePolicy(
    makePolicy([
      makeRule({ id: "a", topics: ["a/+/%u/#"] }),
      makeRule({ id: "b", topics: ["a/b/#"], rate: { perSecond: 1000, burst: 10 }, maxQos: 1 }),
      makeRule({ id: "c", topics: ["a/b/secret"], effect: "deny" }),
      makeRule({ id: "d", topics: ["g/#"], emergency: "fire", rate: { perSecond: 1, burst: 1 } }),
      makeRule({ id: "e", topics: ["g/+"], maxQos: 1, payload: { kind: "utf8" }, maxPayloadBytes: 4 }),
    ]),
  )
  const { table } = compiled
  const state = stateFor(compiled, { version: 5 })
  const packets = ["a/b/dev/x", "a/b/c", "a/b/secret", "a/é/dev", "g/x", "lockgate/x"].map((topic) => {
    const name = text.encode(topic)
    return Uint8Array.from([0x32, 2 + name.length + 3 + 5, 0, name.length, ...name, 0, 7, 0, 1, 2, 3, 4, 5])
  })
  const buffer = new Uint8Array(64 * packets.length)
  packets.forEach((packet, k) => buffer.set(packet, k * 64))
  let sum = 0
  // The time is read once a chunk of bytes: it is a number on the heap that is handed on, not made for each message.
  const run = (count: number, nowMs: number): void => {
    for (let k = 0; k < count; k += 6) {
      for (let p = 0; p < 6; p++)
        sum = (sum + decide(table, state, buffer, p * 64, p * 64 + packets[p]!.length, nowMs)) | 0
    }
  }
  // V8 compiles while it warms up, and when it likes: a million decisions in a row without growth are the proof. Nothing
  // is collected between, so that what is allocated shows even if nobody keeps it.
  let worst = Infinity
  for (let attempt = 0; attempt < 4 && worst >= 64 * 1024; attempt++) {
    for (let part = 0; part < 8; part++) run(100_000, attempt * 10_000 + part * 100 + 0.5)
    collect()
    const before = getHeapStatistics().used_heap_size
    worst = 0
    for (let part = 0; part < 10; part++) {
      run(100_000, attempt * 10_000 + 5000.5 + part * 100)
      worst = Math.max(worst, Math.abs(getHeapStatistics().used_heap_size - before))
    }
  }
  assert.ok(worst < 64 * 1024, `${worst} bytes`)
  assert.ok(sum !== 0)
})

test.run()
