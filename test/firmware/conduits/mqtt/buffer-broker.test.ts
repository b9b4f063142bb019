import { suite } from "uvu"
import * as assert from "uvu/assert"
import { DEFAULT_LIMITS } from "../../../../firmware/config/gateway-config.ts"
import { BufferBroker, MAX_STORING, type StoreOutcome } from "../../../../firmware/conduits/mqtt/buffer-broker.ts"
import { PacketScan } from "../../../../firmware/conduits/mqtt/packet-scan.ts"
import { bytesOf, packetsOf, VERSIONS, type Version } from "./rig.ts"

const test = suite("mqtt/buffer-broker")

/** A stand-in broker with a disk that answers when told to. */
function broker(version: Version) {
  const said: Uint8Array[] = []
  const stored: any[] = []
  const waiting: ((outcome: StoreOutcome) => void)[] = []
  const timers = new Map<number, () => void>()
  const seen = { dropped: 0, closed: 0, readable: 0 }
  const one = new BufferBroker(
    {
      reply: (bytes) => void said.push(bytes),
      store: ({ packet, ...rest }, settled) => {
        stored.push({ ...rest, ...packetsOf(packet, version)[0] })
        waiting.push(settled)
      },
      dropped: () => seen.dropped++,
      close: () => seen.closed++,
      readable: () => seen.readable++,
      after: (delayMs, action) => {
        timers.set(delayMs, action)
        return () => timers.delete(delayMs)
      },
    },
    (accepted) => new PacketScan(accepted, true, DEFAULT_LIMITS),
  )
  const feed = (...packets: object[]): void => {
    for (const packet of packets) one.feed(bytesOf(packet, version))
  }
  const answers = (): any[] => packetsOf(Buffer.concat(said.splice(0)), version)
  const disk = (outcome: StoreOutcome = "stored"): void => waiting.splice(0).forEach((settled) => settled(outcome))
  return { one, feed, answers, disk, stored, waiting, timers, seen }
}

const connect = (version: Version, more: object = {}): object => ({
  cmd: "connect",
  protocolId: "MQTT",
  protocolVersion: version,
  clientId: "pump-7",
  clean: true,
  keepalive: 10,
  ...more,
})
const publish = (qos: number, messageId: number, more: object = {}): object => ({
  cmd: "publish",
  topic: "a/b",
  payload: "x",
  qos,
  messageId,
  retain: false,
  dup: false,
  ...more,
})

