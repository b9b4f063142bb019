/** Clients and a broker that others wrote, through a whole gateway: request and response, a will with delay, Aedes upstream. */
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { spawn } from "node:child_process"
import { connect as connectTls, createServer } from "node:tls"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { Aedes } from "aedes"
import { commandPath } from "../peers/packages.ts"
import { mosquittoPub, mosquittoSub } from "../peers/mosquitto-clients.ts"
import { connect, join as bytes, packet, text, u16 } from "../support/mqtt-bytes.ts"
import { deskPeer, mqttPeer } from "../support/mqtt-peer.ts"
import { startRig, type Rig } from "../support/rig.ts"

const POLICY = `
lockgate-policy: 1
name: real clients
zones:
  field: { level: 2, authorities: [field-ca] }
  control: { level: 3, authorities: [control-ca] }
roles:
  anybody: asks and answers
subjects:
  - { zone: field, match: { san-uri: "urn:test:sensor:{name}" }, roles: [anybody], client-id: "%u*" }
conduits:
  telemetry: { from: field, to: control, protocol: mqtt }
rules:
  - { id: own, allow: [publish, subscribe, receive], roles: [anybody], topics: ["plant/%u/#"], qos: 2, retain: true }
`

const test = suite("system/real-clients")
let rig: Rig
test.before(async () => {
  rig = await startRig({ policy: POLICY })
})
test.after(() => rig.stop())

const as = (name: string, id: string) => ({
  host: "127.0.0.1",
  port: rig.port,
  id,
  version: "311" as const,
  tls: rig.tls(rig.peer(name)),
})

test("[NDR 5.2] mosquitto_rr asks through the gateway and is answered; on a topic of another's it waits in vain", async () => {
  const desk = await deskPeer(rig)
  await desk.subscribe(["plant/+/ask"])
  desk.client.on("message", (_topic, payload, { properties }) => {
    const { responseTopic, correlationData } = properties ?? {}
    if (responseTopic !== undefined)
      desk.client.publish(
        responseTopic,
        `re: ${payload.toString()}`,
        correlationData ? { properties: { correlationData } } : {},
      )
  })
  const tls = rig.tls(rig.peer("rr"))
  const ask = async (response: string, seconds: number): Promise<string> => {
    const where = ["-h", "127.0.0.1", "-p", String(rig.port), "-V", "5", "-i", "rr", "-W", String(seconds)]
    const files = ["--cafile", tls.ca, "--cert", tls.cert, "--key", tls.key]
    const child = spawn(commandPath("mosquitto_rr")!, [...where, ...files, "-t", "plant/rr/ask", "-e", response, "-m", "how much"]) // prettier-ignore
    let out = ""
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()))
    await once(child, "close")
    return out.trim()
  }
  assert.is(await ask("plant/rr/answer", 8), "re: how much")
  assert.is(await ask("plant/other/answer", 1), "")
  await desk.end()
})

test("[CR 2.1] a will with a delay is published by the broker when it is over, and not if the client is back before", async () => {
  const seen = await rig.watch("plant/+/gone")
  const tls = rig.tls(rig.peer("late"))
  const options = { cert: readFileSync(tls.cert), key: readFileSync(tls.key), rejectUnauthorized: false }
  const delayed = (id: string): Uint8Array => {
    // Session expiry 60 s; will delay 1 s.
    const properties = [17, 0, 0, 0, 60]
    const will = bytes([5, 24, 0, 0, 0, 1], text("plant/late/gone"), text(id))
    return packet(0x10, text("MQTT"), [5, 2 | 4], u16(0), [properties.length], properties, text(id), will)
  }
  const join5 = async (said: Uint8Array) => {
    const socket = connectTls({ ...options, port: rig.port, host: "127.0.0.1" })
    socket.on("error", () => undefined)
    socket.write(said)
    await once(socket, "data")
    return socket
  }
  const [lost, back] = await Promise.all([join5(delayed("late-lost")), join5(delayed("late-back"))])
  const lostAtMs = performance.now()
  lost.destroy()
  back.destroy()
  const again = await join5(connect(5, { id: "late-back", clean: false }))
  const [message] = await seen.take(1, 6_000)
  assert.is(message?.payload.toString(), "late-lost")
  assert.ok(performance.now() - lostAtMs >= 900)
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.is(seen.messages.length, 1)
  again.destroy()
  await seen.stop()
})

test("[NDR 5.2] 3.1.1 with Aedes upstream: mosquitto's clients and MQTT.js, QoS 0 to 2, retained, a will", async () => {
  const broker = await Aedes.createBroker()
  const pki = (name: string): Buffer => readFileSync(join(rig.folder, "pki", name))
  const server = createServer({ cert: pki("broker.chain"), key: pki("broker.key") }, (socket) => broker.handle(socket))
  await rig.broker.stop()
  await new Promise<void>((resolve) => server.listen(rig.broker.tlsPort, "127.0.0.1", resolve))
  const reader = await mosquittoSub({ ...as("a", "a"), topics: ["plant/a/#", "plant/b/#"], qos: 2 })
  assert.equal(reader.granted, [2, 128])
  for (const qos of [0, 1, 2] as const) {
    assert.is((await mosquittoPub({ ...as("a", "a-pub"), topic: "plant/a/x", message: `q${qos}`, qos })).code, 0)
    await mosquittoPub({ ...as("a", "a-pub"), topic: "plant/b/x", message: "never", qos })
  }
  const will = { topic: "plant/a/will", payload: Buffer.from("gone"), qos: 1 as const, retain: true }
  const js = await mqttPeer(rig, { name: "a", clientId: "a-js", protocolVersion: 4, will })
  assert.is(await js.publish("plant/a/y", "js", { qos: 2 }), 0)
  js.client.stream.destroy()
  const got = (await reader.take(5)).map((m) => `${m.topic} ${m.payload.toString()}`)
  assert.equal(got.sort(), ["plant/a/will gone", "plant/a/x q0", "plant/a/x q1", "plant/a/x q2", "plant/a/y js"])
  const kept = await mosquittoSub({ ...as("a", "a-late"), topics: ["plant/a/will"], qos: 1 })
  assert.is((await kept.take(1))[0]?.retain, true)
  await Promise.all([kept.stop(), reader.stop(), js.end(true)])
  await new Promise<void>((resolve) => broker.close(resolve))
  server.close()
})

test.run()
