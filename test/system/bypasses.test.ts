/**
 * Each way round the topic filter (firmware/conduits/mqtt/BYPASSES.md), tried through the gateway and, so that the test can
 * fail, directly at the same mosquitto. A desk at the broker sees what arrives.
 */
import { readFileSync } from "node:fs"
import { connect as connectTls } from "node:tls"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { LISTENING } from "../support/bypass-listening.ts"
import { type Attempt, PUBLISHING, type Way } from "../support/bypass-ways.ts"
import { connect, PING, publish, pubrel } from "../support/mqtt-bytes.ts"
import { startRig, type Rig } from "../support/rig.ts"
import { wireClient, type WireClient, type WireEnd } from "../support/wire-client.ts"

const POLICY = `
lockgate-policy: 1
name: narrow
zones:
  field: { level: 2, authorities: [field-ca] }
  control: { level: 3, authorities: [control-ca] }
roles:
  sensor: reports a little
subjects:
  - { zone: field, match: { san-uri: "urn:test:sensor:{name}" }, roles: [sensor], client-id: "%u*" }
conduits:
  telemetry: { from: field, to: control, protocol: mqtt }
rules:
  - { id: open, allow: publish, roles: [sensor], topics: ["open/%u/#", "by-id/%c/#"], qos: 2, retain: true, payload: 1MiB }
  - { id: no-secrets, deny: publish, roles: [sensor], topics: ["open/+/secret"] }
  - { id: quiet, allow: publish, roles: [sensor], topics: ["quiet/%u"], qos: 1, payload: 64KiB }
  - { id: down, allow: [subscribe, receive], roles: [sensor], topics: ["down/%u/#"], qos: 2 }
`

const test = suite("system/bypasses")
let rig: Rig
let desk: WireClient
let atBroker: WireEnd
let through: WireEnd
const came = new Map<string, { readonly gateway: boolean; readonly direct: boolean }>()

test.before(async () => {
  rig = await startRig({ policy: POLICY, brokerConfig: ["max_topic_alias 10", "sys_interval 1"] })
  const { cert, key } = rig.tls(rig.peer("w"))
  through = { port: rig.port, tls: { cert: readFileSync(cert), key: readFileSync(key) } }
  atBroker = {
    port: rig.broker.tlsPort,
    tls: { cert: readFileSync(rig.desk.cert), key: readFileSync(rig.desk.key) },
  }
  desk = await wireClient(atBroker, 5, new Map())
  desk.bytes(connect(5, { id: "desk" }))
  await desk.until(() => desk.seen.length > 0, "CONNACK")
  desk.say({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "#", qos: 0 }] })
  await desk.ping()
  const ways = [...PUBLISHING, ...LISTENING]
  for (let i = 0; i < ways.length; i += 20) await Promise.all(ways.slice(i, i + 20).map(tryBoth))
  // Wills are published when the broker notices.
  await new Promise((resolve) => setTimeout(resolve, 200))
  await desk.ping()
  for (const { id } of PUBLISHING) came.set(id, { gateway: arrived(`${id}-gateway`), direct: arrived(`${id}-direct`) })
})
test.after(() => rig.stop())

const mark = (id: string): string => `(${id})`
/** Whether a message with the mark reached the desk, at whatever topic. */
const arrived = (id: string): boolean => desk.seen.some((p) => p.cmd === "publish" && p.payload.includes(mark(id)))

async function tryBoth(way: Way): Promise<void> {
  const [gateway, direct] = await Promise.all([
    attempt(way, through, `${way.id}-gateway`),
    attempt(way, atBroker, `${way.id}-direct`),
  ])
  came.set(way.id, { gateway, direct })
}

/** Say it; true if this client saw what it must not. */
async function attempt(way: Way, end: WireEnd, name: string): Promise<boolean> {
  const what: Attempt = { id: `w${name}`, mark: mark(name) }
  if (way.before !== undefined) await speak(atBroker, way.before(what), async () => undefined)
  const heard = await speak(end, way.say(what), async (ping) => {
    if (way.listens !== undefined) desk.bytes(publish(5, way.listens, mark(name)))
    if (way.leak !== undefined) await new Promise((resolve) => setTimeout(resolve, 100))
    await desk.ping()
    await ping()
  })
  return heard.includes(way.leak ?? mark(name))
}

