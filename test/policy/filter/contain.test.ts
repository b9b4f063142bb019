import { suite } from "uvu"
import * as assert from "uvu/assert"
import { subscribeBy } from "../../support/filter-peers.ts"
import { bitFlips, randomBytes, seeded, truncations } from "../../support/hostile.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"

const test = suite("policy/filter/contain")
const text = new TextEncoder()
const allow = (id: string, topics: readonly string[], over: object = {}) =>
  makeRule({ id, topics, actions: ["subscribe"], ...over })
const deny = (id: string, topics: readonly string[], over: object = {}) =>
  allow(id, topics, { effect: "deny", ...over })

test("[CR 2.1] a request is granted iff it is contained: # is refused to who may read one topic", () => {
  const subscribe = subscribeBy(
    makePolicy([allow("one", ["a/b"]), allow("line", ["line/+/temp"]), allow("own", ["dev/%u/#"])]),
  )
  assert.is(subscribe("a/b"), "allowed one")
  assert.is(subscribe("line/3/temp"), "allowed line")
  assert.is(subscribe("line/+/temp"), "allowed line")
  assert.is(subscribe("dev/dev/#"), "allowed own")
  assert.is(subscribe("dev/dev"), "allowed own")
  assert.is(subscribe("dev/dev/+/x/#"), "allowed own")
  const beyond = ["#", "+/b", "a/+", "a/#", "a/b/#", "line/#", "line/+/+", "line/+/#", "dev/#", "dev/+/#", "dev/%u/#"]
  for (const filter of beyond) assert.is(subscribe(filter), "not-contained", filter)
})

test("the union counts: rules that cover a request only together grant it, and the first needed is named", () => {
  const subscribe = subscribeBy(
    makePolicy([
      allow("deep", ["a/+/+/#"]),
      allow("root", ["a"]),
      allow("mid", ["a/+"]),
      allow("whole", ["b/#"]),
      allow("part", ["b/+"]),
    ]),
  )
  assert.is(subscribe("a/#"), "allowed root")
  assert.is(subscribe("a/+/#"), "allowed mid")
  assert.is(subscribe("a/+/+/#"), "allowed deep")
  assert.is(subscribe("b/+"), "allowed whole")
  assert.is(subscribe("b/#"), "allowed whole")
  assert.is(subscribe("+/#"), "not-contained")
  const gap = subscribeBy(makePolicy([allow("root", ["a"]), allow("deep", ["a/+/+/#"])]))
  assert.is(gap("a/#"), "not-contained")
  // One rule with several filters covers alone, and goes before those that need each other.
  const alone = subscribeBy(
    makePolicy([allow("root", ["a"]), allow("rest", ["a/+/#"]), allow("alone", ["a", "a/+/#"])]),
  )
  assert.is(alone("a/#"), "allowed alone")
})

test("a wildcard at the first level reaches no $ topic, in rules and in requests", () => {
  const subscribe = subscribeBy(makePolicy([allow("all", ["#"]), allow("sys", ["$SYS/+"])]))
  assert.is(subscribe("#"), "allowed all")
  assert.is(subscribe("+/#"), "allowed all")
  assert.is(subscribe("$SYS/a"), "allowed sys")
  assert.is(subscribe("$SYS/#"), "not-contained")
  assert.is(subscribe("$other"), "not-contained")
  const plus = subscribeBy(makePolicy([allow("plus", ["+/#"])]))
  assert.is(plus("#"), "allowed plus")
  const slash = subscribeBy(makePolicy([allow("slash", ["/+/#"])]))
  // `/#` stands for `/...` only, since there is no empty topic.
  assert.is(slash("/#"), "allowed slash")
})

