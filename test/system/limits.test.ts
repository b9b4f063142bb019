import { suite } from "uvu"
import * as assert from "uvu/assert"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { connect as connectTcp, type Socket } from "node:net"
import { connect } from "node:tls"
import { generate } from "mqtt-packet"
import { mqttPeer } from "../support/mqtt-peer.ts"
import { startRig, type Rig } from "../support/rig.ts"

const test = suite("system/limits")
const MAX = 4

let rig: Rig
test.before(async () => {
  rig = await startRig({ board: `limits: { max-connections: ${MAX}, connect-timeout: 1s, max-packet: 64KiB }` })
})
test.after(() => rig.stop())

/** Milliseconds until the other end closed it, at most ten seconds. */
async function closedAfter(socket: Socket): Promise<number> {
  const startedMs = performance.now()
  socket.on("error", () => undefined)
  socket.resume()
  await once(socket, "close", { signal: AbortSignal.timeout(10_000) })
  return performance.now() - startedMs
}

test(`[CR 7.1] connection ${MAX + 1} is dropped and audited; when one of the others goes, the next is let in`, async () => {
  const peers = await Promise.all(
    Array.from({ length: MAX }, (_, i) => mqttPeer(rig, { name: "many", kind: "pump", clientId: `many-${i}` })),
  )
  await mqttPeer(rig, { name: "many", kind: "pump", clientId: "many-too" }).then(
    () => assert.unreachable("one too many"),
    () => undefined,
  )
  const entry = await rig.entry((e) => e.event === "conduit.peer-refused" && e.reason === "too-many-connections")
  assert.equal([entry.outcome, entry.object], ["denied", "127.0.0.0/24"])
  for (const peer of peers) assert.is(await peer.publish("plant/many/x", "served all the same"), 0)
  await peers.pop()!.end()
  const next = await mqttPeer(rig, { name: "many", kind: "pump", clientId: "many-too" })
  assert.is(await next.publish("plant/many/x", "in"), 0)
  await Promise.all([next, ...peers].map((peer) => peer.end()))
})

test("[CR 7.1] a peer that says nothing, before TLS or after it, loses its place when its time is over", async () => {
  const { cert, key } = rig.tls(rig.peer("mute"))
  const tls = { key: readFileSync(key), cert: readFileSync(cert), rejectUnauthorized: false }
  const [beforeTls, afterTls] = await Promise.all([
    closedAfter(connectTcp(rig.port, "127.0.0.1")),
    closedAfter(connect({ port: rig.port, host: "127.0.0.1", ...tls })),
  ])
  for (const ms of [beforeTls, afterTls]) assert.ok(ms > 900 && ms < 5_000, `${Math.round(ms)} ms`)
  await rig.entry((e) => e.event === "conduit.peer-refused" && e.reason === "ERR_TLS_HANDSHAKE_TIMEOUT")
  const mute = await rig.entry((e) => e.event === "conduit.connect-refused" && e.reason === "connect-timeout")
  assert.is(mute.subject, "mute")
})

test("[CR 7.1] a peer that drips its CONNECT byte by byte has no more time than others", async () => {
  const { cert, key } = rig.tls(rig.peer("drip"))
  const socket = connect({
    port: rig.port,
    host: "127.0.0.1",
    key: readFileSync(key),
    cert: readFileSync(cert),
    rejectUnauthorized: false,
  })
  const packet = { cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clean: true } as const
  const bytes = generate({ ...packet, clientId: "drip".padEnd(60, "x") })
  let at = 0
  const dripping = setInterval(() => socket.write(bytes.subarray(at, ++at)), 100)
  const ms = await closedAfter(socket)
  clearInterval(dripping)
  assert.ok(at < bytes.length && ms < 5_000, `${Math.round(ms)} ms, ${at} of ${bytes.length} bytes`)
})

for (const version of [4, 5] as const) {
  test(`[CR 3.5] a PUBLISH over max-packet ends its connection as soon as its length is read; one just below passes: MQTT ${version}`, async () => {
    const before = (await rig.audit()).length
    const seen = await rig.watch("plant/big/#")
    const peer = await mqttPeer(rig, { name: "big", protocolVersion: version })
    let reason: number | undefined
    peer.client.on("disconnect", (packet) => (reason = packet.reasonCode))
    assert.is(await peer.publish("plant/big/below", randomBytes(65_000)), 0)
    await peer.publish("plant/big/above", randomBytes(66_000)).then(
      () => assert.unreachable("it was too big"),
      () => undefined,
    )
    await peer.until(() => peer.closed === 1, "the cut")
    if (version === 5) assert.is(reason, 0x95)
    const entry = await rig.entry((e) => e.seq >= before && e.event === "conduit.protocol-error")
    assert.is(entry.subject, "big")
    const [below] = await seen.take(1)
    assert.is(below!.payload.length, 65_000)
    assert.equal(
      seen.messages.map((m) => m.topic),
      ["plant/big/below"],
    )
    await seen.stop()
  })
}

test.run()
