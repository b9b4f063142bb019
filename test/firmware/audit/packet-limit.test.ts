/** Brokers that take small messages only: a real mosquitto with `max_packet_size` or `message_size_limit`, on both versions. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { dialMqtt } from "../../../firmware/audit/mqtt-link.ts"
import { createLineLimit, LINE_PACKET_BYTES } from "../../../firmware/audit/line-limit.ts"
import { createPartLimit } from "../../../firmware/audit/part-limit.ts"
import { createAuditPublisher } from "../../../firmware/audit/publisher.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { mosquittoSub } from "../../peers/mosquitto-clients.ts"
import { startMosquitto } from "../../peers/mosquitto.ts"
import { rejects } from "../../support/rejects.ts"
import { clock, linesOf, retainedScene, until, verified } from "../../support/retained-scene.ts"
import { treeLog, type TreeLog } from "../../support/tree-log.ts"

const test = suite("firmware/audit/packet-limit")
const NAME = "lockgate"

/** A publisher of `log` at such a broker, and what it told. */
function publishing(log: TreeLog, port: number, version: "3.1.1" | "5", isRetained = true) {
  const scene = retainedScene(() => port)
  const reports: AuditEvent[] = []
  const stopping = new AbortController()
  let dials = 0
  const publisher = createAuditPublisher({
    log: {
      read: (from, max) => log.read(from, max),
      ...{ firstSeq: 0, onGrowth: (listener) => log.onCheckpoint(listener) },
      get size() {
        return log.lines.length
      },
    },
    ...{ clock, gateway: NAME, storage: new MemoryStorage(), broker: "broker.plant:8883", random: () => 0 },
    connect: () => {
      dials++
      return dialMqtt({ gateway: NAME, openStream: scene.openStream, version })
    },
    report: (event) => void reports.push(event),
    ...(isRetained ? { retained: { log, edgeEveryMs: 300 } } : {}),
  })
  const ended = publisher.start(stopping.signal)
  return {
    ...{ scene, reports, publisher },
    dials: () => dials,
    told: () => reports.filter(({ id }) => id !== "audit.publish-lost" && id !== "audit.publish-restored"),
    async stop() {
      stopping.abort()
      await ended
      scene.end()
    },
  }
}

for (const version of ["3.1.1", "5"] as const)
  for (const [setting, bytes] of [
    ["max_packet_size", 12_000],
    ["max_packet_size", 4_096],
    ["message_size_limit", 4_096],
  ] as const)
    test(`[CR 6.1] the log goes in parts that a broker with ${setting} ${bytes} takes, told once: MQTT ${version}`, async () => {
      const broker = await startMosquitto({ quiet: true, config: [`${setting} ${bytes}`] })
      const log = treeLog(NAME, 600)
      const at = publishing(log, broker.port, version)
      try {
        const source = await at.scene.reader(NAME, { version })
        await until(
          "the log is there",
          async () => (await verified(source, log).catch(() => "")).length === 600,
          15_000,
        )
        assert.equal(await verified(source, log), linesOf(log))
        await source.end()
        const isAnnounced = version === "5" && setting === "max_packet_size"
        const partBytes = isAnnounced ? bytes - 256 : bytes > 10_000 ? 8192 : 2048
        assert.equal(at.told(), [
          {
            ...{ id: "audit.broker-limit", outcome: "success", source: "audit", object: "broker.plant:8883" },
            reason: isAnnounced ? "announced" : "found-out",
            detail: {
              ...{ "part-bytes": partBytes, "enough-bytes": 131_328 },
              ...(isAnnounced ? { "packet-bytes": bytes } : {}),
            },
          },
        ]) // prettier-ignore
        assert.is(at.publisher.status.retained, "small-parts")
      } finally {
        await at.stop()
        await broker.stop()
      }
    })

