import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createHash, randomBytes, randomInt } from "node:crypto"
import { readFileSync } from "node:fs"
import { connect } from "node:tls"
import { generate } from "mqtt-packet"
import { deskPeer, mqttPeer, type MqttPeer } from "../support/mqtt-peer.ts"
import { POLICY, startRig, type Rig } from "../support/rig.ts"

const test = suite("system/clients")
const MANY = 50

let rig: Rig
test.before(async () => {
  rig = await startRig({ brokerConfig: ["max_queued_messages 0", "max_topic_alias 20"] })
  silentFor = fallSilent()
})
test.after(() => rig.stop())
/** How long a client with a keep-alive of one second was left alone. The broker takes its time, so it starts at once. */
let silentFor: Promise<number>

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const texts = (peer: MqttPeer): string[] => peer.received.map((m) => m.payload.toString())

function fallSilent(): Promise<number> {
  const { cert, key } = rig.tls(rig.peer("silent"))
  const socket = connect({
    port: rig.port,
    host: "127.0.0.1",
    cert: readFileSync(cert),
    key: readFileSync(key),
    rejectUnauthorized: false,
  })
  const startedMs = performance.now()
  socket.on("error", () => undefined)
  socket.resume()
  const packet = { cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clean: true, keepalive: 1 } as const
  socket.write(generate({ ...packet, clientId: "silent" }))
  return new Promise((resolve) => {
    const patience = setTimeout(() => socket.destroy(), 15_000)
    socket.once("close", () => {
      clearTimeout(patience)
      resolve(performance.now() - startedMs)
    })
  })
}

for (const version of [4, 5] as const) {
  test(`[NDR 5.2] QoS 2 both ways at once: every message once, in order: MQTT ${version}`, async () => {
    const name = `both${version}`
    const [desk, pump] = [await deskPeer(rig), await mqttPeer(rig, { name, kind: "pump", protocolVersion: version })]
    assert.equal(await pump.subscribe([`plant/${name}/set/+`]), [2])
    assert.equal(await desk.subscribe([`plant/${name}/n`]), [2])
    const numbers = Array.from({ length: 300 }, (_, n) => String(n))
    // At most 50 under way: the broker cuts off who exceeds its receive maximum of 100.
    const send = async (peer: MqttPeer, topic: string) => {
      for (let i = 0; i < numbers.length; i += 50)
        await Promise.all(numbers.slice(i, i + 50).map((n) => peer.publish(topic, n, { qos: 2 })))
    }
    await Promise.all([send(pump, `plant/${name}/n`), send(desk, `plant/${name}/set/x`)])
    await pump.until(() => pump.received.length >= 300 && desk.received.length >= 300, "all messages")
    await pause(100)
    assert.equal(texts(pump), numbers)
    assert.equal(texts(desk), numbers)
    assert.ok(pump.received.every((m) => m.packet.qos === 2))
    await Promise.all([pump.end(), desk.end()])
  })

  test(`[NDR 5.2] two thousand payloads of random bytes, lengths, topics and QoS arrive as they were sent: MQTT ${version}`, async () => {
    const name = `any${version}`
    const [desk, sensor] = [await deskPeer(rig), await mqttPeer(rig, { name, protocolVersion: version })]
    await desk.subscribe([`plant/${name}/#`])
    const sent: string[] = []
    const digest = (topic: string, payload: Buffer): string =>
      `${topic} ${createHash("sha256").update(payload).digest("base64")}`
    const lengths = [0, 1, 127, 128, 16_383, 16_384, 65_535, 65_536, 200_000]
    for (let i = 0; i < 2_000; i += 50) {
      const batch = Array.from({ length: 50 }, (_, k) => {
        const payload = randomBytes(i === 0 && k < lengths.length ? lengths[k]! : randomInt(0, 600))
        const topic = `plant/${name}/${"äß/x".slice(0, randomInt(1, 4))}${randomInt(0, 50)}`
        sent.push(digest(topic, payload))
        return sensor.publish(topic, payload, { qos: randomInt(0, 3) as 0 | 1 | 2 })
      })
      assert.ok((await Promise.all(batch)).every((code) => code === 0))
    }
    await desk.until(() => desk.received.length >= sent.length, "all payloads")
    // Between QoS levels there is no order to keep.
    assert.equal(desk.received.map((m) => digest(m.topic, m.payload)).sort(), sent.sort())
    await Promise.all([sensor.end(), desk.end()])
  })

  test(`[NDR 5.2] a session that was kept is resumed: what came meanwhile is delivered, without a new SUBSCRIBE: MQTT ${version}`, async () => {
    const name = `kept${version}`
    const keep = version === 5 ? { properties: { sessionExpiryInterval: 300 } } : {}
    const options = { name, kind: "pump", protocolVersion: version, clean: false, ...keep } as const
    const desk = await deskPeer(rig)
    const first = await mqttPeer(rig, options)
    await first.subscribe([`plant/${name}/set/+`], 1)
    await first.end()
    for (let n = 0; n < 20; n++) await desk.publish(`plant/${name}/set/x`, String(n))
    let present: boolean | null = null
    const second = await mqttPeer(rig, { ...options, unawaited: true })
    second.client.once("connect", (packet) => (present = packet.sessionPresent))
    await second.until(() => second.received.length >= 20, "what was kept")
    assert.is(present, true)
    assert.equal(texts(second), Array.from({ length: 20 }, (_, n) => String(n))) // prettier-ignore
    await second.end()
    const fresh = await mqttPeer(rig, { name, kind: "pump", protocolVersion: version, clean: true })
    await desk.publish(`plant/${name}/set/x`, "late")
    await pause(200)
    assert.equal(fresh.received, [], "a clean start forgets the session")
    await Promise.all([fresh.end(), desk.end()])
  })

  test(`[CR 1.2] a second client of the same id takes the session over; the first is cut off: MQTT ${version}`, async () => {
    const name = `twice${version}`
    const first = await mqttPeer(rig, { name, protocolVersion: version })
    assert.is(await first.publish(`plant/${name}/x`, "1"), 0)
    const second = await mqttPeer(rig, { name, protocolVersion: version })
    await first.until(() => first.closed === 1, "the cut")
    assert.is(await second.publish(`plant/${name}/x`, "2"), 0)
    assert.is(second.closed, 0)
    await second.end()
  })
}

