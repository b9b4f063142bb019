/** The publisher against a broker that lives in the test: every acknowledgement and every loss is decided here. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { linkError, type MqttLink } from "../../../firmware/audit/mqtt-link.ts"
import { createAuditPublisher, type AuditPublisher } from "../../../firmware/audit/publisher.ts"
import type { AuditLog } from "../../../firmware/audit/log.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { parseEntry } from "../../../policy/audit/entry.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { openTestLog, sampleEvent, settled } from "../../support/audit.ts"
import { seeded } from "../../support/hostile.ts"

const test = suite("firmware/audit/publisher")

interface Sent {
  readonly topic: string
  readonly text: string
  readonly retain: boolean
  acknowledge(): void
}

/** A broker that acknowledges by itself (`auto`) or when told. */
class ScriptedBroker {
  sent: Sent[] = []
  dials = 0
  up = true
  auto = true
  closedInOrder = 0
  #lose: (() => void)[] = []

  readonly connect = async (): Promise<MqttLink> => {
    this.dials++
    if (!this.up) throw linkError("ECONNREFUSED")
    const waiting = new Set<(error: Error) => void>()
    const listeners: ((reason: string) => void)[] = []
    let lost = false
    const lose = (): void => {
      if (lost) return
      lost = true
      for (const reject of waiting) reject(linkError("ECONNRESET"))
      for (const listener of listeners) listener("ECONNRESET")
    }
    this.#lose.push(lose)
    return {
      publish: (topic, payload, retain) =>
        new Promise((resolve, reject) => {
          if (lost) {
            reject(linkError("ECONNRESET"))
            return
          }
          waiting.add(reject)
          const acknowledge = (): void => {
            if (!lost && waiting.delete(reject)) resolve()
          }
          this.sent.push({ topic, text: Buffer.from(payload).toString(), retain, acknowledge })
          if (this.auto) acknowledge()
        }),
      subscribe: () => Promise.resolve(),
      unsubscribe: () => Promise.resolve(),
      onMessage: () => undefined,
      maxPacketBytes: Infinity,
      onLost: (listener) => {
        if (lost) listener("ECONNRESET")
        else listeners.push(listener)
      },
      close: async () => {
        this.closedInOrder++
      },
      destroy: () => undefined,
    }
  }

  lose(): void {
    for (const lose of this.#lose) lose()
  }

  get entries(): number[] {
    return this.sent.filter((s) => s.topic === "lockgate/gw/audit/live").map((s) => parseEntry(Buffer.from(s.text)).seq)
  }

  get presence(): string[] {
    return this.sent
      .filter((s) => s.topic === "lockgate/gw/online")
      .map((s) => `${s.text}${s.retain ? " retained" : ""}`)
  }
}

interface Scene {
  readonly broker: ScriptedBroker
  readonly clock: MemoryClock
  readonly storage: MemoryStorage
  readonly log: AuditLog
  readonly publisher: AuditPublisher
  readonly reports: AuditEvent[]
  start(): void
  stop(): Promise<void>
}

async function scene(storage = new MemoryStorage(), broker = new ScriptedBroker()): Promise<Scene> {
  const clock = new MemoryClock()
  const log = await openTestLog(storage, { clock })
  const reports: AuditEvent[] = []
  const report = (event: AuditEvent): void => void reports.push(event)
  const publisher = createAuditPublisher({
    ...{ log, storage, clock, gateway: "gw", report },
    connect: broker.connect,
    random: () => 0.5,
  })
  const ending = new AbortController()
  let running: Promise<void> = Promise.resolve()
  return {
    ...{ broker, clock, storage, log, publisher, reports },
    start: () => {
      running = publisher.start(ending.signal)
    },
    stop: async () => {
      ending.abort()
      for (let i = 0; i < 5; i++) {
        await settled()
        clock.advance(10_000)
      }
      await running
    },
  }
}

async function appendMany(log: AuditLog, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => log.append(sampleEvent(`${i}`))))
}

const upTo = (end: number): number[] => Array.from({ length: end }, (_, i) => i)

