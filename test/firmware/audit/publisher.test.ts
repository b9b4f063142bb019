/** The publisher against a broker that lives in the test: order, acknowledgement, what cannot be read. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createAuditPublisher } from "../../../firmware/audit/publisher.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { openTestLog, settled } from "../../support/audit.ts"
import { appendMany, scene, upTo } from "../../support/publish-scene.ts"

const test = suite("firmware/audit/publisher")

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
  assert.equal(s.publisher.status, { online: true, next: 340, retained: "whole" })
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

test.run()
