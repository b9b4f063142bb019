import { suite } from "uvu"
import * as assert from "uvu/assert"
import { HardwareError } from "../../policy/base/errors.ts"
import { rejects } from "../support/rejects.ts"
import { createPostureKeeper } from "../../firmware/posture-keeper.ts"

const test = suite("firmware/posture-keeper")

test("[NDR 5.2] tells only changes of a flow class, in order, one at a time", async () => {
  const told: string[] = []
  let busy = false
  const keeper = createPostureKeeper(async (next, before) => {
    assert.not(busy, "two changes at once")
    busy = true
    await Promise.resolve()
    told.push(`${before.normal}/${before.essential} -> ${next.normal}/${next.essential}`)
    busy = false
  })
  const all = [
    keeper.set("clock-lost", true),
    keeper.set("island", true),
    keeper.set("no-policy", true),
    keeper.set("island", false),
  ]
  assert.is(keeper.posture.normal, "closed")
  await Promise.all(all)
  // All four were set before the first could be told: what is told is where they lead, once.
  assert.equal(told, ["open/open -> closed/closed"])
  await keeper.set("no-policy", false)
  assert.equal(told.at(-1), "closed/closed -> open/open")
  await keeper.set("clock-lost", false)
  assert.is(told.length, 2)
})

test("[NDR 5.2] a change that could not be carried out is told to who asked, and tried again with the next", async () => {
  let dead = true
  const told: string[] = []
  const keeper = createPostureKeeper(async (next) => {
    await Promise.resolve()
    if (dead) throw new HardwareError("ERR_ENGINE_DIED", "the engine's thread ended")
    told.push(next.normal)
  })
  await rejects(() => keeper.set("island", true), "ERR_ENGINE_DIED")
  await keeper.settled()
  dead = false
  await keeper.set("clock-lost", true)
  assert.equal(told, ["closed"])
})

test("[CR 7.4] settled waits for what was set before it", async () => {
  let done = false
  const keeper = createPostureKeeper(async () => {
    for (let i = 0; i < 10; i++) await Promise.resolve()
    done = true
  })
  void keeper.set("no-policy", true)
  await keeper.settled()
  assert.ok(done)
})

test.run()
