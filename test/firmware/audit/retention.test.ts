import { toBase64 } from "../../../policy/audit/tlog/base64.ts"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { openRetention, type Retention, type RetentionDeps } from "../../../firmware/audit/retention.ts"
import type { AuditLog } from "../../../firmware/audit/log.ts"
import { parseEntry, type Entry } from "../../../policy/audit/entry.ts"
import { ROOMY } from "../../../policy/audit/retention.ts"
import { DEFAULT_AUDIT_STORAGE } from "../../../policy/language/audit-shape.ts"
import type { AuditStorage } from "../../../policy/language/policy.ts"
import { openTestLog, sampleEvent, settled } from "../../support/audit.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/audit/retention")

const MIB = 1024 * 1024

interface World {
  readonly storage: MemoryStorage
  readonly clock: MemoryClock
  readonly log: AuditLog
  readonly retention: Retention
  /** Conditions that hold now. */
  readonly conditions: Set<string>
  readonly dropped: number[]
  /** Append bundles of 256 traffic entries; those refused are counted. */
  bundles(count: number): Promise<number>
  /** What the log has said of itself, oldest first. */
  told(): Promise<readonly Entry[]>
  policy(audit: Partial<AuditStorage>): Promise<void>
}

async function world(storage = new MemoryStorage(), more: Partial<RetentionDeps> = {}): Promise<World> {
  const clock = new MemoryClock()
  const log = await openTestLog(storage, { clock })
  const conditions = new Set<string>()
  const dropped: number[] = []
  const retention = await openRetention({
    log,
    storage,
    clock,
    capacityBytes: 2 * MIB,
    condition: (condition, holds) => {
      if (holds) conditions.add(condition)
      else conditions.delete(condition)
    },
    dropped: async (firstSeq) => void dropped.push(firstSeq),
    ...more,
  })
  return {
    storage,
    clock,
    log,
    retention,
    conditions,
    dropped,
    async bundles(count) {
      let refused = 0
      for (let n = 0; n < count; n++) {
        const appends = Array.from({ length: 256 }, (_, k) =>
          log.append({ ...sampleEvent("x".repeat(400)), count: k + 1 }),
        )
        for (const one of await Promise.allSettled(appends)) if (one.status === "rejected") refused++
        await settled()
        await retention.measure()
      }
      return refused
    },
    async told() {
      const entries = (await log.read(log.firstSeq, log.size)).map(({ line }) => parseEntry(line))
      return entries.filter(({ event }) => event.startsWith("audit."))
    },
    policy: (audit) => retention.policyChanged({ audit: { ...DEFAULT_AUDIT_STORAGE, ...audit } }),
  }
}

/** Signatures are made beside the loop: wait as many turns as they take. */
async function until(own: World, reached: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 400 && !(await reached()); turn++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    await own.retention.measure()
  }
}

const events = (entries: readonly Entry[]): string[] => entries.map(({ event }) => event)

test("[CR 2.9 RE(1)] the log warns once at the threshold, and says once that there is room again", async () => {
  const own = await world()
  await own.policy({ warnAtPercent: 50 })
  await own.bundles(5)
  assert.equal(events(await own.told()), [])
  await own.bundles(3)
  assert.equal(events(await own.told()), ["audit.nearly-full"])
  assert.is(own.retention.status.level, "nearly full")
  await own.policy({ warnAtPercent: 95 })
  assert.equal(events(await own.told()), ["audit.nearly-full", "audit.not-nearly-full"])
  assert.equal([...own.conditions], [])
})

