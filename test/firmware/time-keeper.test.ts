import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createTimeKeeper, type TimeKeeper, type TimeKeeperDeps } from "../../firmware/time-keeper.ts"
import { raiseByNewestEntry } from "../../firmware/time/own-log.ts"
import { MemoryClock } from "../../hal/memory/clock.ts"
import { MemoryStorage } from "../../hal/memory/storage.ts"
import { MemoryTimeSync } from "../../hal/memory/time-sync.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { openTestLog } from "../support/audit.ts"

const test = suite("firmware/time-keeper")
const BUILT_AT = Date.UTC(2026, 10, 23)
const DAY_MS = 86_400_000

/** A keeper on a board in memory, and what it told. */
async function keeper(clock: MemoryClock, change: Partial<TimeKeeperDeps> = {}) {
  const storage = change.storage ?? new MemoryStorage()
  const sync = new MemoryTimeSync()
  const time = await createTimeKeeper({ clock, storage, builtAt: BUILT_AT, sync, ...change })
  const told: AuditEvent[] = []
  time.onEvent((event) => told.push(event))
  const pass = async (seconds: number): Promise<string[]> => {
    const before = told.length
    for (let k = 0; k < seconds; k++) {
      clock.advance(1000)
      await time.refresh()
    }
    return told.slice(before).map(({ id, reason }) => (reason === undefined ? id : `${id} ${reason}`))
  }
  return { time, told, pass, sync, storage }
}

test("[CR 2.11] a board that wakes in 1970 believes in its build time, and bounds nothing from above", async () => {
  const { time } = await keeper(new MemoryClock(0, false))
  assert.ok(time.interval().earliestAt >= BUILT_AT)
  assert.is(time.interval().latestAt, Infinity)
  assert.not(time.bounded)
})

test("[CR 2.11] one boot with an untrusted clock in 2099 does not raise the floor of the next", async () => {
  const { time, storage } = await keeper(new MemoryClock(Date.UTC(2099, 0, 1), false))
  await time.refresh()
  const second = await keeper(new MemoryClock(0, false), { storage })
  assert.ok(second.time.interval().earliestAt < BUILT_AT + DAY_MS)
})

test("[CR 2.11] over several boots in 1970, 2099 and with a clock set: it works on, and recovers", async () => {
  const storage = new MemoryStorage()
  const boots: readonly (readonly [wallAt: number, trusted: boolean])[] = [
    [0, false],
    [Date.UTC(2099, 0, 1), false],
    [Date.UTC(2099, 0, 1), true],
    [0, true],
    [BUILT_AT + 100 * DAY_MS, true],
    [0, false],
  ]
  let floorAt = 0
  for (const [index, [wallAt, trusted]] of boots.entries()) {
    const clock = new MemoryClock(wallAt, trusted)
    const { time, pass } = await keeper(clock, { storage })
    const log = await openTestLog(storage, { clock, bootId: `boot-${index}`, interval: () => time.logged() })
    await raiseByNewestEntry(time, log)
    await log.append({ id: "gateway.started", outcome: "success", source: "gateway" })
    await pass(20)
    await log.append({ id: "gateway.stopped", outcome: "success", source: "gateway" })
    await log.close()
    const { earliestAt, latestAt } = time.logged()
    assert.ok(
      earliestAt >= BUILT_AT && earliestAt < BUILT_AT + DAY_MS,
      `boot ${index}: ${new Date(earliestAt).toISOString()}`,
    )
    assert.ok(earliestAt >= floorAt, "the floor never falls")
    floorAt = earliestAt
    assert.is(latestAt === Infinity, index !== 4, `boot ${index}: only a believable clock bounds the time`)
    assert.is(time.bounded, index === 4)
  }
})

