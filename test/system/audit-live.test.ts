import { suite } from "uvu"
import * as assert from "uvu/assert"
import { mkdirSync } from "node:fs"
import { connect, createServer, type Server } from "node:net"
import { join } from "node:path"
import { mosquittoPub, mosquittoSub, type Received, type Subscription } from "../peers/mosquitto-clients.ts"
import { startMosquitto, type Mosquitto } from "../peers/mosquitto.ts"
import { mqttPeer } from "../support/mqtt-peer.ts"
import { auditOnDisk, startRig, type Rig } from "../support/rig.ts"

const test = suite("system/audit-live")
const LIVE = "lockgate/gw-test/audit/live"
const ONLINE = "lockgate/gw-test/online"
/** Everything is open to everybody, as far as a policy can say so. */
const WIDE_OPEN = `
lockgate-policy: 1
name: wide open
zones:
  field: { level: 2, authorities: [field-ca] }
  control: { level: 3, authorities: [control-ca] }
roles: { all: everything }
subjects:
  - { zone: field, match: { san-uri: "urn:test:sensor:{name}" }, roles: [all] }
conduits:
  telemetry: { from: field, to: control, protocol: mqtt }
rules:
  - { id: all, allow: [publish, subscribe, receive], roles: [all], topics: ["#"], qos: 2, retain: true }
  - { id: own, allow: [publish, subscribe, receive], roles: [all], topics: ["+/+/#", "%u/#"], qos: 2, retain: true }
`

/** Hands everything that comes to `port` on to `target`. */
async function wayTo(target: number, port: number): Promise<Server> {
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1")
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const)
      from
        .on("error", () => to.destroy())
        .on("close", () => to.destroy())
        .pipe(to)
  })
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve))
  return server
}

let rig: Rig
/** From where the first broker was to the one that took its place. */
let way: Server | null = null
/** The broker that runs now: the rig's own, or the one that took its place. */
let broker: Mosquitto
test.before(async () => {
  rig = await startRig({ policy: WIDE_OPEN })
  broker = rig.broker
})
test.after(async () => {
  await rig.stop()
  way?.close()
  if (broker !== rig.broker) await broker.stop()
})

/** Somebody at the broker itself. */
const atBroker = (version: "311" | "5") => ({
  host: "127.0.0.1",
  port: rig.broker.tlsPort,
  version,
  tls: { ca: rig.controlCa.cert, ...rig.desk },
})

function seqOf(message: Received): number {
  return (JSON.parse(message.payload.toString()) as { seq: number }).seq
}

