import { suite } from "uvu"
import * as assert from "uvu/assert"
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

test.run()
