import { suite } from "uvu"
import * as assert from "uvu/assert"
import { packNames } from "../../../../firmware/conduits/engine-policy.ts"
import type { ConnectFacts, Judge } from "../../../../firmware/conduits/mqtt/judge.ts"
import { createJudge } from "../../../../firmware/conduits/mqtt/rights.ts"
import { compilePolicy } from "../../../../policy/compile/compile.ts"
import { createFlowCache } from "../../../../policy/filter/cache/create.ts"
import { classOf, createBuckets } from "../../../../policy/filter/decide.ts"
import type { MqttRule } from "../../../../policy/language/policy.ts"
import { makePolicy, makeRule } from "../../../support/policies.ts"
import { encodePayload, type PlainMetric } from "../../../support/sparkplug/payloads.ts"
import { bytesOf, publishPacket, Rig, VERSIONS, type Version } from "./rig.ts"

const test = suite("firmware/conduits/mqtt/session: Sparkplug births, with the real filter")

const BIRTH = "spBv1.0/g/NBIRTH/s1"
const DATA = "spBv1.0/g/NDATA/s1"
const COMMAND = "spBv1.0/g/NCMD/s1"
const speed = (alias: bigint, intValue: number): PlainMetric => ({ name: "Speed", alias, datatype: 3, intValue })

/** Up to `max` of Speed and nothing else, in births, data and commands. */
const formed = (max: number): readonly MqttRule[] =>
  [
    makeRule({ id: "up", topics: ["spBv1.0/g/NBIRTH/%u", "spBv1.0/g/NDATA/%u"] }),
    makeRule({ id: "down", topics: ["spBv1.0/g/NCMD/%u"], actions: ["receive"] }),
  ].map((rule) => ({
    ...rule,
    payload: { kind: "sparkplug-b", metrics: [{ name: "Speed", types: ["Int32"], min: 0, max }] },
  }))
const PLAIN = [makeRule({ id: "plain", topics: ["spBv1.0/#"], actions: ["publish", "receive"] })]

const flows = createFlowCache({ seed: new Uint32Array(8) })
function judgeOf(rules: readonly MqttRule[], facts: ConnectFacts): Judge {
  const compiled = compilePolicy(makePolicy(rules))
  const rights = {
    compiled: { ...compiled, ruleNames: packNames(compiled.ruleIds) },
    classIndex: classOf(compiled, "field", ["sensor"]),
    name: "s1",
    buckets: createBuckets(compiled.table),
    essentialOnly: false,
  }
  return createJudge(rights, facts, flows)
}

/** One connection; each of `up` and `down` says whether the message arrived. */
function open(version: Version, rules: readonly MqttRule[]) {
  const rig = new Rig({ version, admit: (facts) => judgeOf(rules, facts) }).open()
  const packet = (topic: string, metrics: readonly PlainMetric[], more: object): Uint8Array =>
    bytesOf(publishPacket(topic, { payload: Buffer.from(encodePayload({ metrics })), ...more }), version)
  return {
    rig,
    up(topic: string, metrics: readonly PlainMetric[], more: object = {}): boolean {
      rig.client(packet(topic, metrics, more))
      return rig.takeUpstream().length === 1
    },
    down(topic: string, metrics: readonly PlainMetric[]): boolean {
      rig.broker(packet(topic, metrics, {}))
      return rig.takeClient().length === 1
    },
    /** As `up`, byte by byte. */
    slowly(topic: string, metrics: readonly PlainMetric[]): boolean {
      for (const byte of packet(topic, metrics, {})) {
        assert.equal(rig.takeUpstream(), [])
        rig.client(Uint8Array.of(byte))
      }
      return rig.takeUpstream().length === 1
    },
    swap: (next: readonly MqttRule[]) => rig.session.rejudge(judgeOf(next, rig.admitted[0]!), rig.now),
  }
}