test("[CR 7.1] keep-alive holds a quiet client, and one of which everything is denied", async () => {
  const join = (name: string, version: 4 | 5) =>
    mqttPeer(rig, { name, kind: "pump", clientId: `${name}-${version}`, protocolVersion: version, keepalive: 1 })
  const quiet = await Promise.all([join("quiet", 4), join("quiet", 5)])
  const denied = await Promise.all([join("denied", 4), join("denied", 5)])
  const end = performance.now() + 3_500
  while (performance.now() < end) {
    // To the client's clock each of these is a sign of life, so it never pings; to the broker it is silence.
    for (const peer of denied) await peer.publish("forbidden", "x", { qos: 0 })
    await pause(100)
  }
  for (const peer of [...quiet, ...denied]) {
    assert.is(peer.closed, 0)
    const id = peer.client.options.clientId!
    const pings = rig.broker.logs().split(`Received PINGREQ from ${id}\n`).length - 1
    assert.ok(pings >= 2, `${id}: ${pings} pings; for those denied the conduit pings`)
    await peer.end()
  }
})

test("[CR 7.1] a client that falls silent is dropped when its keep-alive is over, by the broker through the conduit", async () => {
  const afterMs = await silentFor
  assert.ok(afterMs >= 1_000 && afterMs < 12_000, `${Math.round(afterMs)} ms`)
})

