/** What is retained of a log, at a real mosquitto: written by the session, read by somebody who has the broker alone. */
import { connect } from "node:net"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { dialMqtt, dialReader, type MqttLink } from "../../../firmware/audit/mqtt-link.ts"
import { createMqttSource, type MqttSource } from "../../../firmware/audit/mqtt-source.ts"
import { nodeSha256, verifyNoteSignature } from "../../../firmware/audit/note-functions.ts"
import { unpackEdge } from "../../../firmware/audit/retained-log.ts"
import { runRetainedSession, type RetainedOptions } from "../../../firmware/audit/retained-session.ts"
import { openRetainedWindow, type RetainedWindow } from "../../../firmware/audit/retained-window.ts"
import { parseEdge } from "../../../policy/audit/edge-message.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { parseBundle } from "../../../policy/audit/entry-bundle.ts"
import { leafHash } from "../../../policy/audit/tlog/hash.ts"
import { parseNote, verifyNote } from "../../../policy/audit/tlog/note.ts"
import { parseCheckpoint } from "../../../policy/audit/tlog/checkpoint.ts"
import { proveInclusion, nodesOfTiles, rootOf } from "../../../policy/audit/tlog/tree.ts"
import { verifyInclusion } from "../../../policy/audit/tlog/verify.ts"
import { piecePath, tileHashes, tilesOf } from "../../../policy/audit/tlog/tile.ts"
import type { Clock } from "../../../hal/clock.ts"
import { createLinuxClock } from "../../../hal/linux/clock.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { mosquittoPub, mosquittoSub } from "../../peers/mosquitto-clients.ts"
import { startMosquitto, type Mosquitto } from "../../peers/mosquitto.ts"
import { treeLog, type TreeLog } from "../../support/tree-log.ts"

const test = suite("firmware/audit/retained")
const real = createLinuxClock()
/** Ten times as fast: what waits for seconds in the field is not waited for here. */
const clock: Clock = {
  wall: () => real.wall(),
  monotonicMs: () => real.monotonicMs() * 10,
  after: (delayMs, action) => real.after(delayMs / 10, action),
}
let broker: Mosquitto
test.before(async () => {
  broker = await startMosquitto({ quiet: true })
})
test.after(() => broker.stop())

const openStream = async () => {
  const socket = connect(broker.port, "127.0.0.1")
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject))
  return socket
}

