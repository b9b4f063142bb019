/** What is retained of a log, at a real mosquitto: written by the session, read by somebody who has the broker alone. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { dialMqtt, dialReader, type MqttLink } from "../../../firmware/audit/mqtt-link.ts"
import { createFolderSource } from "../../../firmware/audit/folder-source.ts"
import { nodeSha256, verifyNoteSignature } from "../../../firmware/audit/note-functions.ts"
import { unpackEdge } from "../../../firmware/audit/retained-log.ts"
import { runRetainedSession } from "../../../firmware/audit/retained-session.ts"
import { openRetainedWindow } from "../../../firmware/audit/retained-window.ts"
import { parseEdge } from "../../../policy/audit/edge-message.ts"
import { verifyLog } from "../../../policy/audit/tlog/verify-log.ts"
import { piecePath, tilesOf } from "../../../policy/audit/tlog/tile.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { mosquittoSub } from "../../peers/mosquitto-clients.ts"
import { startMosquitto, type Mosquitto } from "../../peers/mosquitto.ts"
import { openTestLog } from "../../support/audit.ts"
import { appendMany } from "../../support/publish-scene.ts"
import { clock, linesOf, retainedScene, until, verified } from "../../support/retained-scene.ts"
import { treeLog } from "../../support/tree-log.ts"

const test = suite("firmware/audit/retained")
let broker: Mosquitto
test.before(async () => {
  broker = await startMosquitto({ quiet: true })
})
const { openStream, publish, reader, end } = retainedScene(() => broker.port)
test.after(async () => {
  end()
  await broker.stop()
})

for (const version of ["3.1.1", "5"] as const)
  test(`[CR 6.1] with the gateway gone, the whole log is read and proven from the broker alone: MQTT ${version}`, async () => {
    const name = `gone-${version.length}`
    const log = treeLog(name, 700)
    const publishing = await publish(log, name, { version })
    await until("bundles are there", () => publishing.window.next === 2)
    log.grow(400)
    await until("the third too", () => publishing.window.next === 4)
    log.grow(3)
    assert.is(await publishing.stop(), "stopped")
    assert.equal(publishing.reports, [])
    const source = await reader(name, { version })
    assert.equal(await verified(source, log), linesOf(log))
    await source.end()
  })

test("what a reader needs of a tree of every kind of size is there", async () => {
  for (const size of [0, 1, 255, 256, 257, 512]) {
    const name = `size-${size}`
    const log = treeLog(name, size)
    const publishing = await publish(log, name)
    await publishing.stop()
    const source = await reader(name)
    assert.equal(await verified(source, log), linesOf(log), `${size}`)
    for (const tile of tilesOf(size)) assert.ok(await source.piece(piecePath(tile)), piecePath(tile))
    await source.end()
  }
})

test("[CR 6.1] a piece that is too large for one message goes in parts, and is put together", async () => {
  const log = treeLog("parts", 600)
  const publishing = await publish(log, "parts", { partBytes: 3_000 })
  await publishing.stop()
  assert.ok(publishing.window.costs.every((cost) => cost.parts > 1))
  const source = await reader("parts")
  assert.equal(await verified(source, log), linesOf(log))
  await source.end()
})

test("[CR 3.9] no checkpoint goes out before the broker has what it covers", async () => {
  const log = treeLog("order", 300)
  const link = await dialMqtt({ gateway: "order", openStream })
  const acknowledged = new Set<string>()
  const faults: string[] = []
  const spied: MqttLink = {
    ...link,
    publish: async (topic, payload, retain) => {
      if (topic.endsWith("log/edge"))
        for (let n = 0; n < Math.floor(parseEdge(unpackEdge(payload)!).said.size / 256); n++)
          for (const level of ["entries", "0"]) {
            const path = `lockgate/order/log/tile/${level}/00${n}`
            if (!acknowledged.has(path)) faults.push(path)
          }
      await link.publish(topic, payload, retain)
      acknowledged.add(topic)
    },
  }
  const stopping = new AbortController()
  const window = await openRetainedWindow(new MemoryStorage())
  const session = runRetainedSession({
    ...{ link: spied, log, window, clock, gateway: "order", edgeEveryMs: 1 },
    signal: stopping.signal,
    report: () => undefined,
  })
  for (let k = 0; k < 30; k++) {
    log.grow(40)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  stopping.abort()
  await session.ended
  await link.close()
  assert.equal(faults, [])
  assert.ok(acknowledged.has("lockgate/order/log/edge"))
})

test("[CR 6.1] publishing goes on after an outage where it stopped; the durable cursor says where", async () => {
  const log = treeLog("resume", 600)
  const storage = new MemoryStorage()
  const first = await publish(log, "resume", { storage })
  await until("two are there", () => first.window.next === 2)
  await first.stop()
  log.grow(600)
  const seen = await mosquittoSub({ port: broker.port, topics: ["lockgate/resume/log/tile/entries/+"], qos: 1 })
  await seen.take(2)
  const second = await publish(log, "resume", { storage })
  await until("all are there", () => second.window.next === 4)
  await second.stop()
  const live = seen.messages.filter((message) => !message.retain).map(({ topic }) => topic.slice(-3))
  assert.equal(live, ["002", "003"], "what was there is not published again")
  await seen.stop()
  const source = await reader("resume")
  assert.equal(await verified(source, log), linesOf(log))
  await source.end()
})

test("what leaves the window is cleared, the rest still verifies, and the edge says from where", async () => {
  const log = treeLog("window", 256 * 12 + 5)
  const publishing = await publish(log, "window", { windowBytes: () => 200_000 })
  await until("all are there", () => publishing.window.next === 12)
  log.grow(300)
  await publishing.stop()
  const { first, bytes } = publishing.window
  assert.ok(first >= 4 && first < 12 && bytes <= 200_000, `${first} ${bytes}`)
  const source = await reader("window")
  assert.equal(await verified(source, log, first * 256), linesOf(log, first * 256))
  assert.is(source.first, first * 256)
  assert.is(await source.piece("tile/entries/000"), null)
  assert.is(await source.piece(`tile/0/00${first - 1}`), null)
  assert.equal(publishing.reports, [])
  await source.end()
})

test("[CR 6.1] what the broker no longer holds comes by request, on 3.1.1 too; what is not there is said so", async () => {
  const log = treeLog("asked", 256 * 12)
  const publishing = await publish(log, "asked", { windowBytes: () => 200_000, partBytes: 3_000 })
  await until("all are there", () => publishing.window.next === 12)
  let n = 0
  const source = await reader("asked", { nonce: () => `nonce-nonce-nonce-${++n}`, waitMs: 1_000 })
  assert.equal(await verified(source, log), linesOf(log))
  assert.ok(n > 0)
  assert.is(await source.piece("tile/entries/099"), null)
  await source.end()
  await publishing.stop()
})

test("requests are answered at a bounded rate", async () => {
  const log = treeLog("rate", 300)
  const publishing = await publish(log, "rate")
  const answers = await mosquittoSub({ port: broker.port, topics: ["lockgate/rate/log/answer/#"], qos: 1 })
  const asker = await dialReader({ clientId: "asker", openStream })
  const request = (k: number) => Buffer.from(`{"format":1,"path":"tile/0/000","answer":"nonce-nonce-${1000 + k}"}`)
  const beganMs = clock.monotonicMs()
  for (let k = 0; k < 200; k++) await asker.publish("lockgate/rate/log/request", request(k), false)
  await new Promise((resolve) => setTimeout(resolve, 300))
  // 32 at once and 8 a second, each in one part.
  const most = 32 + 8 * Math.ceil((clock.monotonicMs() - beganMs) / 1000 + 1)
  assert.ok(most < 200, "too slow a machine to tell")
  assert.ok(answers.messages.length >= 10 && answers.messages.length <= most, `${answers.messages.length} of ${most}`)
  await answers.stop()
  await asker.close()
  await publishing.stop()
})

test("no more of the log is in memory than what is on its way", async () => {
  const log = treeLog("memory", 256 * 20)
  let most = 0
  let now = 0
  const link = await dialMqtt({ gateway: "memory", openStream })
  const spied: MqttLink = {
    ...link,
    publish: async (...message) => {
      most = Math.max(most, ++now)
      await link.publish(...message)
      now--
    },
  }
  const stopping = new AbortController()
  const window = await openRetainedWindow(new MemoryStorage())
  const session = runRetainedSession({
    ...{ link: spied, log, window, clock, gateway: "memory" },
    signal: stopping.signal,
    report: () => undefined,
  })
  await until("all are there", () => window.next === 20)
  stopping.abort()
  await session.ended
  await link.close()
  assert.ok(most <= 8, `${most} messages, two a bundle`)
})

test("[CR 6.1] bundles and edge keep to the packet limit that a real broker says: MQTT 5, 8 KiB, tiles in parts", async () => {
  const small = await startMosquitto({ quiet: true, config: ["max_packet_size 8192"] })
  const there = retainedScene(() => small.port)
  try {
    const log = treeLog("small", 256 * 3 + 255)
    const publishing = await there.publish(log, "small", { version: "5" })
    assert.is(await publishing.stop(), "stopped")
    assert.equal(publishing.reports, [])
    assert.ok(publishing.window.costs.every(({ parts }) => parts > 1))
    const source = await there.reader("small", { version: "5" })
    assert.equal(await verified(source, log), linesOf(log))
    await source.end()
    const edge = await mosquittoSub({ port: small.port, topics: ["lockgate/small/log/edge/#"], qos: 1 })
    assert.ok((await edge.take(3)).every(({ payload }) => payload.length <= 8_192))
    await edge.stop()
  } finally {
    there.end()
    await small.stop()
  }
})

test("[CR 3.9] who knows the first key of a log follows its changes at the broker alone; without them another key is no key of it", async () => {
  const storage = new MemoryStorage()
  const log = await openTestLog(storage)
  const { key } = log
  for (let turn = 0; turn < 2; turn++) {
    await appendMany(log, 200)
    await log.rotateKey()
  }
  const handovers = () => createFolderSource(storage).handovers()
  for (const [version, more, codes] of [
    ["3.1.1", {}, ["ERR_LOG_OTHER_KEY"]],
    ["3.1.1", { handovers }, []],
    ["5", { handovers }, []],
  ] as const) {
    const publishing = await publish(log, "gw", { ...more, version })
    await publishing.stop()
    const source = await reader("gw", { version })
    const deps = { sha256: nodeSha256, verify: verifyNoteSignature, keys: [key] }
    const { faults } = await verifyLog(deps, source)
    assert.equal(faults.map(({ code }) => code), codes, JSON.stringify(faults)) // prettier-ignore
    await source.end()
  }
  await log.close()
})

test.run()
