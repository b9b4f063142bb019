import { suite } from "uvu"
import * as assert from "uvu/assert"
import { REFUSING_JUDGE } from "../../../../firmware/conduits/mqtt/judge.ts"
import { seeded } from "../../../support/hostile.ts"
import {
  ack,
  ALLOWED,
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

const test = suite("firmware/conduits/mqtt/session: sessions, quotas and what the two ends tell each other")

const disconnect = (reasonCode: number, serverReference?: string): Record<string, unknown> => ({
  cmd: "disconnect",
  reasonCode,
  ...(serverReference === undefined ? {} : { properties: { serverReference } }),
})

test("5: a will's delay reaches the broker; a lost client says no DISCONNECT for it (R1)", () => {
  const will = { topic: "w", payload: Buffer.from("x"), qos: 1, retain: false, properties: { willDelayInterval: 30 } }
  const rig = new Rig({ version: 5 }).client(connectPacket(5, { will, properties: { sessionExpiryInterval: 60 } }))
  const [connect] = rig.takeUpstream()
  assert.equal([connect.will.properties.willDelayInterval, connect.properties.sessionExpiryInterval], [30, 60])
  rig.broker(connackPacket(5)).session.clientEnded()
  assert.equal([rig.closed, rig.takeUpstream()], ["client lost", []])
})

for (const version of VERSIONS) {
  const v = version === 4 ? "3.1.1" : "5"

  test(`${v}: who is taken over is told so by the broker, if the version has a word for it (R2)`, () => {
    const rig = new Rig({ version }).open()
    if (version === 5) {
      rig.broker(disconnect(0x8e))
      assert.equal([rig.closed, rig.takeClient()[0].reasonCode], ["broker disconnect 142", 0x8e])
    } else {
      rig.session.upstreamEnded()
      assert.equal([rig.closed, rig.takeClient()], ["broker lost", []])
    }
    assert.equal(rig.takeUpstream(), [])
  })

  test(`${v}: a resumed session goes on with its flows: DUPs are judged, what ends a flow passes (R3)`, () => {
    const rig = new Rig({ version }).client(connectPacket(version, { clean: false }))
    rig.broker(connackPacket(version, { sessionPresent: true }))
    assert.is(rig.takeClient()[0].sessionPresent, true)
    rig.takeUpstream()
    const up = [
      publishPacket("a", { qos: 2, messageId: 1, dup: true }),
      publishPacket("a", { qos: 1, messageId: 2, dup: true }),
      ack("pubrel", 3, version),
      ack("pubrec", 4, version),
      ack("pubcomp", 5, version),
      ack("puback", 6, version),
    ]
    rig.client(...up)
    assert.equal(
      rig.takeUpstream().map((p) => p.messageId),
      [1, 2, 3, 4, 5, 6],
    )
    rig.broker(...up)
    assert.equal(
      rig.takeClient().map((p) => p.messageId),
      [1, 2, 3, 4, 5, 6],
    )
    rig.client(publishPacket("secret", { qos: 1, messageId: 7, dup: true }))
    rig.broker(publishPacket("secret", { qos: 1, messageId: 8, dup: true }))
    assert.equal(rig.takeUpstream(), [ack("puback", 8, version)])
    assert.equal(rig.takeClient(), [ack("puback", 7, version, 0x87)])
  })

  test(`${v}: a delivery that we took on an earlier connection is finished between broker and client (R4)`, () => {
    const before = new Rig({ version }).open().broker(publishPacket("secret", { qos: 2, messageId: 9 }))
    assert.equal(before.takeUpstream(), [ack("pubrec", 9, version)])
    before.session.clientEnded()
    const rig = new Rig({ version }).open({ clean: false }, { sessionPresent: true }).broker(ack("pubrel", 9, version))
    assert.equal(rig.takeClient(), [ack("pubrel", 9, version)])
    rig.client(ack("pubcomp", 9, version, version === 5 ? 0x92 : 0))
    assert.equal(rig.takeUpstream(), [ack("pubcomp", 9, version, version === 5 ? 0x92 : 0)])
    assert.is(rig.closed, null)
  })

  test(`${v}: topics that begin with $ are judged as they are written (R7)`, () => {
    const rig = new Rig({ version, rules: ({ topic }) => (topic.startsWith("$SYS/") ? no() : ALLOWED) }).open()
    rig.client({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "$SYS/#", qos: 0 }] })
    rig.client(publishPacket("$SYS/broker/load", { qos: 0 })).broker(publishPacket("$SYS/broker/uptime"))
    assert.equal(rig.takeUpstream(), [])
    assert.equal(rig.takeClient(), [{ cmd: "suback", messageId: 1, granted: [version === 5 ? 0x87 : 0x80] }])
    rig.broker(publishPacket("$other")).client(publishPacket("$other"))
    assert.is(rig.takeClient()[0].topic, "$other")
    assert.is(rig.takeUpstream()[0].topic, "$other")
  })

  test(`${v}: [CR 7.1] with all 65,535 identifiers refused and under way, 16 KiB a direction are held, and no more (R10)`, () => {
    const rig = new Rig({ version, admit: () => REFUSING_JUDGE }).open()
    const packet = bytesOf(publishPacket("secret", { qos: 2, messageId: 1, payload: "" }), version)
    // A thousand to a chunk; the identifier stands behind the topic.
    for (let first = 1; first <= 65_535; first += 1000) {
      const ids = Array.from({ length: Math.min(1000, 65_536 - first) }, (_, k) => first + k)
      const chunk = concat(
        ids.map((id) => concat([packet.subarray(0, 10), Uint8Array.of(id >> 8, id), packet.subarray(12)])),
      )
      rig.broker(chunk).client(chunk)
    }
    assert.is(rig.session.heldBytes, 2 * 16 * 1024)
    assert.is(rig.closed, null)
    const before = [rig.upstreamBytes().length, rig.clientBytes().length] as const
    rig.broker(ack("pubrel", 65_535, version)).client(ack("pubrel", 65_535, version))
    assert.equal(packetsOf(rig.upstreamBytes().subarray(before[0]), version), [ack("pubcomp", 65_535, version)])
    const code = version === 5 ? 0x92 : 0
    assert.equal(packetsOf(rig.clientBytes().subarray(before[1]), version), [ack("pubcomp", 65_535, version, code)])
  })

  test(`${v}: giving a subscription up is never refused (R12)`, () => {
    const rig = new Rig({ version, rules: () => no() }).open()
    rig.client({ cmd: "unsubscribe", messageId: 3, unsubscriptions: ["secret/#", "$share/g/secret", "#"] })
    assert.equal(rig.takeUpstream()[0].unsubscriptions, ["secret/#", "$share/g/secret", "#"])
  })
}

