/** What a reader without trust makes of pieces, in any order and with any of them wrong. */
import { generateKeyPairSync } from "node:crypto"
import { gunzipSync } from "node:zlib"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { GatewayWatch } from "../../../firmware/console/page/gateway-watch.ts"
import { LogTree } from "../../../firmware/console/page/log-tree.ts"
import { PieceQueue } from "../../../firmware/console/page/piece-queue.ts"
import { entryIn, rowOf, timelineOf, wanting, ALL } from "../../../firmware/console/page/rows.ts"
import type { NoteKey } from "../../../policy/audit/tlog/note.ts"
import { parseEdge } from "../../../policy/audit/edge-message.ts"
import type { Seen } from "../../../firmware/console/page/log-tree.ts"
import { watchOf } from "../../support/console-watch.ts"
import { makeLog, plantEvents, sha256, type MadeLog, type Retained } from "../../support/console-feed.ts"

const test = suite("console log tree")
const pathOf = (topic: string): string => topic.split("/log/")[1]!

/** A tree of everything that is retained, tampered with by `change`. */
function treeOf(
  log: MadeLog,
  change: (path: string, bytes: Uint8Array) => Uint8Array | null,
  reverse = false,
): LogTree {
  const tree = new LogTree(sha256)
  const messages = [...log.retained()]
  if (reverse) messages.reverse()
  for (const { topic, payload } of messages) {
    const path = pathOf(topic)
    const raw = new Uint8Array(path.startsWith("tile/entries") || path === "edge" ? gunzipSync(payload) : payload)
    const bytes = change(path, raw)
    if (path === "edge") assert.is(tree.takeEdge(parseEdge(bytes ?? raw)), null)
    else if (bytes !== null) tree.takePiece(path, bytes)
  }
  tree.settle()
  return tree
}

test("takes a whole log in any order", () => {
  const log = makeLog("g")
  log.add(plantEvents(1_000))
  for (const reverse of [false, true]) {
    const tree = treeOf(log, (_, bytes) => bytes, reverse)
    assert.equal(tree.faults, [])
    assert.equal(tree.progress(), { done: 3, of: 3, missing: [] })
    assert.ok(tree.line(999) !== null && tree.line(0) !== null && tree.line(1_000) === null)
  }
})

test("[CR 3.9] every piece with any one bit flipped is named, and nothing else", () => {
  const log = makeLog("g")
  log.add(plantEvents(600))
  const paths = log.retained().map(({ topic }) => pathOf(topic)).filter((path) => path !== "edge") // prettier-ignore
  assert.is(paths.length, 4)
  for (const wrong of paths)
    for (const at of [0.01, 0.3, 0.62, 0.97]) {
      const tree = treeOf(log, (path, bytes) => {
        if (path === wrong) bytes[Math.floor(bytes.length * at)]! ^= 1 << (Math.floor(at * 100) % 8)
        return bytes
      })
      assert.equal(tree.faults.map(({ where }) => where), [wrong]) // prettier-ignore
    }
})

test("[CR 3.9] pieces that are missing, swapped, cut or long are never taken for whole", () => {
  const log = makeLog("g")
  log.add(plantEvents(600))
  const missing = treeOf(log, (path, bytes) => (path === "tile/entries/001" ? null : bytes))
  assert.equal([missing.progress().missing, missing.faults], [["tile/entries/001"], []])
  const pieces = new Map<string, Uint8Array>()
  treeOf(log, (path, bytes) => {
    pieces.set(path, bytes)
    return bytes
  })
  const swapped = treeOf(log, (path, bytes) =>
    path === "tile/entries/000"
      ? pieces.get("tile/entries/001")!
      : path === "tile/entries/001"
        ? pieces.get("tile/entries/000")!
        : bytes,
  )
  assert.is(swapped.faults.length, 2)
  for (const end of [0, 1, 31, 32, 4_000])
    assert.is(treeOf(log, (path, b) => (path === "tile/0/000" ? b.slice(0, end) : b)).faults.length, 1)
  assert.is(treeOf(log, (path, b) => (path === "tile/0/000" ? new Uint8Array([...b, 0]) : b)).faults.length, 1)
})

test("what stands is kept when something else comes in its place, and the fault goes when it is mended", () => {
  const log = makeLog("g")
  log.add(plantEvents(300))
  const tree = treeOf(log, (_, bytes) => bytes)
  const { payload } = log.retained().find(({ topic }) => topic.endsWith("tile/0/000"))!
  const good = new Uint8Array(payload)
  tree.takePiece(
    "tile/0/000",
    good.map((byte, k) => (k === 7 ? byte ^ 1 : byte)),
  )
  tree.settle()
  assert.is(tree.faults.length, 1)
  assert.ok(tree.line(5) !== null)
  tree.takePiece("tile/0/000", good)
  tree.settle()
  assert.equal(tree.faults, [])
})