for (const [version, setting] of [
  ["3.1.1", "max_packet_size"],
  ["5", "max_packet_size"],
  ["3.1.1", "message_size_limit"],
  ["5", "message_size_limit"],
] as const)
  test(`[CR 6.1] a broker with ${setting} 1500 is told as too small for history, and gets every live line: MQTT ${version}`, async () => {
    const broker = await startMosquitto({ quiet: true, config: [`${setting} 1500`] })
    const log = treeLog(NAME, 300)
    const live = await mosquittoSub({ port: broker.port, topics: [`lockgate/${NAME}/audit/live`], qos: 1 })
    const at = publishing(log, broker.port, version)
    try {
      await until("it is told", () => at.told().length > 0, 15_000)
      assert.equal(
        at.told().map(({ id, object, detail }) => [id, object, detail?.["needs-bytes"]]),
        [["audit.broker-too-small", "broker.plant:8883", 2304]],
      )
      await until("the live stream goes on", () => at.publisher.status.next === 300)
      log.grow(20)
      await until("it stays", () => at.publisher.status.next === 320)
      assert.equal([at.publisher.status.online, at.publisher.status.retained], [true, "nothing"])
      // Lines that were on their way when a link ended come again.
      await until("every line was shown", () => {
        const seen = new Set(live.messages.map(({ payload }) => payload.toString()))
        return linesOf(log).every((line) => seen.has(line))
      })
      assert.is(at.told().length, 1)
    } finally {
      await at.stop()
      await live.stop()
      await broker.stop()
    }
  })

for (const version of ["3.1.1", "5"] as const)
  test(`[CR 6.1] a broker that does not take an entry is told with the setting to raise, and is not dialled for ever: MQTT ${version}`, async () => {
    const log = treeLog(NAME, 20)
    const least = Math.min(...log.lines.map(({ length }) => length))
    const broker = await startMosquitto({ quiet: true, config: [`max_packet_size ${least}`] })
    const at = publishing(log, broker.port, version, false)
    try {
      await until("it is told", () => at.told().length > 0, 10_000)
      const [told, ...more] = at.told()
      assert.equal(more, [])
      assert.equal(
        [told!.id, told!.object, told!.reason, told!.detail?.["needs-bytes"], told!.detail?.["from"]],
        ["audit.broker-refuses-entries", "broker.plant:8883", version === "5" ? "announced" : "found-out", LINE_PACKET_BYTES, 0], // prettier-ignore
      )
      await until("the link stays", () => at.publisher.status.online)
      const dials = at.dials()
      assert.is(dials, version === "5" ? 1 : 5)
      log.grow(1)
      // As long as the last pauses were, and longer.
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      assert.equal([at.dials(), at.publisher.status.online, at.publisher.status.next], [dials, true, 0])
      assert.is(at.publisher.status.retained, "live-waits")
      assert.is(at.told().length, 1)
    } finally {
      await at.stop()
      await broker.stop()
    }
  })

/** A limit of lines at `t`, and what it told; its clock stands still until it is moved. */
function linesAt() {
  const told: AuditEvent[] = []
  let nowMs = 0
  const limit = createLineLimit({
    clock: { monotonicMs: () => nowMs },
    report: (event) => void told.push(event),
    topic: "t",
  })
  return { limit, told, pass: (ms: number) => void (nowMs += ms) }
}
const OPEN = { maxPacketBytes: Infinity }

test("[CR 6.1] lines wait only for what was on its way again and again, larger than all that was taken, and no longer than it takes", () => {
  const { limit, told, pass } = linesAt()
  limit.took(500)
  const ends = (bytes: number, reason = "closed"): boolean => limit.ended(reason, bytes)
  for (const reason of ["stopped", "refused", "no-acknowledgement", "timeout"]) for (let k = 0; k < 9; k++) assert.is(ends(900, reason), false) // prettier-ignore
  for (let k = 0; k < 9; k++) assert.is(ends(0), false)
  assert.equal([ends(900), ends(900), ends(900)], [false, false, false])
  limit.took(900)
  assert.equal([ends(1000), ends(1000), ends(1000)], [false, false, false], "it got through: it was something else")
  assert.is(limit.bytesFor(OPEN), Infinity)
  assert.is(ends(1000), true)
  assert.is(limit.bytesFor(OPEN), 900)
  assert.equal([limit.isWaiting, told], [false, []], "nothing waits yet")
  assert.equal([limit.waits(OPEN, 7, 1000), limit.waits(OPEN, 7, 1000)], [60_000, 60_000])
  assert.equal([limit.isWaiting, told.length], [true, 1])
  pass(60_000)
  assert.is(limit.bytesFor(OPEN), Infinity, "it is tried again")
  assert.is(ends(1000), true, "and one more end is enough")
  assert.is(limit.waits(OPEN, 7, 1000), 60_000 + 120_000)
  for (let k = 0; k < 20; k++) {
    pass(3_600_000)
    ends(1000)
  }
  assert.is(limit.waits(OPEN, 7, 1000), 60_000 + 21 * 3_600_000)
  pass(3_600_000)
  limit.took(1000)
  assert.equal([limit.isWaiting, limit.bytesFor(OPEN), told.length], [false, Infinity, 1])
  assert.equal(Array.from({ length: 6 }, () => ends(600)), [false, false, false, false, false, true], "it took as large before") // prettier-ignore
  assert.is(limit.bytesFor(OPEN), 0)
})

