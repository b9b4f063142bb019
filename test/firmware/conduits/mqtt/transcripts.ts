import { ack, bytesOf, connackPacket, connectPacket, publishPacket, type Version } from "./rig.ts"
import { seeded } from "../../../support/hostile.ts"

/** One packet on its way through a session. */
export interface Sent {
  readonly from: "client" | "broker"
  readonly bytes: Uint8Array
}

const ALIASES = { topicAliasMaximum: 10 }

/**
 * A conversation with every packet type of that version, allowed and denied, in an order that both sides may keep. It
 * ends with a DISCONNECT.
 */
export function conversation(version: Version): Sent[] {
  const five = version === 5
  const client = (packet: unknown): Sent => ({ from: "client", bytes: bytesOf(packet, version) })
  const broker = (packet: unknown): Sent => ({ from: "broker", bytes: bytesOf(packet, version) })
  const props = (properties: Record<string, unknown>): Record<string, unknown> => (five ? { properties } : {})
  const will = {
    topic: "a/will",
    payload: Buffer.from("gone"),
    qos: 1,
    retain: true,
    ...props({ willDelayInterval: 3, responseTopic: "r", userProperties: { w: "1" } }),
  }
  const connect = { will, keepalive: 60, username: "u", password: Buffer.from("p") }
  const message = props({
    payloadFormatIndicator: true,
    contentType: "text",
    responseTopic: "r/ü",
    correlationData: Buffer.from([1, 2]),
    userProperties: { k: ["v", "w"] },
  })
  const filters = ["a/#", "secret/#", "b/+/c", "$share/g/d"].map((topic, i) => ({ topic, qos: i % 3 }))
  const plainFilters = [{ topic: "x/+", qos: 1 }]
  const steps = [
    client(
      connectPacket(version, {
        ...connect,
        ...props({ ...ALIASES, sessionExpiryInterval: 9, userProperties: { c: "1" } }),
      }),
    ),
    broker(
      connackPacket(version, props({ ...ALIASES, receiveMaximum: 20, reasonString: "hi", userProperties: { c: "1" } })),
    ),
    client(publishPacket("a/0", { payload: "zero", ...message })),
    client(publishPacket("secret/0", { payload: "zero", ...message })),
    client(publishPacket("a/1", { qos: 1, messageId: 257, retain: true, payload: Buffer.alloc(200, 1) })),
    client(publishPacket("secret/1", { qos: 1, messageId: 258, payload: Buffer.alloc(200, 2) })),
    broker(ack("puback", 257, version)),
    client(publishPacket("a/2", { qos: 2, messageId: 259, payload: "" })),
    client(publishPacket("secret/2", { qos: 2, messageId: 260, ...message })),
    broker(ack("pubrec", 259, version)),
    client(ack("pubrel", 259, version)),
    client(ack("pubrel", 260, version)),
    broker(ack("pubcomp", 259, version)),
    client({
      cmd: "subscribe",
      messageId: 300,
      subscriptions: filters,
      ...props({ subscriptionIdentifier: 200, userProperties: { s: "1" } }),
    }),
    broker({ cmd: "suback", messageId: 300, granted: [0, 2, 1], ...props({ reasonString: "ok" }) }),
    client({ cmd: "subscribe", messageId: 301, subscriptions: plainFilters }),
    broker({ cmd: "suback", messageId: 301, granted: [1] }),
    client({ cmd: "subscribe", messageId: 302, subscriptions: [{ topic: "secret", qos: 0 }] }),
    broker(
      publishPacket("a/0", { retain: true, ...props({ subscriptionIdentifier: [200, 5], messageExpiryInterval: 9 }) }),
    ),
    broker(publishPacket("secret/0", { payload: "zero" })),
    broker(publishPacket("a/1", { qos: 1, messageId: 1, payload: Buffer.alloc(150, 3) })),
    client(ack("puback", 1, version)),
    broker(publishPacket("secret/1", { qos: 1, messageId: 2, payload: Buffer.alloc(150, 4) })),
    broker(publishPacket("a/2", { qos: 2, messageId: 3 })),
    client(ack("pubrec", 3, version)),
    broker(ack("pubrel", 3, version)),
    client(ack("pubcomp", 3, version)),
    broker(publishPacket("secret/2", { qos: 2, messageId: 4 })),
    broker(ack("pubrel", 4, version)),
    client({ cmd: "pingreq" }),
    broker({ cmd: "pingresp" }),
    client({
      cmd: "unsubscribe",
      messageId: 303,
      unsubscriptions: ["a/#", "secret/#"],
      ...props({ userProperties: { u: "1" } }),
    }),
    broker({ cmd: "unsuback", messageId: 303, granted: [0, 17], ...props({ reasonString: "ok" }) }),
  ]
  steps.push(...looked(client, broker, version))
  if (five) steps.push(...aliases(client, broker))
  const leave = {
    cmd: "disconnect",
    ...(five ? { reasonCode: 4, properties: { reasonString: "bye", userProperties: { d: "1" } } } : {}),
  }
  return [...steps, client(leave)]
}

