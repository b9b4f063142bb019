import { suite } from "uvu"
import * as assert from "uvu/assert"
import { ALLOWED, ack, connackPacket, connectPacket, no, publishPacket, Rig, type RigOptions, VERSIONS } from "./rig.ts"

const test = suite("firmware/conduits/mqtt/session: data only leaves")

/** Stands in every text that the broker says. */
const MARK = "INWARDS"
const TEXTS = { reasonString: `${MARK} why`, userProperties: { [MARK]: MARK } }

/** What the compiled policy of such a conduit answers: nothing is subscribed or received. */
const outward = (options: RigOptions): Rig =>
  new Rig({
    direction: "out",
    rules: ({ action, topic }) => (action === "publish" || action === "topic-up" ? secretOr(topic) : no()),
    ...options,
  })
const secretOr = (topic: string): number => (topic.includes("secret") ? no() : ALLOWED)

/** No byte of the mark came in, and no property at all but the terms of the connection. */
function bare(rig: Rig, what = ""): void {
  assert.is(Buffer.from(rig.clientBytes()).includes(MARK), false, what)
}

test("a CONNACK keeps its numbers and loses its texts (O1)", () => {
  const rig = outward({ version: 5 }).client(connectPacket(5, { properties: { requestResponseInformation: true } }))
  const terms = { receiveMaximum: 7, maximumQoS: 1, serverKeepAlive: 30, retainAvailable: false }
  const texts = { ...TEXTS, responseInformation: MARK, serverReference: MARK }
  rig.broker(connackPacket(5, { properties: { ...terms, ...texts } }))
  bare(rig)
  const [{ properties }] = rig.takeClient()
  const { maximumPacketSize, ...rest } = properties
  assert.equal(rest, terms)
  assert.type(maximumPacketSize, "number")
  const old = outward({ version: 4 }).open()
  assert.equal([...old.clientBytes()], [0x20, 2, 0, 0])
})

test("a CONNACK that refuses, and a DISCONNECT, come in as their code alone (O2)", () => {
  const refusing = outward({ version: 5 }).client(connectPacket(5))
  refusing.broker(connackPacket(5, { reasonCode: 0x9c, properties: { ...TEXTS, serverReference: MARK } }))
  assert.equal([...refusing.clientBytes()], [0x20, 3, 0, 0x9c, 0])
  assert.is(refusing.closed, "broker connack 156")
  const rig = outward({ version: 5 }).open()
  const before = rig.clientBytes().length
  rig.broker({ cmd: "disconnect", reasonCode: 0x9d, properties: { ...TEXTS, serverReference: MARK } })
  assert.equal([...rig.clientBytes().subarray(before)], [0xe0, 1, 0x9d])
  assert.is(rig.closed, "broker disconnect 157")
})

test("acknowledgements come in as identifier and code (O3)", () => {
  for (const version of VERSIONS) {
    const rig = outward({ version }).open()
    const properties = version === 5 ? { properties: TEXTS } : {}
    rig.client(publishPacket("a", { qos: 1, messageId: 1 }), publishPacket("a", { qos: 2, messageId: 2 }))
    rig.broker({ cmd: "puback", messageId: 1, reasonCode: 0x10, ...properties })
    rig.broker({ cmd: "pubrec", messageId: 2, reasonCode: 0, ...properties })
    rig.client({ cmd: "pubrel", messageId: 2 })
    rig.broker({ cmd: "pubcomp", messageId: 2, reasonCode: 0, ...properties })
    bare(rig)
    const [puback, pubrec, pubcomp] = rig.takeClient()
    assert.equal(puback, ack("puback", 1, version, 0x10))
    assert.equal([pubrec.cmd, pubrec.messageId, pubrec.properties], ["pubrec", 2, undefined])
    assert.equal([pubcomp.cmd, pubcomp.messageId, pubcomp.properties], ["pubcomp", 2, undefined])
  }
})

