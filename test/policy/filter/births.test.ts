import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import { createFlowCache } from "../../../policy/filter/cache/create.ts"
import { createBuckets, decide, decideMessage } from "../../../policy/filter/decide.ts"
import { createAliasMemory } from "../../../policy/filter/payload/alias-memory.ts"
import { noteMessage } from "../../../policy/filter/payload/sparkplug.ts"
import { decideReference } from "../../../policy/filter/reference.ts"
import { isAllowed } from "../../../policy/filter/verdict.ts"
import type { SparkplugMetric } from "../../../policy/language/payload-form.ts"
import type { MqttRule } from "../../../policy/language/policy.ts"
import { say, stateFor } from "../../support/filter-peers.ts"
import { publishPacket } from "../../support/flow-caches.ts"
import { seeded } from "../../support/hostile.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"
import { encodePayload, type PlainMetric } from "../../support/sparkplug/payloads.ts"

const test = suite("policy/filter, Sparkplug births and aliases")
const text = new TextEncoder()

const METRICS: readonly SparkplugMetric[] = [
  { name: "Speed", types: ["Int32"], min: 0, max: 100 },
  { name: "Torque", types: ["Int32"], min: 0, max: 5 },
]
const formed = (id: string, topics: readonly string[], over: Partial<MqttRule> = {}): MqttRule =>
  makeRule({ id, topics, payload: { kind: "sparkplug-b", metrics: METRICS }, ...over })
const RULES = [
  formed("births", ["spBv1.0/g/NBIRTH/%u", "spBv1.0/g/DBIRTH/%u/+"]),
  formed("data", ["spBv1.0/g/NDATA/+", "spBv1.0/g/DDATA/%u/+"]),
  formed("commands", ["spBv1.0/g/NCMD/%u"], { actions: ["receive"] }),
]

interface Way {
  readonly direction?: "publish" | "receive"
  /** It is allowed, and never arrives. */
  readonly lost?: boolean
  /** Bytes of the payload that are in hand. */
  readonly hand?: number
}

/** One connection of `dev`: judges, and hears what passes. Every verdict is held against the reference. */
function connection(rules: readonly MqttRule[] = RULES, maxAliases = 8) {
  const policy = makePolicy(rules)
  const compiled = compilePolicy(policy)
  const aliases = createAliasMemory(maxAliases)
  const buckets = createBuckets(compiled.table)
  const spent = new Map()
  const asked = { policy, conduit: "field", roles: ["sensor"], name: "dev", clientId: "cid", essentialOnly: false }
  return {
    aliases,
    send(topic: string, metrics: readonly PlainMetric[] | Uint8Array, way: Way = {}): string {
      const action = way.direction ?? "publish"
      const payload = metrics instanceof Uint8Array ? metrics : encodePayload({ metrics })
      const name = text.encode(`/${topic}/`)
      const state = stateFor(compiled, { action, aliases, buckets })
      const hand = way.hand ?? payload.length
      const at = hand === payload.length ? 0 : -1
      const end = name.length - 1
      const verdict = decideMessage(compiled.table, state, name, 1, end, 0, payload.length, 0, payload, at)
      const message = { topic: name.subarray(1, end), qos: 0, retain: false, payloadBytes: payload.length, nowMs: 0 }
      const whole = at === 0 ? { ...message, payload } : message
      assert.is(verdict, decideReference({ ...asked, action, aliases }, whole, spent), topic)
      if (isAllowed(verdict) && way.lost !== true) noteMessage(aliases, name, 1, end, payload, at, payload.length)
      return say(compiled, verdict)
    },
  }
}

const speed = (intValue: number, alias?: bigint): PlainMetric => ({
  name: "Speed",
  datatype: 3,
  intValue,
  ...(alias === undefined ? {} : { alias }),
})
const torque = (intValue: number, alias: bigint): PlainMetric => ({ ...speed(intValue, alias), name: "Torque" })
const by = (alias: bigint, intValue: number): readonly PlainMetric[] => [{ alias, intValue }]
const BIRTH = "spBv1.0/g/NBIRTH/dev"
const DATA = "spBv1.0/g/NDATA/dev"

test("[CR 3.5] after a birth that passed, a metric comes by alias alone and is held to its name's range", () => {
  const { send } = connection()
  assert.is(send(DATA, by(1n, 50)), "payload-form data", "before the birth")
  assert.is(send(BIRTH, [speed(0, 1n), torque(0, 2n)]), "allowed births")
  assert.is(send(DATA, by(1n, 100)), "allowed data")
  assert.is(send(DATA, by(1n, 101)), "payload-form data", "out of range")
  assert.is(send(DATA, by(2n, 6)), "payload-form data", "the other metric's range")
  assert.is(send(DATA, by(2n, 5)), "allowed data")
  assert.is(send(DATA, by(3n, 5)), "payload-form data", "no such alias")
  assert.is(send("spBv1.0/g/NDATA/other", by(1n, 5)), "payload-form data", "another node's alias")
  assert.is(send("spBv1.0/g/DDATA/dev/pump", by(1n, 5)), "payload-form data", "the node's alias on a device")
  assert.is(send("spBv1.0/g/DBIRTH/dev/pump", [torque(0, 3n)]), "allowed births")
  assert.is(send("spBv1.0/g/DDATA/dev/pump", by(3n, 5)), "allowed data")
})

