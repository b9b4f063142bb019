/**
 * A conduit with `direction: out`, at both ends: what the client says is at the broker, and of what the broker has for it (retained,
 * live, in its session, as a will) not one byte is in what the client's socket received: every byte that TLS brought it is parsed and named.
 */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { readFileSync } from "node:fs"
import { connect, type TLSSocket } from "node:tls"
import { generate, type Packet } from "mqtt-packet"
import { deskPeer, type MqttPeer } from "../support/mqtt-peer.ts"
import { startRig, type Rig } from "../support/rig.ts"
import type { Subscription } from "../peers/mosquitto-clients.ts"

const test = suite("system/one-way")
const MARK = "from-the-other-zone"

const policy = (direction: "out" | "both"): string => `
lockgate-policy: 1
name: out only
zones:
  field: { level: 2, authorities: [field-ca] }
  control: { level: 3, authorities: [control-ca] }
roles:
  sensor: reports
subjects:
  - { zone: field, match: { san-uri: "urn:test:sensor:{name}" }, roles: [sensor] }
conduits:
  telemetry: { from: field, to: control, protocol: mqtt, direction: ${direction} }
rules:
  - { id: report, allow: publish, roles: [sensor], topics: ["plant/%u/#"], qos: 2, retain: true }
${direction === "both" ? '  - { id: obey, allow: [subscribe, receive], roles: [sensor], topics: ["#"], qos: 2 }' : ""}
`

let rig: Rig
let desk: MqttPeer
let seen: Subscription
test.before(async () => {
  rig = await startRig({ policy: policy("both"), brokerConfig: ["max_keepalive 600"] })
  desk = await deskPeer(rig)
  seen = await rig.watch("plant/#", "live/#", "kept/#", "will/#")
})
test.after(async () => {
  await desk.end()
  await seen.stop()
  await rig.stop()
})

/** A client that keeps every byte it was sent. */
class Raw {
  readonly #socket: TLSSocket
  #bytes = Buffer.alloc(0)
  readonly version: 4 | 5
  closed = false

  constructor(name: string, version: 4 | 5) {
    this.version = version
    const { cert, key } = rig.tls(rig.peer(name))
    const keys = { cert: readFileSync(cert), key: readFileSync(key), rejectUnauthorized: false }
    this.#socket = connect({ port: rig.port, host: "127.0.0.1", ...keys })
    this.#socket.on("data", (chunk: Buffer) => (this.#bytes = Buffer.concat([this.#bytes, chunk])))
    this.#socket.on("error", () => undefined)
    this.#socket.on("close", () => (this.closed = true))
  }

  get bytes(): Buffer {
    return this.#bytes
  }

  say(...packets: readonly Record<string, unknown>[]): void {
    for (const packet of packets)
      this.#socket.write(generate(packet as unknown as Packet, { protocolVersion: this.version }))
  }