test("overlap with a deny does not refuse; lying wholly within denies does", () => {
  const rules = [
    allow("all", ["a/#"]),
    deny("secret", ["a/secret/#"]),
    deny("x", ["a/x", "a/x/+/#"]),
    deny("y", ["a/x/+"]),
  ]
  const subscribe = subscribeBy(makePolicy(rules))
  assert.is(subscribe("a/#"), "allowed all")
  assert.is(subscribe("a/+"), "allowed all")
  assert.is(subscribe("a/secret"), "deny-rule secret")
  assert.is(subscribe("a/secret/#"), "deny-rule secret")
  assert.is(subscribe("a/secret/+/x"), "deny-rule secret")
  assert.is(subscribe("a/x/#"), "deny-rule x")
})

test("[NDR 5.2] filters below the gateway's own topics are refused; wider ones are not, for nothing of it is delivered", () => {
  const subscribe = subscribeBy(
    makePolicy([allow("all", ["#", "lockgate/#", "$lockgate/#", "$share/g/#", "$share/g/lockgate/#"])]),
  )
  const own = [
    "lockgate",
    "lockgate/#",
    "lockgate/+/audit/live",
    "$lockgate",
    "$lockgate/#",
    "$share/g/lockgate/x",
    "$share/g/$lockgate",
  ]
  for (const filter of own) assert.is(subscribe(filter), "reserved", filter)
  for (const filter of ["#", "+/audit", "lockgate2/#"]) assert.is(subscribe(filter), "allowed all", filter)
})

test("a requested QoS above that of the rules is refused as such", () => {
  const subscribe = subscribeBy(
    makePolicy([allow("low", ["a/#"], { maxQos: 0 }), allow("high", ["a/b"], { maxQos: 2 })]),
  )
  assert.is(subscribe("a/#", 0), "allowed low")
  assert.is(subscribe("a/#", 1), "qos low")
  assert.is(subscribe("a/b", 2), "allowed high")
  assert.is(subscribe("c", 2), "not-contained")
})

test("where only essential flows are open, only essential rules grant", () => {
  const rules = [allow("normal", ["a/#"]), allow("vital", ["a/alarm"], { essential: true }), deny("no", ["a/alarm/x"])]
  const subscribe = subscribeBy(makePolicy(rules), { essentialOnly: true })
  assert.is(subscribe("a/alarm"), "allowed vital")
  assert.is(subscribe("a/#"), "not-essential normal")
  assert.is(subscribe("a/alarm/x"), "deny-rule no")
})

test("a shared subscription needs a rule that names its group", () => {
  const subscribe = subscribeBy(makePolicy([allow("plain", ["a/#"]), allow("group", ["$share/g/a/+/#"])]))
  assert.is(subscribe("$share/g/a/b"), "allowed group")
  assert.is(subscribe("$share/g/a/+/#"), "allowed group")
  assert.is(subscribe("$share/h/a/b"), "not-contained")
  assert.is(subscribe("$share/g/a"), "not-contained")
  assert.is(subscribe("$share/g/a/#"), "not-contained")
  assert.is(subscribe("a/#"), "allowed plain")
  // A rule for a group allows what its members receive, but no subscription of one's own.
  const only = subscribeBy(makePolicy([allow("group", ["$share/g/a/#"])]))
  assert.is(only("$share/g/a/#"), "allowed group")
  assert.is(only("a/b"), "not-contained")
})

