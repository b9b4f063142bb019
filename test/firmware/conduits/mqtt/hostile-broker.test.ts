import { suite } from "uvu"
import * as assert from "uvu/assert"
import { alias, join, packet, publish, pubrel, text, u16 } from "../../../support/mqtt-bytes.ts"
import { ack, connackPacket, connectPacket, Rig, VERSIONS } from "./rig.ts"

const test = suite("firmware/conduits/mqtt/session: a hostile broker")

const MARK = "must-not-come-through"
const SECRET = "secret/x"

/** Opened; the client takes five aliases. */
const opened = (version: 4 | 5, more: Record<string, unknown> = {}): Rig =>
  new Rig({ version }).open(version === 5 ? { properties: { topicAliasMaximum: 5, ...more } } : {})

/** The client was sent neither the mark nor anything of the secret topic. */
function unheard(rig: Rig): void {
  const heard = Buffer.from(rig.clientBytes())
  assert.is(heard.includes(MARK), false)
  assert.is(heard.includes("secret"), false)
}

for (const version of VERSIONS) {
  const v = version === 4 ? "3.1.1" : "5"

  test(`${v}: [NDR 5.2] a delivery that nobody may hear, at every QoS (B1)`, () => {
    for (const qos of [0, 1, 2]) {
      const rig = opened(version).broker(publish(version, SECRET, MARK, qos === 0 ? {} : { qos, packetId: 1 }))
      unheard(rig)
      assert.is(rig.closed, null)
    }
  })

  test(`${v}: [CR 3.5] a packet over what the gateway takes (B5)`, () => {
    const rig = new Rig({ version, limits: { maxPacketBytes: 200, maxControlBytes: 100 } }).open()
    rig.broker(publish(version, "a", MARK.repeat(20)))
    unheard(rig)
    assert.is(rig.closed, "limit ERR_MQTT_PACKET_TOO_LARGE")
  })

  test(`${v}: answers for what the gateway answers itself (B6)`, () => {
    const rig = opened(4).client(publish(4, SECRET, "", { qos: 2, packetId: 9 }))
    rig.takeClient()
    rig.broker(packet(0x40, u16(9)), packet(0x50, u16(9)), packet(0x70, u16(9)))
    assert.equal(rig.takeClient(), [])
  })

  test(`${v}: [CR 3.5] deliveries before the CONNACK (B7)`, () => {
    const rig = new Rig({ version }).client(connectPacket(version))
    rig.broker(publish(version, "a", MARK))
    unheard(rig)
    assert.is(rig.closed, "protocol-broker ERR_MQTT_PACKET_TYPE")
  })

  test(`${v}: [CR 3.5] a second CONNACK, and one that renames the client (B8)`, () => {
    const rig = opened(version).broker(connackPacket(version))
    assert.is(rig.closed, "protocol-broker ERR_MQTT_PACKET_TYPE")
    if (version === 4) return
    const named = new Rig({ version }).client(connectPacket(5))
    named.broker(connackPacket(5, { properties: { assignedClientIdentifier: MARK } }))
    unheard(named)
    assert.is(named.closed, "protocol-broker ERR_MQTT_CONNACK")
  })

  test(`${v}: [CR 3.5] a SUBACK that grants what never went up (B9)`, () => {
    const rig = opened(version)
    const subscriptions = [SECRET, "a"].map((topic) => ({ topic, qos: 0 }))
    rig.client({ cmd: "subscribe", messageId: 1, subscriptions })
    rig.broker(packet(0x90, u16(1), version === 5 ? [0] : [], [0, 0]))
    assert.is(rig.closed, "protocol-broker ERR_MQTT_SUBACK_COUNT")
    assert.is(rig.takeClient().filter((p) => p.cmd === "suback").length, 0)
  })

  test(`${v}: [CR 3.5] AUTH and what only a client says (B10)`, () => {
    for (const first of [0x10, 0x82, 0xa2, 0xc0, 0xf0, 0x00]) {
      const rig = opened(version).broker(packet(first, u16(1), text(SECRET), MARK))
      unheard(rig)
      assert.is(rig.closed, "protocol-broker ERR_MQTT_PACKET_TYPE")
    }
  })

  test(`${v}: [NDR 5.2] a denied delivery byte by byte (B11)`, () => {
    const rig = opened(version)
    for (const byte of publish(version, SECRET, MARK, { qos: 1, packetId: 3 })) rig.broker(Uint8Array.of(byte))
    unheard(rig)
    assert.equal(rig.takeUpstream(), [ack("puback", 3, version)])
  })

  test(`${v}: [NDR 5.2] an identifier again, with another topic (B12)`, () => {
    const rig = opened(version).broker(publish(version, "a", "fine", { qos: 2, packetId: 4 }))
    rig.broker(publish(version, SECRET, MARK, { qos: 2, packetId: 4, dup: true }), pubrel(4))
    unheard(rig)
    assert.equal(
      rig.takeClient().map((p) => p.cmd),
      ["publish", "pubrel"],
    )
  })

  test(`${v}: [NDR 5.2] PUBREL of a refused delivery, and its identifier again (B13)`, () => {
    const rig = opened(version).broker(publish(version, SECRET, MARK, { qos: 2, packetId: 5 }), pubrel(5))
    rig.broker(publish(version, "a", "fine", { qos: 2, packetId: 5 }), pubrel(5))
    rig.broker(publish(version, SECRET, MARK, { qos: 2, packetId: 5, dup: true }))
    unheard(rig)
    assert.equal(
      rig.takeClient().map((p) => p.cmd),
      ["publish", "pubrel"],
    )
  })

  test(`${v}: [CR 3.5] topics that are none (B14)`, () => {
    for (const topic of ["a/+", "#", join("a", [0]), join("a", [0xc0, 0xaf]), join([0xed, 0xa0, 0x80])]) {
      const rig = opened(version).broker(publish(version, topic, MARK))
      unheard(rig)
      assert.match(rig.closed ?? "", /^protocol-broker ERR_MQTT_(TOPIC_NAME|UTF8)$/)
    }
  })

  test(`${v}: [CR 3.5] packets within packets (B16)`, () => {
    const inner = publish(version, "a", MARK)
    const hidden = opened(version).broker(publish(version, SECRET, inner))
    unheard(hidden)
    assert.is(hidden.closed, null)
    const short = opened(version).broker(join([0x30, 3], u16(30), inner))
    unheard(short)
    assert.is(short.closed, "protocol-broker ERR_MQTT_TRUNCATED")
  })

  test(`${v}: [NDR 5.2] flags and identifiers that nobody asked for (B17)`, () => {
    for (const given of [{ retain: true }, { qos: 1, packetId: 1, dup: true }, { qos: 2, packetId: 2, retain: true }]) {
      const properties = version === 5 ? { properties: [11, 77] } : {}
      unheard(opened(version).broker(publish(version, SECRET, MARK, { ...given, ...properties })))
    }
  })

  test(`${v}: [NDR 5.2] a delivery after the client's DISCONNECT (B18)`, () => {
    const rig = opened(version)
      .client({ cmd: "disconnect" })
      .broker(publish(version, "a", MARK))
    unheard(rig)
    assert.is(rig.closed, "client disconnect")
  })
}