test("[CR 3.9] tells a log that goes on from one that was cut or changed, at every size", async () => {
  const log = makeLog("g")
  const seen: Seen[] = []
  for (const count of [1, 1, 253, 1, 1, 255, 88]) {
    log.add(plantEvents(count))
    const edge = parseEdge(gunzipSync(log.retained().at(-1)!.payload))
    seen.push(edge.said)
  }
  const tree = treeOf(log, (_, bytes) => bytes)
  for (const one of seen) {
    assert.is(await tree.beginsWith(one), true, String(one.size))
    const other = { size: one.size, root: one.root.map((byte, k) => (k === 0 ? byte ^ 1 : byte)) }
    assert.is(await tree.beginsWith(other), false)
  }
  assert.is(await tree.beginsWith({ size: 601, root: seen[0]!.root }), false)
  const lacking = treeOf(log, (path, bytes) => (/00[01]$/.test(path) ? null : bytes))
  assert.is(await lacking.beginsWith(seen[1]!), null)
})

async function feed(watch: GatewayWatch, log: MadeLog): Promise<void> {
  for (const { topic, payload } of log.retained()) await watch.take(topic, payload, true)
  await watch.settle()
}

test("[CR 3.9] a told line that is not the one in the log is wrong, before and after the checkpoint", async () => {
  for (const late of [false, true]) {
    const log = makeLog("g")
    const { watch } = watchOf(log)
    log.add(plantEvents(3))
    await feed(watch, log)
    const [line] = log.add([{ subject: "pump-1" }])
    const forged = Buffer.from(Buffer.from(line!).toString().replace("pump-1", "pump-2"))
    if (!late) await watch.take("lockgate/g/audit/live", forged, false)
    await feed(watch, log)
    if (late) await watch.take("lockgate/g/audit/live", forged, false)
    assert.equal([watch.report().verdict, watch.report().faults[0]!.where], ["wrong", "entry 3"])
  }
})

test("[CR 3.9] swapped logs of two gateways, and a checkpoint by another key, are wrong", async () => {
  const [one, other] = [makeLog("g"), makeLog("g")]
  other.add(plantEvents(3))
  const { watch } = watchOf(one)
  await feed(watch, other)
  assert.is(watch.report().verdict, "wrong")
  assert.is(watch.report().faults[0]!.code, "ERR_LOG_OTHER_KEY")
})