test("[CR 2.9] [CR 2.10] a full log with nothing collected closes normal flows, keeps what matters, and tells what it lost", async () => {
  const own = await world()
  await own.policy({})
  const refused = await own.bundles(18)
  assert.equal([...own.conditions], ["log-full-uncollected"])
  assert.equal(events(await own.told()), ["audit.nearly-full", "audit.full", "audit.blocked"])
  assert.ok(refused > 256, `${refused}`)
  assert.is(own.log.state.lost, refused)
  assert.is(own.retention.status.level, "blocked")
  const { usedBytes } = await own.retention.measure()
  assert.ok(usedBytes <= 2 * MIB, `${usedBytes} bytes`)
  // A command that mends it is still written, a message of a peer is not.
  await rejects(() => own.log.append(sampleEvent("one more")), "ERR_AUDIT_FULL")
  await own.log.append({ id: "policy.activated", outcome: "success", source: "policy" })
  assert.is(own.log.firstSeq, 0)

  await own.retention.collected(5 * 256 + 7)
  assert.equal([...own.conditions], ["log-full"])
  assert.ok(own.log.firstSeq > 0 && own.log.firstSeq <= 5 * 256, `${own.log.firstSeq}`)
  assert.equal(own.dropped, [own.log.firstSeq])
  await own.log.append(sampleEvent("goes on"))
  const after = (await own.told()).slice(-3)
  assert.equal(events(after), ["audit.dropped", "audit.unblocked", "audit.lost"])
  const lost = after.find(({ event }) => event === "audit.lost")
  assert.equal([lost?.reason, lost?.count], ["full", refused + 1])
  const drop = after.find(({ event }) => event === "audit.dropped")
  const { root, ...gone } = drop?.detail ?? {}
  assert.equal(gone, { first: 0, last: own.log.firstSeq - 1, collected: 5 * 256 + 7 })
  assert.is(root, toBase64(await own.log.rootAt(own.log.firstSeq)))
})

test("[CR 2.9] what a collector has is dropped without closing anything, a slack at a time, and the log is never over its room", async () => {
  const own = await world()
  await own.policy({})
  let most = 0
  for (let n = 0; n < 40; n++) {
    assert.is(await own.bundles(1), 0)
    await own.retention.collected(own.log.size)
    most = Math.max(most, (await own.retention.measure()).usedBytes)
    assert.not(own.conditions.has("log-full-uncollected"))
  }
  assert.ok(most <= 2 * MIB, `${most} bytes`)
  assert.ok(own.conditions.has("log-full"))
  assert.ok(own.log.firstSeq > 20 * 256)
  const told = await own.told()
  assert.ok(
    events(told).every((event) => event === "audit.dropped"),
    events(told).join(" "),
  )
  // Each drop begins where the last one ended.
  for (const [k, { detail }] of told.entries()) {
    const before = told[k - 1]?.detail
    if (before !== undefined) assert.is(detail?.["first"], Number(before["last"]) + 1)
  }
})

test("[CR 2.10] policy may give up what nobody has, and may keep all", async () => {
  const own = await world()
  await own.policy({ overwriteUncollected: true })
  assert.is(await own.bundles(20), 0)
  assert.equal([...own.conditions], ["log-full"])
  assert.ok(events(await own.told()).includes("audit.overwritten"))
  const { firstSeq } = own.log
  await own.policy({ whenFull: "close" })
  await own.bundles(6)
  assert.equal([...own.conditions], ["log-full-uncollected"])
  assert.is(own.log.firstSeq, firstSeq)
})

test("[CR 2.10] a log that was full at the last stop is so at the start, decided by the policy and not before it", async () => {
  const own = await world()
  await own.policy({})
  await own.bundles(18)
  await own.retention.stop()
  await own.log.close()
  const next = await world(own.storage)
  for (let k = 0; k < 10; k++) await next.log.append({ id: "gateway.started", outcome: "success", source: "gateway" })
  assert.equal([...next.conditions], [])
  await next.policy({})
  assert.equal([...next.conditions], ["log-full-uncollected"])
  await next.policy({ overwriteUncollected: true })
  assert.equal([...next.conditions], ["log-full"])
})

test("[CR 2.9] what was collected is kept over a restart, goes only forward, and is worth nothing to another log", async () => {
  const own = await world()
  await own.policy({})
  await own.bundles(2)
  await own.retention.collected(300)
  await own.retention.collected(20)
  await rejects(() => own.retention.collected(own.log.size + 1), "ERR_AUDIT_COLLECTED")
  await rejects(() => own.retention.collected(1.5), "ERR_AUDIT_COLLECTED")
  assert.is(own.retention.status.collected, 300)
  own.storage.fail({ step: "sync", errno: "EIO", path: "audit/collected" })
  await rejects(() => own.retention.collected(400), "ERR_IO")
  assert.is(own.retention.status.collected, 300)
  const kept = (await own.storage.read("audit/collected"))!
  const next = await world(own.storage.powerCut("lost"))
  assert.is(next.retention.status.collected, 300)
  // The log was taken away: that it was collected once says nothing of the one that begins now.
  const bare = new MemoryStorage()
  await bare.write("audit/collected", kept)
  assert.is((await world(bare)).retention.status.collected, 0)
})

