import { suite } from "uvu"
import * as assert from "uvu/assert"
import {
  ack,
  bytesOf,
  concat,
  connackPacket,
  connectPacket,
  no,
  packetsOf,
  publishPacket,
  Rig,
  VERSIONS,
} from "./rig.ts"

const test = suite("firmware/conduits/mqtt/session: CONNECT and CONNACK")

/** Whom the filter was asked for. */
const facts = (rig: Rig): readonly object[] => rig.admitted.map(({ version, clientId }) => ({ version, clientId }))
const PING = { cmd: "pingreq" }

for (const version of VERSIONS) {
  const v = version === 4 ? "3.1.1" : "5"

  test(`${v}: a CONNECT in order is dialled for, re-encoded and answered by the broker (C1 K1)`, () => {
    const rig = new Rig({ version })
    rig.client(connectPacket(version, { keepalive: 30, clean: false }))
    assert.is(rig.dialled, 1)
    assert.equal(facts(rig), [{ version, clientId: "s1" }])
    const [connect, ...rest] = rig.takeUpstream()
    assert.equal(rest, [])
    assert.is(connect.clientId, "s1")
    assert.is(connect.keepalive, 30)
    assert.is(connect.clean, false)
    assert.is(rig.connected, null)
    rig.broker(connackPacket(version, { sessionPresent: true }))
    assert.is(rig.connected, `s1 ${version}`)
    assert.is(rig.takeClient()[0].sessionPresent, true)
    assert.is(rig.closed, null)
  })

  test(`${v}: [CR 3.5] whatever comes before a CONNECT ends the session, nothing is dialled or said (C2)`, () => {
    const others = [
      publishPacket("a"),
      PING,
      { cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "a", qos: 0 }] },
      { cmd: "disconnect" },
      connackPacket(version),
    ]
    for (const other of others) {
      const rig = new Rig({ version })
      rig.client(concat([bytesOf(other, version), bytesOf(connectPacket(version), version)]))
      assert.is(rig.closed, "protocol-client ERR_MQTT_PACKET_TYPE")
      assert.is(rig.dialled, 0)
      assert.is(rig.clientBytes().length, 0)
      assert.equal(rig.admitted, [])
    }
  })

  test(`${v}: a second CONNECT ends the session (C3)`, () => {
    const rig = new Rig({ version }).open()
    rig.client(connectPacket(version))
    assert.is(rig.closed, "protocol-client ERR_MQTT_PACKET_TYPE")
    assert.equal(rig.takeClient(), version === 5 ? [{ cmd: "disconnect", reasonCode: 0x82 }] : [])
    assert.equal(rig.takeUpstream(), [])
  })

  test(`${v}: [CR 1.2] a client id that is not the subject's is refused before anything is dialled (C7)`, () => {
    const cases: [id: string, pattern: string, subject: string, accepted: boolean][] = [
      ["s1", "%u", "s1", true],
      ["s2", "%u", "s1", false],
      ["s11", "%u", "s1", false],
      ["S1", "%u", "s1", false],
      ["s1-a", "%u-*", "s1", true],
      ["s1-", "%u-*", "s1", true],
      ["s1", "%u-*", "s1", false],
      ["x-s1-y", "x-%u-*", "s1", true],
      ["s1+", "%u*", "s1", false],
      ["s1#", "%u*", "s1", false],
      ["s1/a", "%u*", "s1", false],
      ["s1\u0007", "%u*", "s1", false],
      ["s1\u0085", "%u*", "s1", false],
      ["s1\u202e", "%u*", "s1", false],
      [`s1${"a".repeat(254)}`, "%u*", "s1", true],
      [`s1${"a".repeat(255)}`, "%u*", "s1", false],
      ["lockgate-g1", "*", "s1", false],
      ["lockgate-g1", "%u", "lockgate-g1", false],
      // A name with the pattern letters of String.replace in it must not be expanded further.
      ["$&", "%u", "$&", true],
    ]
    for (const [clientId, clientIdPattern, subject, accepted] of cases) {
      const rig = new Rig({ version, clientIdPattern, subject }).client(connectPacket(version, { clientId }))
      assert.is(rig.closed, accepted ? null : "refused ERR_MQTT_CLIENT_ID", clientId)
      assert.is(rig.dialled, accepted ? 1 : 0, clientId)
      if (accepted) continue
      const [connack] = rig.takeClient()
      assert.is(version === 5 ? connack.reasonCode : connack.returnCode, version === 5 ? 0x85 : 2)
      assert.equal(rig.admitted, [])
    }
  })

  test(`${v}: an empty id becomes the one the pattern allows (C9)`, () => {
    for (const [clientIdPattern, given] of [
      ["%u", "s1"],
      ["%u-*", "s1-r4nd0m"],
    ]) {
      const rig = new Rig({ version, clientIdPattern: clientIdPattern! })
      rig.client(connectPacket(version, { clientId: "" }))
      assert.is(rig.takeUpstream()[0].clientId, given)
      assert.equal(facts(rig), [{ version, clientId: given }])
      rig.broker(connackPacket(version))
      assert.is(rig.connected, `${given} ${version}`)
      const [connack] = rig.takeClient()
      if (version === 5) assert.is(connack.properties.assignedClientIdentifier, given)
    }
    const own = new Rig({ version, subject: "lockgate-g1" }).client(connectPacket(version, { clientId: "" }))
    assert.is(own.closed, "refused ERR_MQTT_CLIENT_ID", "an assigned id is checked like any other")
  })

  test(`${v}: [CR 1.2] user name and password never reach the broker; the subject's name does if asked for (C10)`, () => {
    const login = { username: "admin", password: Buffer.from("hunter2") }
    for (const upstreamIdentity of ["strip", "subject"] as const) {
      const rig = new Rig({ version, upstreamIdentity }).client(connectPacket(version, login))
      const [connect] = rig.takeUpstream()
      assert.is(connect.username, upstreamIdentity === "subject" ? "s1" : undefined)
      assert.is(connect.password, undefined)
      assert.is(Buffer.from(rig.upstreamBytes()).includes("hunter2"), false)
    }
    const named = new Rig({ version, upstreamIdentity: "subject" }).client(connectPacket(version))
    assert.is(named.takeUpstream()[0].username, "s1")
  })

  test(`${v}: [CR 2.1] a will is judged as a publish (C12)`, () => {
    const will = { topic: "secret/w", payload: Buffer.from("gone"), qos: 1, retain: true }
    const denied = new Rig({ version }).client(connectPacket(version, { will }))
    assert.is(denied.closed, "refused ERR_MQTT_WILL_DENIED")
    assert.is(denied.dialled, 0)
    assert.equal(denied.denied, ["will secret/w no-rule"])
    assert.equal(denied.asked, [{ action: "topic-up", topic: "secret/w", qos: 1, retain: true, payloadBytes: 4 }])
    const [connack] = denied.takeClient()
    assert.is(version === 5 ? connack.reasonCode : connack.returnCode, version === 5 ? 0x87 : 5)

    const codes = { rate: 0x97, "payload-size": 0x97, "bad-topic": 0x90, qos: 0x87, retain: 0x87, reserved: 0x87 }
    for (const [reason, code] of Object.entries(codes)) {
      const rig = new Rig({ version, rules: () => no(reason as "rate") })
      rig.client(connectPacket(version, { will }))
      const [answer] = rig.takeClient()
      assert.is(version === 5 ? answer.reasonCode : answer.returnCode, version === 5 ? code : 5)
    }

    const allowed = new Rig({ version }).client(connectPacket(version, { will: { ...will, topic: "a/w" } }))
    assert.equal(allowed.takeUpstream()[0].will, { topic: "a/w", payload: "gone", qos: 1, retain: true })
  })

  test(`${v}: packets behind the CONNECT are judged and go on in order before the CONNACK is there (C13)`, () => {
    const rig = new Rig({ version })
    const packets = [connectPacket(version), publishPacket("a"), publishPacket("secret"), publishPacket("b"), PING]
    rig.client(concat(packets.map((packet) => bytesOf(packet, version))))
    assert.equal(
      rig.takeUpstream().map((packet) => packet.topic ?? packet.cmd),
      ["connect", "a", "b", "pingreq"],
    )
    assert.equal(rig.denied, ["publish secret no-rule"])
    // Answers of ours wait for the CONNACK, as the broker's do.
    const subscribe = { cmd: "subscribe", messageId: 8, subscriptions: [{ topic: "secret/x", qos: 0 }] }
    rig.client(publishPacket("secret", { qos: 1, messageId: 9 })).client(subscribe)
    assert.equal(rig.takeClient(), [])
    const code = version === 5 ? { reasonCode: 0x87 } : {}
    rig.broker(connackPacket(version))
    const [connack, ...answers] = rig.takeClient()
    assert.is(connack.cmd, "connack")
    assert.equal(answers, [
      { cmd: "puback", messageId: 9, ...code },
      { cmd: "suback", messageId: 8, granted: [version === 5 ? 0x87 : 0x80] },
    ])
  })

  test(`${v}: what we would have answered behind the CONNECT is unsaid if the CONNACK refuses (C13)`, () => {
    const refusal = connackPacket(version, version === 5 ? { reasonCode: 0x87 } : { returnCode: 5 })
    const rig = new Rig({ version }).client(connectPacket(version))
    rig.client(publishPacket("secret", { qos: 1, messageId: 9 })).broker(refusal)
    assert.equal(rig.clientBytes(), bytesOf(refusal, version))
  })

  test(`${v}: a CONNACK that refuses passes as it is and ends the session (K2)`, () => {
    const rig = new Rig({ version }).client(connectPacket(version))
    const refusal = connackPacket(version, version === 5 ? { reasonCode: 0x87 } : { returnCode: 5 })
    rig.broker(concat([bytesOf(refusal, version), bytesOf(publishPacket("a"), version)]))
    assert.equal(rig.clientBytes(), bytesOf(refusal, version))
    assert.is(rig.closed, `broker connack ${version === 5 ? 0x87 : 5}`)
    assert.is(rig.connected, null)
  })

  test(`${v}: the broker must say CONNACK first, once and well formed (K3)`, () => {
    const first = [publishPacket("a"), { cmd: "pingresp" }, ack("puback", 1, version)]
    for (const packet of first) {
      const rig = new Rig({ version }).client(connectPacket(version)).broker(packet)
      assert.is(rig.closed, "protocol-broker ERR_MQTT_PACKET_TYPE")
      assert.is(rig.clientBytes().length, 0)
    }
    const twice = new Rig({ version }).open().broker(connackPacket(version))
    assert.is(twice.closed, "protocol-broker ERR_MQTT_PACKET_TYPE")
    const tail = version === 5 ? [0] : []
    for (const [flags, code, expected] of [
      [2, 0, "ERR_MQTT_CONNACK"],
      [1, version === 5 ? 0x87 : 5, "ERR_MQTT_CONNACK"],
      [0, 6, "ERR_MQTT_REASON_CODE"],
    ] as const) {
      const rig = new Rig({ version }).client(connectPacket(version))
      rig.broker(Uint8Array.of(0x20, 2 + tail.length, flags, code, ...tail))
      assert.is(rig.closed, `protocol-broker ${expected}`)
    }
  })

  test(`${v}: a broker that is lost before its CONNACK is told as unavailable (K5)`, () => {
    const rig = new Rig({ version }).client(connectPacket(version))
    rig.session.upstreamEnded()
    const [connack] = rig.takeClient()
    assert.is(version === 5 ? connack.reasonCode : connack.returnCode, version === 5 ? 0x88 : 3)
    assert.is(rig.closed, "broker lost")
  })
}

