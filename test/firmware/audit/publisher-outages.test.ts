/** The publisher and brokers that go away, restarts, power cuts: what is repeated, and that nothing is skipped. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { parseEntry } from "../../../policy/audit/entry.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { settled } from "../../support/audit.ts"
import { seeded } from "../../support/hostile.ts"
import { appendMany, scene, upTo } from "../../support/publish-scene.ts"

const test = suite("firmware/audit/publisher-outages")

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
