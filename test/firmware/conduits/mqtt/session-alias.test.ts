import { suite } from "uvu"
import * as assert from "uvu/assert"
import { ack, bytesOf, concat, packetsOf, publishPacket, Rig, type RigOptions } from "./rig.ts"
import { seeded } from "../../../support/hostile.ts"

const test = suite("firmware/conduits/mqtt/session: topic aliases (MQTT 5)")

const MAXIMUM = { properties: { topicAliasMaximum: 10 } }

function open(options: RigOptions = {}): Rig {
  return new Rig({ version: 5, ...options }).open(MAXIMUM, MAXIMUM)
}

function aliased(topic: string, topicAlias: number, more: Record<string, unknown> = {}): Record<string, unknown> {
  return publishPacket(topic, {
    ...more,
    properties: { topicAlias, ...(more["properties"] ?? {}) },
  })
}

/** Both directions by one test: who sends, and what arrives. */
const DIRECTIONS = [
  {
    name: "client to broker",
    actions: ["publish", "topic-up"],
    fault: "protocol-client",
    send: (rig: Rig, packet: unknown) => rig.client(packet),
    arrived: (rig: Rig) => rig.takeUpstream(),
    told: (rig: Rig) => rig.takeClient(),
  },
  {
    name: "broker to client",
    actions: ["receive", "topic-down"],
    fault: "protocol-broker",
    send: (rig: Rig, packet: unknown) => rig.broker(packet),
    arrived: (rig: Rig) => rig.takeClient(),
    told: (rig: Rig) => rig.takeUpstream(),
  },
] as const

for (const { name, actions, fault, send, arrived, told } of DIRECTIONS) {
  test(`${name}: an alias alone is judged by its topic and passes as it is (A1 A3)`, () => {
    const rig = open()
    send(rig, aliased("a/b", 3, { retain: true, payload: "12345" }))
    const alone = aliased("", 3, { qos: 1, messageId: 4, payload: "123" })
    send(rig, alone)
    assert.equal(rig.asked, [
      { action: actions[0], topic: "a/b", qos: 0, retain: true, payloadBytes: 5 },
      { action: actions[1], topic: "a/b", qos: 1, retain: false, payloadBytes: 3 },
    ])
    assert.equal(arrived(rig)[1], packetsOf(bytesOf(alone, 5), 5)[0])
    assert.is(rig.writes.length, 1)
  })

  test(`${name}: [NDR 5.2] an alias that was set again by a denied message does not deliver to its old topic (A2)`, () => {
    const rig = open()
    send(rig, aliased("a", 1, { payload: "one" }))
    send(rig, aliased("secret", 1, { payload: "two" }))
    send(rig, aliased("", 1, { payload: "three", qos: 1, messageId: 9 }))
    assert.equal(
      arrived(rig).map((packet) => packet.payload),
      ["one"],
    )
    assert.is(rig.denied.length, 2)
    assert.equal(
      told(rig).map((packet) => packet.cmd),
      ["puback"],
    )
  })

  test(`${name}: where the tables differ the topic is written out, and they agree again (A4)`, () => {
    const rig = open()
    send(rig, aliased("b", 1))
    send(rig, aliased("a", 1))
    send(rig, aliased("later", 2))
    arrived(rig)
    // Set by a denied message, allowed by the next policy: the receiver has to hear of it.
    rig.rejudge(({ topic }) => (topic === "hidden" || topic === "hidden2" ? 1 : 0))
    send(rig, aliased("hidden", 1, { payload: "1" }))
    send(rig, aliased("hidden2", 3, { payload: "2" }))
    rig.rejudge(() => 0)
    const properties = { contentType: "t", userProperties: { k: "v" }, correlationData: Buffer.from("c") }
    send(rig, aliased("", 1, { payload: "3", qos: 2, messageId: 300, retain: true, properties }))
    send(rig, aliased("", 1, { payload: "4" }))
    send(rig, aliased("", 3, { payload: Buffer.alloc(120, "5") }))
    send(rig, aliased("", 2, { payload: "6" }))
    const found = arrived(rig)
    assert.equal(
      found.map((packet) => `${packet.topic} ${packet.properties.topicAlias} ${packet.payload.slice(0, 1)}`),
      ["hidden 1 3", " 1 4", "hidden2 3 5", " 2 6"],
    )
    const whole = publishPacket("hidden", { payload: "3", qos: 2, messageId: 300, retain: true })
    const expected = { ...whole, properties: { topicAlias: 1, ...properties } }
    assert.equal(found[0], packetsOf(bytesOf(expected, 5), 5)[0])
  })

  test(`${name}: an alias that is 0 or too high, or was never set, is an error (A5 A6)`, () => {
    for (const [packet, code, reason] of [
      [aliased("a", 11), "ERR_MQTT_TOPIC_ALIAS", 0x94],
      [aliased("", 2), "ERR_MQTT_TOPIC_ALIAS_UNKNOWN", 0x82],
      [aliasZero(), "ERR_MQTT_TOPIC_ALIAS", 0x94],
      [Uint8Array.of(0x30, 3, 0, 0, 0), "ERR_MQTT_TOPIC_NAME", 0x82],
    ] as const) {
      const rig = open()
      send(rig, packet)
      assert.is(rig.closed, `${fault} ${code}`)
      assert.equal(told(rig), [{ cmd: "disconnect", reasonCode: reason }])
      assert.equal(arrived(rig), name === "broker to client" ? [{ cmd: "disconnect", reasonCode: 0x80 }] : [])
    }
  })

  test(`${name}: a topic that cannot be written out within the receiver's maximum is denied (A7)`, () => {
    const small = { properties: { topicAliasMaximum: 10, maximumPacketSize: 200 } }
    const rig = new Rig({ version: 5 }).open(small, small)
    const topic = "hidden/".padEnd(100, "x")
    rig.rejudge(() => 1)
    send(rig, aliased(topic, 1))
    rig.rejudge(() => 0)
    rig.denied.length = 0
    // 2 fixed + 2 topic length + 2 id + 4 properties + payload, and 100 for the topic.
    send(rig, aliased("", 1, { qos: 1, messageId: 4, payload: Buffer.alloc(91) }))
    assert.equal(arrived(rig), [])
    assert.equal(
      rig.denied.map((line) => line.split(" ").at(-1)),
      ["payload-size"],
    )
    assert.is(told(rig)[0].cmd, "puback")
    send(rig, aliased("", 1, { qos: 1, messageId: 4, payload: Buffer.alloc(89) }))
    assert.is(arrived(rig)[0].topic, topic)
    assert.is(bytesOf(aliased(topic, 1, { qos: 1, messageId: 4, payload: Buffer.alloc(89) }), 5).length, 200)
  })

  test(`${name}: the topics that aliases stand for are bounded (A8)`, () => {
    const rig = open({ limits: { maxControlBytes: 400 } })
    for (let alias = 1; rig.closed === null && alias <= 10; alias++) send(rig, aliased("t".repeat(90), alias))
    assert.is(rig.closed, "limit ERR_MQTT_QUOTA")
    assert.equal(told(rig).at(-1), { cmd: "disconnect", reasonCode: 0x97 })
    assert.ok(rig.session.heldBytes < 1000)
    const again = open({ limits: { maxControlBytes: 400 } })
    for (let i = 0; i < 50; i++) send(again, aliased(`${i}`.padEnd(90, "t"), 1))
    assert.is(again.closed, null, "setting one again replaces its topic")
  })

  test(`${name}: random histories: the receiver always resolves an alias to the topic that was judged`, () => {
    const random = seeded(7)
    for (let round = 0; round < 40; round++) {
      const rig = open()
      const meant = new Map<number, string>()
      const held = new Map<number, string>()
      const chunk: Uint8Array[] = []
      const expected: string[] = []
      for (let i = 0; i < 60; i++) {
        const alias = 1 + Math.floor(random() * 3)
        const topic = ["a", "b", "secret1", "secret2", "long/".repeat(10)][Math.floor(random() * 5)]!
        const named = random() < 0.5 || !meant.has(alias)
        if (named) meant.set(alias, topic)
        if (!meant.get(alias)!.startsWith("secret")) expected.push(`${meant.get(alias)!} ${i}`)
        chunk.push(bytesOf(aliased(named ? topic : "", alias, { payload: `${i}` }), 5))
      }
      send(rig, concat(chunk))
      const seen = arrived(rig).map((packet) => {
        const alias = packet.properties.topicAlias as number
        if (packet.topic !== "") held.set(alias, packet.topic as string)
        return `${held.get(alias)!} ${packet.payload as string}`
      })
      assert.equal(seen, expected)
    }
  })
}