for (const version of VERSIONS) {
  const name = version === 5 ? "5" : "3.1.1"

  test(`${name}: acknowledges when it is on disk, and not before`, () => {
    const { feed, answers, disk, stored, seen } = broker(version)
    feed(connect(version))
    const [connack] = answers()
    assert.equal([connack.cmd, connack.sessionPresent], ["connack", false])
    if (version === 5) assert.equal(connack.properties, { sessionExpiryInterval: 0, receiveMaximum: MAX_STORING })
    feed(publish(1, 7), publish(2, 8), publish(0, 0))
    assert.equal(answers(), [])
    assert.equal(stored.map(({ clientId, topic, qos }) => [clientId, topic, qos]), [["pump-7", "a/b", 1], ["pump-7", "a/b", 2]]) // prettier-ignore
    assert.is(seen.dropped, 1)
    disk()
    assert.equal(answers().map(({ cmd, messageId }) => [cmd, messageId]), [["puback", 7], ["pubrec", 8]]) // prettier-ignore
    feed({ cmd: "pubrel", messageId: 8 })
    assert.equal(answers().map(({ cmd, messageId }) => [cmd, messageId]), [["pubcomp", 8]]) // prettier-ignore
  })

  test(`${name}: a QoS 2 message that is sent again is kept once`, () => {
    const { feed, answers, disk, stored } = broker(version)
    feed(connect(version), publish(2, 8), publish(2, 8, { dup: true }))
    disk()
    answers()
    feed(publish(2, 8, { dup: true }))
    assert.equal([stored.length, answers().map(({ cmd }) => cmd)], [1, ["pubrec"]])
    feed({ cmd: "pubrel", messageId: 8 }, publish(2, 8))
    assert.is(stored.length, 2, "the identifier is free again")
  })

  test(`${name}: what there is no room for is not acknowledged as taken`, () => {
    const full = broker(version)
    full.feed(connect(version), publish(1, 7), publish(2, 8))
    full.answers()
    full.disk("full")
    const answers = full.answers()
    if (version === 5)
      assert.equal(answers.map(({ cmd, reasonCode }) => [cmd, reasonCode]), [["puback", 0x97], ["pubrec", 0x97]]) // prettier-ignore
    else assert.equal([answers, full.seen.closed > 0], [[], true])
    const failing = broker(version)
    failing.feed(connect(version), publish(1, 7))
    failing.answers()
    failing.disk("failed")
    assert.equal([failing.answers(), failing.seen.closed], [[], 1])
  })

  test(`${name}: refuses every filter, answers pings, and says that nothing was subscribed`, () => {
    const { feed, answers } = broker(version)
    feed(connect(version))
    answers()
    const subscriptions = [{ topic: "a", qos: 0 }, { topic: "b/#", qos: 1 }] // prettier-ignore
    feed({ cmd: "subscribe", messageId: 3, subscriptions }, { cmd: "pingreq" })
    feed({ cmd: "unsubscribe", messageId: 4, unsubscriptions: ["a", "b/#"] })
    const [suback, pong, unsuback] = answers()
    assert.equal(suback.granted, version === 5 ? [0x83, 0x83] : [0x80, 0x80])
    assert.is(pong.cmd, "pingresp")
    assert.equal([unsuback.cmd, unsuback.messageId, version === 5 ? unsuback.granted : null], ["unsuback", 4, version === 5 ? [0x11, 0x11] : null]) // prettier-ignore
  })

  test(`${name}: without clean start it says that the server is not there`, () => {
    const { feed, answers, seen } = broker(version)
    feed(connect(version, { clean: false }))
    const [connack] = answers()
    assert.is(version === 5 ? connack.reasonCode : connack.returnCode, version === 5 ? 0x88 : 3)
    assert.is(seen.closed, 1)
  })

  test(`${name}: a will is kept when the client is lost or silent, and not when it takes leave`, () => {
    const will = { topic: "gone", payload: "yes", qos: 1, retain: true, ...(version === 5 ? { properties: { willDelayInterval: 5, contentType: "t" } } : {}) } // prettier-ignore
    const lost = broker(version)
    lost.feed(connect(version, { will }))
    lost.one.ended()
    lost.one.ended()
    assert.equal(lost.stored.map(({ topic, payload, qos, retain }) => [topic, payload, qos, retain]), [["gone", "yes", 1, true]]) // prettier-ignore
    if (version === 5) assert.equal(lost.stored[0].properties, { contentType: "t" })
    const silent = broker(version)
    silent.feed(connect(version, { will }))
    silent.timers.get(15_000)!()
    assert.equal([silent.stored.length, silent.seen.closed], [1, 1])
    const polite = broker(version)
    polite.feed(connect(version, { will }), { cmd: "disconnect" })
    polite.one.ended()
    assert.equal([polite.stored.length, polite.seen.closed], [0, 1])
    const cheap = broker(version)
    cheap.feed(connect(version, { will: { ...will, qos: 0 } }))
    cheap.one.ended()
    assert.equal([cheap.stored.length, cheap.seen.dropped], [0, 1])
  })

  test(`${name}: says when it is full, and when there is room again`, () => {
    const { one, feed, waiting, seen } = broker(version)
    feed(connect(version))
    for (let id = 1; id <= MAX_STORING; id++) {
      assert.not.ok(one.isFull, String(id))
      feed(publish(1, id))
    }
    assert.ok(one.isFull)
    waiting.shift()!("stored")
    assert.equal([one.isFull, seen.readable], [false, 1])
    waiting.shift()!("stored")
    assert.is(seen.readable, 1)
  })

  test(`${name}: byte by byte it is the same`, () => {
    const { one, answers, disk, stored } = broker(version)
    const bytes = Buffer.concat([connect(version), publish(2, 8, { payload: "y".repeat(300) })].map((p) => bytesOf(p, version))) // prettier-ignore
    for (const byte of bytes) one.feed(Uint8Array.of(byte))
    disk()
    assert.equal([answers().map(({ cmd }) => cmd), stored[0].payload.length], [["connack", "pubrec"], 300])
  })
}

test("5: a client that takes leave with its will has it kept", () => {
  const { feed, stored } = broker(5)
  feed(connect(5, { will: { topic: "gone", payload: "yes", qos: 2, retain: false } }), {
    cmd: "disconnect",
    reasonCode: 4,
  })
  assert.equal(stored.map(({ topic }) => topic), ["gone"]) // prettier-ignore
})

test("bytes that no session lets through end it, without a crash", () => {
  for (let first = 0; first < 256; first++) {
    const { one, feed } = broker(5)
    feed(connect(5))
    one.feed(Uint8Array.of(first, 3, 0, 1, 0))
    one.feed(new Uint8Array(50).fill(first))
  }
  const { one, seen } = broker(5)
  one.feed(Uint8Array.of(0x30, 0))
  assert.is(seen.closed, 1)
})

test.run()