test("MQTT 3.1 and older are refused with 0x01 (C4)", () => {
  const old = Uint8Array.of(0x10, 0x10, 0, 6, ...Buffer.from("MQIsdp"), 3, 2, 0, 0, 0, 2, 0x73, 0x31)
  const odd = Uint8Array.of(0x10, 0x0e, 0, 4, ...Buffer.from("MQTT"), 3, 2, 0, 0, 0, 2, 0x73, 0x31)
  for (const bytes of [old, odd]) {
    const rig = new Rig().client(bytes)
    assert.equal(rig.clientBytes(), Uint8Array.of(0x20, 2, 0, 1))
    assert.is(rig.closed, "refused ERR_MQTT_PROTOCOL_LEVEL")
    assert.is(rig.dialled, 0)
  }
})

test("versions that do not exist yet are refused with 0x84 (C5)", () => {
  const rig = new Rig().client(Uint8Array.of(0x10, 0x0f, 0, 4, ...Buffer.from("MQTT"), 6, 2, 0, 0, 0, 0, 2, 0x73, 0x31))
  assert.equal(rig.clientBytes(), Uint8Array.of(0x20, 3, 0, 0x84, 0))
  assert.is(rig.closed, "refused ERR_MQTT_PROTOCOL_LEVEL")
})