/** Write the chunks, wait for a PINGRESP or the end, and drop the connection; all that was heard. */
async function speak(
  { port, tls }: WireEnd,
  chunks: readonly Uint8Array[],
  meanwhile: (ping: () => Promise<void>) => Promise<void>,
): Promise<string> {
  const socket = connectTls({ ...tls, port, host: "127.0.0.1", rejectUnauthorized: false })
  let heard = Buffer.alloc(0)
  let [closed, wake] = [false, (): void => undefined]
  socket.on("error", () => undefined)
  socket.on("close", () => {
    closed = true
    wake()
  })
  socket.on("data", (chunk: Buffer) => {
    heard = Buffer.concat([heard, chunk])
    wake()
  })
  await new Promise<void>((resolve) => socket.once("secureConnect", () => resolve()).once("close", () => resolve()))
  socket.setNoDelay(true)
  for (const chunk of chunks) await new Promise((resolve) => socket.write(chunk, resolve))
  const ping = async (): Promise<void> => {
    const pongs = (): number => heard.toString("latin1").split("\xd0\x00").length
    const before = pongs()
    if (closed || !socket.write(PING)) return
    // Who is inside an unfinished packet gets no answer.
    const patience = setTimeout(() => wake(), 700)
    const until = performance.now() + 690
    while (!closed && pongs() === before && performance.now() < until)
      await new Promise<void>((resolve) => (wake = resolve))
    clearTimeout(patience)
  }
  await ping()
  await meanwhile(ping)
  socket.destroy()
  return heard.toString("latin1")
}

for (const { id, way, direct } of PUBLISHING) {
  test(`[NDR 5.2] nothing arrives at the broker: ${way} (${id})`, () => {
    assert.equal(came.get(id), { gateway: false, direct })
  })
}
for (const { id, way, direct } of LISTENING) {
  test(`[NDR 5.2] nothing is heard: ${way} (${id})`, () => {
    assert.equal(came.get(id), { gateway: false, direct })
  })
}

test("[NDR 5.2] what is allowed did arrive meanwhile, so the ways were open", () => {
  const fine = desk.seen.filter((p) => p.cmd === "publish" && p.topic === "open/w/a" && p.payload === "fine")
  assert.ok(fine.length >= 4, `${fine.length}`)
})

test("[CR 1.2] the broker never heard of the user name that a client claimed (W40)", () => {
  const lines = rig.broker.logs().split("\n")
  assert.is(
    lines.some((line) => line.includes("wW40-gateway") && line.includes("admin")),
    false,
  )
})

test("[NDR 5.2] a QoS 2 message that was denied stays so when policy turns before its PUBREL (W65)", async () => {
  const client = await wireClient(through, 4, new Map())
  client.hold = true
  client.bytes(connect(4, { id: "w65" }))
  await client.ping()
  client.bytes(publish(4, "late/w", mark("W65"), { qos: 2, packetId: 9 }))
  await client.ping()
  assert.is(client.seen.at(-1).cmd, "pubrec")
  const wide = POLICY.replace('topics: ["open/%u/#",', 'topics: ["late/%u", "open/%u/#",')
  assert.ok((await rig.command("policy.activate", { bundle: await rig.bundle(2, wide) })).ok)
  client.bytes(pubrel(9))
  await client.ping()
  assert.equal([client.seen.at(-1).cmd, client.closed], ["pubcomp", false])
  await desk.ping()
  assert.is(arrived("W65"), false)
  client.bytes(publish(4, "late/w", mark("W65-after"), { qos: 1, packetId: 10 }))
  await client.ping()
  await desk.ping()
  assert.is(arrived("W65-after"), true)
  client.drop()
})

test.run()
