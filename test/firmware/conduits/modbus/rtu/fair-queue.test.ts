import { suite } from "uvu"
import * as assert from "uvu/assert"
import { FairQueue, type Waiting } from "../../../../../firmware/conduits/modbus/rtu/fair-queue.ts"

const test = suite("firmware/conduits/modbus/rtu/fair-queue")

interface Job extends Waiting {
  readonly name: string
}
const job = (name: string, master: number, priority: 0 | 1 = 1, unit = 1): Job => ({ name, master, priority, unit })
const any = (): boolean => true

/** Take everything, each costing its master `ms`. */
function drain(queue: FairQueue<Job>, ms: (job: Job) => number = () => 10): string[] {
  const names: string[] = []
  for (let next = queue.take(any); next !== null; next = queue.take(any)) {
    names.push(next.name)
    queue.charge(next.master, ms(next))
  }
  return names
}

test("[CR 7.1] masters take turns, whoever asked more", () => {
  const queue = new FairQueue<Job>(64)
  for (const name of ["a1", "a2", "a3", "b1", "c1", "c2"]) queue.add(job(name, name.charCodeAt(0)))
  assert.equal(drain(queue), ["a1", "b1", "c1", "a2", "c2", "a3"])
  assert.is(queue.size, 0)
})

test("[CR 7.1] a master whose units do not answer waits for the others, not they for it", () => {
  const queue = new FairQueue<Job>(64)
  const order: string[] = []
  for (let n = 0; n < 2; n++) queue.add(job("dead", 1))
  for (let n = 0; n < 12; n++) queue.add(job("quick", 2))
  order.push(...drain(queue, ({ name }) => (name === "dead" ? 1_000 : 100)))
  assert.equal(order.slice(0, 12), ["dead", ...Array.from({ length: 10 }, () => "quick"), "dead"])
})

test("a master that was away has saved nothing up", () => {
  const queue = new FairQueue<Job>(64)
  queue.add(job("b", 2))
  drain(queue)
  for (let n = 0; n < 16; n++) queue.add(job("a", 1))
  drain(queue)
  for (let n = 0; n < 3; n++) queue.add(job("b", 2))
  for (let n = 0; n < 3; n++) queue.add(job("a", 1))
  const order = drain(queue).join("")
  assert.ok(order.indexOf("a") <= 2, order)
})

test("essential requests go first, but never shut out the others", () => {
  const queue = new FairQueue<Job>(400)
  queue.add(job("n", 1, 1))
  queue.add(job("n", 1, 1))
  for (let n = 0; n < 20; n++) queue.add(job("e", 2, 0))
  const order = drain(queue).join("")
  assert.is(order, "eeeeeeeneeeeeeeneeeeee")
})

test("[CR 7.2] bounded in all, with room kept for essential ones, and for each master", () => {
  const queue = new FairQueue<Job>(16)
  const took = (master: number, priority: 0 | 1): number => {
    let count = 0
    while (queue.add(job("x", master, priority))) count++
    return count
  }
  assert.equal([took(1, 1), took(2, 1), took(3, 1), took(4, 1)], [4, 4, 4, 0])
  assert.equal([took(5, 0), took(6, 0)], [4, 0])
  assert.is(queue.size, 16)
  const smallest = new FairQueue<Job>(1)
  assert.is(smallest.add(job("x", 1)), true)
  assert.is(smallest.add(job("x", 2, 0)), false)
})

test("a unit that must be left alone holds up only what is meant for it", () => {
  const queue = new FairQueue<Job>(16)
  for (const [name, unit] of [["late1", 9], ["late2", 9], ["other", 2]] as const) queue.add(job(name, 1, 1, unit)) // prettier-ignore
  assert.is(queue.take((unit) => unit !== 9)?.name, "other")
  assert.is(
    queue.take((unit) => unit !== 9),
    null,
  )
  assert.equal(drain(queue), ["late1", "late2"])
})

test("what is put back comes before its master's others; a master that is gone takes its own with it", () => {
  const queue = new FairQueue<Job>(16)
  for (const name of ["a1", "a2"]) queue.add(job(name, 1))
  queue.add(job("b1", 2))
  const first = queue.take(any)!
  queue.putBack(first)
  assert.is(queue.take(any)?.name, "a1")
  assert.equal(queue.forget(1).map(({ name }) => name), ["a2"]) // prettier-ignore
  queue.charge(1, 5)
  assert.equal(drain(queue), ["b1"])
  assert.is(queue.size, 0)
})

test("[CR 7.2] masters that only come and go are not remembered for ever", () => {
  const queue = new FairQueue<Job>(4)
  for (let master = 0; master < 5_000; master++) {
    assert.ok(queue.add(job("x", master)))
    queue.take(any)
  }
  assert.is(queue.size, 0)
})

test.run()