test("[CR 2.11] a 2099 that the board vouches for is told once as not believed, and so is one in 1970", async () => {
  for (const [wallAt, reason] of [
    [Date.UTC(2099, 0, 1), "needs-presence"],
    [0, "behind-floor"],
  ] as const) {
    const { told, pass, time } = await keeper(new MemoryClock(wallAt, true))
    await pass(30)
    assert.equal(
      told.map((event) => [event.id, event.outcome, event.reason]),
      [["time.refused", "denied", reason]],
    )
    assert.is(time.report().refused, reason)
    assert.is(time.report().latestAt, null)
  }
})

test("[CR 2.11] of our own log the earliest of the newest entry raises the floor, its wall time never", async () => {
  const storage = new MemoryStorage()
  const clock = new MemoryClock(Date.UTC(2099, 0, 1), false)
  const before = await keeper(clock)
  before.time.certificateSeen(BUILT_AT + 40 * DAY_MS)
  const log = await openTestLog(storage, { clock, interval: () => before.time.logged() })
  await log.append({ id: "gateway.started", outcome: "success", source: "gateway" })
  const { time } = await keeper(new MemoryClock(0, false))
  await raiseByNewestEntry(time, log)
  const { at, source } = time.report().floor
  assert.is(source, "log-entry-earliest")
  assert.ok(at >= BUILT_AT + 40 * DAY_MS && at < BUILT_AT + 41 * DAY_MS)
})

test("[CR 2.11] a certificate that verified raises the floor, and the floor outlives a restart", async () => {
  const storage = new MemoryStorage()
  const first = await keeper(new MemoryClock(0, false), { storage })
  first.time.certificateSeen(BUILT_AT + 30 * DAY_MS)
  await first.time.refresh()
  const second = await keeper(new MemoryClock(0, false), { storage })
  assert.ok(second.time.interval().earliestAt >= BUILT_AT + 30 * DAY_MS)
  second.time.cosigned(BUILT_AT + 31 * DAY_MS)
  assert.is(second.time.report().floor.source, "cosignature")
})

test("[CR 3.4] a damaged floor file counts as none", async () => {
  const storage = new MemoryStorage()
  const texts = ["", "{", '{"format":2}', '{"format":1,"floorAt":"x"}', '{"format":1,"floorAt":1e15,"source":"me"}']
  for (const text of texts) {
    await storage.write("time/floor.json", new TextEncoder().encode(text))
    const { time } = await keeper(new MemoryClock(0, false), { storage })
    assert.ok(time.interval().earliestAt < BUILT_AT + DAY_MS)
  }
})

test("[CR 2.11] a trusted clock bounds the time from both sides, as far as the board says it may be off", async () => {
  const at = BUILT_AT + 10 * DAY_MS
  const { time } = await keeper(new MemoryClock(at, true), { rtcErrorMs: 60_000 })
  assert.ok(time.bounded)
  assert.ok(time.logged().earliestAt < at, "a clock, trusted or not, is no authenticated bound")
  assert.equal(time.interval(), { earliestAt: at - 60_000, latestAt: at + 60_000 })
  assert.is(time.report().boundedBy, "rtc")
})

test("[CR 2.11 RE(1)] network time bounds the interval, found, lost and back are told, and uncertain grows meanwhile", async () => {
  const at = BUILT_AT + 10 * DAY_MS
  const { time, told, pass, sync } = await keeper(new MemoryClock(at, false))
  assert.equal(await pass(20), [])
  assert.not(time.bounded)
  sync.follow({ errorMs: 200 })
  assert.equal(await pass(20), ["time.synchronised"])
  assert.is(time.report().boundedBy, "network")
  const width = (): number => time.interval().latestAt - time.interval().earliestAt
  const tight = width()
  assert.ok(tight < 500, `${tight}`)
  sync.lose()
  assert.equal(await pass(3600), ["time.sync-lost lost"])
  assert.is(told.at(-1)?.detail?.["why"], "no source answers")
  assert.ok(time.bounded && width() > tight + 3000, `carried on by the monotonic clock: ${width()}`)
  sync.follow({ errorMs: 200 })
  assert.equal(await pass(20), ["time.synchronised"])
  assert.ok(width() < 500)
  sync.follow({ errorMs: 200, source: "other.test" })
  assert.equal(await pass(20), ["time.source-changed source-changed"])
  sync.follow({ errorMs: 200, source: "other.test", authentication: "none" })
  assert.equal(await pass(20), ["time.source-changed authentication-lost"])
})

