import { suite } from "uvu"
import * as assert from "uvu/assert"
import {
  acknowledgedCode,
  acknowledgedId,
  encodeAcknowledgement,
  parseAcknowledgement,
} from "../../../../firmware/conduits/mqtt/acknowledgement.ts"
import { encodeConnack, parseConnack, refuseConnect } from "../../../../firmware/conduits/mqtt/connack.ts"
import { encodeConnect, parseConnect } from "../../../../firmware/conduits/mqtt/connect.ts"
import { encodeDisconnect, parseDisconnect } from "../../../../firmware/conduits/mqtt/disconnect.ts"
import { faultOf } from "../../../../firmware/conduits/mqtt/protocol-error.ts"
import {
  checkUnsubscribe,
  encodeSuback,
  encodeSubscribe,
  parseSubscribe,
  parseSubscriptionAnswer,
} from "../../../../firmware/conduits/mqtt/subscription-packets.ts"
import { bytesOf, connackPacket, connectPacket, packetsOf, VERSIONS, type Version } from "./rig.ts"
import { bitFlips, truncations } from "../../../support/hostile.ts"
import { rejects } from "../../../support/rejects.ts"

const test = suite("firmware/conduits/mqtt: control packets")

/** All packets here are shorter than 128 bytes behind their header. */
const BODY = 2
const WILL = { topic: "w/t", payload: Buffer.from([0, 1]), qos: 2, retain: true }

function connects(version: Version): Uint8Array[] {
  const five = version === 5
  const properties = { sessionExpiryInterval: 5, userProperties: { k: "v" }, receiveMaximum: 3 }
  const login = { username: "u", password: Buffer.from("p") }
  return [
    connectPacket(version),
    connectPacket(version, { clean: false, keepalive: 65535, clientId: "ä" }),
    connectPacket(version, login),
    connectPacket(version, { will: five ? { ...WILL, properties: { willDelayInterval: 1 } } : WILL, username: "u" }),
    ...(five ? [connectPacket(5, { properties }), connectPacket(5, { ...login, will: WILL, properties })] : []),
  ].map((packet) => bytesOf(packet, version))
}

