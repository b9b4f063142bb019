import { EventEmitter } from "node:events"
import type { Socket } from "node:net"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeMbap } from "../../../../firmware/conduits/modbus/mbap.ts"
import { fitsRequest } from "../../../../firmware/conduits/modbus/response.ts"
import { createTcpUpstream } from "../../../../firmware/conduits/modbus/tcp-upstream.ts"
import { createTurns } from "../../../../firmware/conduits/modbus/turns.ts"
import { HardwareError } from "../../../../policy/base/errors.ts"

const test = suite("firmware/conduits/modbus/tcp-upstream")

const READ = Uint8Array.of(3, 0, 7, 0, 1)
const GOOD = Uint8Array.of(3, 2, 0, 9)
const settled = () => new Promise((resolve) => setImmediate(resolve))

/** An upstream over sockets that do not exist, with a clock that the test moves. */
function started(reachable = true) {
  const timers = new Set<{ delayMs: number; action: () => void }>()
  const dialled: { socket: EventEmitter; wrote: Uint8Array[]; destroyed: boolean }[] = []
  const broken: string[] = []
  const state = { reachable }
  const upstream = createTcpUpstream({
    dial: () => {
      const own = { socket: new EventEmitter(), wrote: [] as Uint8Array[], destroyed: false }
      dialled.push(own)
      Object.assign(own.socket, {
        write: (bytes: Uint8Array) => own.wrote.push(bytes),
        destroy: () => (own.destroyed = true),
      })
      const trusted = state.reachable
        ? Promise.resolve()
        : Promise.reject(new HardwareError("ERR_UPSTREAM", "no", { detail: { reason: "ECONNREFUSED" } }))
      return { socket: own.socket as unknown as Socket, trusted, path: () => [] }
    },
    after: (delayMs, action) => {
      const timer = { delayMs, action }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    random: () => 1,
    timeoutMs: 1_000,
    fits: fitsRequest,
    broken: (how) => broken.push(how),
  })
  const fire = (delayMs: number) => {
    for (const timer of [...timers]) {
      if (timer.delayMs !== delayMs) continue
      timers.delete(timer)
      timer.action()
    }
  }
  const ask = (master = 1, priority: 0 | 1 = 1) => {
    const seen: { outcome: string } = { outcome: "" }
    void upstream.ask({ unit: 3, pdu: READ, master, priority }).then((outcome) => {
      seen.outcome = outcome.kind === "none" ? outcome.why : outcome.kind
    })
    return seen
  }
  const say = (transaction: number, pdu = GOOD, unit = 3) =>
    dialled.at(-1)!.socket.emit("data", encodeMbap(transaction, unit, pdu))
  return { upstream, dialled, timers, broken, state, fire, ask, say }
}

test("[CR 2.1] what waits is taken back before it is sent; what was sent is not", async () => {
  const { upstream, dialled, say } = started()
  const outcomes: string[] = []
  const requests = Array.from({ length: 9 }, () => ({ unit: 3, pdu: READ, master: 1, priority: 1 as const }))
  for (const [k, request] of requests.entries())
    void upstream.ask(request).then((one) => (outcomes[k] = one.kind === "none" ? one.why : one.kind))
  await settled()
  assert.is(dialled[0]!.wrote.length, 8)
  for (const k of [0, 8]) upstream.recall(requests[k]!)
  await settled()
  assert.equal([outcomes[0], outcomes[8]], [undefined, "recalled"])
  for (let n = 1; n <= 8; n++) say(n)
  await settled()
  assert.equal([outcomes[0], dialled[0]!.wrote.length], ["answer", 8])
})

test("nothing is dialled before the first request, and all share one connection", async () => {
  const { ask, dialled, say } = started()
  assert.is(dialled.length, 0)
  const [one, two] = [ask(1), ask(2)]
  await settled()
  assert.equal([dialled.length, dialled[0]!.wrote.length], [1, 2])
  say(2)
  await settled()
  assert.equal([one.outcome, two.outcome], ["", "answer"])
  say(1)
  await settled()
  assert.is(one.outcome, "answer")
})

test("[CR 3.5] a late answer goes to nobody, and the connection stays", async () => {
  const { ask, say, fire, dialled, broken } = started()
  const late = ask()
  await settled()
  fire(1_000)
  await settled()
  assert.is(late.outcome, "timeout")
  const next = ask()
  await settled()
  say(1, Uint8Array.of(3, 2, 6, 6))
  await settled()
  assert.equal([next.outcome, broken, dialled[0]!.destroyed], ["", [], false])
  say(2)
  await settled()
  assert.is(next.outcome, "answer")
  say(1)
  assert.equal(broken, ["transaction"])
})

for (const [what, bytes, how] of [
  ["another transaction", encodeMbap(9, 3, GOOD), "transaction"],
  ["another unit", encodeMbap(1, 4, GOOD), "unit"],
  ["another length", encodeMbap(1, 3, Uint8Array.of(3, 4, 0, 9)), "response"],
  ["no Modbus", Buffer.from("HTTP/1.1"), "protocol-id"],
] as const) {
  test(`[CR 3.5] ${what}: the connection is given up, and whoever waits is told`, async () => {
    const { ask, dialled, broken } = started()
    const [one, two] = [ask(), ask()]
    await settled()
    dialled[0]!.socket.emit("data", bytes)
    await settled()
    assert.equal([one.outcome, two.outcome, broken, dialled[0]!.destroyed], ["garbled", "garbled", [how], true])
    assert.is(
      (
        await new Promise<{ outcome: string }>((resolve) => {
          const next = ask()
          setImmediate(() => resolve(next))
        })
      ).outcome,
      "lost",
    )
    assert.is(dialled.length, 1)
  })
}

test("an end that cannot be reached is tried again after a back-off that grows", async () => {
  const { ask, fire, dialled, state } = started(false)
  const one = ask()
  await settled()
  assert.is(one.outcome, "lost")
  assert.equal([(await lost(ask)).outcome, dialled.length], ["lost", 1])
  fire(100)
  await lost(ask)
  assert.is(dialled.length, 2)
  fire(100)
  await lost(ask)
  assert.is(dialled.length, 2)
  fire(200)
  state.reachable = true
  const after = ask()
  await settled()
  assert.equal([after.outcome, dialled.length, dialled[2]!.wrote.length], ["", 3, 1])
})

async function lost(ask: () => { outcome: string }): Promise<{ outcome: string }> {
  const seen = ask()
  await settled()
  return seen
}

test("what was sent when the connection is lost may have been done: it is not sent again", async () => {
  const { ask, dialled } = started()
  const one = ask()
  await settled()
  dialled[0]!.socket.emit("close")
  await settled()
  assert.is(one.outcome, "timeout")
  ask()
  await settled()
  assert.is(dialled[1]!.wrote.length, 1)
})

test("[CR 7.1] one master has 16 places, and eight requests are on the wire at most", async () => {
  const { ask, dialled } = started()
  const all = Array.from({ length: 30 }, () => ask())
  await settled()
  assert.is(dialled[0]!.wrote.length, 8)
  assert.is(all.filter(({ outcome }) => outcome === "busy").length, 30 - 16)
})

test("a master that is gone and a conduit that closes leave nothing waiting", async () => {
  const { upstream, ask, timers } = started()
  const all = Array.from({ length: 10 }, () => ask(1))
  await settled()
  upstream.forget(1)
  await settled()
  assert.is(all.filter(({ outcome }) => outcome === "closed").length, 2)
  upstream.close()
  await settled()
  assert.ok(all.every(({ outcome }) => outcome === "closed"))
  assert.equal([timers.size, (await lost(ask)).outcome], [0, "closed"])
})

test("[CR 7.1] masters take turns, essential requests first", () => {
  const turns = createTurns<string>()
  for (const item of ["a1", "a2", "a3"]) turns.add(item, 1, 1)
  turns.add("b1", 2, 1)
  turns.add("c!", 3, 0)
  turns.add("b2", 2, 1)
  const order: (string | null)[] = []
  for (let k = 0; k < 7; k++) order.push(turns.next())
  assert.equal(order, ["c!", "a1", "b1", "a2", "b2", "a3", null])
})

test.run()