test("5: [CR 3.5] an alias that was never set (B2)", () => {
  const rig = opened(5).broker(publish(5, "", MARK, { properties: alias(1) }))
  unheard(rig)
  assert.is(rig.closed, "protocol-broker ERR_MQTT_TOPIC_ALIAS_UNKNOWN")
})

test("5: [CR 3.5] an alias out of its range (B3)", () => {
  for (const value of [0, 6, 65_535]) {
    const rig = opened(5).broker(publish(5, "a", MARK, { properties: alias(value) }))
    unheard(rig)
    assert.is(rig.closed, "protocol-broker ERR_MQTT_TOPIC_ALIAS")
  }
})

test("5: [NDR 5.2] an alias that was set again by a denied delivery (B4)", () => {
  const rig = opened(5).broker(publish(5, "a", "fine", { properties: alias(1) }))
  rig.broker(publish(5, SECRET, MARK, { properties: alias(1) }), publish(5, "", MARK, { properties: alias(1) }))
  unheard(rig)
  assert.is(rig.closed, null)
})

test("5: [CR 3.5] a packet over what the client takes (B5)", () => {
  const rig = opened(5, { maximumPacketSize: 60 }).broker(publish(5, "a", MARK.repeat(4)))
  unheard(rig)
  assert.is(rig.closed, "limit ERR_MQTT_PACKET_TOO_LARGE")
})

test("5: [CR 3.5] a delivery behind the broker's DISCONNECT (B15)", () => {
  const rig = opened(5).broker(join([0xe0, 0], publish(5, "a", MARK)))
  unheard(rig)
  assert.is(rig.closed, "broker disconnect 0")
})

test.run()