test("5: a reference to another server passes, refused at the CONNECT or sent away later (R5)", () => {
  for (const reasonCode of [0x9c, 0x9d]) {
    const properties = { serverReference: "other.plant:8883" }
    const refused = new Rig({ version: 5 })
      .client(connectPacket(5))
      .broker(connackPacket(5, { reasonCode, properties }))
    assert.is(refused.closed, `broker connack ${reasonCode}`)
    assert.is(refused.takeClient()[0].properties.serverReference, "other.plant:8883")
    const rig = new Rig({ version: 5 }).open().broker(disconnect(reasonCode, "other.plant:8883"))
    assert.is(rig.closed, `broker disconnect ${reasonCode}`)
    const [said] = rig.takeClient()
    assert.equal([said.reasonCode, said.properties.serverReference], [reasonCode, "other.plant:8883"])
  }
})

test("5: response information is asked for and given; the topic made of it is judged like any (R6)", () => {
  const rig = new Rig({ version: 5 }).client(connectPacket(5, { properties: { requestResponseInformation: true } }))
  assert.is(rig.takeUpstream()[0].properties.requestResponseInformation, true)
  rig.broker(connackPacket(5, { properties: { responseInformation: "secret/answers" } }))
  assert.is(rig.takeClient()[0].properties.responseInformation, "secret/answers")
  const message = { properties: { responseTopic: "secret/answers", correlationData: Buffer.from("1") } }
  rig.client(publishPacket("a", message), publishPacket("secret/answers"))
  assert.equal(
    rig.takeUpstream().map((p) => [p.topic, p.properties?.responseTopic]),
    [["a", "secret/answers"]],
  )
})

