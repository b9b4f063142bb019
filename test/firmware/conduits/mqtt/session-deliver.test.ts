import { suite } from "uvu"
import * as assert from "uvu/assert"
import { ack, bytesOf, concat, no, publishPacket, Rig, VERSIONS } from "./rig.ts"

const test = suite("firmware/conduits/mqtt/session: PUBLISH of the broker")

const deny = (): number => no()

for (const version of VERSIONS) {
  const v = version === 4 ? "3.1.1" : "5"

  test(`${v}: [NDR 5.2] allowed deliveries pass byte for byte, denied ones leave no trace (D1 D2)`, () => {
    const rig = new Rig({ version }).open()
    const before = rig.clientBytes().length
    const props = version === 5 ? { properties: { subscriptionIdentifier: [1, 300] } } : {}
    const allowed = [
      bytesOf(publishPacket("a/b", { retain: true, ...props }), version),
      bytesOf(publishPacket("a/c", { qos: 1, messageId: 1, payload: Buffer.alloc(300, 7) }), version),
      bytesOf(publishPacket("a/d", { qos: 2, messageId: 2, dup: true }), version),
    ]
    const secret = bytesOf(publishPacket("secret/1", { payload: "never" }), version)
    rig.broker(concat([secret, allowed[0]!, secret, allowed[1]!, allowed[2]!, secret]))
    assert.equal(rig.clientBytes().subarray(before), concat(allowed))
    assert.is(rig.writes.length, 1, "one write a chunk")
    assert.equal(rig.denied, Array(3).fill("receive secret/1 no-rule"))
    assert.equal(rig.messages, { up: 0, down: 3 })
    assert.equal(
      rig.asked.map((asked) => asked.action),
      Array(6).fill("receive"),
    )
    assert.equal(rig.takeUpstream(), [])
  })

  test(`${v}: a denied delivery is taken as received towards the broker (D3 D4)`, () => {
    const rig = new Rig({ version }).open()
    rig.broker(publishPacket("secret", { qos: 1, messageId: 5 }), publishPacket("secret", { qos: 2, messageId: 6 }))
    assert.equal(rig.takeUpstream(), [ack("puback", 5, version), ack("pubrec", 6, version)])
    rig.broker(ack("pubrel", 6, version))
    assert.equal(rig.takeUpstream(), [ack("pubcomp", 6, version)])
    assert.equal(rig.takeClient(), [])
    assert.is(rig.denied.length, 2)
    // The identifier is the broker's to use again.
    rig.broker(publishPacket("a", { qos: 2, messageId: 6 }), ack("pubrel", 6, version))
    assert.is(rig.takeClient().length, 2)
  })

  test(`${v}: a denied delivery that is sent again stays denied (D5)`, () => {
    const rig = new Rig({ version }).open()
    const message = { qos: 2, messageId: 6 }
    rig.broker(publishPacket("secret", message)).rejudge(() => 0)
    rig.broker(publishPacket("secret", { ...message, dup: true }), ack("pubrel", 6, version))
    assert.equal(
      rig.takeUpstream().map((packet) => packet.cmd),
      ["pubrec", "pubrec", "pubcomp"],
    )
    assert.equal(rig.takeClient(), [])
    rig.broker(publishPacket("a", message), publishPacket("b", message))
    assert.is(rig.closed, null)
    const early = new Rig({ version }).open().broker(publishPacket("secret", message), publishPacket("a", message))
    assert.is(early.closed, "protocol-broker ERR_MQTT_PACKET_ID_IN_USE")
  })

  test(`${v}: a delivery sent again while the client has it is dropped without a second answer (D6)`, () => {
    const rig = new Rig({ version }).open()
    const messages = [1, 2].map((qos) => ({ qos, messageId: 10 + qos }))
    for (const message of messages) rig.broker(publishPacket("a", message))
    rig.rejudge(deny)
    for (const message of messages) rig.broker(publishPacket("a", { ...message, dup: true }))
    assert.is(rig.takeClient().length, 2)
    assert.equal(rig.takeUpstream(), [])
    rig.client(ack("puback", 11, version), ack("pubrec", 12, version))
    assert.equal(rig.takeUpstream(), [ack("puback", 11, version), ack("pubrec", 12, version)])
    // Once answered the id is free, and a denial is ours to answer.
    rig.broker(publishPacket("a", { qos: 1, messageId: 11 }))
    assert.equal(rig.takeUpstream(), [ack("puback", 11, version)])
  })

  test(`${v}: a client cannot answer for a message that it was not given (D7)`, () => {
    const rig = new Rig({ version }).open().broker(publishPacket("secret", { qos: 2, messageId: 6 }))
    rig.takeUpstream()
    rig.client(ack("puback", 6, version), ack("pubrec", 6, version), ack("pubcomp", 6, version))
    assert.equal(rig.takeUpstream(), [])
    rig.broker(ack("pubrel", 6, version))
    assert.equal(rig.takeUpstream(), [ack("pubcomp", 6, version)])
  })

  test(`${v}: PUBREL and PUBCOMP of a delivery follow the flow that was recorded (D8)`, () => {
    const rig = new Rig({ version }).open()
    rig
      .broker(publishPacket("a", { qos: 2, messageId: 7 }))
      .client(ack("pubrec", 7, version))
      .rejudge(deny)
    rig.broker(ack("pubrel", 7, version)).client(ack("pubcomp", 7, version))
    assert.equal(
      rig.takeClient().map((packet) => packet.cmd),
      ["publish", "pubrel"],
    )
    assert.equal(rig.takeUpstream(), [ack("pubrec", 7, version), ack("pubcomp", 7, version)])
  })

  test(`${v}: the identifiers of the two directions are not mixed up`, () => {
    const rig = new Rig({ version }).open()
    rig.client(publishPacket("secret", { qos: 2, messageId: 6 })).broker(publishPacket("a", { qos: 2, messageId: 6 }))
    rig
      .client(ack("pubrec", 6, version))
      .broker(ack("pubrel", 6, version))
      .client(ack("pubrel", 6, version))
    assert.equal(rig.takeUpstream(), [ack("pubrec", 6, version)])
    assert.equal(
      rig.takeClient().map((packet) => packet.cmd),
      ["pubrec", "publish", "pubrel", "pubcomp"],
    )
  })
}

test.run()