test("[CR 6.1] every entry is published once, in order, as the line that is on disk", async () => {
  const s = await scene()
  await appendMany(s.log, 40)
  s.start()
  await settled()
  await appendMany(s.log, 300)
  await settled()
  assert.equal(s.broker.entries, upTo(340))
  const logged = (await s.log.read(0, 340)).map(({ line }) => Buffer.from(line).toString())
  assert.equal(
    s.broker.sent.slice(1).map((m) => m.text),
    logged,
  )
  assert.ok(s.broker.sent.slice(1).every((m) => !m.retain))
  assert.equal(s.publisher.status, { online: true, next: 340 })
  assert.equal(s.reports, [])
  await s.stop()
  assert.equal(s.broker.presence, ["online retained", "offline retained"])
  assert.is(s.broker.closedInOrder, 1)
})

test("at most 16 entries wait for acknowledgement", async () => {
  const s = await scene()
  await appendMany(s.log, 40)
  s.start()
  s.broker.auto = false
  await settled()
  s.broker.sent[0]?.acknowledge()
  await settled()
  assert.equal(s.broker.entries, upTo(16))
  s.broker.sent[1]?.acknowledge()
  s.broker.sent[2]?.acknowledge()
  await settled()
  assert.equal(s.broker.entries, upTo(18))
  assert.is(s.publisher.status.next, 2)
  await s.stop()
})

test("an acknowledgement out of turn counts only when those before it are there", async () => {
  const s = await scene()
  await appendMany(s.log, 4)
  s.start()
  s.broker.auto = false
  await settled()
  s.broker.sent[0]?.acknowledge()
  await settled()
  s.broker.sent[3]?.acknowledge()
  await settled()
  assert.is(s.publisher.status.next, 0)
  s.broker.sent[1]?.acknowledge()
  await settled()
  assert.is(s.publisher.status.next, 1)
  s.broker.sent[2]?.acknowledge()
  await settled()
  assert.is(s.publisher.status.next, 3)
  await s.stop()
})

test("[CR 6.1] while the broker is away entries wait on disk; loss and return are told once", async () => {
  const s = await scene()
  s.start()
  await appendMany(s.log, 3)
  await settled()
  s.broker.up = false
  s.broker.lose()
  await settled()
  assert.is(s.publisher.status.online, false)
  await appendMany(s.log, 700)
  for (let i = 0; i < 20; i++) {
    s.clock.advance(60_000)
    await settled()
  }
  assert.ok(s.broker.dials > 10)
  assert.equal(
    s.reports.map((e) => [e.id, e.reason]),
    [["audit.publish-lost", "ECONNRESET"]],
  )
  s.broker.up = true
  s.clock.advance(60_000)
  await settled()
  assert.equal(s.broker.entries, upTo(703))
  assert.equal(s.reports.slice(1), [
    {
      id: "audit.publish-restored",
      outcome: "success",
      source: "audit",
      detail: { waiting: 700 },
    },
  ])
  await s.stop()
})

test("a broker that is not there at the start is told once too", async () => {
  const s = await scene()
  s.broker.up = false
  s.start()
  for (let i = 0; i < 5; i++) {
    await settled()
    s.clock.advance(60_000)
  }
  assert.equal(
    s.reports.map((e) => e.reason),
    ["ECONNREFUSED"],
  )
  await s.stop()
})

test("retries come ever more rarely, with a spread, up to a minute", async () => {
  const s = await scene()
  s.broker.up = false
  s.start()
  const at: number[] = []
  for (let ms = 0, dials = 0; ms < 300_000; ms += 250) {
    await new Promise((resolve) => setImmediate(resolve))
    if (s.broker.dials > dials) at.push(ms)
    dials = s.broker.dials
    s.clock.advance(250)
  }
  const waits = at.slice(1).map((ms, i) => (ms - (at[i] ?? 0)) / 1000)
  assert.equal(waits.slice(0, 8), [0.75, 1.5, 3, 6, 12, 24, 45, 45])
  await s.stop()
})

test("a broker that takes but does not acknowledge is left and dialled anew; nothing is skipped", async () => {
  const s = await scene()
  await appendMany(s.log, 2)
  s.start()
  s.broker.auto = false
  await settled()
  s.broker.sent[0]?.acknowledge()
  await settled()
  s.clock.advance(30_000)
  await settled()
  assert.equal(
    s.reports.map((e) => e.reason),
    ["no-acknowledgement"],
  )
  s.broker.auto = true
  s.clock.advance(60_000)
  await settled()
  assert.equal(s.broker.entries, [0, 1, 0, 1])
  assert.is(s.publisher.status.next, 2)
  await s.stop()
})

test("a broker that does not acknowledge even our presence counts as away", async () => {
  const s = await scene()
  s.broker.auto = false
  s.start()
  await settled()
  s.clock.advance(10_000)
  await settled()
  assert.is(s.publisher.status.online, false)
  assert.equal(
    s.reports.map((e) => e.id),
    ["audit.publish-lost"],
  )
  await s.stop()
})

