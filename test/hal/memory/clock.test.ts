import { suite } from "uvu"
import * as assert from "uvu/assert"
import { MemoryClock } from "../../../hal/memory/clock.ts"

const test = suite("hal/memory/clock")

test("timers fire in the order of their due times, at their due times", () => {
  const clock = new MemoryClock()
  const seen: string[] = []
  clock.after(30, () => seen.push(`c${clock.monotonicMs()}`))
  clock.after(10, () => {
    seen.push(`a${clock.monotonicMs()}`)
    clock.after(10, () => seen.push(`b${clock.monotonicMs()}`))
    clock.after(100, () => seen.push("late"))
  })
  const cancel = clock.after(15, () => seen.push("cancelled"))
  cancel()
  clock.advance(9)
  assert.equal(seen, [])
  clock.advance(40)
  assert.equal(seen, ["a10", "b20", "c30"])
  assert.is(clock.monotonicMs(), 49)
  assert.is(clock.waiting, 1)
})

test("a step of the wall clock moves neither monotonic time nor timers", () => {
  const clock = new MemoryClock(1000, false)
  let fired = 0
  clock.after(100, () => fired++)
  clock.advance(50)
  assert.equal(clock.wall(), { at: 1050, trusted: false })
  clock.setWall(Date.UTC(2099, 0, 1), true)
  assert.is(fired, 0)
  clock.advance(50)
  assert.is(fired, 1)
  assert.equal(clock.wall(), { at: Date.UTC(2099, 0, 1) + 50, trusted: true })
})

test.run()