test("[CR 3.5] a birth that is denied, or was allowed and never passed, teaches nothing", () => {
  const { send, aliases } = connection()
  assert.is(send("spBv1.0/g/NBIRTH/other", [speed(0, 1n)]), "no-rule")
  assert.is(send(BIRTH, [speed(101, 1n)]), "payload-form births")
  assert.is(send(BIRTH, [speed(0, 1n)], { lost: true }), "allowed births")
  assert.is(aliases.count, 0)
  assert.is(send(BIRTH, [speed(0, 1n)]), "allowed births")
  // A second birth that is refused leaves the first in force: the receiver heard only that.
  assert.is(send(BIRTH, [torque(0, 1n), speed(101, 2n)]), "payload-form births")
  assert.is(send(DATA, by(1n, 100)), "allowed data")
})

test("a command that comes down is read by the birth that went up, and the other way round", () => {
  const { send } = connection()
  const down = { direction: "receive" } as const
  assert.is(send("spBv1.0/g/NCMD/dev", by(1n, 5), down), "payload-form commands")
  assert.is(send(BIRTH, [speed(0, 1n)]), "allowed births")
  assert.is(send("spBv1.0/g/NCMD/dev", by(1n, 100), down), "allowed commands")
  assert.is(send("spBv1.0/g/NCMD/dev", by(1n, 101), down), "payload-form commands")
  // A host: it is told of births by a rule without form, and commands by one with.
  const host = connection([
    makeRule({ id: "watch", topics: ["spBv1.0/g/#"], actions: ["receive"] }),
    formed("command", ["spBv1.0/g/NCMD/+"]),
  ])
  assert.is(host.send("spBv1.0/g/NBIRTH/node", [speed(0, 7n)], down), "allowed watch")
  assert.is(host.send("spBv1.0/g/NCMD/node", by(7n, 100)), "allowed command")
  assert.is(host.send("spBv1.0/g/NCMD/node", by(7n, 101)), "payload-form command")
})

test("[CR 3.5] a birth is heard whatever rule lets it pass: it is held until it is whole", () => {
  const watch = makeRule({ id: "watch", topics: ["spBv1.0/g/#"] })
  const paid = makeRule({ id: "paid", topics: ["spBv1.0/g/#"], rate: { perSecond: 1, burst: 1 } })
  const birth = encodePayload({ metrics: [speed(0, 1n)] })
  for (const rule of [watch, paid]) {
    const { send } = connection([rule, formed("other", ["elsewhere"])])
    for (let hand = 0; hand < birth.length; hand++) assert.is(send(BIRTH, birth, { hand }), "incomplete")
    assert.is(send(BIRTH, birth), `allowed ${rule.id}`)
    assert.is(send("spBv1.0/g/NDATA/dev", birth, { hand: 1 }), rule === watch ? "allowed watch" : "rate paid")
  }
  // Without rules there is nothing to wait for.
  assert.is(connection([formed("other", ["elsewhere"])]).send(BIRTH, birth, { hand: 1 }), "no-rule")
})

test("[CR 3.5] a birth that goes by unread makes its node's aliases unknown", () => {
  const { send } = connection([makeRule({ id: "any", topics: ["spBv1.0/g/NBIRTH/+"] }), ...RULES.slice(1)])
  const large = new Uint8Array(262_145)
  for (const hand of [0, large.length]) {
    assert.is(send(BIRTH, [speed(0, 1n)]), "allowed any")
    assert.is(send("spBv1.0/g/NBIRTH/other", [speed(0, 1n)]), "allowed any")
    assert.is(send(DATA, by(1n, 5)), "allowed data")
    assert.is(send(BIRTH, large, { hand }), "allowed any")
    assert.is(send(DATA, by(1n, 5)), "payload-form data")
    assert.is(send("spBv1.0/g/NDATA/other", by(1n, 5)), "allowed data")
  }
  assert.is(send(BIRTH, [speed(0, 1n)]), "allowed any")
  assert.is(send(BIRTH, Uint8Array.of(0xff)), "allowed any")
  assert.is(send(DATA, by(1n, 5)), "payload-form data")
})