test("[CR 2.9] everything in the folder counts: what others keep beside the log brings it to its marks", async () => {
  const own = await world()
  await own.policy({})
  await own.bundles(1)
  await own.storage.write("audit/requests/a", new Uint8Array(1.6 * MIB))
  own.clock.advance(300_000)
  await until(own, () => own.retention.fill.near)
  assert.equal(events(await own.told()), ["audit.nearly-full"])
})

test("[CR 2.9] [CR 2.10] where the disk has less than the board file says, the log keeps within what there is", async () => {
  const storage = new MemoryStorage()
  storage.freeBytes = 1 * MIB
  const own = await world(storage, { capacityBytes: 256 * MIB })
  await own.policy({ overwriteUncollected: true })
  for (let n = 0; n < 12; n++) {
    const before = (await own.retention.measure()).usedBytes
    await own.bundles(1)
    storage.freeBytes += before - (await own.retention.measure()).usedBytes
    assert.ok(storage.freeBytes > 0, `${storage.freeBytes} bytes left`)
    own.clock.advance(10_000)
    await settled()
  }
  const told = await own.told()
  assert.ok(
    told.some(({ event, reason }) => event === "audit.overwritten" && reason === "disk"),
    events(told).join(" "),
  )
  assert.ok(own.retention.status.limitBytes < 2 * MIB)
})

test("[CR 2.10] a disk that is full gets the ballast back, and the log says what was lost", async () => {
  const own = await world()
  await own.policy({})
  await own.bundles(3)
  assert.is((await own.storage.space("audit/ballast")).usedBytes, 65_536)
  own.storage.freeBytes = 0
  own.storage.fail({ step: "write", errno: "ENOSPC", path: "audit/tail" })
  await rejects(() => own.log.append(sampleEvent("too much")), "ERR_AUDIT_FAILING")
  await settled()
  assert.is((await own.storage.space("audit/ballast")).usedBytes, 0)
  own.clock.advance(1000)
  // Signatures are made beside the loop: as many turns as they take.
  await until(own, () => own.retention.status.level !== "roomy")
  const told = await own.told()
  assert.equal(events(told)[0], "audit.lost")
  assert.ok(events(told).includes("audit.full"), events(told).join(" "))
  // With room on the disk again it is taken again.
  own.storage.freeBytes = 100 * MIB
  own.clock.advance(10_000)
  await until(own, () => own.retention.status.level === "roomy")
  assert.is(own.retention.status.level, "roomy")
  await until(own, async () => (await own.storage.space("audit/ballast")).usedBytes > 0)
  assert.is((await own.storage.space("audit/ballast")).usedBytes, 65_536)
})

test("[CR 2.10] a disk that fails while bundles are dropped stops nothing for good", async () => {
  const own = await world()
  await own.policy({})
  await own.bundles(9)
  await own.retention.collected(8 * 256)
  own.storage.fail({ step: "unlink", errno: "EIO", times: 3 })
  await own.bundles(6)
  for (let turn = 0; turn < 2; turn++) {
    own.clock.advance(300_000)
    await settled()
    await own.retention.measure()
  }
  await until(own, async () => (await own.storage.space("audit/tile/entries/000")).usedBytes === 0)
  assert.ok(own.log.firstSeq > 0)
  assert.is((await own.storage.space("audit/tile/entries/000")).usedBytes, 0)
  assert.is(own.log.state.condition, "writing")
})

test("nothing is rehearsed in earnest", async () => {
  const own = await world()
  await own.policy({ overwriteUncollected: true })
  await own.bundles(3)
  assert.is(own.retention.rehearse(2 * MIB, ROOMY).condition, "log-full")
  assert.equal([own.log.firstSeq, own.retention.fill], [0, ROOMY])
})

test.run()
