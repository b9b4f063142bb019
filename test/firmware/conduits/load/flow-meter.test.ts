import { suite } from "uvu"
import * as assert from "uvu/assert"
import { MemoryClock } from "../../../../hal/memory/clock.ts"
import { DEFAULT_LIMITS } from "../../../../firmware/config/gateway-config.ts"
import { throttled } from "../../../../firmware/conduits/load/flow-meter.ts"
import { createLoadMemory, LoadControl, type Place } from "../../../../firmware/conduits/load/load-control.ts"

const test = suite("firmware/conduits/load/flow-meter")

const clock = () => {
  const made = new MemoryClock()
  return { made, nowMs: () => made.monotonicMs() }
}

function control(limits: Partial<typeof DEFAULT_LIMITS>, workers = 1) {
  const { made, nowMs } = clock()
  const all = { ...DEFAULT_LIMITS, ...limits }
  const memory = createLoadMemory(all, 1, workers)
  const controls = Array.from({ length: workers }, (_, k) => new LoadControl(memory, k, all, nowMs))
  return { clock: made, controls, first: controls[0]! }
}

const place = (of: Place | string): Place => {
  if (typeof of === "string") throw new Error(of)
  return of
}
const never = (): boolean => false

/** A source under a throttle; what is sent while it is paused waits in the socket. */
function piped(at: Place, made: MemoryClock) {
  const waiting: Uint8Array[] = []
  const got: number[] = []
  let paused = false
  let take: (chunk: Uint8Array) => void = () => undefined
  const flow = (): void => {
    while (!paused && waiting.length > 0) take(waiting.shift()!)
  }
  let waits = 0
  const source = throttled(
    {
      start: (to) => (take = to),
      pause: () => (paused = true),
      resume: () => {
        paused = false
        flow()
      },
    },
    { meter: at.meter, after: (ms, act) => made.after(ms, act), waits: () => waits++ },
  )
  source.start((chunk) => {
    at.meter.messages(1)
    got.push(chunk.length)
  })
  return {
    source,
    got,
    waits: () => waits,
    paused: () => paused,
    send(count: number, bytes = 10) {
      for (let k = 0; k < count; k++) waiting.push(new Uint8Array(bytes))
      flow()
    },
  }
}

test("[CR 7.1 RE(1)] who is over its rate is read more slowly; nothing is lost", () => {
  const { clock: made, first } = control({ subjectMessages: { perSecond: 10, burst: 20 } })
  const pipe = piped(place(first.take("c", "a", false, never)), made)
  pipe.send(100)
  assert.ok(pipe.got.length <= 21 && pipe.paused(), `${pipe.got.length}`)
  made.advance(1_000)
  assert.ok(Math.abs(pipe.got.length - 31) <= 1, `${pipe.got.length}`)
  made.advance(20_000)
  assert.equal([pipe.got.length, pipe.paused()], [100, false])
  assert.ok(pipe.waits() > 0)
})

test("[CR 7.1 RE(1)] bytes are limited likewise; one chunk may be ahead", () => {
  const { clock: made, first } = control({ subjectBytes: 1_000 })
  const pipe = piped(place(first.take("c", "a", false, never)), made)
  pipe.send(10, 600)
  assert.is(pipe.got.length, 2)
  made.advance(10_000)
  assert.is(pipe.got.length, 10)
})

test("two connections of a subject share its rate, on one worker or on two; another subject has its own", () => {
  for (const workers of [1, 2]) {
    const { clock: made, controls } = control({ subjectMessages: { perSecond: 10, burst: 10 } }, workers)
    const pipes = [controls[0]!, controls.at(-1)!].map((one) => piped(place(one.take("c", "a", false, never)), made))
    for (let k = 0; k < 1_000; k++) {
      for (const pipe of pipes) pipe.send(1)
      made.advance(10)
    }
    const total = pipes[0]!.got.length + pipes[1]!.got.length
    assert.ok(total >= 100 && total <= 115, `${workers}: ${total}`)
    const other = piped(place(controls[0]!.take("c", "b", false, never)), made)
    other.send(10)
    assert.is(other.got.length, 10)
  }
})