/** Until the last entry on disk has arrived; the lines that arrived. */
async function caughtUp(sub: Subscription): Promise<string[]> {
  const end = performance.now() + 8_000
  for (;;) {
    const { lines } = auditOnDisk(rig.stateFolder)
    const arrived = sub.messages.map((m) => m.payload.toString())
    if (arrived.at(-1) === lines.at(-1)) return arrived
    if (performance.now() > end) throw new Error(`${arrived.length} of ${lines.length} lines arrived`)
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
}

/** Make entries: commands that are refused, as fast as they are answered. */
async function makeEntries(count: number): Promise<void> {
  for (let i = 0; i < count; i += 2) await rig.command("policy.confirm", { version: 999 })
}

for (const version of ["311", "5"] as const) {
  test(`[CR 6.1] mosquitto_sub reads every entry as it is on disk, in order, without a gap: MQTT ${version}`, async () => {
    const sub = await mosquittoSub({ ...atBroker(version), topics: [LIVE], qos: 1 })
    const first = auditOnDisk(rig.stateFolder).lines.length
    await makeEntries(300)
    const arrived = await caughtUp(sub)
    await sub.stop()
    const { lines, entries } = auditOnDisk(rig.stateFolder)
    assert.ok(arrived.length >= 300)
    assert.equal(arrived.slice(-300), lines.slice(-300), "the exact lines")
    assert.equal(
      sub.messages.map(seqOf),
      sub.messages.map((_, i) => seqOf(sub.messages[0]!) + i),
    )
    assert.ok(seqOf(sub.messages[0]!) <= first)
    assert.ok(sub.messages.every((m) => m.topic === LIVE && m.qos === 1 && !m.retain))
    assert.ok(entries.every((e, i) => e.seq === i))
  })
}

test("[CR 6.1] [CR 2.10] the broker stops and comes back: every entry arrives, those of the time between included", async () => {
  const before = auditOnDisk(rig.stateFolder).lines.length
  await broker.stop()
  await rig.entry((e) => e.seq >= before && e.event === "audit.publish-lost")
  await makeEntries(20)
  assert.is((await rig.status()).audit.publishing, "no")
  const folder = join(rig.folder, "broker")
  mkdirSync(folder, { recursive: true })
  const pki = (name: string) => join(rig.folder, "pki", name)
  broker = await startMosquitto({
    tls: { ca: rig.controlCa.cert, cert: pki("broker.crt"), key: pki("broker.key"), requireCert: true },
  })
  // Whoever wants to see all of it is there before the gateway finds the way.
  const sub = await mosquittoSub({ ...atBroker("5"), port: broker.tlsPort, topics: [LIVE, ONLINE], qos: 1 })
  way = await wayTo(broker.tlsPort, rig.broker.tlsPort)
  await rig.entry((e) => e.seq >= before && e.event === "audit.publish-restored", 15_000)
  await makeEntries(20)
  await caughtUp(sub)
  await sub.stop()
  const live = sub.messages.filter((m) => m.topic === LIVE)
  const { lines } = auditOnDisk(rig.stateFolder)
  // From the first that the old broker had not acknowledged: repeating is allowed, leaving out is not.
  const arrived = live.map(seqOf)
  assert.ok(arrived[0]! <= before, `from ${arrived[0]!}, ${before} were there`)
  assert.equal(arrived, arrived.map((_, i) => arrived[0]! + i)) // prettier-ignore
  assert.equal(
    live.map((m) => m.payload.toString()),
    lines.slice(arrived[0]),
  )
})

test("[CR 6.1] online stands retained; when the gateway is killed the broker says offline, and online when it is back", async () => {
  const sub = await mosquittoSub({ ...atBroker("311"), topics: [ONLINE], qos: 1 })
  const [retained] = await sub.take(1)
  assert.equal([retained!.payload.toString(), retained!.retain], ["online", true])
  await rig.gateway.kill9()
  assert.is((await sub.take(2))[1]!.payload.toString(), "offline")
  const late = await mosquittoSub({ ...atBroker("5"), topics: [ONLINE], qos: 1 })
  const [kept] = await late.take(1)
  assert.equal([kept!.payload.toString(), kept!.retain], ["offline", true])
  await late.stop()
  await rig.gateway.start()
  assert.is((await sub.take(3))[2]!.payload.toString(), "online")
  await rig.gateway.stop()
  assert.is((await sub.take(4))[3]!.payload.toString(), "offline", "an orderly stop says so too")
  await rig.gateway.start()
  await sub.take(5)
  await sub.stop()
})

test("[CR 6.1] after a kill the log goes on to be published where the broker had it, at the latest", async () => {
  const sub = await mosquittoSub({ ...atBroker("5"), topics: [LIVE], qos: 1 })
  await makeEntries(40)
  await caughtUp(sub)
  const last = seqOf(sub.messages.at(-1)!)
  await rig.gateway.kill9()
  await rig.gateway.start()
  await makeEntries(4)
  await caughtUp(sub)
  await sub.stop()
  const seqs = sub.messages.map(seqOf)
  const again = seqs.indexOf(last) + 1
  assert.ok(seqs[again]! <= last + 1, `after ${last} came ${seqs[again]}`)
  const distinct = [...new Set(seqs)].sort((a, b) => a - b)
  assert.equal(distinct, distinct.map((_, i) => distinct[0]! + i)) // prettier-ignore
})

for (const version of [4, 5] as const) {
  test(`[NDR 5.2] [CR 6.1] under lockgate/ a field client can neither publish, leave a will, subscribe nor receive, whatever the policy says: MQTT ${version}`, async () => {
    const before = auditOnDisk(rig.stateFolder).lines.length
    const seen = await rig.watch("lockgate/#", "$lockgate/#", "open/#")
    const peer = await mqttPeer(rig, { name: "s1", protocolVersion: version })
    const reserved = [LIVE, ONLINE, "lockgate/gw-other/audit/live", "lockgate", "lockgate/x", "$lockgate/x"]
    for (const topic of reserved)
      for (const qos of [0, 1, 2] as const) {
        const code = await peer.publish(topic, "forged", { qos })
        if (version === 5 && qos > 0) assert.is(code, 0x87, topic)
      }
    const refused = version === 5 ? 0x87 : 0x80
    const codes = await peer.subscribe(["lockgate/#", LIVE, "+/gw-test/audit/live", "$lockgate/#", "#", "open/#"])
    assert.equal(codes.slice(0, 2), [refused, refused])
    assert.is(codes[3], refused)
    assert.is(codes[5], 2)
    const wills = [LIVE, "lockgate/will"]
    for (const topic of wills) {
      const will = { topic, payload: Buffer.from("forged"), qos: 1 as const, retain: false }
      const refusedPeer = await mqttPeer(rig, { name: "s2", protocolVersion: version, will }).then(
        () => false,
        () => true,
      )
      assert.ok(refusedPeer, `a will on ${topic}`)
    }
    // Entries are published all the while; and somebody at the broker writes where only the gateway should.
    await makeEntries(4)
    await mosquittoPub({ ...atBroker("5"), id: "desk", topic: "lockgate/note", message: "from the desk", qos: 1 })
    await peer.publish("open/end", "end")
    await peer.until(() => peer.received.some((m) => m.topic === "open/end"), "its own last message")
    // Once or, where its filters overlap, twice: but of what is reserved, nothing.
    assert.equal([...new Set(peer.received.map((m) => m.topic))], ["open/end"])
    await peer.end()
    const wait = performance.now() + 3_000
    while (!seen.messages.some((m) => m.topic === "open/end") && performance.now() < wait)
      await new Promise((resolve) => setTimeout(resolve, 20))
    await seen.stop()
    assert.ok(seen.messages.some((m) => m.topic === "lockgate/note"))
    assert.equal(
      seen.messages.filter((m) => m.payload.toString() === "forged"),
      [],
    )
    const isLine = (m: Received) => m.topic === LIVE && (JSON.parse(m.payload.toString()) as { seq?: number }).seq !== undefined // prettier-ignore
    const isLog = ({ topic }: Received) => /^lockgate\/gw-test\/(heartbeat|log\/)/.test(topic)
    const known = ["open/end", "lockgate/note", ONLINE]
    const others = seen.messages.filter((m) => !isLine(m) && !isLog(m) && !known.includes(m.topic))
    assert.equal(others, [])
    const denied = await rig.entry((e) => e.seq >= before && e.event === "conduit.denied" && e.reason === "reserved")
    assert.is(denied.subject, "s1")
  })
}

test("[CR 6.1] nobody takes the gateway's place at the broker through a conduit: its client id is refused", async () => {
  const before = auditOnDisk(rig.stateFolder).lines.length
  for (const clientId of ["lockgate-gw-test", "lockgate-gw-other"])
    await mqttPeer(rig, { name: "s1", clientId }).then(
      () => assert.unreachable(clientId),
      () => undefined,
    )
  await rig.entry((e) => e.seq >= before && e.event === "conduit.connect-refused")
  assert.is((await rig.status()).audit.publishing, "yes")
})

test.run()