test("[CR 3.5] what a birth said stays as it was when its buffer is used again", () => {
  const { aliases, send } = connection()
  const payload = Buffer.from(encodePayload({ metrics: [speed(0, 1n)] }))
  const topic = Buffer.from(BIRTH)
  noteMessage(aliases, topic, 0, topic.length, payload, 0, payload.length)
  payload.fill(0xee)
  topic.fill(0xee)
  assert.is(send(DATA, by(1n, 100)), "allowed data")
  assert.is(send(DATA, by(1n, 101)), "payload-form data")
})

test("what is remembered is bounded; a birth with more does not fit, one without aliases does", () => {
  const { send, aliases } = connection(RULES, 3)
  const many = (count: number): PlainMetric[] => Array.from({ length: count }, (_, k) => speed(0, BigInt(k)))
  assert.is(send(BIRTH, many(3)), "allowed births")
  assert.is(send("spBv1.0/g/DBIRTH/dev/pump", [speed(0, 9n)]), "payload-form births")
  assert.is(send(BIRTH, many(4)), "payload-form births")
  assert.is(aliases.count, 3)
  assert.is(send(BIRTH, [speed(0), speed(1)]), "allowed births")
  assert.is(aliases.count, 0)
})

test("the flow cache never answers for a birth, nor for what aliases decide", () => {
  const policy = makePolicy([makeRule({ id: "watch", topics: ["spBv1.0/g/NBIRTH/+", "a"] }), ...RULES.slice(1)])
  const compiled = compilePolicy(policy)
  const aliases = createAliasMemory(8)
  const state = stateFor(compiled, { aliases })
  const cache = createFlowCache({ seed: new Uint32Array(8) })
  const flows = cache.open(state)
  const ask = (topic: string, payloadBytes: number, cut: number): string => {
    const packet = publishPacket(text.encode(topic), { payloadBytes })
    const end = packet.length - cut
    const said = cache.decide(flows, packet, 0, end, 0)
    assert.is(said, decide(compiled.table, state, packet, 0, end, 0))
    return say(compiled, said)
  }
  for (let round = 0; round < 8; round++) {
    assert.is(ask(BIRTH, 9, 9), "incomplete")
    assert.is(ask(BIRTH, 9, 0), "allowed watch")
    assert.is(ask("a", 9, 9), "allowed watch")
    // Zeros are no Sparkplug; nothing at all is.
    assert.is(ask(DATA, 9, 9), "incomplete")
    assert.is(ask(DATA, 9, 0), "payload-form data")
    assert.is(ask(DATA, 0, 0), "allowed data")
  }
})

test("random traffic of a connection: filter and reference agree, and the memory says what passed last", () => {
  const random = seeded(Date.now())
  const { send, aliases } = connection(
    [
      makeRule({ id: "any", topics: ["spBv1.0/g/NBIRTH/other"] }),
      formed("births", ["spBv1.0/g/NBIRTH/+"]),
      formed("data", ["spBv1.0/g/NDATA/+"]),
      formed("down", ["spBv1.0/#"], { actions: ["receive"] }),
    ],
    5,
  )
  const known = new Map<string, Map<bigint, string>>()
  const counts = new Map<string, number>()
  for (let k = 0; k < 3000; k++) {
    const node = random() < 0.5 ? "dev" : "other"
    const direction = random() < 0.5 ? "publish" : "receive"
    const own = known.get(node) ?? new Map<bigint, string>()
    const list = [...new Set(Array.from({ length: Math.floor(random() * 4) }, () => BigInt(Math.floor(random() * 6))))]
    if (random() < 0.3) {
      const metrics = list.map((alias) => (random() < 0.5 ? speed(50, alias) : torque(random() < 0.8 ? 3 : 9, alias)))
      const said = send(`spBv1.0/g/NBIRTH/${node}`, metrics, { direction })
      counts.set(said, (counts.get(said) ?? 0) + 1)
      if (!said.startsWith("allowed")) continue
      // One that another rule lets pass, and has more aliases than there is room for, takes all of its node away.
      const others = [...known].reduce((sum, [name, of]) => sum + (name === node ? 0 : of.size), 0)
      const fits = others + metrics.length <= aliases.maxAliases
      known.set(node, new Map(fits ? metrics.map(({ alias, name }) => [alias!, name!]) : []))
    } else {
      const value = random() < 0.5 ? 4 : 60
      const fits = list.every((alias) => own.has(alias) && (value === 4 || own.get(alias) === "Speed"))
      const metrics = list.map((alias) => ({ alias, intValue: value }))
      const said = send(`spBv1.0/g/NDATA/${node}`, metrics, { direction })
      assert.is(said.startsWith("allowed"), fits)
      counts.set(said, (counts.get(said) ?? 0) + 1)
    }
  }
  for (const reason of ["allowed any", "allowed births", "allowed data", "allowed down", "payload-form births"]) {
    assert.ok((counts.get(reason) ?? 0) > 4, `${reason}: ${counts.get(reason)}`)
  }
})

test.run()
