import fc from "fast-check"
import mqtt from "mqtt-packet"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import { decide, decideTopic } from "../../../policy/filter/decide.ts"
import { REASON, reasonName, type Verdict } from "../../../policy/filter/verdict.ts"
import { say, stateFor } from "../../support/filter-peers.ts"
import { bitFlips, randomBytes, seeded, truncations } from "../../support/hostile.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"

const test = suite("policy/filter packets")
const compiled = compilePolicy(
  makePolicy([
    makeRule({ id: "small", topics: ["plant/+/temperature"], maxPayloadBytes: 100, maxQos: 1, retain: false }),
    makeRule({ id: "no", topics: ["plant/secret/#"], effect: "deny" }),
  ]),
)
const { table } = compiled
const states = { 4: stateFor(compiled, { version: 4 }), 5: stateFor(compiled, { version: 5 }) }

interface Publish {
  readonly version: 4 | 5
  readonly topic: string
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly payloadBytes: number
  readonly properties?: object
}

/** Encoded by mqtt-packet, so that the parser is not tested against its own author alone. */
function encode({ version, topic, qos, retain, payloadBytes, properties }: Publish): Uint8Array {
  const packet = { cmd: "publish", topic, payload: Buffer.alloc(payloadBytes, 0x2f), qos, retain, dup: false } as const
  const more = version === 5 && properties !== undefined ? { properties } : {}
  return Uint8Array.from(mqtt.generate({ ...packet, messageId: 4711, ...more }, { protocolVersion: version }))
}

/** The verdict on `packet` where it stands between other bytes. */
function judge(packet: Uint8Array, version: 4 | 5, end = packet.length): Verdict {
  const buffer = new Uint8Array(packet.length + 11).fill(0x32)
  buffer.set(packet, 5)
  return decide(table, states[version], buffer, 5, 5 + end, 0)
}

const PROPERTIES = {
  payloadFormatIndicator: true,
  messageExpiryInterval: 60,
  responseTopic: "r",
  correlationData: Buffer.from("1234"),
  userProperties: { a: "b", c: "d".repeat(200) },
  contentType: "text/plain",
}
const plain: Publish = { version: 4, topic: "plant/line-3/temperature", qos: 1, retain: false, payloadBytes: 20 }

test("[NDR 5.2] every field of a PUBLISH is read from its place, in 3.1.1 and 5", () => {
  const cases: readonly (readonly [Partial<Publish>, string])[] = [
    [{}, "allowed small"],
    [{ qos: 0 }, "allowed small"],
    [{ qos: 2 }, "qos small"],
    [{ retain: true }, "retain small"],
    [{ payloadBytes: 100 }, "allowed small"],
    [{ payloadBytes: 101 }, "payload-size small"],
    [{ qos: 0, payloadBytes: 101 }, "payload-size small"],
    [{ payloadBytes: 0 }, "allowed small"],
    [{ payloadBytes: 3_000_000 }, "payload-size small"],
    [{ topic: "plant/secret/temperature" }, "deny-rule no"],
    [{ topic: "plant/line-3/pressure" }, "no-rule"],
    [{ topic: "lockgate/x" }, "reserved"],
  ]
  for (const [over, expected] of cases) {
    for (const version of [4, 5] as const) {
      for (const properties of [undefined, { messageExpiryInterval: 1 }, PROPERTIES]) {
        const publish = { ...plain, ...over, version, ...(properties === undefined ? {} : { properties }) }
        assert.is(say(compiled, judge(encode(publish), version)), expected, JSON.stringify(publish))
      }
    }
  }
})

test("[CR 3.5] with fewer bytes in hand the verdict is bad-topic until the variable header is there, and then the whole's", () => {
  for (const version of [4, 5] as const) {
    for (const qos of [0, 1] as const) {
      const properties = { messageExpiryInterval: 60, contentType: "x".repeat(140) }
      const packet = encode({ ...plain, version, qos, properties, payloadBytes: 90 })
      const whole = judge(packet, version)
      assert.is(say(compiled, whole), "allowed small")
      const topicEnd = Buffer.from(packet).indexOf("temperature") + "temperature".length
      const need = topicEnd + (qos === 0 ? 0 : 2) + (version === 5 ? 2 : 0)
      for (let end = 0; end <= packet.length; end++) {
        const verdict = judge(packet, version, end)
        assert.is(
          verdict,
          end < need ? REASON["bad-topic"] : whole,
          `version ${version} qos ${qos} end ${end} of ${need}`,
        )
        // The same where there is nothing behind.
        assert.is(decide(table, states[version], packet.slice(0, end), 0, end, 0), verdict)
      }
    }
  }
})