test("[NDR 5.2] topic aliases: what is sent under an alias arrives under its topic, and a denied topic stays denied under one", async () => {
  const desk = await deskPeer(rig)
  await desk.subscribe(["plant/alias/#"])
  const auto = await mqttPeer(rig, { name: "alias", autoUseTopicAlias: true, autoAssignTopicAlias: true })
  const expected: string[] = []
  for (let round = 0; round < 4; round++)
    for (let n = 0; n < 30; n++) {
      const topic = n === 7 ? "plant/alias/secret" : `plant/alias/${n}`
      const code = await auto.publish(topic, `${n}`)
      assert.is(code, n === 7 ? 0x87 : 0)
      if (n !== 7) expected.push(`plant/alias/${n} ${n}`)
    }
  await desk.until(() => desk.received.length >= expected.length, "all")
  assert.equal(
    desk.received.map((m) => `${m.topic} ${m.payload.toString()}`),
    expected,
  )
  await auto.end()
  const own = await mqttPeer(rig, { name: "alias" })
  assert.is(await own.publish("plant/alias/a", "first", { alias: 1 }), 0)
  assert.is(await own.publish("plant/alias/secret", "never", { alias: 1 }), 0x87)
  assert.is(await own.publish("", "never either", { alias: 1 }), 0x87)
  assert.is(await own.publish("plant/alias/b", "second", { alias: 1 }), 0)
  assert.is(await own.publish("", "third", { alias: 1 }), 0)
  await desk.until(() => desk.received.length >= expected.length + 3, "the last three")
  assert.equal(
    desk.received.slice(expected.length).map((m) => `${m.topic} ${m.payload.toString()}`),
    ["plant/alias/a first", "plant/alias/b second", "plant/alias/b third"],
  )
  await Promise.all([own.end(), desk.end()])
})

test(`[CR 7.1] ${MANY} clients at once are served, counted, and gone when they go`, async () => {
  const desk = await deskPeer(rig)
  await desk.subscribe(["plant/many/+"])
  const peers = await Promise.all(
    Array.from({ length: MANY }, (_, i) =>
      mqttPeer(rig, {
        name: "many",
        kind: "pump",
        clientId: `many-${i}`,
        protocolVersion: i % 2 === 0 ? 4 : 5,
        connectTimeout: 20_000,
      }),
    ),
  )
  const codes = await Promise.all(
    peers.flatMap((peer, i) => Array.from({ length: 20 }, (_, n) => peer.publish(`plant/many/${i}`, String(n)))),
  )
  assert.ok(codes.every((code) => code === 0))
  await desk.until(() => desk.received.length >= MANY * 20, "all messages")
  for (let i = 0; i < MANY; i++) {
    const own = desk.received.filter((m) => m.topic === `plant/many/${i}`).map((m) => m.payload.toString())
    assert.equal(own, Array.from({ length: 20 }, (_, n) => String(n))) // prettier-ignore
  }
  const connections = async () => (await rig.status()).conduits[0]!.connections
  const soon = async (count: number) => {
    for (let i = 0; i < 40 && (await connections()) !== count; i++) await pause(100)
    return connections()
  }
  assert.is(await soon(MANY), MANY)
  await Promise.all(peers.map((peer, i) => peer.end(i % 3 === 0)))
  assert.is(await soon(0), 0)
  await desk.end()
})

test("[NDR 5.2] a subscription outlives a policy that forbids it, and delivers nothing while it is in force", async () => {
  const [desk, pump] = [await deskPeer(rig), await mqttPeer(rig, { name: "swap", kind: "pump" })]
  assert.equal(await pump.subscribe(["plant/swap/set/+", "all/+"]), [2, 2])
  const say = async (word: string) => {
    await desk.publish("all/x", word, { qos: 2 })
    await desk.publish("plant/swap/set/x", `own ${word}`, { qos: 2 })
  }
  await say("before")
  await pump.until(() => pump.received.length === 2, "both")
  const narrow = POLICY.replace(', "all/+"]', "]")
  assert.is.not(narrow, POLICY)
  assert.ok((await rig.command("policy.activate", { bundle: await rig.bundle(2, narrow) })).ok)
  await say("meanwhile")
  await pump.until(() => pump.received.length === 3, "its own")
  assert.equal(await pump.subscribe(["all/y"]), [0x87])
  assert.ok((await rig.command("policy.rollback")).ok)
  await say("after")
  await pump.until(() => pump.received.length === 5, "both again")
  assert.equal(texts(pump), ["before", "own before", "own meanwhile", "after", "own after"])
  assert.equal([pump.connected, pump.closed], [1, 0])
  const entry = await rig.entry((e) => e.event === "conduit.denied" && e.detail?.["action"] === "receive")
  assert.equal([entry.subject, entry.object], ["swap", "all/x"])
  await Promise.all([pump.end(), desk.end()])
})

test.run()
