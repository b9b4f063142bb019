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
  type Version,
} from "./rig.ts"
import { MAX_MERGED_PINGS } from "../../../../firmware/conduits/mqtt/keep-alive.ts"

const test = suite("firmware/conduits/mqtt/session: other packets, errors, wills and ends")

const WILL = { will: { topic: "w", payload: Buffer.from("gone"), qos: 1, retain: true } }
const DISCONNECT = { cmd: "disconnect" }
const PING = { cmd: "pingreq" }
const PONG = { cmd: "pingresp" }
const said = (version: Version, reasonCode: number): unknown[] =>
  version === 5 ? [{ cmd: "disconnect", reasonCode }] : []
/** As our own DISCONNECT reads: without a code, which is 0. */
const left = (version: Version): unknown => packetsOf(Uint8Array.of(0xe0, 0), version)[0]

for (const version of VERSIONS) {
  const v = version === 4 ? "3.1.1" : "5"

  test(`${v}: pings pass both ways (P1)`, () => {
    const rig = new Rig({ version }).open().client(PING).broker(PONG)
    assert.equal(rig.takeUpstream(), [PING])
    assert.equal(rig.takeClient(), [PONG])
  })

  test(`${v}: [CR 7.1] of pings in a row the broker gets one, and with its answer each is answered (P9)`, () => {
    const rig = new Rig({ version }).open().client(concat(Array.from({ length: 100 }, () => bytesOf(PING, version))))
    assert.equal([rig.takeUpstream(), rig.takeClient()], [[PING], []])
    assert.equal(rig.broker(PONG).takeClient(), Array(100).fill(PONG))
    rig.client(PING, PING, publishPacket("a"), PING, publishPacket("secret"), PING, PING)
    assert.is(rig.takeUpstream().filter((packet) => (packet as typeof PING).cmd === "pingreq").length, 3)
    const answered = [1, 2, 3].map(() => rig.broker(PONG).takeClient().length)
    assert.equal(answered, [1, 1, 3], "never before the answer to what went before it")
    assert.equal(rig.client(PING).broker(PONG).takeClient(), [PONG])
    const most = new Rig({ version }).open()
    for (let k = 0; k < MAX_MERGED_PINGS + 3; k++) most.client(PING)
    assert.is(most.takeUpstream().length, 3, "more than so many are not put together")
  })

  test(`${v}: [CR 7.1] what messages explain is no request, all else is one`, () => {
    const rig = new Rig({ version }).open()
    assert.is(rig.requests, 1, "the CONNECT")
    rig.broker(publishPacket("a", { qos: 2, messageId: 7 })).client({ cmd: "pubrec", messageId: 7 })
    rig.broker({ cmd: "pubrel", messageId: 7 }).client({ cmd: "pubcomp", messageId: 7 })
    rig.client(publishPacket("a", { qos: 2, messageId: 8 })).broker({ cmd: "pubrec", messageId: 8 })
    rig.client({ cmd: "pubrel", messageId: 8 })
    assert.is(rig.requests, 1, "what belongs to messages is none")
    rig.client(PING, { cmd: "subscribe", messageId: 9, subscriptions: [{ topic: "a", qos: 0 }] })
    assert.is(rig.requests, 2, "but for one, which a message was worth")
    for (let k = 0; k < 50; k++) rig.client({ cmd: "pubrel", messageId: 100 + k })
    assert.is(rig.requests, 52)
  })

  test(`${v}: a client whose packets are all dropped is kept alive at the broker (P2)`, () => {
    const rig = new Rig({ version }).open({ keepalive: 10 })
    const drop = (ms: number): void => {
      rig.now += ms
      rig.client(publishPacket("secret"))
    }
    drop(4999)
    assert.equal(rig.takeUpstream(), [])
    drop(1)
    assert.equal(rig.takeUpstream(), [PING])
    drop(4999)
    assert.equal(rig.takeUpstream(), [])
    rig.broker(PONG)
    assert.equal(rig.takeClient(), [], "the answer is ours")
    drop(1)
    rig.client(PING).broker(PONG, PONG)
    assert.equal(rig.takeUpstream(), [PING, PING])
    assert.equal(rig.takeClient(), [PONG])
    rig.now += 4999
    rig.client(publishPacket("a"))
    drop(4999)
    assert.is(rig.takeUpstream().length, 1, "what passes counts as well")
  })

  test(`${v}: a stalled packet keeps nobody alive, and without a keep-alive time nothing is sent (P2)`, () => {
    const rig = new Rig({ version }).open({ keepalive: 10 })
    const bytes = bytesOf(publishPacket("secret", { payload: Buffer.alloc(100) }), version)
    for (const byte of bytes.subarray(0, -1)) {
      rig.now += 10_000
      rig.client(Uint8Array.of(byte))
    }
    assert.equal(rig.takeUpstream(), [])
    rig.client(bytes.subarray(-1))
    assert.equal(rig.takeUpstream(), [PING])
    const never = new Rig({ version }).open({ keepalive: 0 })
    never.now += 1e9
    assert.equal(never.client(publishPacket("secret")).takeUpstream(), [])
  })

  test(`${v}: a client's DISCONNECT passes and ends the session; what follows is not read (P3 E4)`, () => {
    const rig = new Rig({ version }).open()
    rig.client(concat([bytesOf(DISCONNECT, version), bytesOf(publishPacket("a"), version), Uint8Array.of(0xff)]))
    assert.equal(rig.takeUpstream(), [left(version)])
    assert.is(rig.closed, "client disconnect")
    rig
      .client(publishPacket("b"))
      .broker(publishPacket("b"))
      .rejudge(() => no())
    rig.session.withdraw("x")
    rig.session.clientEnded()
    rig.session.upstreamEnded()
    assert.equal(rig.takeUpstream(), [])
    assert.equal(rig.takeClient(), [])
  })

  test(`${v}: [CR 3.5] a type that its sender must not send ends the session (P7)`, () => {
    const fromClient = [
      connackPacket(version),
      { cmd: "suback", messageId: 1, granted: [0] },
      { cmd: "unsuback", messageId: 1, granted: [0] },
      PONG,
      Uint8Array.of(0xf0, 0),
      Uint8Array.of(0x00, 0),
    ]
    for (const packet of fromClient) {
      const rig = new Rig({ version }).open().client(packet)
      assert.is(rig.closed, "protocol-client ERR_MQTT_PACKET_TYPE")
      assert.equal(rig.takeClient(), said(version, 0x82))
      assert.equal(rig.takeUpstream(), [])
    }
    const fromBroker = [
      connectPacket(version),
      { cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "a", qos: 0 }] },
      { cmd: "unsubscribe", messageId: 1, unsubscriptions: ["a"] },
      PING,
      Uint8Array.of(0xf0, 0),
      Uint8Array.of(0x00, 0),
    ]
    for (const packet of fromBroker) {
      const rig = new Rig({ version }).open().broker(packet)
      assert.is(rig.closed, "protocol-broker ERR_MQTT_PACKET_TYPE")
      assert.equal(rig.takeClient(), said(version, 0x80))
      assert.equal(rig.takeUpstream(), said(version, 0x82))
    }
  })

  test(`${v}: an answer of ours never lands inside a packet under way, in either direction (P8)`, () => {
    const payload = Buffer.alloc(100, "p")
    const large = bytesOf(publishPacket("a", { payload }), version)
    const rig = new Rig({ version }).open()
    rig.client(large.subarray(0, 50)).broker(publishPacket("secret", { qos: 1, messageId: 5 }))
    rig.broker(large.subarray(0, 60)).client(large.subarray(50, 70))
    assert.ok(rig.session.heldBytes > 0)
    rig.client(concat([large.subarray(70), bytesOf(publishPacket("secret", { qos: 1, messageId: 6 }), version)]))
    const upstream = rig.takeUpstream()
    assert.equal(
      upstream.map((packet) => packet.cmd),
      ["publish", "puback"],
    )
    assert.is(upstream[0].payload, payload.toString())
    rig.broker(concat([large.subarray(60), large]))
    const client = rig.takeClient()
    assert.equal(
      client.map((packet) => packet.cmd),
      ["publish", "puback", "publish"],
      "at the first boundary, not at the end of the chunk",
    )
    assert.is(rig.session.heldBytes - new Rig({ version }).session.heldBytes, 0)
  })

  test(`${v}: answers that wait are bounded (P8)`, () => {
    const rig = new Rig({ version }).open()
    rig.client(bytesOf(publishPacket("a", { payload: Buffer.alloc(100) }), version).subarray(0, 50))
    for (let i = 0; rig.closed === null; i++) {
      assert.ok(i < 20_000)
      rig.broker(publishPacket("secret", { qos: 1, messageId: 1 }))
      assert.ok(rig.session.heldBytes <= 130_000)
    }
    assert.is(rig.closed, "limit ERR_MQTT_QUOTA")
    // Not said to the broker, which is inside a packet (E3).
    assert.is(rig.upstreamBytes().at(-1), 0)
    const flood = new Rig({ version }).open()
    const one = bytesOf(publishPacket("secret", { qos: 1, messageId: 1 }), version)
    flood.client(concat(Array<Uint8Array>(30_000).fill(one)))
    assert.is(flood.closed, null, "without a packet under way any number of answers goes out")
    assert.is(flood.takeClient().length, 30_000)
    assert.ok(flood.writes.length < 20)
  })

  test(`${v}: a malformed packet ends the session; what came before it has been dealt with (E1)`, () => {
    const cases: [bytes: Uint8Array, code: string, reason: number][] = [
      [Uint8Array.of(0x36, 5, 0, 1, 0x61, 0, 1), "ERR_MQTT_QOS", 0x81],
      [Uint8Array.of(0x38, 4, 0, 1, 0x61, 0), "ERR_MQTT_DUP", 0x81],
      [Uint8Array.of(0x32, 6, 0, 1, 0x61, 0, 0, 0), "ERR_MQTT_PACKET_ID", 0x82],
      [Uint8Array.of(0x30, 0x80, 0x80, 0x80, 0x80, 1), "ERR_MQTT_LENGTH", 0x81],
      [Uint8Array.of(0x30, 4, 0, 9, 0x61, 0), "ERR_MQTT_TRUNCATED", 0x81],
      [Uint8Array.of(0x30, 5, 0, 2, 0xc0, 0xaf, 0), "ERR_MQTT_UTF8", 0x81],
      [Uint8Array.of(0x30, 4, 0, 1, 0x2b, 0), "ERR_MQTT_TOPIC_NAME", 0x82],
      [Uint8Array.of(0x41, 2, 0, 1), "ERR_MQTT_PACKET_FLAGS", 0x81],
      [Uint8Array.of(0x60, 2, 0, 1), "ERR_MQTT_PACKET_FLAGS", 0x81],
      [Uint8Array.of(0x40, 2, 0, 0), "ERR_MQTT_PACKET_ID", 0x82],
      [Uint8Array.of(0x40, 1, 0), "ERR_MQTT_TRUNCATED", 0x81],
    ]
    const side = [
      { fault: "protocol-client", feed: (rig: Rig, bytes: Uint8Array) => rig.client(bytes) },
      { fault: "protocol-broker", feed: (rig: Rig, bytes: Uint8Array) => rig.broker(bytes) },
    ]
    const before = [publishPacket("a"), publishPacket("secret"), publishPacket("b")].map((p) => bytesOf(p, version))
    for (const { fault, feed } of side) {
      for (const [bytes, code, reason] of cases) {
        const rig = new Rig({ version }).open()
        feed(rig, concat([...before, bytes, ...before]))
        assert.is(rig.closed, `${fault} ${code}`)
        const [passed, answered] =
          fault === "protocol-client" ? [rig.takeUpstream(), rig.takeClient()] : [rig.takeClient(), rig.takeUpstream()]
        assert.equal(
          passed.map((packet) => packet.topic ?? packet.reasonCode),
          fault === "protocol-broker" && version === 5 ? ["a", "b", 0x80] : ["a", "b"],
        )
        assert.equal(answered, said(version, reason))
      }
    }
  })

  test(`${v}: [CR 7.1] a packet over its limit ends the session as soon as its length is known (E2)`, () => {
    const limits = { maxPacketBytes: 10_000, maxControlBytes: 1000 }
    const publish = (total: number): Uint8Array => {
      const bytes = bytesOf(publishPacket("a", { payload: Buffer.alloc(total - (version === 5 ? 7 : 6)) }), version)
      assert.is(bytes.length, total)
      return bytes
    }
    const unsubscribe = (total: number): Uint8Array => {
      const filter = "u".repeat(total - (version === 5 ? 8 : 7))
      const bytes = bytesOf({ cmd: "unsubscribe", messageId: 1, unsubscriptions: [filter] }, version)
      assert.is(bytes.length, total)
      return bytes
    }
    // What is in front of the payload: 3 fixed, 2 of length, the topic, and in 5 the length of the properties.
    const control = (total: number): Uint8Array =>
      bytesOf(publishPacket("t".repeat(total - (version === 5 ? 6 : 5)), { payload: Buffer.alloc(50) }), version)
    for (const [fits, over, read] of [
      [publish(10_000), publish(10_001), 3],
      [control(1000), control(1001), 5],
      [unsubscribe(1000), unsubscribe(1001), 3],
    ] as const) {
      assert.is(new Rig({ version, limits }).open().client(fits).closed, null)
      const rig = new Rig({ version, limits }).open().client(over.subarray(0, read))
      assert.is(rig.closed, "limit ERR_MQTT_PACKET_TOO_LARGE")
      assert.equal(rig.takeClient(), said(version, 0x95))
      assert.equal(rig.takeUpstream(), [])
      if (over[0] !== 0x30) continue
      assert.is(new Rig({ version, limits }).open().broker(fits).closed, null)
      const down = new Rig({ version, limits }).open().broker(over.subarray(0, read))
      assert.is(down.closed, "limit ERR_MQTT_PACKET_TOO_LARGE")
      assert.equal(down.takeUpstream(), said(version, 0x95))
      assert.equal(down.takeClient(), said(version, 0x80))
    }
  })

  test(`${v}: nothing is said to a peer that is inside a packet (E3)`, () => {
    const half = bytesOf(publishPacket("a", { payload: Buffer.alloc(100) }), version).subarray(0, 50)
    const rig = new Rig({ version }).open()
    const before = rig.clientBytes().length
    rig.broker(half).client(Uint8Array.of(0xff, 0))
    assert.is(rig.closed, "protocol-client ERR_MQTT_PACKET_TYPE")
    assert.equal(rig.clientBytes().subarray(before), half)
  })

  test(`${v}: a new policy that does not allow the will makes the broker discard it (W2)`, () => {
    const rig = new Rig({ version }).open(WILL)
    rig.rejudge(() => 0)
    assert.is(rig.closed, null)
    rig.rejudge(() => no("rate"))
    assert.is(rig.closed, null, "a rate that is used up is not a rule that forbids it")
    rig.rejudge(({ topic }) => (topic === "w" ? no("deny-rule") : 0))
    assert.is(rig.closed, "withdrawn ERR_MQTT_WILL_DENIED")
    assert.equal(rig.denied, ["will w deny-rule"])
    assert.equal(rig.takeUpstream(), [left(version)])
    assert.equal(rig.takeClient(), said(version, 0x87))
    const early = new Rig({ version }).client(connectPacket(version, WILL)).rejudge(() => no())
    assert.equal(early.takeUpstream().slice(1), [left(version)])
    const [connack] = early.takeClient()
    assert.is(version === 5 ? connack.reasonCode : connack.returnCode, version === 5 ? 0x88 : 3)
    const none = new Rig({ version }).open().rejudge(() => no())
    assert.is(none.closed, null, "without a will nobody is sent away")
  })

  test(`${v}: a session that the gateway ends takes leave of both sides (W3)`, () => {
    const rig = new Rig({ version }).open(WILL)
    rig.session.withdraw("island")
    assert.is(rig.closed, "withdrawn island")
    assert.equal(rig.takeUpstream(), [left(version)])
    assert.equal(rig.takeClient(), said(version, 0x98))
    const fresh = new Rig({ version })
    fresh.session.withdraw("island")
    assert.is(fresh.closed, "withdrawn island")
    assert.is(fresh.clientBytes().length + fresh.upstreamBytes().length, 0)
    const waiting = new Rig({ version }).client(connectPacket(version))
    waiting.session.withdraw("island")
    const [connack] = waiting.takeClient()
    assert.is(version === 5 ? connack.reasonCode : connack.returnCode, version === 5 ? 0x88 : 3)
  })

  test(`${v}: inside an allowed message its rest goes first, then the leave is taken (W4)`, () => {
    const payload = Buffer.alloc(100, "p")
    const bytes = bytesOf(publishPacket("a", { payload }), version)
    const rig = new Rig({ version }).open(WILL).client(bytes.subarray(0, 50))
    rig.session.withdraw("island")
    assert.is(rig.closed, null)
    rig
      .broker(publishPacket("b"))
      .client(bytes.subarray(50, 60))
      .rejudge(() => no())
    assert.is(rig.closed, null)
    rig.client(concat([bytes.subarray(60), bytesOf(publishPacket("c"), version)]))
    assert.is(rig.closed, "withdrawn island")
    const [publish, disconnect, ...rest] = rig.takeUpstream()
    assert.is(publish.payload, payload.toString())
    assert.equal([disconnect, ...rest], [left(version)])
    assert.equal(rig.takeClient(), said(version, 0x98))

    const stalled = new Rig({ version }).open(WILL).client(bytes.subarray(0, 50))
    stalled.session.withdraw("island")
    stalled.session.clientEnded()
    assert.is(stalled.closed, "withdrawn ERR_MQTT_CUT_INSIDE_PACKET")
    const dropped = new Rig({ version }).open(WILL)
    dropped.client(bytesOf(publishPacket("secret", { payload }), version).subarray(0, 60))
    dropped.session.withdraw("island")
    assert.is(dropped.closed, "withdrawn island", "a message that is being dropped holds nobody up")
    const carried = new Rig({ version }).open(WILL).client(bytes.subarray(0, 4))
    carried.session.withdraw("island")
    assert.equal(carried.takeUpstream(), [left(version)])
  })

  test(`${v}: a client that is gone without DISCONNECT leaves its will to the broker (W5)`, () => {
    const rig = new Rig({ version }).open(WILL).client(Uint8Array.of(0x30, 9, 0, 4))
    rig.session.clientEnded()
    assert.is(rig.closed, "client lost")
    assert.equal(rig.takeUpstream(), [])
    const fresh = new Rig({ version })
    fresh.session.clientEnded()
    assert.is(fresh.closed, "client lost")
  })

  test(`${v}: a broker that is gone ends the session (W6)`, () => {
    const rig = new Rig({ version }).open()
    rig.session.upstreamEnded()
    assert.is(rig.closed, "broker lost")
    assert.equal(rig.takeClient(), [])
  })

  test(`${v}: a client that breaks the protocol leaves its will to the broker (W7)`, () => {
    const rig = new Rig({ version }).open(WILL).client(Uint8Array.of(0xff, 0))
    assert.is(rig.closed, "protocol-client ERR_MQTT_PACKET_TYPE")
    assert.equal(rig.takeUpstream(), [])
  })
}

