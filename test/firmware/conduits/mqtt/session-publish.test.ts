import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { Reason } from "../../../../policy/filter/verdict.ts"
import { ack, ALLOWED, bytesOf, concat, no, publishPacket, Rig, SECRETS, VERSIONS } from "./rig.ts"

const test = suite("firmware/conduits/mqtt/session: PUBLISH of the client")

const deny = (): number => no()
const allow = (): number => ALLOWED

for (const version of VERSIONS) {
  const v = version === 4 ? "3.1.1" : "5"

  test(`${v}: [NDR 5.2] allowed messages pass byte for byte, denied ones leave no trace (U1 U2)`, () => {
    const rig = new Rig({ version }).open()
    const before = rig.upstreamBytes().length
    const props = version === 5 ? { properties: { contentType: "t", userProperties: { a: "b" } } } : {}
    const allowed = [
      bytesOf(publishPacket("a/b", { payload: "zero", ...props }), version),
      bytesOf(publishPacket("a/c", { qos: 1, messageId: 1, retain: true, payload: Buffer.alloc(300, 7) }), version),
      bytesOf(publishPacket("a/ü/\u{1F600}", { qos: 2, messageId: 2, payload: "" }), version),
    ]
    const secret = bytesOf(publishPacket("secret/1", { payload: "never" }), version)
    rig.client(concat([allowed[0]!, secret, allowed[1]!, secret, secret, allowed[2]!]))
    assert.equal(rig.upstreamBytes().subarray(before), concat(allowed))
    assert.is(rig.writes.length, 1, "one write a chunk")
    assert.equal(rig.denied, Array(3).fill("publish secret/1 no-rule"))
    assert.equal(rig.takeClient(), [])
    assert.equal(rig.messages, { up: 3, down: 0 })
    const [, , third] = rig.asked.filter((asked) => asked.topic.startsWith("a/"))
    assert.equal(third, { action: "publish", topic: "a/ü/\u{1F600}", qos: 2, retain: false, payloadBytes: 0 })
  })

  test(`${v}: the broker's answers to allowed messages pass`, () => {
    const rig = new Rig({ version }).open()
    rig.client(publishPacket("a", { qos: 1, messageId: 5 }), publishPacket("a", { qos: 2, messageId: 6 }))
    rig.broker(ack("puback", 5, version), ack("pubrec", 6, version))
    assert.equal(rig.takeClient(), [ack("puback", 5, version), ack("pubrec", 6, version)])
    rig.client(ack("pubrel", 6, version)).broker(ack("pubcomp", 6, version))
    assert.equal(rig.takeUpstream().at(-1), ack("pubrel", 6, version))
    assert.equal(rig.takeClient(), [ack("pubcomp", 6, version)])
  })

  test(`${v}: an id that was refused is the broker's again when it is used for an allowed message (U9)`, () => {
    const rig = new Rig({ version }).open()
    rig.client(publishPacket("secret", { qos: 2, messageId: 5 }), ack("pubrel", 5, version))
    rig.takeClient()
    rig.client(publishPacket("a", { qos: 2, messageId: 5 })).broker(ack("pubrec", 5, version))
    rig.client(ack("pubrel", 5, version)).broker(ack("pubcomp", 5, version))
    assert.equal(
      rig.takeUpstream().map((packet) => packet.cmd),
      ["publish", "pubrel"],
    )
    assert.equal(rig.takeClient(), [ack("pubrec", 5, version), ack("pubcomp", 5, version)])
    rig.client(publishPacket("secret", { qos: 1, messageId: 6 }), publishPacket("a", { qos: 1, messageId: 6 }))
    rig.broker(ack("puback", 6, version))
    assert.is(rig.takeUpstream().length, 1)
    assert.is(rig.takeClient().length, 2)
  })

  test(`${v}: a message sent again while the broker has it passes, or is dropped without a second answer (U10 U11)`, () => {
    const rig = new Rig({ version }).open()
    const messages = [1, 2].map((qos) => ({ qos, messageId: 10 + qos }))
    for (const message of messages) rig.client(publishPacket("a", message))
    for (const message of messages) rig.client(publishPacket("a", { ...message, dup: true }))
    assert.is(rig.takeUpstream().length, 4)
    rig.rejudge(deny)
    for (const message of messages) rig.client(publishPacket("a", { ...message, dup: true }))
    assert.equal(rig.takeUpstream(), [])
    assert.equal(rig.takeClient(), [])
    assert.equal(rig.denied, ["publish a no-rule", "publish a no-rule"])
    rig.broker(ack("puback", 11, version), ack("pubrec", 12, version))
    assert.is(rig.takeClient().length, 2)
    // Once answered the id is free, and a refusal is ours to answer.
    rig.client(publishPacket("a", { qos: 1, messageId: 11 }))
    assert.is(rig.takeClient()[0].cmd, "puback")
  })

  test(`${v}: PUBREL and PUBCOMP follow the flow that was recorded, not the new policy (U14)`, () => {
    const rig = new Rig({ version }).open()
    rig.client(publishPacket("a", { qos: 2, messageId: 7 })).broker(ack("pubrec", 7, version))
    rig.rejudge(deny)
    rig.client(ack("pubrel", 7, version)).broker(ack("pubcomp", 7, version))
    assert.equal(
      rig.takeUpstream().map((packet) => packet.cmd),
      ["publish", "pubrel"],
    )
    assert.equal(rig.takeClient().at(-1), ack("pubcomp", 7, version))
    // And the other way round: what was refused stays refused for its PUBREL.
    rig
      .client(publishPacket("a", { qos: 2, messageId: 8 }))
      .rejudge(allow)
      .client(ack("pubrel", 8, version))
    assert.equal(rig.takeUpstream(), [])
    assert.equal(
      rig.takeClient().map((packet) => packet.cmd),
      ["pubrec", "pubcomp"],
    )
  })

  test(`${v}: a PUBREL of a flow from an earlier connection passes`, () => {
    const rig = new Rig({ version }).open().client(ack("pubrel", 99, version))
    assert.equal(rig.takeUpstream(), [ack("pubrel", 99, version)])
  })

  test(`${v}: every identifier keeps its own state`, () => {
    const rig = new Rig({ version, limits: { maxControlBytes: 1_000_000 } }).open()
    const ids = [1, 2, 3, 4, 255, 256, 1023, 1024, 1025, 65534, 65535]
    for (const messageId of ids) rig.client(publishPacket(messageId % 2 ? "secret" : "a", { qos: 2, messageId }))
    rig.takeUpstream()
    for (const messageId of ids) rig.client(ack("pubrel", messageId, version))
    assert.equal(
      rig.takeUpstream().map((packet) => packet.messageId),
      ids.filter((id) => id % 2 === 0),
    )
  })
}