function aliasZero(): Uint8Array {
  return Uint8Array.of(0x30, 7, 0, 1, 0x61, 3, 0x23, 0, 0)
}

test("the maximum is the smaller of the peer's and ours, 0 if the peer names none", () => {
  const rig = new Rig({ version: 5, limits: { maxTopicAliases: 2 } }).open(MAXIMUM, MAXIMUM)
  rig.client(aliased("a", 2)).broker(aliased("a", 2))
  assert.is(rig.closed, null)
  rig.client(aliased("a", 3))
  assert.is(rig.closed, "protocol-client ERR_MQTT_TOPIC_ALIAS")
  const none = new Rig({ version: 5 }).open(MAXIMUM, {}).client(aliased("a", 1))
  assert.is(none.closed, "protocol-client ERR_MQTT_TOPIC_ALIAS")
})

test("a payload streams behind a rewritten header", () => {
  const rig = open().rejudge(() => 1)
  rig.client(aliased("hidden", 1))
  rig.rejudge(() => 0)
  const payload = Buffer.alloc(300_000, "payload ")
  const bytes = bytesOf(aliased("", 1, { payload, qos: 1, messageId: 7 }), 5)
  for (let at = 0; at < bytes.length; at += 1000) {
    rig.client(bytes.subarray(at, at + 1000))
    assert.ok(rig.session.heldBytes < 2000)
  }
  const [packet] = rig.takeUpstream()
  assert.is(packet.topic, "hidden")
  assert.is(packet.payload, payload.toString("latin1"))
  rig.broker(ack("puback", 7, 5))
  assert.equal(rig.takeClient(), [ack("puback", 7, 5)])
})

test.run()