test("5: DISCONNECT 0x04 passes with its code, which keeps the will (P4)", () => {
  const rig = new Rig({ version: 5 }).open(WILL).client({ cmd: "disconnect", reasonCode: 4 })
  assert.equal(rig.takeUpstream(), [{ cmd: "disconnect", reasonCode: 4 }])
  assert.is(rig.closed, "client disconnect 4")
})

test("5: a broker's DISCONNECT passes and ends the session (P5)", () => {
  const packet = {
    cmd: "disconnect",
    reasonCode: 0x8e,
    properties: { reasonString: "taken over", serverReference: "b2" },
  }
  const rig = new Rig({ version: 5 }).open().broker(packet)
  assert.equal(rig.takeClient(), [packet])
  assert.is(rig.closed, `broker disconnect 142`)
})

test("3.1.1: a broker has no DISCONNECT (P6)", () => {
  const rig = new Rig({ version: 4 }).open().broker(DISCONNECT)
  assert.is(rig.closed, "protocol-broker ERR_MQTT_PACKET_TYPE")
  assert.equal(rig.takeClient(), [])
})

test("5: the server's keep-alive time takes the place of the client's (P2)", () => {
  const rig = new Rig({ version: 5 }).open({ keepalive: 1000 }, { properties: { serverKeepAlive: 10 } })
  rig.now += 5000
  assert.equal(rig.client(publishPacket("secret")).takeUpstream(), [PING])
})