test("[CR 6.1] what a broker announces counts at once, and its refusal too; a larger announcement lets the lines go", () => {
  const { limit, told } = linesAt()
  assert.is(limit.bytesFor({ maxPacketBytes: 600 }), 583)
  assert.is(limit.waits({ maxPacketBytes: 600 }, 3, 584), null)
  assert.equal([told[0]!.reason, told[0]!.detail], ["announced", { "needs-bytes": 1280, from: 3, "entry-bytes": 584, "packet-bytes": 600 }]) // prettier-ignore
  assert.ok(limit.bytesFor({ maxPacketBytes: LINE_PACKET_BYTES }) >= 1024, "what is asked for is enough")
  limit.took(584)
  assert.is(limit.isWaiting, false)
  assert.is(limit.ended("packet-too-large", 700), true)
  assert.is(limit.bytesFor(OPEN), 584)
})

test("[MQTT 5.0 3.4.2.1] what mosquitto refuses with a PUBACK that the standard does not know ends the link at once, by a word of its own", async () => {
  const broker = await startMosquitto({ quiet: true, config: ["message_size_limit 4096"] })
  const { openStream } = retainedScene(() => broker.port)
  const link = await dialMqtt({ gateway: "word", openStream, version: "5" })
  const refused = await rejects(() => link.publish("lockgate/word/x", new Uint8Array(5000), true), "ERR_LINK")
  assert.is(refused.detail["reason"], "packet-too-large")
  await broker.stop()
})

/** A limit, and what it told; its clock stands still until it is moved. */
function limitAt(): { limit: ReturnType<typeof createPartLimit>; told: AuditEvent[]; pass: (ms: number) => void } {
  const told: AuditEvent[] = []
  let nowMs = 0
  const limit = createPartLimit({ clock: { monotonicMs: () => nowMs }, report: (event) => void told.push(event) })
  return { limit, told, pass: (ms) => void (nowMs += ms) }
}
const SILENT = { maxPacketBytes: Infinity }

test("one link that ends with a large part on its way is no proof; nor many without one", () => {
  const { limit, told } = limitAt()
  for (const [reason, heaviest] of [
    ["closed", 100_000],
    ["stopped", 100_000],
    ["no-acknowledgement", 100_000],
    ["closed", 0],
  ] as const)
    // prettier-ignore
    assert.is(limit.ended(reason, heaviest), "other")
  limit.took(100_000)
  assert.is(limit.ended("closed", 100_000), "other")
  assert.is(limit.bytesFor(SILENT), 131_072)
  assert.equal(told, [])
})

test("a broker that was set up anew with a lower limit is learnt, although it took more before", () => {
  const { limit } = limitAt()
  limit.took(60_000)
  const ends = Array.from({ length: 5 }, () => limit.ended("ECONNRESET", 40_000))
  assert.equal(ends, ["other", "other", "other", "other", "smaller"])
  assert.is(limit.bytesFor(SILENT), 32_768)
})

test("a broker that took nothing is tried again after an hour; what it announces by then counts at once", () => {
  const { limit, told, pass } = limitAt()
  for (const heaviest of [100_000, 32_768, 8_192]) assert.is(limit.ended("packet-too-large", heaviest), "smaller")
  assert.is(limit.ended("packet-too-large", 2_048), "nothing")
  assert.is(limit.bytesFor(SILENT), null)
  assert.is(limit.bytesFor({ maxPacketBytes: 300_000 }), 131_072)
  pass(3_600_000)
  assert.is(limit.bytesFor(SILENT), 131_072)
  assert.equal(told.map(({ id }) => id), ["audit.broker-too-small"]) // prettier-ignore
})

test.run()