/** Messages whose payloads are looked into, fit and unfit, both ways. */
function looked(client: (packet: unknown) => Sent, broker: (packet: unknown) => Sent, version: Version): Sent[] {
  const long = (word: string): Buffer => Buffer.from("ab".repeat(70) + word)
  return [
    client(publishPacket("form/0", { payload: "good" })),
    client(publishPacket("form/0", { payload: long("bad") })),
    client(publishPacket("form/empty", { payload: "" })),
    client(publishPacket("form/1", { qos: 1, messageId: 400, payload: long("good"), retain: true })),
    broker(ack("puback", 400, version)),
    client(publishPacket("form/1", { qos: 1, messageId: 401, payload: "bad" })),
    client(publishPacket("form/2", { qos: 2, messageId: 402, payload: "bad" })),
    client(ack("pubrel", 402, version)),
    broker(publishPacket("form/0", { payload: long("good") })),
    broker(publishPacket("form/0", { payload: "bad" })),
    broker(publishPacket("form/1", { qos: 1, messageId: 20, payload: "good" })),
    client(ack("puback", 20, version)),
    broker(publishPacket("form/2", { qos: 2, messageId: 21, payload: long("bad") })),
    broker(ack("pubrel", 21, version)),
  ]
}

function aliases(client: (packet: unknown) => Sent, broker: (packet: unknown) => Sent): Sent[] {
  const both: Sent[] = []
  for (const side of [client, broker]) {
    const set = (topic: string, topicAlias: number, payload: string): Sent =>
      side(publishPacket(topic, { payload, properties: { topicAlias, userProperties: { x: "y" } } }))
    both.push(set("a/al", 1, "1"), set("", 1, "2"), set("secret/al", 1, "3"), set("", 1, "4"), set("b/al", 2, "5"))
    both.push(set("a/al", 1, "6"), set("", 1, "7"), set("", 2, "8"))
    both.push(set("form/al", 3, "good"), set("", 3, "bad"), set("", 3, "good too"))
    // Learnt from a message that was dropped: the next is rewritten, with its payload behind it.
    both.push(set("form/b", 4, "bad"), set("", 4, "good, written out"), set("", 4, "good"))
  }
  return both
}

/** `count` packets of a client, allowed and denied, of every length; after CONNECT and without DISCONNECT. */
export function clientFlood(version: Version, count: number, seed: number): Uint8Array[] {
  const random = seeded(seed)
  const pick = (n: number): number => Math.floor(random() * n)
  const packets: Uint8Array[] = []
  for (let i = 0; i < count; i++) {
    const topic = ["secret/", "a/", "form/"][pick(3)]! + "l/".repeat(pick(40)) + `${i}`
    const qos = pick(3)
    const lengths = [0, 1, 60, 120, 130, 700, 20_000]
    const payload = Buffer.alloc(lengths[pick(i % 50 === 0 ? 7 : 6)]!, i)
    if (payload.length > 0 && pick(3) === 0) payload.write("bad", pick(payload.length))
    const properties =
      version === 5 && pick(2) === 0 ? { properties: { userProperties: { k: "v".repeat(pick(200)) } } } : {}
    const packet =
      pick(12) === 0
        ? { cmd: "pingreq" }
        : publishPacket(topic, { qos, payload, ...(qos > 0 ? { messageId: 1 + i } : {}), ...properties })
    packets.push(bytesOf(packet, version))
  }
  return packets
}