test("3.1.1: a refused QoS 1 or 2 message is acknowledged and lost (U3 U4)", () => {
  const rig = new Rig({ version: 4 }).open()
  rig.client(publishPacket("secret", { qos: 1, messageId: 5 }), publishPacket("secret", { qos: 2, messageId: 6 }))
  assert.equal(rig.takeClient(), [ack("puback", 5, 4), ack("pubrec", 6, 4)])
  rig.client(ack("pubrel", 6, 4), ack("pubrel", 6, 4))
  assert.equal(rig.takeClient(), [ack("pubcomp", 6, 4), ack("pubcomp", 6, 4)])
  assert.equal(rig.takeUpstream(), [])
  assert.is(rig.denied.length, 2)
  assert.is(rig.messages.up, 0)
})

test("3.1.1: on-deny: close ends the connection at a refused QoS 1 or 2 message, not at QoS 0 (U5)", () => {
  for (const qos of [1, 2]) {
    const rig = new Rig({ version: 4, onDeny: "close" }).open()
    rig.client(publishPacket("secret"))
    assert.is(rig.closed, null)
    const chunk = [publishPacket("a"), publishPacket("secret", { qos, messageId: 5 }), publishPacket("b")]
    rig.client(concat(chunk.map((packet) => bytesOf(packet, 4))))
    assert.is(rig.closed, "denied ERR_MQTT_DENIED")
    assert.equal(
      rig.takeUpstream().map((packet) => packet.topic),
      ["a"],
    )
    assert.equal(rig.takeClient(), [])
  }
  const rig = new Rig({ version: 5, onDeny: "close" }).open().client(publishPacket("secret", { qos: 1, messageId: 1 }))
  assert.is(rig.closed, null, "MQTT 5 has words for it")
})

test("3.1.1: a message sent again after our PUBREC stays refused, whatever the policy says by then (U12)", () => {
  const rig = new Rig({ version: 4 }).open()
  const message = { qos: 2, messageId: 6 }
  rig.client(publishPacket("secret", message), publishPacket("secret", { ...message, dup: true })).rejudge(allow)
  rig.client(publishPacket("secret", { ...message, dup: true }))
  assert.equal(rig.takeClient(), [ack("pubrec", 6, 4), ack("pubrec", 6, 4), ack("pubrec", 6, 4)])
  rig.client(ack("pubrel", 6, 4))
  assert.equal(rig.takeUpstream(), [])
})

