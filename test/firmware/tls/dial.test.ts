import { once } from "node:events"
import { createServer, type AddressInfo, type Server } from "node:net"
import { createServer as createTlsServer, type TLSSocket } from "node:tls"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { dialTrusted, type DialTarget } from "../../../firmware/tls/dial.ts"
import { serverOptions } from "../../../firmware/tls/options.ts"
import { factsFromPem } from "../../../firmware/tls/pem.ts"
import { createAuthority, issue, type Authority } from "../../../provisioning/owner/authority.ts"
import { createLinuxClock } from "../../../hal/linux/clock.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/tls/dial")

const DAY_MS = 86_400_000
const validity = { notBeforeAt: Date.now() - DAY_MS, notAfterAt: Date.now() + DAY_MS }
const clock = createLinuxClock()
let ours: Authority
let others: Authority
let server: Server
let port: number
let bytes = 0
const accepted: TLSSocket[] = []

test.before(async () => {
  ours = await createAuthority({ name: "ours", validity })
  others = await createAuthority({ name: "others", validity })
  const issued = await issue(ours, {
    subject: { cn: "broker" },
    san: { dns: ["broker.example"], ip: ["127.0.0.1"] },
    usage: "server",
    ...validity,
  })
  const credential = { key: issued.key, certificate: issued.certificate }
  server = createTlsServer(serverOptions({ credential, tlsMin: "1.3", handshakeTimeoutMs: 2_000 }), (socket) => {
    accepted.push(socket)
    socket.on("data", (chunk: Buffer) => (bytes += chunk.length))
    socket.on("error", () => undefined)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  port = (server.address() as AddressInfo).port
})
test.after(() => void server.close())

async function target(change: Partial<DialTarget> = {}): Promise<DialTarget> {
  const own = await issue(ours, { subject: { cn: "gateway" }, san: {}, usage: "client", ...validity })
  return {
    host: "127.0.0.1",
    port,
    serverName: "127.0.0.1",
    credential: { key: own.key, certificate: own.certificate },
    anchors: factsFromPem(ours.certificate),
    now: () => ({ earliestAt: Date.now(), latestAt: Date.now() }),
    timeoutMs: 2_000,
    after: (delayMs, action) => clock.after(delayMs, action),
    ...change,
  }
}

async function refused(change: Partial<DialTarget>): Promise<unknown> {
  const { socket, trusted } = dialTrusted(await target(change))
  const error = await rejects(() => trusted, "ERR_UPSTREAM")
  assert.ok(socket.destroyed)
  return error.detail["reason"]
}

test("[CR 1.2] a server that our authority vouches for, under its name, is trusted", async () => {
  for (const serverName of ["127.0.0.1", "broker.example"]) {
    const { socket, trusted } = dialTrusted(await target({ serverName }))
    await trusted
    assert.is(socket.getProtocol(), "TLSv1.3")
    socket.destroy()
  }
})

test("[CR 1.2] an unknown authority, another name, and dates that are surely over are refused, and nothing is written", async () => {
  const late = Date.now() + 400 * DAY_MS
  assert.is(await refused({ anchors: factsFromPem(others.certificate) }), "unknown-issuer")
  assert.is(await refused({ serverName: "other.example" }), "server-name")
  assert.is(await refused({ now: () => ({ earliestAt: late, latestAt: late }) }), "expired")
  const until = performance.now() + 2_000
  while (!accepted.every((socket) => socket.destroyed) && performance.now() < until)
    await new Promise((resolve) => setTimeout(resolve, 10))
  assert.is(bytes, 0)
})

test("[CR 2.11] with an uncertain clock the server is trusted: uncertain is not a no", async () => {
  const { socket, trusted } = dialTrusted(await target({ now: () => ({ earliestAt: 0, latestAt: Infinity }) }))
  await trusted
  socket.destroy()
})

test("[CR 7.1] a server that never answers is given up, and so is one that is not there", async () => {
  const silent = createServer((socket) => void socket.resume())
  silent.listen(0, "127.0.0.1")
  await once(silent, "listening")
  const at = (silent.address() as AddressInfo).port
  assert.is(await refused({ port: at, timeoutMs: 50 }), "timeout")
  await new Promise((resolve) => silent.close(resolve))
  assert.is(await refused({ port: at }), "ECONNREFUSED")
})

test.run()
