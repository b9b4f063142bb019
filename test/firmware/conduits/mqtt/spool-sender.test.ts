import { suite } from "uvu"
import * as assert from "uvu/assert"
import mqttPacket from "mqtt-packet"
import { DEFAULT_LIMITS } from "../../../../firmware/config/gateway-config.ts"
import { agedPublish } from "../../../../firmware/conduits/mqtt/message-expiry.ts"
import { PacketScan } from "../../../../firmware/conduits/mqtt/packet-scan.ts"
import { type Progress, type Sendable, SpoolSender } from "../../../../firmware/conduits/mqtt/spool-sender.ts"

const test = suite("mqtt/spool-sender")

const newScan = (accepted: number) => new PacketScan(accepted, false, DEFAULT_LIMITS)
const encode = (packet: object, version = 5): Buffer =>
  mqttPacket.generate(packet as mqttPacket.Packet, { protocolVersion: version })

function publish(topic: string, qos: 1 | 2, version = 5, properties: object = {}): Uint8Array {
  return encode(
    { cmd: "publish", topic, payload: "x", qos, messageId: 77, dup: true, retain: false, properties },
    version,
  )
}

/** A sender, what it asked for, and what it said to the broker, decoded. */
function sender(options: { version?: 4 | 5; progress?: Progress; sentBefore?: number; queue?: Sendable[] } = {}) {
  const { version = 5, progress = { through: 0, release: [] }, sentBefore = 0, queue = [] } = options
  const said: mqttPacket.Packet[] = []
  const settles: Progress[] = []
  const refused: number[] = []
  const ends: (string | null)[] = []
  const parser = mqttPacket.parser({ protocolVersion: version })
  parser.on("packet", (packet) => said.push(packet))
  const one: SpoolSender = new SpoolSender(
    {
      toBroker: (bytes) => void parser.parse(Buffer.from(bytes)),
      fetch: (max) => one.give(queue.splice(0, max)),
      settle: (wish) => settles.push(wish),
      refused: (seq) => refused.push(seq),
      finished: (failure) => ends.push(failure),
    },
    { version, clientId: "lockgate-spool-up-pump-7", progress, sentBefore },
    newScan,
  )
  one.start()
  const hear = (packet: object): void => one.fromBroker(encode(packet, version))
  return { one, said, settles, refused, ends, hear }
}

const CONNACK = { cmd: "connack", sessionPresent: true, reasonCode: 0, returnCode: 0 }
const idsOf = (said: readonly mqttPacket.Packet[], cmd: string) =>
  said.filter((packet) => packet.cmd === cmd).map(({ messageId }) => messageId)

test("sends in order, writes down what has arrived, then releases, then says goodbye", () => {
  const queue = [1, 2, 3].map((seq) => ({ seq, packet: publish(`t/${seq}`, seq === 2 ? 2 : 1) }))
  const { one, said, settles, ends, hear } = sender({ queue })
  assert.equal([said[0]?.cmd, (said[0] as any).clean], ["connect", false])
  hear(CONNACK)
  assert.equal(said.slice(1).map((p: any) => [p.topic, p.messageId, p.dup, p.qos]), [["t/1", 2, false, 1], ["t/2", 3, false, 2], ["t/3", 4, false, 1]]) // prettier-ignore
  hear({ cmd: "puback", messageId: 4, reasonCode: 0 })
  hear({ cmd: "pubrec", messageId: 3, reasonCode: 0 })
  assert.equal(settles, [], "one is not answered")
  hear({ cmd: "puback", messageId: 2, reasonCode: 0 })
  assert.equal(settles, [{ through: 3, release: [3] }])
  assert.equal(idsOf(said, "pubrel"), [], "not before it is written down")
  one.settled()
  assert.equal(idsOf(said, "pubrel"), [3])
  hear({ cmd: "pubcomp", messageId: 3, reasonCode: 0 })
  assert.equal(settles.at(-1), { through: 3, release: [] })
  assert.equal(ends, [])
  one.settled()
  assert.equal([said.at(-1)?.cmd, ends], ["disconnect", [null]])
})

test("after a lost connection: releases first, sends the rest again and marks it", () => {
  const queue = [5, 6, 7].map((seq) => ({ seq, packet: publish("t", 1) }))
  const { said, hear } = sender({ progress: { through: 4, release: [4, 5] }, sentBefore: 6, queue })
  hear(CONNACK)
  assert.equal(idsOf(said, "pubrel"), [4, 5])
  hear({ cmd: "pubcomp", messageId: 4, reasonCode: 0x92 })
  assert.equal(idsOf(said, "publish"), [])
  hear({ cmd: "pubcomp", messageId: 5, reasonCode: 0 })
  assert.equal(said.filter(({ cmd }) => cmd === "publish").map((p: any) => [p.messageId, p.dup]), [[6, true], [7, true], [8, false]]) // prettier-ignore
})

test("a broker that forgot the session has nothing to release", () => {
  const { said, hear } = sender({ progress: { through: 4, release: [4] }, queue: [] })
  hear({ ...CONNACK, sessionPresent: false })
  assert.equal(idsOf(said, "pubrel"), [])
})

test("keeps to the broker's Receive Maximum and Maximum Packet Size; a message that it will not have is told and passed over", () => {
  const queue = [1, 2, 3, 4].map((seq) => ({ seq, packet: publish(seq === 2 ? "t".repeat(200) : "t", 1) }))
  const { one, said, settles, refused, hear } = sender({ queue })
  hear({ ...CONNACK, properties: { receiveMaximum: 2, maximumPacketSize: 100 } })
  assert.equal(idsOf(said, "publish"), [2])
  assert.equal(refused, [2])
  hear({ cmd: "puback", messageId: 2, reasonCode: 0x87 })
  assert.equal([refused, settles], [[2, 1], [{ through: 2, release: [] }]]) // prettier-ignore
  one.settled()
  assert.equal(idsOf(said, "publish"), [2, 4, 5])
})

