import { suite } from "uvu"
import * as assert from "uvu/assert"
import { Socket } from "node:net"
import { backedOff } from "../../../../firmware/conduits/load/dial-backoff.ts"
import type { Dialled } from "../../../../firmware/tls/dial.ts"
import { HardwareError } from "../../../../policy/base/errors.ts"

const test = suite("firmware/conduits/load/dial-backoff")

function world(random = 0.5) {
  const state = { nowMs: 0, dials: 0, up: false }
  const dial = backedOff(
    () => {
      state.dials++
      const error = new HardwareError("ERR_UPSTREAM", "down", { detail: { reason: "ECONNREFUSED" } })
      return { socket: new Socket(), path: () => [], trusted: state.up ? Promise.resolve() : Promise.reject(error) }
    },
    { nowMs: () => state.nowMs, random: () => random },
  )
  const reason = (dialled: Dialled): Promise<string> =>
    dialled.trusted.then(
      () => "up",
      (error: unknown) => (error instanceof HardwareError ? String(error.detail["reason"]) : ""),
    )
  return { state, dial, told: () => reason(dial()), reason }
}

test("[CR 7.1] a hundred clients that come back all the time for a minute dial a dead upstream some twenty times", async () => {
  const { state, told } = world()
  let refused = 0
  for (; state.nowMs < 60_000; state.nowMs += 10) {
    for (let k = 0; k < 10; k++) if ((await told()) === "backing-off") refused++
  }
  assert.ok(state.dials >= 15 && state.dials <= 22, `${state.dials}`)
  assert.is(refused, 60_000 - state.dials)
})

test("one dials for all when the time is over; when it gets through, everybody dials again", async () => {
  const { state, dial, told, reason } = world()
  assert.is(await told(), "ECONNREFUSED")
  assert.is(await told(), "backing-off")
  state.nowMs += 251
  state.up = true
  const first = dial()
  assert.is(await reason(dial()), "backing-off")
  assert.is(await reason(first), "up")
  assert.equal([await told(), await told(), state.dials], ["up", "up", 4])
})

test("dials that fail together count as one failure, and the pause has its jitter", async () => {
  for (const [random, pauseMs] of [
    [0, 125],
    [0.999, 374],
  ] as const) {
    // prettier-ignore
    const { state, dial, told, reason } = world(random)
    await Promise.all([dial(), dial(), dial()].map(reason))
    assert.is(state.dials, 3)
    state.nowMs = pauseMs - 1
    assert.is(await told(), "backing-off")
    state.nowMs = pauseMs + 1
    assert.is(await told(), "ECONNREFUSED")
  }
})

test("who may not dial gets a socket that is closed", () => {
  const { dial } = world()
  void dial().trusted.catch(() => undefined)
  return Promise.resolve().then(() => Promise.resolve()).then(() => assert.ok(dial().socket.destroyed)) // prettier-ignore
})

test.run()