async function until(what: string, fits: () => boolean | Promise<boolean>, timeoutMs = 8_000): Promise<void> {
  const endMs = performance.now() + timeoutMs
  while (!(await fits())) {
    if (performance.now() > endMs) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

interface Publishing {
  readonly window: RetainedWindow
  readonly reports: AuditEvent[]
  readonly link: MqttLink
  readBack(): Promise<boolean>
  /** Everything up to now is at the broker; then it is gone. */
  stop(): Promise<string>
}

interface PublishOptions extends RetainedOptions {
  readonly storage?: MemoryStorage
  readonly version?: "3.1.1" | "5"
}

async function publish(log: TreeLog, gateway: string, options: PublishOptions = {}): Promise<Publishing> {
  const { storage = new MemoryStorage(), version = "3.1.1", ...rest } = options
  const window = await openRetainedWindow(storage)
  const link = await dialMqtt({ gateway, openStream, version })
  const reports: AuditEvent[] = []
  const stopping = new AbortController()
  const session = runRetainedSession({
    ...{ link, log, window, clock, gateway, edgeEveryMs: 300, ...rest },
    signal: stopping.signal,
    report: (event) => void reports.push(event),
  })
  return {
    ...{ window, reports, link },
    readBack: () => session.readBack(),
    async stop() {
      stopping.abort()
      const why = await session.ended
      await window.save()
      await link.close()
      return why
    },
  }
}

let readers = 0
async function reader(
  gateway: string,
  more: { version?: "3.1.1" | "5"; nonce?: () => string; waitMs?: number } = {},
): Promise<MqttSource & { end(): Promise<void> }> {
  const { version = "3.1.1", ...rest } = more
  const link = await dialReader({ clientId: `reader-${++readers}`, openStream, version })
  const source = createMqttSource({ link, gateway, clock, waitMs: 1_500, ...rest })
  return Object.assign(Object.create(source) as MqttSource, { end: () => link.close() })
}

/** The entries that the source gives from `from` on, if everything there fits the signed root; else what does not. */
async function verified(source: MqttSource, log: TreeLog, from = 0): Promise<string[] | string> {
  const note = await source.checkpoint()
  if (note === null || note === "") return "no checkpoint"
  const parsed = parseNote(note)
  if ((await verifyNote(nodeSha256, parsed, [log.key], verifyNoteSignature)).length === 0) return "signature"
  const { size, root } = parseCheckpoint(parsed.text)
  const tile = async (one: { level: number; index: number; width: number }) => {
    const bytes = await source.piece(piecePath(one))
    if (bytes === null) throw new Error(`${piecePath(one)} is missing`)
    return tileHashes(bytes, one.width)
  }
  const node = nodesOfTiles(nodeSha256, size, tile)
  if (from === 0 && Buffer.compare(await rootOf(nodeSha256, size, node), root) !== 0) return "root"
  const lines: string[] = []
  for (let index = from; index < size; index += 256) {
    const bundle = { level: "entries", index: index / 256, width: Math.min(256, size - index) } as const
    const bytes = await source.piece(piecePath(bundle))
    if (bytes === null) return `${piecePath(bundle)} is missing`
    const entries = parseBundle(bytes)
    for (const k of [0, entries.length - 1]) {
      const leaf = leafHash(nodeSha256, entries[k]!)
      const proof = await proveInclusion(nodeSha256, index + k, size, node)
      if (!verifyInclusion(nodeSha256, { index: index + k, size, leaf, root, proof })) return `entry ${index + k}`
    }
    const own = await tile({ level: 0, index: index / 256, width: bundle.width })
    if (entries.some((entry, k) => Buffer.compare(leafHash(nodeSha256, entry), own[k]!) !== 0)) return piecePath(bundle)
    lines.push(...entries.map((entry) => Buffer.from(entry).toString()))
  }
  return lines
}

const linesOf = (log: TreeLog, from = 0): string[] => log.lines.slice(from).map((line) => Buffer.from(line).toString())

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
  for (let k = 0; k < 200; k++) await asker.publish("lockgate/rate/log/request", request(k), false)
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.ok(answers.messages.length >= 10 && answers.messages.length < 60, `${answers.messages.length}`)
  await answers.stop()
  await asker.close()
  await publishing.stop()
})

test("[CR 3.9] a retained piece or edge that somebody overwrites or clears is put right and told", async () => {
  const log = treeLog("guard", 600)
  const publishing = await publish(log, "guard")
  const root = "lockgate/guard/log"
  const source = await reader("guard")
  await until("it is there", async () => (await source.checkpoint()) !== null)
  const attack = async (topic: string, message: string): Promise<AuditEvent[]> => {
    const before = publishing.reports.length
    await mosquittoPub({ port: broker.port, topic: `${root}/${topic}`, message, retain: true, qos: 1 })
    await until(`it is right again: ${topic}`, async () => {
      const now = await verified(source, log).catch(() => "")
      return typeof now !== "string" && now.length === 600
    })
    return publishing.reports.slice(before)
  }
  const [told] = await attack("tile/entries/001", "forged")
  assert.equal(told, {
    id: "audit.retained-altered",
    outcome: "failure",
    source: "audit",
    reason: "overwritten",
    object: "tile/entries/001",
  })
  // Those that follow within a minute are told as one, later.
  await attack("tile/0/000", "")
  await attack("log/edge".slice(4), "forged")
  await attack("edge", "")
  assert.is(publishing.reports.length, 1)
  await mosquittoPub({ port: broker.port, topic: `${root}/tile/9/junk`, message: "x", retain: true, qos: 1 })
  await new Promise((resolve) => setTimeout(resolve, 300))
  const junk = await mosquittoSub({ port: broker.port, topics: [`${root}/tile/9/#`], qos: 1 })
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.is(junk.messages.length, 0)
  await junk.stop()
  assert.is(await publishing.readBack(), true)
  await source.end()
  await publishing.stop()
  assert.is(publishing.reports.at(-1)?.count, 4)
})