test("[CR 3.5] lengths that contradict each other are bad-topic", () => {
  const topic = [...new TextEncoder().encode("plant/a/temperature")]
  const cases: readonly (readonly [string, 4 | 5, readonly number[]])[] = [
    ["not a PUBLISH", 4, [0x20, 2 + 19, 0, 19, ...topic]],
    ["QoS 3", 4, [0x36, 4 + 19, 0, 19, ...topic, 0, 1]],
    ["topic longer than the packet", 4, [0x30, 2 + 19, 0, 20, ...topic, 0x61]],
    ["no room for the packet id", 4, [0x32, 2 + 19, 0, 19, ...topic, 0, 1]],
    ["no room for the topic's length", 4, [0x30, 1, 0, 19, ...topic]],
    ["empty packet", 4, [0x30, 0, 0, 19, ...topic]],
    ["empty topic", 4, [0x30, 2, 0, 0]],
    ["empty topic with an alias", 5, [0x30, 6, 0, 0, 3, 0x23, 0, 1]],
    ["no room for properties", 5, [0x30, 2 + 19, 0, 19, ...topic, 0]],
    ["properties longer than the packet", 5, [0x30, 2 + 19 + 2, 0, 19, ...topic, 2, 1]],
    ["remaining length of five bytes", 4, [0x30, 0x95, 0x80, 0x80, 0x80, 0x00, 0, 19, ...topic]],
    ["property length of five bytes", 5, [0x30, 2 + 19 + 6, 0, 19, ...topic, 0x80, 0x80, 0x80, 0x80, 0, 1]],
  ]
  for (const [name, version, list] of cases) {
    assert.is(reasonName(judge(Uint8Array.from(list), version)), "bad-topic", name)
  }
  // The borderline cases beside them.
  assert.is(say(compiled, judge(Uint8Array.from([0x30, 2 + 19, 0, 19, ...topic]), 4)), "allowed small")
  assert.is(say(compiled, judge(Uint8Array.from([0x30, 0x95, 0x80, 0x80, 0x00, 0, 19, ...topic]), 4)), "allowed small")
  assert.is(say(compiled, judge(Uint8Array.from([0x30, 2 + 19 + 2, 0, 19, ...topic, 1, 1]), 5)), "allowed small")
  const packet = Uint8Array.from([0x30, 2 + 19, 0, 19, ...topic])
  assert.is(reasonName(decide(table, states[4], packet, -1, packet.length, 0)), "bad-topic")
  assert.is(reasonName(decide(table, states[4], packet, 0, packet.length + 1, 0)), "bad-topic")
  assert.is(reasonName(decideTopic(table, states[4], packet, 4, packet.length + 1, 0, 0, 0)), "bad-topic")
})

test("[CR 3.5] truncated, bent and random packets never throw, and what is allowed has an allowed topic", () => {
  const packets = [
    encode(plain),
    encode({ ...plain, version: 5, properties: PROPERTIES }),
    encode({ ...plain, qos: 0, payloadBytes: 200 }),
  ]
  let allowed = 0
  const check = (bytes: Uint8Array, version: 4 | 5): void => {
    const verdict = decide(table, states[version], bytes, 0, bytes.length, 0)
    if (reasonName(verdict) !== "allowed") return
    allowed++
    assert.match(Buffer.from(bytes).toString("latin1"), /plant\/[^/+#]*\/temperature/)
  }
  for (const packet of packets) {
    for (const version of [4, 5] as const) {
      for (const bytes of truncations(packet)) check(bytes, version)
      for (const bytes of bitFlips(packet)) check(bytes, version)
    }
  }
  assert.ok(allowed > 500, `${allowed}`)
  const random = seeded(3)
  for (let round = 0; round < 20_000; round++) {
    const bytes = randomBytes(Math.floor(random() * 40), random)
    if (bytes.length > 1 && random() < 0.8) bytes.set([0x30 | (bytes[0]! & 7), bytes.length - 2])
    check(bytes, random() < 0.5 ? 4 : 5)
  }
})

test("a packet is judged as its parts are, wherever it stands", () => {
  const word = fc.constantFrom("plant", "secret", "temperature", "a", "", "é", "$x")
  const publish = fc.record({
    version: fc.constantFrom(4 as const, 5 as const),
    topic: fc.array(word, { minLength: 1, maxLength: 5 }).map((words) => words.join("/")),
    qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
    retain: fc.boolean(),
    payloadBytes: fc.constantFrom(0, 1, 99, 100, 101, 20_000),
    properties: fc.constantFrom({}, { contentType: "x" }, PROPERTIES),
  })
  fc.assert(
    fc.property(publish, (message) => {
      const topic = new TextEncoder().encode(message.topic)
      if (topic.length === 0) return
      const flags = (message.qos << 1) | Number(message.retain)
      const state = states[message.version]
      const expected = decideTopic(table, state, topic, 0, topic.length, flags, message.payloadBytes, 0)
      assert.is(judge(encode(message), message.version), expected)
    }),
    { numRuns: 500 },
  )
})

test.run()