for (const version of VERSIONS) {
  const v = version === 4 ? "3.1.1" : "5"

  test(`${v}: [CR 3.5] a birth is heard when it passes, and metrics then come by alias, in range, both ways (F9)`, () => {
    const { up, down, slowly, rig } = open(version, formed(100))
    assert.not(up(DATA, [{ alias: 1n, intValue: 5 }]))
    assert.ok(slowly(BIRTH, [speed(1n, 0)]))
    assert.ok(rig.session.heldBytes > 0)
    assert.ok(up(DATA, [{ alias: 1n, intValue: 100 }]))
    assert.ok(slowly(DATA, [{ alias: 1n, intValue: 100 }]))
    assert.not(up(DATA, [{ alias: 1n, intValue: 101 }]))
    assert.not(up(DATA, [{ alias: 2n, intValue: 5 }]))
    assert.ok(down(COMMAND, [{ alias: 1n, intValue: 100 }]))
    assert.not(down(COMMAND, [{ alias: 1n, intValue: 101 }]))
    // Refused births: out of range, and one that the peer may not send.
    assert.not(up(BIRTH, [speed(2n, 101)]))
    assert.not(up("spBv1.0/g/NBIRTH/s2", [speed(2n, 0)]))
    assert.not(up(DATA, [{ alias: 2n, intValue: 5 }]))
    assert.ok(up(DATA, [{ alias: 1n, intValue: 5 }]))
    // Another connection knows nothing of it.
    assert.not(open(version, formed(100)).up(DATA, [{ alias: 1n, intValue: 5 }]))
  })

  test(`${v}: a birth that a rule without form lets pass is held and heard too (F9)`, () => {
    const rules = [{ ...PLAIN[0]!, topics: ["spBv1.0/g/NBIRTH/s1"] }, ...formed(100)]
    const { up, slowly } = open(version, rules)
    assert.ok(slowly(BIRTH, [speed(1n, 999)]))
    assert.ok(up(DATA, [{ alias: 1n, intValue: 100 }]))
  })

  test(`${v}: [CR 3.5] a birth sent again under its identifier may say another thing: neither is believed (F9)`, () => {
    for (const qos of [1, 2] as const) {
      const { up } = open(version, formed(100))
      assert.ok(up(BIRTH, [speed(1n, 0)], { qos, messageId: 7 }))
      assert.ok(up(DATA, [{ alias: 1n, intValue: 5 }]))
      assert.ok(up(BIRTH, [speed(2n, 0)], { qos, messageId: 7, dup: true }))
      assert.not(up(DATA, [{ alias: 1n, intValue: 5 }]))
      assert.not(up(DATA, [{ alias: 2n, intValue: 5 }]))
      assert.ok(up(BIRTH, [speed(2n, 0)], { qos, messageId: 8 }))
      assert.ok(up(DATA, [{ alias: 2n, intValue: 5 }]))
    }
  })

  test(`${v}: a new policy judges by the names that births gave under the old one; one without forms forgets them (F10)`, () => {
    const { up, swap } = open(version, formed(100))
    assert.ok(up(BIRTH, [speed(1n, 0)]))
    swap(formed(50))
    assert.ok(up(DATA, [{ alias: 1n, intValue: 50 }]))
    assert.not(up(DATA, [{ alias: 1n, intValue: 51 }]))
    swap(PLAIN)
    assert.ok(up(BIRTH, [{ ...speed(1n, 0), name: "Torque" }]))
    swap(formed(100))
    assert.not(up(DATA, [{ alias: 1n, intValue: 5 }]), "what passed unheard may mean anything")
    assert.ok(up(BIRTH, [speed(1n, 0)]))
    assert.ok(up(DATA, [{ alias: 1n, intValue: 5 }]))
  })
}

test("5: a birth under a topic alias is heard by the topic that its sender means (F9)", () => {
  const named = { properties: { topicAlias: 1 } }
  const other = new Rig({ version: 5, admit: (facts) => judgeOf(formed(100), facts) }).open({}, { properties: { topicAliasMaximum: 4 } }) // prettier-ignore
  const say = (topic: string, metrics: readonly PlainMetric[], more: object): number => {
    other.client(bytesOf(publishPacket(topic, { payload: Buffer.from(encodePayload({ metrics })), ...more }), 5))
    return other.takeUpstream().length
  }
  // Refused as a birth, the alias is learnt all the same by the one who sent it.
  assert.is(say(BIRTH, [speed(1n, 101)], named), 0)
  assert.is(say("", [speed(1n, 0)], named), 1)
  assert.is(say(DATA, [{ alias: 1n, intValue: 100 }], {}), 1)
  assert.is(say(DATA, [{ alias: 1n, intValue: 101 }], {}), 0)
})

test.run()
