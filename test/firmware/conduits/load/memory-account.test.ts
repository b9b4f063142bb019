import { suite } from "uvu"
import * as assert from "uvu/assert"
import { MemoryClock } from "../../../../hal/memory/clock.ts"
import { startLoadWatch, type LoadedPeer } from "../../../../firmware/conduits/load/load-watch.ts"
import { CONNECTION_BYTES, shedFor, stallAfter, totalBytes } from "../../../../firmware/conduits/load/memory-account.ts"

const test = suite("firmware/conduits/load/memory-account")

const MIB = 1024 * 1024
const holding = (name: string, mib: number, essential = false) => ({ name, heldBytes: mib * MIB, essential })
const names = (of: readonly { name: string }[]): string => of.map(({ name }) => name).join(" ")

test("[CR 7.2] nobody goes while all hold no more than the bound", () => {
  const all = [holding("a", 4), holding("b", 5)]
  assert.is(names(shedFor(all, totalBytes(all))), "")
  assert.is(totalBytes(all), 9 * MIB + 2 * CONNECTION_BYTES)
})

test("[CR 7.1] over the bound the greediest goes first and no more than need be, essential ones last", () => {
  const all = [holding("small", 1), holding("vital", 9, true), holding("greedy", 6), holding("middle", 3)]
  assert.is(names(shedFor(all, 19 * MIB)), "greedy")
  assert.is(names(shedFor(all, 11 * MIB)), "greedy middle small")
  assert.is(names(shedFor(all, 4 * MIB)), "greedy middle small vital")
})

test("a stall lasts while the same waits; anything that moves ends it", () => {
  const none = { waitingBytes: 0, sinceMs: 0 }
  const begun = stallAfter(none, 500, 10)
  assert.equal(begun, { waitingBytes: 500, sinceMs: 10 })
  assert.equal(stallAfter(begun, 500, 99), begun)
  assert.is(stallAfter(begun, 400, 99).sinceMs, 99)
  assert.is(stallAfter(stallAfter(begun, 0, 50), 0, 99).sinceMs, 99)
})

test("[CR 7.1] the watch ends who lets too much wait, who reads nothing for too long, and who holds most when memory is short", () => {
  const clock = new MemoryClock()
  const shed: string[] = []
  const peers: LoadedPeer[] = []
  const add = (name: string, load: { held?: number; waiting?: () => number; essential?: boolean }): void => {
    const peer: LoadedPeer = {
      essential: load.essential ?? false,
      heldBytes: () => load.held ?? 0,
      waitingBytes: () => load.waiting?.() ?? 0,
      shed: (reason) => {
        shed.push(`${name}: ${reason}`)
        peers.splice(peers.indexOf(peer), 1)
      },
    }
    peers.push(peer)
  }
  const watch = startLoadWatch({
    limits: { maxQueueBytes: MIB, slowReaderMs: 5_000, maxMemoryBytes: 16 * MIB },
    peers: () => peers,
    nowMs: () => clock.monotonicMs(),
    after: (delayMs, action) => clock.after(delayMs, action),
    sweep: (items, visit) => items.forEach(visit),
  })
  let ticks = 0
  add("quiet", {})
  add("stuck", { waiting: () => 100 })
  add("slow", { waiting: () => 100_000 - ++ticks })
  add("flooded", { waiting: () => MIB + 1 })
  clock.advance(1_000)
  assert.equal(shed, ["flooded: queue"])
  clock.advance(5_000)
  assert.equal(shed.slice(1), ["stuck: slow-reader"])
  add("vital", { held: 12 * MIB, essential: true })
  add("greedy", { held: 5 * MIB })
  clock.advance(1_000)
  assert.equal(shed.slice(2), ["greedy: memory"])
  assert.ok(watch.heldBytes() > 12 * MIB)
  watch.stop()
  add("late", { held: 50 * MIB })
  clock.advance(1_000)
  assert.is(shed.length, 3)
})

test.run()