test("[CR 7.1] essential connections are counted in their conduit's rate and do not wait for it; the others do", () => {
  const { clock: made, first } = control({ conduitMessages: { perSecond: 10, burst: 10 } })
  const vital = piped(place(first.take("c", "vital", true, never)), made)
  const normal = piped(place(first.take("c", "normal", false, never)), made)
  vital.send(30)
  normal.send(5)
  assert.equal([vital.got.length, normal.got.length], [30, 1])
  made.advance(1_000)
  assert.is(normal.got.length, 1)
  made.advance(5_000)
  assert.is(normal.got.length, 5)
})

test("[CR 7.1] who owes for requests waits at its next connection before a byte of it is read; who only publishes does not", async () => {
  const { clock: made, first } = control({ subjectRequests: { perSecond: 10, burst: 10 } })
  const one = place(first.take("c", "a", false, never))
  const pipe = piped(one, made)
  pipe.send(3)
  one.meter.requests(60)
  pipe.send(1)
  assert.ok(pipe.paused())
  one.free()
  made.advance(1_000)
  assert.not(pipe.paused(), "whose account is given back waits no more")
  const again = piped(place(first.take("c", "a", false, never)), made)
  const other = piped(place(first.take("c", "b", false, never)), made)
  await new Promise((resolve) => process.nextTick(resolve))
  assert.equal([again.paused(), other.paused()], [true, false])
  made.advance(5_000)
  assert.not(again.paused())
})

test("back-pressure from the other side and the throttle do not undo each other", () => {
  const { clock: made, first } = control({ subjectMessages: { perSecond: 10, burst: 1 } })
  const pipe = piped(place(first.take("c", "a", false, never)), made)
  pipe.send(3)
  pipe.source.pause()
  made.advance(5_000)
  assert.ok(pipe.paused() && pipe.got.length === 2)
  pipe.source.resume()
  made.advance(5_000)
  assert.is(pipe.got.length, 3)
})

test("[CR 7.1] a subject has so many connections on all workers together", () => {
  const { controls } = control({ maxSubjectConnections: 2 }, 2)
  const mine = place(controls[0]!.take("c", "a", false, never))
  place(controls[1]!.take("c", "a", false, never))
  assert.is(controls[1]!.take("c", "a", false, never), "too-many-of-subject")
  assert.is.not(typeof controls[1]!.take("c", "b", false, never), "string")
  mine.free()
  assert.is.not(typeof controls[1]!.take("c", "a", false, never), "string")
})

test("[CR 7.1] a full conduit takes an essential peer if another can go for it, and nobody else", () => {
  const { first } = control({ maxConnections: 1 })
  const normal = place(first.take("c", "a", false, never))
  assert.ok(first.isFull("c"))
  const unasked = (): boolean => {
    throw new Error("nobody goes for one that is not essential")
  }
  assert.is(first.take("c", "b", false, unasked), "too-many-connections")
  assert.is(first.take("c", "vital", true, never), "too-many-connections")
  const room = (): boolean => {
    normal.free()
    return true
  }
  place(first.take("c", "vital", true, room))
  assert.not(first.isFull("other"))
})

test("what was shed is told once an interval, with how often", () => {
  const { first } = control({})
  for (let k = 0; k < 1_000; k++) first.shed("c", "pace", "a", false)
  first.shed("c", "memory", "b", true)
  const events = first.flush()
  assert.equal(
    events.map(({ id, reason, count, subject }) => [id, reason, count, subject]),
    [
      ["conduit.load-shed", "pace", 1_000, "a"],
      ["conduit.load-shed", "memory", 1, "b"],
    ],
  )
  assert.equal(first.flush(), [])
})

test.run()