for (const version of VERSIONS) {
  const v = version === 4 ? "3.1.1" : "5"

  test(`${v}: CONNECT, written by another encoder, is read and written back the same`, () => {
    for (const bytes of connects(version)) {
      const packet = parseConnect(bytes, BODY, bytes.length)
      assert.is(packet.version, version)
      assert.equal(encodeConnect(packet), bytes)
    }
  })

  test(`${v}: [CR 3.5] a CONNECT that is cut short or too long is refused, a flip raises nothing else`, async () => {
    for (const bytes of connects(version)) {
      for (let end = BODY; end < bytes.length; end++) {
        await rejects(() => parseConnect(bytes, BODY, end), "ERR_MQTT_TRUNCATED")
      }
      const long = Uint8Array.of(...bytes, 0)
      await rejects(() => parseConnect(long, BODY, long.length), "ERR_MQTT_TRAILING_BYTES")
      for (const flipped of bitFlips(bytes)) {
        try {
          parseConnect(flipped, BODY, flipped.length)
        } catch (error) {
          assert.ok(faultOf(error), String(error))
        }
      }
    }
  })

  test(`${v}: the flags of a CONNECT must agree with each other`, async () => {
    const base = connects(version)[0]!
    const flags = 9
    for (const [value, sound] of [
      [0x02, true],
      [0x00, true],
      [0x03, false],
      [0x0a, false],
      [0x22, false],
      [0x1e, false],
      [0x42, version === 5],
    ] as const) {
      const bytes = base.slice()
      bytes[flags] = value
      const parse = (): unknown => parseConnect(bytes, BODY, bytes.length)
      // A password that the flags announce is not there.
      if (!sound) await rejects(parse, "ERR_MQTT_CONNECT_FLAGS")
      else if (value >= 0x40) await rejects(parse, "ERR_MQTT_TRUNCATED")
      else parse()
    }
  })

  test(`${v}: CONNACK there and back`, () => {
    const properties = version === 5 ? { properties: { receiveMaximum: 3, reasonString: "x" } } : {}
    for (const packet of [connackPacket(version), connackPacket(version, { sessionPresent: true, ...properties })]) {
      const bytes = bytesOf(packet, version)
      assert.equal(encodeConnack(parseConnack(bytes, BODY, bytes.length, version), version), bytes)
    }
    assert.equal(refuseConnect(5, 4), Uint8Array.of(0x20, 2, 0, 5))
    assert.equal(refuseConnect(0x87, 5), Uint8Array.of(0x20, 3, 0, 0x87, 0))
  })

  test(`${v}: acknowledgements there and back, as another parser reads them`, () => {
    for (const [type, cmd] of [
      [4, "puback"],
      [5, "pubrec"],
      [6, "pubrel"],
      [7, "pubcomp"],
    ] as const) {
      for (const code of [0, type < 6 ? 0x87 : 0x92]) {
        const bytes = encodeAcknowledgement(type, 0x1234, code, version)
        const expected = version === 5 ? { cmd, messageId: 0x1234, reasonCode: code } : { cmd, messageId: 0x1234 }
        assert.equal(packetsOf(bytes, version), [expected])
        const parsed = parseAcknowledgement(type, bytes, BODY, bytes.length, version)
        assert.is(acknowledgedId(parsed), 0x1234)
        assert.is(acknowledgedCode(parsed), version === 5 ? code : 0)
      }
    }
  })

  test(`${v}: subscriptions and their answers`, async () => {
    const more = version === 5 ? { properties: { subscriptionIdentifier: 5 } } : {}
    const subscriptions = [
      { topic: "a/+", qos: 1 },
      { topic: "#", qos: 2 },
    ]
    const bytes = bytesOf({ cmd: "subscribe", messageId: 9, subscriptions, ...more }, version)
    const packet = parseSubscribe(bytes, BODY, bytes.length, version)
    assert.is(packet.packetId, 9)
    assert.equal(
      packet.filters.map(({ start, end, options }) => `${Buffer.from(bytes.slice(start, end)).toString()} ${options}`),
      ["a/+ 1", "# 2"],
    )
    assert.equal(encodeSubscribe(packet, bytes, packet.filters, version), bytes)
    for (const cut of truncations(bytes)) {
      if (cut.length <= BODY) continue
      const whole = [bytes.length - 4, version === 5 ? 7 : 4].includes(cut.length)
      if (!whole) await rejects(() => parseSubscribe(cut, BODY, cut.length, version), "ERR_MQTT_TRUNCATED")
    }
    const head = bytes.slice(0, version === 5 ? 7 : 4)
    await rejects(() => parseSubscribe(head, BODY, head.length, version), "ERR_MQTT_NO_FILTERS")

    const suback = bytesOf({ cmd: "suback", messageId: 9, granted: [0, 1, 2, 0x80] }, version)
    const answer = parseSubscriptionAnswer(9, suback, BODY, suback.length, version)
    assert.equal([answer.packetId, ...answer.codes], [9, 0, 1, 2, 0x80])
    assert.equal(encodeSuback(answer, version), suback)
    const empty = suback.slice(0, version === 5 ? 5 : 4)
    await rejects(() => parseSubscriptionAnswer(9, empty, BODY, empty.length, version), "ERR_MQTT_SUBACK_COUNT")

    const unsubscribe = bytesOf({ cmd: "unsubscribe", messageId: 9, unsubscriptions: ["a/+", "#"] }, version)
    checkUnsubscribe(unsubscribe, BODY, unsubscribe.length, version)
    const none = unsubscribe.slice(0, version === 5 ? 5 : 4)
    await rejects(() => checkUnsubscribe(none, BODY, none.length, version), "ERR_MQTT_NO_FILTERS")
    const wrong = bytesOf({ cmd: "unsubscribe", messageId: 9, unsubscriptions: ["a/x"] }, version)
    wrong.set(Buffer.from("#"), wrong.length - 3)
    await rejects(() => checkUnsubscribe(wrong, BODY, wrong.length, version), "ERR_MQTT_TOPIC_FILTER")
  })

  test(`${v}: the options of a subscription are checked bit by bit`, async () => {
    const bytes = bytesOf({ cmd: "subscribe", messageId: 9, subscriptions: [{ topic: "a", qos: 0 }] }, version)
    for (let options = 0; options < 256; options++) {
      bytes[bytes.length - 1] = options
      const parse = (): unknown => parseSubscribe(bytes, BODY, bytes.length, version)
      const sound = version === 4 ? options < 3 : (options & 3) < 3 && (options & 0x30) < 0x30 && options < 0x40
      if (sound) parse()
      else await rejects(parse, (options & 3) === 3 ? "ERR_MQTT_QOS" : "ERR_MQTT_SUBSCRIPTION_OPTIONS")
    }
  })

  test(`${v}: reason codes are taken where the standard has them`, async () => {
    const attempt = async (allowed: readonly number[], parse: (code: number) => unknown): Promise<void> => {
      for (let code = 0; code < 256; code++) {
        if (allowed.includes(code)) parse(code)
        else await rejects(() => parse(code), "ERR_MQTT_REASON_CODE")
      }
    }
    const suback = version === 5 ? [0, 1, 2, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2] : [0, 1, 2, 0x80]
    const empty = version === 5 ? [0] : []
    await attempt(suback, (code) => {
      const bytes = Uint8Array.of(0, 1, ...empty, code)
      return parseSubscriptionAnswer(9, bytes, 0, bytes.length, version)
    })
    if (version === 4) return
    await attempt([0, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91], (code) =>
      parseSubscriptionAnswer(11, Uint8Array.of(0, 1, 0, code), 0, 4, 5),
    )
    for (const type of [4, 5]) {
      await attempt([0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99], (code) =>
        parseAcknowledgement(type, Uint8Array.of(0, 1, code), 0, 3, 5),
      )
    }
    for (const type of [6, 7]) {
      await attempt([0, 0x92], (code) => parseAcknowledgement(type, Uint8Array.of(0, 1, code, 0), 0, 4, 5))
    }
    const both = [0, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99]
    const broker = [0x87, 0x89, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2]
    await attempt([...both, 0x04], (code) => parseDisconnect(Uint8Array.of(code), 0, 1, 5, "client"))
    await attempt([...both, ...broker], (code) => parseDisconnect(Uint8Array.of(code), 0, 1, 5, "broker"))
  })
}