test("after a restart publishing goes on where the broker had acknowledged", async () => {
  const first = await scene()
  await appendMany(first.log, 10)
  first.start()
  await settled()
  await first.stop()
  await first.log.close()
  const second = await scene(first.storage.powerCut("lost"))
  await appendMany(second.log, 2)
  second.start()
  await settled()
  assert.equal(second.broker.entries, [10, 11])
  await second.stop()
})

test("after a power cut the position is at most five seconds old, and entries are repeated, not skipped", async () => {
  const first = await scene()
  first.start()
  await appendMany(first.log, 10)
  await settled()
  first.clock.advance(5_000)
  await settled()
  await appendMany(first.log, 5)
  await settled()
  const second = await scene(first.storage.powerCut("lost"))
  second.start()
  await settled()
  assert.equal(second.broker.entries, [10, 11, 12, 13, 14])
  await second.stop()
})

test("a damaged position, or one beyond the log, publishes the log anew", async () => {
  for (const text of ["", "{", '{"format":1,"next":99}', '{"format":2,"next":1}', '{"format":1,"next":-1}', "\0\0\0"]) {
    const storage = new MemoryStorage()
    await storage.write("audit/published", Buffer.from(text))
    const s = await scene(storage)
    await appendMany(s.log, 3)
    s.start()
    await settled()
    assert.equal(s.broker.entries, [0, 1, 2], text)
    await s.stop()
  }
})

test("[CR 3.9] a bundle that cannot be read is told and passed over; the rest is published", async () => {
  const storage = new MemoryStorage()
  const log = await openTestLog(storage)
  await appendMany(log, 600)
  await log.close()
  await storage.remove("audit/tile/entries/000")
  const s = await scene(storage)
  s.start()
  await settled()
  assert.is(s.broker.entries[0], 256)
  assert.equal(s.broker.entries, upTo(s.log.size).slice(256))
  assert.is(s.publisher.status.next, s.log.size)
  assert.equal(
    s.reports.map((e) => [e.id, e.reason]),
    [["audit.damaged", "ERR_AUDIT_MISSING"]],
  )
  await s.stop()
})

test("a disk that does not take the position stops nothing", async () => {
  const s = await scene()
  s.start()
  await appendMany(s.log, 3)
  await settled()
  s.storage.fail({ step: "create", errno: "ENOSPC", times: Infinity })
  s.clock.advance(20_000)
  await settled()
  assert.equal(s.broker.entries, [0, 1, 2])
  await s.stop()
})

test("a stop while nothing answers ends all the same", async () => {
  const s = await scene()
  const never = createAuditPublisher({
    ...{ log: s.log, storage: s.storage, clock: s.clock, gateway: "gw" },
    connect: () => new Promise(() => undefined),
    report: () => undefined,
  })
  const ending = new AbortController()
  const running = never.start(ending.signal)
  await settled()
  ending.abort()
  await running
})

test("[CR 6.1] whatever is lost whenever, every entry is acknowledged by some link, and each link's are in order", async () => {
  for (let seed = 1; seed <= 25; seed++) {
    const random = seeded(seed)
    const s = await scene()
    s.broker.auto = false
    s.start()
    const acknowledged = new Set<number>()
    let looked = 0
    for (let turn = 0; turn < 120; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
      const dice = random()
      if (dice < 0.3) await appendMany(s.log, 1 + Math.floor(random() * 5))
      else if (dice < 0.4) s.broker.lose()
      else if (dice < 0.5) s.clock.advance(70_000)
      for (; looked < s.broker.sent.length && random() < 0.8; looked++) {
        const message = s.broker.sent[looked]
        if (message === undefined || random() < 0.2) continue
        message.acknowledge()
        if (message.topic.endsWith("live")) acknowledged.add(parseEntry(Buffer.from(message.text)).seq)
      }
    }
    s.broker.auto = true
    for (let i = 0; i < 6; i++) {
      s.broker.lose()
      await settled()
      s.clock.advance(70_000)
      await settled()
    }
    const seen = new Set(s.broker.entries)
    assert.equal(
      [...seen].sort((a, b) => a - b),
      upTo(s.log.size),
      `seed ${seed}`,
    )
    assert.is(s.publisher.status.next, s.log.size, `seed ${seed}`)
    await s.stop()
  }
})

test.run()