test("an acknowledgement that nobody waits for has a number to tell, and is dropped (O4)", () => {
  for (const version of VERSIONS) {
    const rig = outward({ version }).open()
    rig.client(publishPacket("a", { qos: 1, messageId: 9 }), publishPacket("secret", { qos: 0 }))
    const before = rig.clientBytes().length
    for (let id = 1; id < 9; id++)
      for (const cmd of ["puback", "pubrec", "pubcomp"]) rig.broker({ cmd, messageId: id, reasonCode: 0 })
    assert.is(rig.clientBytes().length, before)
    rig.broker({ cmd: "puback", messageId: 9, reasonCode: 0 }, { cmd: "puback", messageId: 9, reasonCode: 0 })
    assert.equal(rig.takeClient(), [ack("puback", 9, version)])
    assert.is(rig.closed, null)
  }
})

test("a flow of an earlier connection is finished: the client's PUBREL gets its PUBCOMP (O4)", () => {
  for (const version of VERSIONS) {
    const rig = outward({ version }).open({}, { sessionPresent: true })
    rig.client({ cmd: "pubrel", messageId: 5 }).broker({ cmd: "pubcomp", messageId: 5 })
    assert.equal(
      rig.takeClient().map(({ cmd, messageId }) => [cmd, messageId]),
      [["pubcomp", 5]],
    )
  }
})

test("nothing is delivered, retained or not; what the broker waits for is said in the client's stead (O5)", () => {
  for (const version of VERSIONS) {
    const rig = outward({ version }).open()
    const before = rig.clientBytes().length
    for (const qos of [0, 1, 2])
      rig.broker(publishPacket(MARK, { qos, messageId: qos === 0 ? undefined : qos, payload: MARK, retain: true }))
    rig.broker({ cmd: "pubrel", messageId: 2 }, { cmd: "pubrel", messageId: 77 })
    assert.is(rig.clientBytes().length, before)
    assert.equal(
      rig.takeUpstream().map(({ cmd, messageId }) => [cmd, messageId]),
      [["puback", 1], ["pubrec", 2], ["pubcomp", 2], ["pubcomp", 77]], // prettier-ignore
    )
  }
})

test("nothing is subscribed; UNSUBSCRIBE goes out and is answered here, since lists of codes are data (O6)", () => {
  for (const version of VERSIONS) {
    const rig = outward({ version }).open()
    rig.client({ cmd: "subscribe", messageId: 3, subscriptions: [{ topic: "#", qos: 0 }] })
    assert.equal(rig.takeUpstream(), [])
    assert.is(rig.takeClient()[0].granted[0], version === 5 ? 0x87 : 0x80)
    rig.client({ cmd: "unsubscribe", messageId: 4, unsubscriptions: ["a", "b"] })
    assert.is(rig.takeUpstream()[0].cmd, "unsubscribe")
    const answered = Buffer.from(rig.clientBytes()).toString("hex")
    assert.ok(answered.endsWith(version === 5 ? "b0050004000000" : "b0020004"), answered)
    const before = rig.clientBytes().length
    const properties = version === 5 ? { properties: TEXTS } : {}
    rig.broker({ cmd: "unsuback", messageId: 4, granted: [0x11, 0x80, 0x83], ...properties })
    rig.broker({ cmd: "suback", messageId: 3, granted: [1, 2, 0, 1], ...properties })
    assert.is(rig.clientBytes().length, before)
    assert.is(rig.closed, null)
  }
})

test("enhanced authentication is refused, whatever the conduit says of it (O7)", () => {
  const rig = outward({ version: 5, enhancedAuth: "pass" })
  rig.client(connectPacket(5, { properties: { authenticationMethod: "PLAIN" } }))
  assert.is(rig.closed, "refused ERR_MQTT_AUTHENTICATION_METHOD")
  assert.is(rig.dialled, 0)
})

test("a padded length, which 3.1.1 allows, is no way to say something either (O8)", () => {
  const rig = outward({ version: 4 }).open()
  const before = rig.clientBytes().length
  rig.client({ cmd: "pingreq" }, publishPacket("a", { qos: 1, messageId: 1 }))
  rig.broker(Uint8Array.of(0xd0, 0x80, 0), Uint8Array.of(0x40, 0x82, 0, 0, 1))
  assert.equal([...rig.clientBytes().subarray(before)], [0xd0, 0, 0x40, 2, 0, 1])
})

test("where data goes both ways, texts pass", () => {
  const rig = new Rig({ version: 5 }).client(connectPacket(5))
  rig.broker(connackPacket(5, { properties: TEXTS }))
  assert.ok(Buffer.from(rig.clientBytes()).includes(MARK))
})

test.run()