test("a DISCONNECT of 3.1.1 is empty; in 5 each side has its properties", async () => {
  assert.is(parseDisconnect(new Uint8Array(0), 0, 0, 4, "client"), 0)
  await rejects(() => parseDisconnect(Uint8Array.of(0), 0, 1, 4, "client"), "ERR_MQTT_TRAILING_BYTES")
  assert.is(parseDisconnect(new Uint8Array(0), 0, 0, 5, "client"), 0)
  const expiry = Uint8Array.of(0, 5, 0x11, 0, 0, 0, 1)
  assert.is(parseDisconnect(expiry, 0, expiry.length, 5, "client"), 0)
  await rejects(() => parseDisconnect(expiry, 0, expiry.length, 5, "broker"), "ERR_MQTT_PROPERTY")
  const reference = Uint8Array.of(0x9c, 4, 0x1c, 0, 1, 0x61)
  assert.is(parseDisconnect(reference, 0, reference.length, 5, "broker"), 0x9c)
  reference[0] = 0
  await rejects(() => parseDisconnect(reference, 0, reference.length, 5, "client"), "ERR_MQTT_PROPERTY")
  assert.equal(encodeDisconnect(0, 4), Uint8Array.of(0xe0, 0))
  assert.equal(encodeDisconnect(0x87, 4), Uint8Array.of(0xe0, 0))
  assert.equal(encodeDisconnect(0x87, 5), Uint8Array.of(0xe0, 1, 0x87))
})

test("acknowledgements of 5 may end behind the identifier, the code, or the properties", async () => {
  const parse = (...body: number[]): number => parseAcknowledgement(4, Uint8Array.from(body), 0, body.length, 5)
  assert.is(parse(0, 1), 1)
  assert.is(parse(0, 1, 0x10), 0x10_0001)
  assert.is(parse(0, 1, 0x10, 0), 0x10_0001)
  await rejects(() => parse(0, 1, 0, 1), "ERR_MQTT_TRUNCATED")
  await rejects(() => parse(0, 1, 0, 0, 0), "ERR_MQTT_TRAILING_BYTES")
  await rejects(() => parse(0, 0), "ERR_MQTT_PACKET_ID")
  await rejects(() => parse(0), "ERR_MQTT_TRUNCATED")
  await rejects(() => parseAcknowledgement(4, Uint8Array.of(0, 1, 0), 0, 3, 4), "ERR_MQTT_TRAILING_BYTES")
})

test.run()