test("a shared subscription is refused if anything in it could be dropped on the way", () => {
  const shared = allow("group", ["$share/g/a/#", "$share/g/#", "$share/g/+/b"])
  const by = (...rules: readonly ReturnType<typeof makeRule>[]) => subscribeBy(makePolicy([shared, ...rules]))
  assert.is(by()("$share/g/a/#"), "allowed group")
  // What matches `lockgate/...` is never delivered.
  assert.is(by()("$share/g/#"), "shared-subscription group")
  assert.is(by()("$share/g/+/b"), "shared-subscription group")
  for (const topic of ["a/secret", "+/x/y", "a/#", "#", "a/+/%u"]) {
    const said = by(deny("no", [topic], { actions: ["receive"] }))("$share/g/a/#")
    assert.is(said, "shared-subscription group", topic)
  }
  for (const topic of ["b", "b/#", "$x/#", "ab/#", "+"]) {
    const said = by(deny("no", [topic], { actions: ["receive"] }))("$share/g/a/+/+/#")
    assert.is(said, "allowed group", topic)
  }
  // A rate may drop; another rule without one makes up for it.
  const rated = allow("rated", ["$share/r/q/#"], { rate: { perSecond: 1, burst: 1 } })
  const free = allow("free", ["q/#"], { actions: ["receive"] })
  assert.is(subscribeBy(makePolicy([rated]))("$share/r/q/#"), "shared-subscription rated")
  assert.is(subscribeBy(makePolicy([rated, free]))("$share/r/q/#"), "allowed rated")
  // So may a payload limit, however high; only what no message of MQTT can pass drops nothing.
  const limited = allow("limited", ["$share/r/q/#"], { maxPayloadBytes: 268_435_454 })
  assert.is(subscribeBy(makePolicy([limited]))("$share/r/q/#"), "shared-subscription limited")
  assert.is(subscribeBy(makePolicy([limited, free]))("$share/r/q/#"), "allowed limited")
})

test("[CR 3.5] what is not a filter is refused", () => {
  const subscribe = subscribeBy(makePolicy([allow("all", ["#", "$share/g/a/#"])]))
  const bad = [
    "",
    "a+",
    "+a",
    "a/+b/c",
    "a#",
    "#/a",
    "a/#/b",
    "##",
    "++",
    "a\u0000",
    "a\u0001/#",
    "a\u007f",
    "$share",
    "$share/",
    "$share/g",
  ]
  const badShare = ["$share/g/", "$share//a", "$share/+/a", "$share/#", "$share/g+/a", "$share/g/a+"]
  for (const filter of [...bad, ...badShare]) assert.is(subscribe(filter), "bad-topic", filter)
  for (const bytes of [[0x61, 0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xc3]]) {
    assert.is(subscribe(Uint8Array.from(bytes)), "bad-topic")
  }
  assert.is(subscribe(new Uint8Array(65_536).fill(0x61)), "bad-topic")
  assert.is(subscribe(new Uint8Array(65_535).fill(0x61)), "allowed all")
  assert.is(subscribe("$shared/x"), "not-contained")
})

test("[CR 3.5] bent and random requests never throw, and none gets more than the rules give", () => {
  const subscribe = subscribeBy(makePolicy([allow("own", ["a/%u/#"])]))
  const random = seeded(4)
  let granted = 0
  const check = (bytes: Uint8Array): void => {
    if (!subscribe(bytes).startsWith("allowed")) return
    granted++
    assert.match(Buffer.from(bytes).toString("latin1"), /^a\/dev(\/|$)/)
  }
  for (const filter of ["a/dev/#", "a/dev/+/x", "$share/g/a/dev"]) {
    for (const bytes of truncations(text.encode(filter))) check(bytes)
    for (const bytes of bitFlips(text.encode(filter))) check(bytes)
  }
  for (let round = 0; round < 20_000; round++) check(randomBytes(Math.floor(random() * 12), random))
  assert.ok(granted > 20, `${granted}`)
})

test("a request that would take too many steps is refused as too complex", () => {
  const rules = Array.from({ length: 200 }, (_, k) => allow(`r${k}`, ["#"]))
  const subscribe = subscribeBy(makePolicy([...rules, allow("deep", [`${"x/".repeat(110)}x`])]))
  assert.is(subscribe("#"), "too-complex")
  assert.is(subscribe("a/b"), "allowed r0")
  // However long the request: past the deepest rule there is nothing left to look at.
  assert.is(subscribe(`${"a/".repeat(32_700)}#`), "allowed r0")
})

test("names that look like wildcards contain nothing", () => {
  for (const name of ["+", "#"]) {
    const subscribe = subscribeBy(makePolicy([allow("own", ["a/%u", "b/%u/#"])]), { name })
    for (const filter of ["a/+", "a/#", "b/+/#", "b/#", "b/+"]) assert.is(subscribe(filter), "not-contained", filter)
  }
})

test.run()