test("[CR 3.9] a change of keys is followed from the key that was given, and a forged one is wrong", async () => {
  const log = makeLog("g")
  log.add(plantEvents(300))
  const handover = await log.handOver()
  log.add(plantEvents(5))
  const second = await log.handOver()
  for (const order of [
    [handover, second],
    [second, handover],
  ]) {
    const believed: (readonly NoteKey[])[] = []
    const { watch } = watchOf(log, { believe: (_, keys) => believed.push(keys) })
    await feed(watch, log)
    assert.is(watch.report().verdict, "wrong", "nobody vouches for the key that signs")
    for (const { topic, payload } of order) await watch.take(topic, payload, true)
    await watch.settle()
    assert.equal([watch.report().verdict, watch.report().faults], ["verified", []])
    assert.match(watch.report().seen, /Its key changed at entry 300, .* Its key changed at entry 306/)
    assert.is(believed.at(-1)?.length, 2)
  }
  const forge = async (change: (log: MadeLog) => Promise<Retained>): Promise<readonly [string, string]> => {
    const log = makeLog("g")
    log.add(plantEvents(9))
    const { topic, payload } = await change(log)
    const { watch } = watchOf(log)
    await watch.take(topic, payload, true)
    await feed(watch, log)
    const { verdict, faults } = watch.report()
    return [verdict, faults.map(({ where }) => where).join()]
  }
  const { privateKey } = generateKeyPairSync("ed25519")
  const spoiled = (change: (text: string) => string) => async (log: MadeLog) => {
    const { topic, payload } = await log.handOver()
    return { topic, payload: Buffer.from(change(payload.toString())) }
  }
  for (const change of [
    (log: MadeLog) => log.handOver(privateKey),
    spoiled((text) => text.replace('"index": 9', '"index": 8')),
    spoiled((text) => text.replace("audit.key-changed", "audit.key-made")),
    // Without the line of the new key: the old one alone cannot give the log away to a key that nobody holds.
    spoiled((text) => text.replace(/(\\n— \S+ \S+?)\\n— [^"]+"/, '$1\\n"')),
    spoiled((text) => text.slice(0, 100)),
  ])
    assert.equal(await forge(change), ["wrong", "handover-10,checkpoint"])
})

test("[CR 3.9] the key before signs nothing any more", async () => {
  const log = makeLog("g")
  log.add(plantEvents(9))
  const handover = await log.handOver()
  const { watch } = watchOf(log)
  await watch.take(handover.topic, handover.payload, true)
  await feed(watch, log)
  assert.is(watch.report().verdict, "verified")
  const stolen = log.resumed(10)
  stolen.add(plantEvents(3))
  await feed(watch, stolen)
  assert.equal([watch.report().verdict, watch.report().faults[0]!.code], ["wrong", "ERR_LOG_OTHER_KEY"])
  assert.match(watch.report().faults[0]!.text, /handed over at 10 entries/)
})

test("a heartbeat of another tree is wrong; an old one repeated is no sign of life", async () => {
  const log = makeLog("g")
  log.add(plantEvents(3))
  const { watch, clock } = watchOf(log)
  await feed(watch, log)
  assert.is(watch.report().life, "unknown")
  const heartbeat = log.heartbeat()
  await watch.take("lockgate/g/heartbeat", heartbeat, false)
  assert.is(watch.report().life, "alive")
  clock.now += 91_000
  assert.is(watch.report().life, "silent")
  await watch.take("lockgate/g/heartbeat", heartbeat, false)
  assert.is(watch.report().life, "silent")
  await watch.take(
    "lockgate/g/heartbeat",
    log.heartbeat({ root: Buffer.alloc(32, 1).toString("base64"), at: 1 }),
    false,
  )
  await watch.settle()
  assert.equal(watch.report().faults.map(({ code }) => code), ["ERR_LOG_FORKED"]) // prettier-ignore
})

test("[CR 3.5] no message makes the watch fail or pass: random bytes, pieces of good ones, foreign topics", async () => {
  const log = makeLog("g")
  log.add(plantEvents(300))
  const good = log.retained()
  const { watch } = watchOf(log)
  for (const topic of [
    "log/edge",
    "audit/live",
    "heartbeat",
    "online",
    "alarm/x",
    "log/tile/0/000",
    "log/tile/0/000/part/0",
    "log/tile/9/x",
    "log/",
    "x",
  ])
    // prettier-ignore
    for (const { payload } of good)
      for (const cut of [0, 1, 7, payload.length >> 1, payload.length - 1, payload.length])
        await watch.take(`lockgate/g/${topic}`, payload.subarray(0, cut), true)
  await watch.settle()
  assert.is(watch.report().verdict, "wrong")
  assert.is(await watch.prove(5), null)
})

test("pieces are asked for a few at a time, the newest first, once a connection, and those that do not come hold nothing up", () => {
  const log = makeLog("g")
  log.add(plantEvents(3 * 256))
  const wanted = treeOf(log, (_, bytes) => bytes).wanted()
  assert.equal(wanted.slice(0, 4), ["tile/entries/002", "tile/entries/001", "tile/entries/000", "tile/0/002"])
  const [asked, clock]: [string[], { now: number }] = [[], { now: 0 }]
  const queue = new PieceQueue((path) => asked.push(path), () => clock.now) // prettier-ignore
  const paths = Array.from({ length: 40 }, (_, k) => `p${k}`)
  queue.want(paths)
  queue.want(paths)
  assert.equal(asked, paths.slice(0, 16))
  queue.came("p3")
  queue.came("p3")
  queue.came("unknown")
  assert.is(asked.length, 17)
  clock.now = 3_001
  queue.tick()
  assert.is(asked.length, 33)
  clock.now = 6_002
  queue.tick()
  assert.equal(asked, paths)
  queue.restart()
  queue.want(["p0"])
  assert.is(asked.length, 41)
})

test("rows are narrowed and set in time; a line that is no entry keeps its place", () => {
  const log = makeLog("g", 1_700_000_000_000)
  const rows = log.add(plantEvents(100)).map((line, seq) => rowOf(seq, entryIn(line), true))
  const denied = rows.filter(wanting({ ...ALL, facets: { ...ALL.facets, outcome: "denied" } }))
  assert.is(denied.length, 11)
  assert.is(rows.filter(wanting({ ...ALL, text: "ROGUE  boiler" })).length, 11)
  assert.is(rows.filter(wanting({ ...ALL, range: [rows[10]!.at, rows[19]!.at] })).length, 10)
  const { others, denials } = timelineOf(rows, 60)
  const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0)
  assert.equal([sum(others), sum(denials), others.length <= 60], [89, 11, true])
  assert.is(rowOf(7, entryIn(new Uint8Array([1, 2])), false).event, "unreadable")
})

test.run()