test("[CR 3.9] what was overwritten or cleared while the gateway was away is found and put right when it is back", async () => {
  const log = treeLog("away", 1100)
  const storage = new MemoryStorage()
  await (await publish(log, "away", { storage })).stop()
  for (const [topic, message] of [
    ["tile/entries/000", ""],
    ["tile/0/002", "x".repeat(8192)],
    ["edge", "x"],
  ] as const)
    // prettier-ignore
    await mosquittoPub({
      port: broker.port,
      ...{ topic: `lockgate/away/log/${topic}`, message, retain: true, qos: 1 },
    })
  const source = await reader("away")
  assert.is(await verified(source, log), "no checkpoint")
  const back = await publish(log, "away", { storage })
  await until("all is right", async () => Array.isArray(await verified(source, log).catch(() => "")))
  await source.end()
  await back.stop()
  assert.equal([back.reports[0]?.reason, back.reports[1]?.count], ["overwritten", 2])
})

test("[CR 6.1] a broker that keeps nothing any more is told as that, once, and filled again", async () => {
  const log = treeLog("anew", 1100)
  const storage = new MemoryStorage()
  await (await publish(log, "anew", { storage })).stop()
  // As if it had been set up anew: nothing of this gateway is there.
  const pieces = ["edge", ...[0, 1, 2, 3].flatMap((n) => [`tile/entries/00${n}`, `tile/0/00${n}`])]
  for (const topic of pieces)
    await mosquittoPub({ port: broker.port, topic: `lockgate/anew/log/${topic}`, message: "", retain: true, qos: 1 })
  const back = await publish(log, "anew", { storage })
  const source = await reader("anew")
  await until("all is there", async () => Array.isArray(await verified(source, log).catch(() => "")))
  await source.end()
  await back.stop()
  assert.equal(
    back.reports.map(({ id }) => id),
    ["audit.retained-lost"],
  )
})

test("a log that is another than the one at the broker takes its place", async () => {
  const storage = new MemoryStorage()
  await (await publish(treeLog("other", 900), "other", { storage })).stop()
  const log = treeLog("other", 300)
  const publishing = await publish(log, "other", { storage })
  const source = await reader("other")
  await until("it verifies", async () => Array.isArray(await verified(source, log).catch(() => "")))
  await until("the rest is gone", async () => {
    await source.checkpoint()
    return (await source.piece("tile/entries/002")) === null
  })
  await source.end()
  await publishing.stop()
})

test("[CR 6.1] a broker that takes the log and shows it to nobody is told of", async () => {
  const blind = await startMosquitto({ quiet: true, acl: "topic write lockgate/#\n" })
  const outer = broker
  broker = blind
  try {
    const publishing = await publish(treeLog("blind", 300), "blind")
    await until("it is told", () => publishing.reports.length > 0, 12_000)
    assert.is(publishing.reports[0]?.id, "audit.retained-unseen")
    assert.is(await publishing.readBack(), false)
    await publishing.stop()
  } finally {
    broker = outer
    await blind.stop()
  }
})

test("a bundle that the disk has lost is told and passed over", async () => {
  const log = treeLog("lost", 800)
  log.lostPieces.add("tile/entries/001")
  const publishing = await publish(log, "lost")
  await until("all are there", () => publishing.window.next === 3)
  await publishing.stop()
  assert.equal(
    publishing.reports.map(({ id, object }) => [id, object]),
    [["audit.damaged", "not retained"]],
  )
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

test.run()
