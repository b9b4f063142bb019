/** The publisher on a real MQTT client against a real broker (Aedes) over TCP, which is killed and comes back. */
import { connect, createServer, type Server, type Socket } from "node:net"
import type { AddressInfo } from "node:net"
import { Aedes } from "aedes"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { dialMqtt } from "../../../firmware/audit/mqtt-link.ts"
import { createAuditPublisher } from "../../../firmware/audit/publisher.ts"
import { parseEntry } from "../../../policy/audit/entry.ts"
import { createLinuxClock } from "../../../hal/linux/clock.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { openTestLog, sampleEvent } from "../../support/audit.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/audit/mqtt-link")

interface Broker {
  readonly port: number
  readonly aedes: Aedes
  /** Payloads by topic, as they came in. */
  readonly received: { readonly topic: string; readonly text: string; readonly client: string | null }[]
  readonly sockets: Set<Socket>
  /** Cut every connection without a word, and stop listening. */
  kill(): Promise<void>
}

async function startBroker(port = 0): Promise<Broker> {
  const aedes = await Aedes.createBroker()
  const received: Broker["received"][number][] = []
  aedes.on("publish", (packet, client) => {
    if (packet.topic.startsWith("$SYS")) return
    received.push({ topic: packet.topic, text: packet.payload.toString(), client: client?.id ?? null })
  })
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket))
    aedes.handle(socket)
  })
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
  return {
    port: (server.address() as AddressInfo).port,
    ...{ aedes, received, sockets },
    async kill() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
      await new Promise<void>((resolve) => aedes.close(() => resolve()))
    },
  }
}

function stream(port: number): () => Promise<Socket> {
  return () =>
    new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => resolve(socket))
      socket.once("error", reject)
    })
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const endAt = Date.now() + 10_000
  while (!condition()) {
    if (Date.now() > endAt) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test("[CR 6.1] a broker that is killed and comes back has every entry, in order per connection", async () => {
  let broker = await startBroker()
  const { port } = broker
  const storage = new MemoryStorage()
  const clock = createLinuxClock()
  const log = await openTestLog(storage, { clock })
  const reports: string[] = []
  const publisher = createAuditPublisher({
    ...{ log, storage, clock, gateway: "gw" },
    connect: () => dialMqtt({ gateway: "gw", openStream: stream(port) }),
    report: (event) => {
      reports.push(event.id)
      void log.append(event)
    },
    random: () => 0,
  })
  const ending = new AbortController()
  const running = publisher.start(ending.signal)
  const appended = (count: number): Promise<number[]> =>
    Promise.all(Array.from({ length: count }, (_, i) => log.append(sampleEvent(`${i}`))))
  const live = (b: Broker): number[] =>
    b.received.filter((m) => m.topic === "lockgate/gw/audit/live").map((m) => parseEntry(Buffer.from(m.text)).seq)

  await appended(100)
  await until("100 are published", () => publisher.status.next === 100)
  assert.equal(
    live(broker),
    Array.from({ length: 100 }, (_, i) => i),
  )
  assert.equal(broker.received[0], { topic: "lockgate/gw/online", text: "online", client: "lockgate-gw" })

  const more = appended(400)
  await until("some more are published", () => publisher.status.next > 110)
  await broker.kill()
  await more
  await until("the loss is told", () => reports.length === 1)
  const before = live(broker)
  broker = await startBroker(port)
  await until("all are published", () => publisher.status.next === log.size && reports.length === 2)
  assert.equal(reports, ["audit.publish-lost", "audit.publish-restored"])
  const after = live(broker)
  assert.equal(
    [...new Set([...before, ...after])].sort((a, b) => a - b),
    Array.from({ length: log.size }, (_, i) => i),
  )
  for (const seen of [before, after])
    assert.equal(
      seen,
      [...seen].sort((a, b) => a - b),
    )

  ending.abort()
  await running
  await until("we are gone", () => broker.sockets.size === 0)
  const presence = broker.received.filter((m) => m.topic === "lockgate/gw/online").map((m) => [m.text, m.client])
  assert.equal(presence, [
    ["online", "lockgate-gw"],
    ["offline", "lockgate-gw"],
  ])
  await broker.kill()
})

test("when we die without a word the broker says offline", async () => {
  const broker = await startBroker()
  const link = await dialMqtt({ gateway: "gw", openStream: stream(broker.port) })
  await link.publish("lockgate/gw/online", Buffer.from("online"), true)
  link.destroy()
  await until("the will is published", () => broker.received.length === 2)
  assert.equal(broker.received[1]?.text, "offline")
  await broker.kill()
})

test("a link tells its loss once, and refuses what comes after", async () => {
  const broker = await startBroker()
  const link = await dialMqtt({ gateway: "gw", openStream: stream(broker.port) })
  const lost: string[] = []
  link.onLost((reason) => lost.push(reason))
  for (const socket of broker.sockets) socket.destroy()
  await until("the loss is told", () => lost.length > 0)
  await rejects(() => link.publish("a", new Uint8Array(), false), "ERR_LINK")
  link.onLost((reason) => lost.push(reason))
  assert.is(lost.length, 2)
  await broker.kill()
})

test("a broker that refuses, hangs up or is silent is a link error with a word of why", async () => {
  const broker = await startBroker()
  broker.aedes.authenticate = (_client, _user, _password, done) => {
    done(Object.assign(new Error("no"), { returnCode: 5 }), null)
  }
  const refused = await rejects(() => dialMqtt({ gateway: "gw", openStream: stream(broker.port) }), "ERR_LINK")
  assert.is(refused.detail["reason"], "connack-5")
  await broker.kill()

  const server = createServer((socket) => {
    if (mode === "hang-up") socket.destroy()
    else socket.resume()
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  let mode = "hang-up"
  await rejects(() => dialMqtt({ gateway: "gw", openStream: stream(port) }), "ERR_LINK")
  mode = "silent"
  const silent = await rejects(
    () => dialMqtt({ gateway: "gw", openStream: stream(port), connackTimeoutMs: 50 }),
    "ERR_LINK",
  )
  assert.is(silent.detail["reason"], "timeout")
  await new Promise((resolve) => server.close(resolve))
})

test.run()