/**
 * Random traffic of one sender that keeps within `maximum` by its own account. Returns the most that the receiver had under
 * way at any time by its account, and by the sender's.
 */
function traffic(from: "client" | "broker", maximum: number, seed: number): { held: number; sent: number } {
  const random = seeded(seed)
  const pick = (n: number): number => Math.floor(random() * n)
  const rig = new Rig({ version: 5 }).open({ properties: { receiveMaximum: maximum } }, { properties: { receiveMaximum: maximum } }) // prettier-ignore
  const up = from === "client"
  const say = (packet: unknown): void => {
    if (up) rig.client(packet)
    else rig.broker(packet)
  }
  const answer = (packet: unknown): void => {
    if (up) rig.broker(packet)
    else rig.client(packet)
  }
  /** By identifier: what the sender waits for, and what the receiver is to say. */
  const [waiting, held] = [new Map<number, number>(), new Map<number, "puback" | "pubrec" | "pubcomp">()]
  const most = { held: 0, sent: 0 }
  /** Each end reads what it was given; the sender answers at once, the receiver when it likes. */
  const read = (): void => {
    for (let said = 1; said > 0;) {
      said = 0
      for (const packet of up ? rig.takeUpstream() : rig.takeClient()) {
        if (packet.cmd === "publish") held.set(packet.messageId, packet.qos === 1 ? "puback" : "pubrec")
        if (packet.cmd === "pubrel") held.set(packet.messageId, "pubcomp")
      }
      most.held = Math.max(most.held, held.size)
      for (const packet of up ? rig.takeClient() : rig.takeUpstream()) {
        assert.ok(waiting.has(packet.messageId), "nothing is answered twice")
        if (packet.cmd === "pubrec" && packet.reasonCode < 0x80) {
          say(ack("pubrel", packet.messageId, 5))
          said++
        } else waiting.delete(packet.messageId)
      }
    }
  }
  for (let step = 0, id = 0; step < 100; step++) {
    while (waiting.size < maximum && pick(8) > 0) {
      const qos = 1 + pick(2)
      waiting.set((id = (id % 1000) + 1), qos)
      say(publishPacket(pick(2) === 0 ? "a" : "secret", { qos, messageId: id }))
      most.sent = Math.max(most.sent, waiting.size)
      read()
    }
    const some = [...held][pick(Math.max(1, held.size))]
    if (some !== undefined && pick(2) === 0) {
      const [messageId, cmd] = some
      held.delete(messageId)
      answer(ack(cmd, messageId, 5, cmd === "pubrec" && pick(3) === 0 ? 0x80 : 0))
      read()
    }
  }
  assert.is(rig.closed, null)
  assert.ok(
    [...waiting.keys()].every((open) => held.has(open)),
    "no place is lost for good",
  )
  return most
}

function holds(from: "client" | "broker"): void {
  for (const maximum of [1, 2, 7]) {
    for (let seed = 1; seed <= 3; seed++) {
      const { held, sent } = traffic(from, maximum, seed)
      assert.is(sent, maximum, "the sender uses all of it")
      assert.ok(held <= maximum && held > 0, `${held} under way of ${maximum}`)
    }
  }
}

test("5: [CR 7.1] the client's receive maximum holds, whatever is denied of the broker's messages (R8)", () => {
  holds("broker")
})

test("5: [CR 7.1] the broker's receive maximum holds, whatever is denied of the client's messages (R9)", () => {
  holds("client")
})

test("5: [CR 7.1] a packet over what the client takes never reaches it (R11)", () => {
  const rig = new Rig({ version: 5 }).open({ properties: { maximumPacketSize: 100 } })
  const fits = bytesOf(publishPacket("a", { payload: Buffer.alloc(94) }), 5)
  assert.is(fits.length, 100)
  rig.broker(fits)
  assert.is(rig.takeClient()[0].payload.length, 94)
  const over = bytesOf(publishPacket("a", { payload: Buffer.alloc(95) }), 5)
  rig.broker(over.subarray(0, 2))
  assert.is(rig.closed, "limit ERR_MQTT_PACKET_TOO_LARGE")
  assert.is(rig.takeUpstream()[0].reasonCode, 0x95)
  assert.equal(rig.takeClient(), [{ cmd: "disconnect", reasonCode: 0x80 }])
})

test.run()