test("[CR 3.5] another protocol or a malformed CONNECT is not answered at all (C6)", () => {
  const good = bytesOf(connectPacket(5), 5)
  const cases: [bytes: Uint8Array, code: string][] = [
    [Uint8Array.of(0x10, 8, 0, 4, ...Buffer.from("HTTP"), 5, 2), "ERR_MQTT_PROTOCOL_NAME"],
    [Uint8Array.of(0x10, 2, 0, 9), "ERR_MQTT_TRUNCATED"],
    [concat([Uint8Array.of(0x10, good[1]! + 1), good.subarray(2), Uint8Array.of(0)]), "ERR_MQTT_TRAILING_BYTES"],
    [Uint8Array.of(0x11, ...good.subarray(1)), "ERR_MQTT_PACKET_FLAGS"],
    [Uint8Array.of(0x10, good[1]! | 0x80, 0, ...good.subarray(2)), "ERR_MQTT_LENGTH"],
  ]
  for (const [bytes, code] of cases) {
    const rig = new Rig({ version: 5 }).client(bytes)
    assert.is(rig.closed, `protocol-client ${code}`)
    assert.is(rig.clientBytes().length, 0)
    assert.is(rig.dialled, 0)
  }
})

test("3.1.1: an empty id needs a clean session (C8)", () => {
  const rig = new Rig({ version: 4 }).client(connectWithoutId())
  assert.is(rig.closed, "refused ERR_MQTT_CLIENT_ID")
  assert.is(rig.takeClient()[0].returnCode, 2)
})