test("[CR 2.11 RE(2)] a wall clock that is set is told with before and after, and bounds nothing until the daemon says so", async () => {
  const clock = new MemoryClock(BUILT_AT + DAY_MS, false)
  const { time, told, pass, sync } = await keeper(clock)
  sync.follow()
  await pass(20)
  const honest = time.interval()
  sync.lose()
  await pass(10)
  clock.setWall(clock.wall().at + 3_600_000, false)
  assert.equal(await pass(30), ["time.stepped"])
  const { before, after, byMs } = told.at(-1)!.detail!
  assert.is(byMs, 3_600_000)
  assert.is(Date.parse(String(after)) - Date.parse(String(before)), 3_600_000)
  assert.ok(time.interval().latestAt < honest.latestAt + 60_000, "the interval did not follow")
  assert.is(time.rehearseStep(60_000)?.byMs, 60_000)
  assert.is(time.rehearseStep(0), null)
})

test("[CR 2.11 RE(2)] network time over 400 days ahead, or behind what is proved, is not believed, and told once", async () => {
  for (const [wallAt, reason] of [
    [BUILT_AT + 401 * DAY_MS, "needs-presence"],
    [BUILT_AT - DAY_MS, "behind-floor"],
  ] as const) {
    const { time, pass, sync } = await keeper(new MemoryClock(wallAt, false))
    sync.follow()
    assert.equal(await pass(60), ["time.synchronised", `time.refused ${reason}`])
    assert.not(time.bounded)
    assert.is(time.report().refused, reason)
  }
})

test("[CR 2.11 RE(2)] where the board file wants authenticated time, other time bounds nothing; where it wants none, none does", async () => {
  const at = BUILT_AT + DAY_MS
  const strict = await keeper(new MemoryClock(at, false), { network: "authenticated" })
  strict.sync.follow({ authentication: "none" })
  assert.equal(await strict.pass(30), ["time.synchronised", "time.refused not-authenticated"])
  assert.not(strict.time.bounded)
  strict.sync.follow({ authentication: "unknown" })
  await strict.pass(20)
  assert.not(strict.time.bounded)
  for (const authentication of ["nts", "symmetric-key"] as const) {
    const proved = await keeper(new MemoryClock(at, false), { network: "authenticated" })
    proved.sync.follow({ authentication })
    await proved.pass(20)
    assert.ok(proved.time.bounded)
    assert.is(proved.time.report().refused, null)
  }
  const never = await keeper(new MemoryClock(at, false), { network: "none" })
  never.sync.follow()
  assert.equal(await never.pass(20), ["time.synchronised"])
  assert.not(never.time.bounded)
})

test("the daemon is asked every ten seconds and not oftener, and the floor is written once an hour", async () => {
  const { pass, sync, storage } = await keeper(new MemoryClock(BUILT_AT, false))
  const reads = sync.reads
  await pass(100)
  assert.is(sync.reads, reads + 10)
  const floor = async (): Promise<string> =>
    new TextDecoder().decode((await storage.read("time/floor.json")) ?? new Uint8Array())
  const first = await floor()
  await pass(3000)
  assert.is(await floor(), first)
  await pass(700)
  assert.is.not(await floor(), first)
})

test("what happened before anybody listens is told at once when somebody does, and not for ever kept", async () => {
  const clock = new MemoryClock(0, true)
  const time: TimeKeeper = await createTimeKeeper({ clock, storage: new MemoryStorage(), builtAt: BUILT_AT })
  const told: string[] = []
  time.onEvent(({ id }) => told.push(id))
  assert.equal(told, ["time.refused"])
})

test.run()
