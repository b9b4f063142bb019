import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { mosquittoPub, mosquittoSub } from "./mosquitto-clients.ts"
import { startMosquitto, type Mosquitto } from "./mosquitto.ts"
import { opensslAuthority, opensslCertificate } from "./openssl.ts"

const test = suite("peers/mosquitto")
const folder = mkdtempSync(join(tmpdir(), "lockgate-peers-"))
const ca = opensslAuthority(folder, "ca")
const server = opensslCertificate(folder, "broker", { issuer: ca, usage: "server", san: ["IP:127.0.0.1"] })
const client = opensslCertificate(folder, "client", { issuer: ca, usage: "client" })
const tls = { ca: ca.cert, cert: client.cert, key: client.key }
let broker: Mosquitto
test.before(async () => {
  broker = await startMosquitto({ tls: { ca: ca.cert, cert: server.chain, key: server.key, requireCert: true } })
})
test.after(async () => {
  await broker.stop()
  rmSync(folder, { recursive: true })
})

for (const version of ["311", "5"] as const)
  test(`a message goes through TLS from mosquitto_pub to mosquitto_sub, version ${version}`, async () => {
    const where = { port: broker.tlsPort, tls, version }
    const sub = await mosquittoSub({ ...where, topics: [`t/${version}/#`], qos: 2 })
    assert.equal(sub.granted, [2])
    const bytes = Uint8Array.from({ length: 300 }, (_, i) => i & 255)
    const sent = await mosquittoPub({ ...where, topic: `t/${version}/with space`, message: bytes, qos: 1 })
    assert.is(sent.code, 0, sent.output)
    const [message] = await sub.take(1)
    assert.is(message!.topic, `t/${version}/with space`)
    assert.is(message!.qos, 1)
    assert.equal([...message!.payload], [...bytes])
    await sub.stop()
  })

test("a client without a certificate gets nowhere", async () => {
  const sent = await mosquittoPub({ port: broker.tlsPort, tls: { ca: ca.cert }, topic: "t", message: "x", qos: 1 })
  assert.is.not(sent.code, 0)
})

test("the log tells who connected, and with which name", () => {
  assert.match(broker.logs(), /as .*u'client'/)
})

test("an access list is in force, and the SUBACK's codes come in order", async () => {
  const bare = await startMosquitto({ acl: "topic readwrite open/#\n" })
  const sub = await mosquittoSub({ port: bare.port, topics: ["shut/a", "open/a"], version: "5", qos: 1 })
  assert.equal(sub.granted, [1, 1])
  await mosquittoPub({ port: bare.port, topic: "shut/a", message: "no" })
  await mosquittoPub({ port: bare.port, topic: "open/a", message: "yes" })
  await sub.take(1)
  assert.is(sub.messages.map((m) => m.topic).join(), "open/a")
  await sub.stop()
  await bare.stop()
})

test("kill -9 and a start on the same port keep retained messages, and a wait that is over throws", async () => {
  const persistence = mkdtempSync(join(folder, "keep-"))
  const first = await startMosquitto({ persistence })
  await mosquittoPub({ port: first.port, topic: "kept", message: "yes", qos: 1, retain: true })
  await first.stop()
  const second = await startMosquitto({ persistence, port: first.port })
  second.kill9()
  await second.stop()
  const third = await startMosquitto({ persistence, port: first.port })
  const sub = await mosquittoSub({ port: third.port, topics: ["kept"] })
  const [message] = await sub.take(1)
  assert.is(message!.payload.toString(), "yes")
  assert.ok(message!.retain)
  const late = await sub.take(2, 50).then(
    () => "came",
    (error: unknown) => String(error),
  )
  assert.match(late, "got 1 messages")
  await third.stop()
})

test.run()
