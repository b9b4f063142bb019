import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createTimeKeeper } from "../../firmware/time-keeper.ts"
import { MemoryClock } from "../../hal/memory/clock.ts"
import { MemoryStorage } from "../../hal/memory/storage.ts"

const test = suite("firmware/time-keeper")
const BUILT_AT = Date.UTC(2026, 10, 23)
const DAY_MS = 86_400_000

test("[CR 2.11] a board that wakes in 1970 believes in its build time, and bounds nothing from above", async () => {
  const clock = new MemoryClock(0, false)
  const time = await createTimeKeeper({ clock, storage: new MemoryStorage(), builtAt: BUILT_AT })
  assert.ok(time.interval().earliestAt >= BUILT_AT)
  assert.is(time.interval().latestAt, Infinity)
  assert.not(time.bounded)
})

test("[CR 2.11] one boot with an untrusted clock in 2099 does not raise the floor of the next", async () => {
  const storage = new MemoryStorage()
  const poisoned = new MemoryClock(Date.UTC(2099, 0, 1), false)
  const first = await createTimeKeeper({ clock: poisoned, storage, builtAt: BUILT_AT })
  await first.refresh()
  const second = await createTimeKeeper({ clock: new MemoryClock(0, false), storage, builtAt: BUILT_AT })
  assert.ok(second.interval().earliestAt < BUILT_AT + DAY_MS)
})

test("[CR 2.11] a certificate that verified raises the floor, and the floor outlives a restart", async () => {
  const storage = new MemoryStorage()
  const first = await createTimeKeeper({ clock: new MemoryClock(0, false), storage, builtAt: BUILT_AT })
  first.certificateSeen(BUILT_AT + 30 * DAY_MS)
  await first.refresh()
  const second = await createTimeKeeper({ clock: new MemoryClock(0, false), storage, builtAt: BUILT_AT })
  assert.ok(second.interval().earliestAt >= BUILT_AT + 30 * DAY_MS)
})

test("[CR 3.4] a damaged floor file counts as none", async () => {
  const storage = new MemoryStorage()
  for (const text of ["", "{", '{"format":2}', '{"format":1,"floorAt":"x"}']) {
    await storage.write("time/floor.json", new TextEncoder().encode(text))
    const time = await createTimeKeeper({ clock: new MemoryClock(0, false), storage, builtAt: BUILT_AT })
    assert.ok(time.interval().earliestAt < BUILT_AT + DAY_MS)
  }
})

test("[CR 2.11] a trusted clock bounds the time from both sides", async () => {
  const at = BUILT_AT + 10 * DAY_MS
  const time = await createTimeKeeper({
    clock: new MemoryClock(at, true),
    storage: new MemoryStorage(),
    builtAt: BUILT_AT,
  })
  assert.ok(time.bounded)
  assert.ok(time.logged().earliestAt < at, "a clock, trusted or not, is no authenticated bound")
  assert.ok(time.interval().earliestAt <= at && time.interval().latestAt >= at)
})

test.run()
