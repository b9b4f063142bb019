import { suite } from "uvu"
import * as assert from "uvu/assert"
import { startLoadWatch, WATCH_MS, type LoadedPeer } from "../../../../firmware/conduits/load/load-watch.ts"
import { CONNECTION_BYTES } from "../../../../firmware/conduits/load/memory-account.ts"
import { MemoryClock } from "../../../../hal/memory/clock.ts"

const test = suite("firmware/conduits/load/load-watch")

/** A peer whose queue and holdings a test sets. */
interface Told extends LoadedPeer {
  waiting: number
  held: number
  readonly ended: string[]
}

function peer(essential = false): Told {
  const told: Told = {
    essential,
    waiting: 0,
    held: 0,
    ended: [],
    heldBytes: () => told.held,
    waitingBytes: () => told.waiting,
    shed: (reason) => void told.ended.push(reason),
  }
  return told
}

function watch(peers: readonly Told[], maxMemoryBytes = 2 ** 30) {
  const clock = new MemoryClock()
  const running = startLoadWatch({
    limits: { maxQueueBytes: 1_000, slowReaderMs: 2_000, maxMemoryBytes },
    peers: () => peers.filter(({ ended }) => ended.length === 0),
    nowMs: () => clock.monotonicMs(),
    after: (ms, action) => clock.after(ms, action),
    sweep: (items, visit) => items.forEach(visit),
  })
  /** So many looks, `each` before every one. */
  const look = (times: number, each: () => void = () => undefined): void => {
    for (let n = 0; n < times; n++) {
      each()
      clock.advance(WATCH_MS)
    }
  }
  return { running, look }
}

test("[CR 7.1] who reads nothing of what waits is ended after the time; who reads some of it, or has nothing waiting, stays", () => {
  const [stuck, slow, silent] = [peer(), peer(), peer()]
  const { look } = watch([stuck, slow, silent])
  stuck.waiting = 500
  look(9, () => (slow.waiting = slow.waiting === 500 ? 400 : 500))
  assert.equal([stuck.ended, slow.ended, silent.ended], [[], [], []], "2 s are not over")
  look(1, () => (slow.waiting = slow.waiting === 500 ? 400 : 500))
  assert.equal([stuck.ended, slow.ended, silent.ended], [["slow-reader"], [], []])
})

test("[CR 7.1] whose queue emptied between two looks begins anew", () => {
  const one = peer()
  const { look } = watch([one])
  one.waiting = 500
  look(8)
  one.waiting = 0
  look(1)
  one.waiting = 500
  look(9)
  assert.equal(one.ended, [])
  look(1)
  assert.equal(one.ended, ["slow-reader"])
})

test("[CR 7.1] a queue over its bound ends its peer at the next look", () => {
  const [full, other] = [peer(), peer()]
  const { look } = watch([full, other])
  full.waiting = 1_001
  look(1)
  assert.equal([full.ended, other.ended], [["queue"], []])
})

test("[CR 7.2] over the bound on memory the greediest goes, and no essential one before it", () => {
  const [vital, greedy, modest] = [peer(true), peer(), peer()]
  const { look, running } = watch([vital, greedy, modest], 3 * CONNECTION_BYTES + 1_000)
  vital.held = 2_000
  greedy.held = 500
  look(2)
  assert.is(running.heldBytes(), 3 * CONNECTION_BYTES + 2_500)
  assert.equal([vital.ended, greedy.ended, modest.ended], [[], ["memory"], []])
})

test.run()