  async until(fits: (hex: string) => boolean, what: string): Promise<void> {
    const end = performance.now() + 5_000
    while (!fits(this.#bytes.toString("hex"))) {
      if (performance.now() > end) throw new Error(`${what}: ${this.#bytes.toString("hex")}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  end(): void {
    this.#socket.destroy()
  }
}

const connectAs = (clientId: string, version: 4 | 5, clean: boolean): Record<string, unknown> => ({
  cmd: "connect",
  protocolId: "MQTT",
  protocolVersion: version,
  clientId,
  clean,
  keepalive: 60,
  ...(version === 5 ? { properties: { sessionExpiryInterval: 600, requestResponseInformation: true } } : {}),
})

/** Types of the packets in `bytes`, and each one's body in hex; fails where a packet is cut. */
function packetsIn(bytes: Buffer): readonly (readonly [type: number, body: string])[] {
  const found: (readonly [number, string])[] = []
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt8(at + 1)
    assert.ok(length < 128 && at + 2 + length <= bytes.length, "short packets only")
    found.push([bytes.readUInt8(at) >> 4, bytes.toString("hex", at + 2, at + 2 + length)])
    at += 2 + length
  }
  return found
}

test("[NDR 5.2] data leaves and none comes in: not by subscription, session, retained message or will; in 3.1.1 and 5", async () => {
  // A session with a subscription at the broker, from a time when the conduit went both ways.
  for (const version of [4, 5] as const) {
    const before = new Raw(`old${version}`, version)
    before.say(connectAs(`old${version}`, version, false))
    await before.until((hex) => hex.startsWith("20"), "CONNACK")
    before.say({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "#", qos: 2 }] })
    await before.until((hex) => /9003000102$|900400010002$/.test(hex), "SUBACK")
    before.end()
  }
  const next = await rig.bundle(2, policy("out"))
  const answer = await rig.command("policy.activate", { bundle: next })
  assert.ok(answer.ok, JSON.stringify(answer))

  const dying = await deskPeer(rig, {
    clientId: "dying",
    will: { topic: "will/x", payload: Buffer.from(MARK), qos: 1 },
  })
  const raws = ([4, 5] as const).map((version) => new Raw(`old${version}`, version))
  for (const raw of raws) raw.say(connectAs(`old${raw.version}`, raw.version, false))
  for (const raw of raws) await raw.until((hex) => hex.startsWith("20"), "CONNACK")

  for (const raw of raws)
    raw.say(
      { cmd: "subscribe", messageId: 2, subscriptions: [{ topic: "plant/#", qos: 2 }, { topic: "$SYS/#", qos: 0 }] }, // prettier-ignore
      { cmd: "publish", topic: `plant/old${raw.version}/a`, payload: "out", qos: 1, messageId: 3 },
      { cmd: "publish", topic: `plant/old${raw.version}/b`, payload: "out", qos: 2, messageId: 4 },
      { cmd: "unsubscribe", messageId: 5, unsubscriptions: ["none"] },
    )
  for (const qos of [0, 1, 2] as const) await desk.publish(`live/${MARK}`, MARK, { qos })
  desk.client.publish(`kept/${MARK}`, MARK, { qos: 1, retain: true })
  dying.client.stream.destroy()
  for (const raw of raws) {
    await raw.until((hex) => hex.includes("50020004"), "PUBREC of the flow")
    raw.say({ cmd: "pubrel", messageId: 4 })
    await raw.until((hex) => hex.includes("70020004"), "PUBCOMP")
  }
  const arrived = (await seen.take(9)).map(({ topic }) => topic)
  const wanted = ["a", "b"].flatMap((end) => [4, 5].map((version) => `plant/old${version}/${end}`))
  assert.equal(arrived.filter((topic) => topic.startsWith("plant/")).sort(), wanted.sort())
  assert.ok(arrived.includes("will/x"))
  // Everybody at the broker has all that; so it has been said to our two as well, before this answer.
  for (const raw of raws) raw.say({ cmd: "pingreq" })
  for (const raw of raws) await raw.until((hex) => hex.endsWith("d000"), "PINGRESP")
  for (const version of [4, 5]) {
    const fits = (e: { subject?: string | null; object?: string }): boolean =>
      e.subject === `old${version}` && e.object === `live/${MARK}`
    const dropped = await rig.entry((e) => e.event === "conduit.denied" && fits(e))
    assert.equal([dropped.detail?.["action"], (dropped.count ?? 1) >= 3], ["receive", true])
  }
  for (const { version, bytes, closed } of raws) {
    assert.is(closed, false)
    assert.not(bytes.includes(MARK))
    const packets = packetsIn(bytes)
    const types = packets.map(([type]) => type)
    // CONNACK, SUBACK (refused), PUBACK, UNSUBACK, PUBREC, PUBCOMP, PINGRESP: one each, and nothing else.
    assert.equal(
      [...types].sort((a, b) => a - b),
      [2, 4, 5, 7, 9, 11, 13],
      JSON.stringify(packets),
    )
    const body = new Map(packets)
    assert.is(body.get(9), version === 5 ? "0002008787" : "00028080")
    assert.is(body.get(11), version === 5 ? "00050000" : "0005")
    for (const type of [4, 5, 7]) assert.match(body.get(type)!, /^000[34](10)?$/)
    assert.is(body.get(2)!.slice(0, 4), "0100")
  }
  for (const raw of raws) raw.end()
})

test.run()