test("a message that is not sent any more is settled with the others", () => {
  const { settles, hear } = sender({ queue: [{ seq: 9, packet: null }], progress: { through: 8, release: [] } })
  hear(CONNACK)
  assert.equal(settles, [{ through: 9, release: [] }])
})

test("identifiers go round and are never zero", () => {
  const queue = [65_534, 65_535, 65_536].map((seq) => ({ seq, packet: publish("t", 1) }))
  const { said, hear } = sender({ queue })
  hear(CONNACK)
  assert.equal(idsOf(said, "publish"), [65_535, 1, 2])
})

test("a hostile broker ends it with a reason, and nothing is settled that was not answered", () => {
  const bad: [string, (s: ReturnType<typeof sender>) => void][] = [
    ["connack 135", (s) => s.hear({ ...CONNACK, sessionPresent: false, reasonCode: 0x87 })],
    ["ERR_MQTT_PACKET_TYPE", (s) => s.hear({ cmd: "puback", messageId: 2, reasonCode: 0 })],
    [
      "unexpected packet 3",
      (s) => {
        s.hear(CONNACK)
        s.one.fromBroker(publish("t", 1))
      },
    ],
    [
      "wrong acknowledgement",
      (s) => {
        s.hear(CONNACK)
        s.hear({ cmd: "pubrec", messageId: 2, reasonCode: 0 })
      },
    ],
    [
      "ERR_MQTT_PACKET_TYPE",
      (s) => {
        s.hear(CONNACK)
        s.hear(CONNACK)
      },
    ],
    [
      "lost",
      (s) => {
        s.hear(CONNACK)
        s.one.brokerEnded()
      },
    ],
  ]
  for (const [why, act] of bad) {
    const s = sender({ queue: [{ seq: 1, packet: publish("t", 1) }] })
    act(s)
    assert.equal([s.ends, s.settles], [[why], []], why)
    s.hear({ cmd: "puback", messageId: 2, reasonCode: 0 })
    s.one.settled()
    s.one.brokerEnded()
    assert.is(s.ends.length, 1, "and only once")
  }
})

test("every truncation and bit flip of the broker's answers ends it or leaves it waiting, and never loses a message", () => {
  const good = Buffer.concat([encode(CONNACK), encode({ cmd: "puback", messageId: 2, reasonCode: 0 })])
  for (let bit = 0; bit < good.length * 8; bit++) {
    const flipped = Uint8Array.from(good)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    const s = sender({ queue: [{ seq: 1, packet: publish("t", 2) }] })
    s.one.fromBroker(flipped)
    // One flip makes the PUBACK, which no QoS 2 message has, the PUBREC that it awaits.
    const isPubrec = bit === 44
    for (const { through } of s.settles) assert.is(through === 1, isPubrec || s.refused.includes(1), `bit ${bit}`)
  }
  for (let cut = 0; cut < good.length; cut++) {
    const s = sender({ queue: [{ seq: 1, packet: publish("t", 1) }] })
    for (const byte of good.subarray(0, cut)) s.one.fromBroker(Uint8Array.of(byte))
    assert.equal([s.settles, s.ends], [[], []], `cut at ${cut}`)
  }
})

test("3.1.1 is spoken where the sender spoke it, remaining lengths of more bytes than needed included", () => {
  const plain = publish("t/1", 1, 4)
  const padded = Uint8Array.from([plain[0]!, 0x80 | plain[1]!, 0x00, ...plain.subarray(2)])
  const { said, hear, settles } = sender({ version: 4, queue: [{ seq: 1, packet: padded }] })
  assert.is((said[0] as any).protocolVersion, 4)
  hear(CONNACK)
  assert.equal([(said[1] as any).topic, said[1]?.messageId], ["t/1", 2])
  hear({ cmd: "puback", messageId: 2 })
  assert.equal(settles, [{ through: 1, release: [] }])
})

test("what waited has less time left, or none", () => {
  const parse = (bytes: Uint8Array): any => {
    let found: unknown = null
    const parser = mqttPacket.parser({ protocolVersion: 5 })
    parser.on("packet", (packet) => (found = packet))
    parser.parse(Buffer.from(bytes))
    return found
  }
  const properties = { messageExpiryInterval: 60, userProperties: { a: "b" }, contentType: "t" }
  const message = publish("a/b", 2, 5, properties)
  const aged = parse(agedPublish(message, 5, 19_500)!)
  assert.is(aged.properties.messageExpiryInterval, 41)
  const before = parse(message)
  assert.equal([aged.topic, aged.qos, aged.messageId, aged.payload, aged.properties.contentType, { ...aged.properties.userProperties }], [before.topic, before.qos, before.messageId, before.payload, "t", { a: "b" }]) // prettier-ignore
  assert.is(agedPublish(message, 5, 60_000), null)
  assert.is(parse(agedPublish(message, 5, -5000)!).properties.messageExpiryInterval, 60, "a clock set back")
  const without = publish("a/b", 1)
  assert.is(agedPublish(without, 5, 1e12), without)
  const old = publish("a/b", 1, 4)
  assert.is(agedPublish(old, 4, 1e12), old)
})

test.run()