test("5: a PUBLISH without room for the length of its properties is refused at its end, not later", () => {
  const rig = new Rig({ version: 5 }).open().client(Uint8Array.of(0x30, 3, 0, 1, 0x61))
  assert.is(rig.closed, "protocol-client ERR_MQTT_TRUNCATED")
  const cut = new Rig({ version: 5 }).open().client(Uint8Array.of(0x30, 4, 0, 1, 0x61, 0x80))
  assert.is(cut.closed, "protocol-client ERR_MQTT_TRUNCATED")
})

test("3.1.1 takes a padded remaining length, 5 does not", () => {
  const padded = Uint8Array.of(0x30, 0x84, 0x80, 0x00, 0, 1, 0x61, 0x78)
  const rig = new Rig({ version: 4 }).open().client(padded)
  assert.is(rig.takeUpstream()[0].topic, "a")
  const strict = new Rig({ version: 5 }).open().client(padded)
  assert.is(strict.closed, "protocol-client ERR_MQTT_LENGTH")
})

test("5: acknowledgements pass with their reasons", () => {
  const rig = new Rig({ version: 5 }).open()
  const puback = { ...ack("puback", 5, 5, 0x10), properties: { reasonString: "nobody", userProperties: { k: "v" } } }
  rig.client(publishPacket("a", { qos: 1, messageId: 5 })).broker(puback)
  assert.equal(rig.takeClient(), [puback])
})

test.run()