test("3.1.1: an identifier that awaits its PUBREL cannot be used for another message (U13)", () => {
  for (const message of [
    { qos: 1, messageId: 6 },
    { qos: 2, messageId: 6 },
    { qos: 1, messageId: 6, dup: true },
  ]) {
    const rig = new Rig({ version: 4 }).open().client(publishPacket("secret", { qos: 2, messageId: 6 }))
    rig.takeClient()
    rig.client(publishPacket("a", message))
    assert.is(rig.closed, "protocol-client ERR_MQTT_PACKET_ID_IN_USE")
    assert.equal(rig.takeUpstream(), [])
  }
})

test("answers of the broker for an id that we answer for do not reach the client (U15)", () => {
  const rig = new Rig({ version: 4 }).open().client(publishPacket("secret", { qos: 2, messageId: 6 }))
  rig.takeClient()
  rig.broker(ack("puback", 6, 4), ack("pubrec", 6, 4), ack("pubcomp", 6, 4))
  assert.equal(rig.takeClient(), [])
  rig.client(ack("pubrel", 6, 4))
  assert.equal(rig.takeClient(), [ack("pubcomp", 6, 4)])
})

test("5: a refused QoS 1 message gets a PUBACK, a QoS 2 message a PUBREC with the code of its reason (U6 U7)", () => {
  const codes: Partial<Record<Reason, number>> = {
    "no-rule": 0x87,
    "deny-rule": 0x87,
    qos: 0x87,
    retain: 0x87,
    "payload-size": 0x97,
    rate: 0x97,
    reserved: 0x87,
    "bad-topic": 0x90,
    "not-contained": 0x87,
    "too-complex": 0x83,
  }
  for (const [reason, code] of Object.entries(codes)) {
    const rig = new Rig({ version: 5 }).open()
    const topic = `secret/reason=${reason}`
    rig.client(publishPacket(topic, { qos: 1, messageId: 5 }), publishPacket(topic, { qos: 2, messageId: 6 }))
    assert.equal(rig.takeClient(), [ack("puback", 5, 5, code), ack("pubrec", 6, 5, code)])
    assert.equal(rig.takeUpstream(), [])
    assert.equal(rig.denied, [`publish ${topic} ${reason}`, `publish ${topic} ${reason}`])
  }
})

test("5: a PUBREL for a refused id is answered 0x92 and never forwarded (U8)", () => {
  const rig = new Rig({ version: 5 }).open().client(publishPacket("secret", { qos: 2, messageId: 6 }))
  rig.takeClient()
  rig.client(ack("pubrel", 6, 5), ack("pubrel", 6, 5))
  assert.equal(rig.takeClient(), [ack("pubcomp", 6, 5, 0x92), ack("pubcomp", 6, 5, 0x92)])
  assert.equal(rig.takeUpstream(), [])
})

test("5: a flow that the broker refuses ends with its PUBREC", () => {
  const rig = new Rig({ version: 5 }).open().client(publishPacket("a", { qos: 2, messageId: 6 }))
  rig.broker(ack("pubrec", 6, 5, 0x97)).rejudge(deny)
  rig.client(publishPacket("a", { qos: 2, messageId: 6, dup: true }))
  assert.equal(
    rig.takeClient().map((packet) => packet.reasonCode),
    [0x97, 0x87],
  )
})

test("5: a client's message must not bear a subscription identifier (U16)", () => {
  const rig = new Rig({ version: 5 }).open()
  rig.client(publishPacket("a", { properties: { subscriptionIdentifier: 3 } }))
  assert.is(rig.closed, "protocol-client ERR_MQTT_PROPERTY")
  assert.equal(rig.takeClient(), [{ cmd: "disconnect", reasonCode: 0x81 }])
})

test("[CR 3.5] what is reported of a topic is cut and printable", () => {
  const rig = new Rig({ version: 4, rules: SECRETS }).open()
  rig.client(publishPacket("secret\n\u0001\u202e!"), publishPacket(`secret${"ä".repeat(300)}`))
  rig.client(publishPacket(`secret${"a".repeat(121)}\u{1F600}`))
  const objects = rig.denied.map((line) => line.split(" ")[1]!)
  assert.is(objects[0], "secret\ufffd\ufffd\ufffd!")
  assert.is(objects[1], `secret${"ä".repeat(122)}`)
  assert.is(objects[2], `secret${"a".repeat(121)}`, "no half of a character at the cut")
})

test.run()