function connectWithoutId(): Uint8Array {
  return Uint8Array.of(0x10, 12, 0, 4, ...Buffer.from("MQTT"), 4, 0, 0, 0, 0, 0)
}

test("5: enhanced authentication is refused, data without a method is an error (C11)", () => {
  const asked = { properties: { authenticationMethod: "SCRAM", authenticationData: Buffer.from("n,,") } }
  const rig = new Rig({ version: 5 }).client(connectPacket(5, asked))
  assert.is(rig.closed, "refused ERR_MQTT_AUTHENTICATION_METHOD")
  assert.is(rig.takeClient()[0].reasonCode, 0x8c)
  assert.is(rig.dialled, 0)
  const data = bytesOf(connectPacket(5, { properties: { receiveMaximum: 9 } }), 5)
  // Receive Maximum (3 bytes) becomes Authentication Data of zero bytes.
  const at = data.indexOf(0x21)
  data.set([22, 0, 0], at)
  assert.is(new Rig({ version: 5 }).client(data).closed, "protocol-client ERR_MQTT_PROPERTY")
})

test("5: an alias before the CONNACK is an error, for nobody has allowed one (C14)", () => {
  const rig = new Rig({ version: 5 }).client(connectPacket(5))
  rig.client(publishPacket("a", { properties: { topicAlias: 1 } }))
  assert.is(rig.closed, "protocol-client ERR_MQTT_TOPIC_ALIAS")
  assert.is(rig.clientBytes().length, 0)
})

test("5: a broker that assigns an id or answers an authentication that nobody asked for is refused (K4)", () => {
  const oddities = [
    { assignedClientIdentifier: "other" },
    { authenticationMethod: "SCRAM" },
    { authenticationMethod: "SCRAM", authenticationData: Buffer.from("x") },
  ]
  for (const properties of oddities) {
    const rig = new Rig({ version: 5 }).client(connectPacket(5)).broker(connackPacket(5, { properties }))
    assert.is(rig.closed, "protocol-broker ERR_MQTT_CONNACK")
    assert.is(rig.clientBytes().length, 0)
    assert.is(rig.connected, null)
  }
})

test("5: the two maxima are lowered to ours in both directions, everything else passes", () => {
  const more = { userProperties: { k: ["v", "w"] }, receiveMaximum: 7, sessionExpiryInterval: 100 }
  const cases = [
    { peer: { maximumPacketSize: 500, topicAliasMaximum: 4 }, size: 500, aliases: 4 },
    { peer: { maximumPacketSize: 500_000_000, topicAliasMaximum: 65535 }, size: 20_000, aliases: 8 },
    { peer: {}, size: 20_000, aliases: undefined },
  ]
  for (const { peer, size, aliases } of cases) {
    const rig = new Rig({ version: 5, limits: { maxPacketBytes: 20_000, maxTopicAliases: 8 } })
    rig.client(connectPacket(5, { properties: { ...more, ...peer } }))
    const expected = {
      ...more,
      maximumPacketSize: size,
      ...(aliases === undefined ? {} : { topicAliasMaximum: aliases }),
    }
    assert.equal(rig.takeUpstream()[0].properties, expected)
    const named = {
      ...more,
      serverKeepAlive: 9,
      responseInformation: "r/",
      serverReference: "else",
      reasonString: "ok",
    }
    rig.broker(connackPacket(5, { properties: { ...named, ...peer } }))
    const told = rig.takeClient()[0].properties
    assert.equal(told, {
      ...named,
      maximumPacketSize: size,
      ...(aliases === undefined ? {} : { topicAliasMaximum: aliases }),
    })
  }
})

test("5: the will's properties and payload reach the broker as they are", () => {
  const will = {
    topic: "a/w",
    payload: Buffer.from([0, 255, 1]),
    qos: 2,
    retain: false,
    properties: {
      willDelayInterval: 60,
      payloadFormatIndicator: false,
      messageExpiryInterval: 10,
      contentType: "t",
      responseTopic: "r/t",
      correlationData: Buffer.from([9, 8]),
      userProperties: { k: "v" },
    },
  }
  const connect = connectPacket(5, { will })
  const rig = new Rig({ version: 5 }).client(connect)
  const sent = packetsOf(bytesOf(connect, 5), 5)[0]
  assert.equal(rig.takeUpstream()[0].will, sent.will)
})

test.run()
