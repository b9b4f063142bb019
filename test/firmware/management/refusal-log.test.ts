import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createRefusalLog } from "../../../firmware/management/refusal-log.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { MemoryLog } from "../../support/commands.ts"

const test = suite("firmware/management/refusal-log")

test("[CR 2.8] the first refusal is written at once, a flood in growing intervals, and none is lost", async () => {
  const clock = new MemoryClock()
  const log = new MemoryLog()
  const refusals = createRefusalLog(clock, log.audit, "management/local")
  assert.is(await refusals.note("ERR_A"), 0)
  for (let ms = 0; ms < 120_000; ms += 10) {
    assert.is(await refusals.note("ERR_B"), null)
    clock.advance(10)
  }
  await refusals.stop()
  assert.is(clock.waiting, 0, "nothing keeps the process alive")
  const counts = log.events.map((event) => event.count ?? 1)
  assert.equal(counts, [1, 100, 1000, 6000, 4900])
  assert.is(log.events[1]!.reason, "ERR_B")
})

test("after a quiet interval the next one is written at once again, and no timer is left", async () => {
  const clock = new MemoryClock()
  const log = new MemoryLog()
  const refusals = createRefusalLog(clock, log.audit, "management/local")
  await refusals.note("ERR_A")
  clock.advance(1000)
  assert.is(clock.waiting, 0)
  assert.is(await refusals.note("ERR_A"), 1)
})

test("a log that is down stops nothing", async () => {
  const log = new MemoryLog()
  log.failsFrom = 0
  const refusals = createRefusalLog(new MemoryClock(), log.audit, "management/local")
  assert.is(await refusals.note("ERR_A"), null)
  await refusals.note("ERR_A")
  await refusals.stop()
})

test.run()
