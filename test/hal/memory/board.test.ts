import { suite } from "uvu"
import * as assert from "uvu/assert"
import { nodeKeyFunctions } from "../../../hal/linux/key-functions.ts"
import { createMemoryBoard } from "../../../hal/memory/board.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("hal/memory/board")

test("a fed watchdog lets the board run; an unfed one resets it, and the next start knows", async () => {
  const board = createMemoryBoard({ keyFunctions: nodeKeyFunctions })
  assert.is(board.watchdog.lastReset, "power")
  await board.storage.write("kept", new Uint8Array([1]))
  assert.is(await board.watchdog.arm(1500), 2000)
  for (let i = 0; i < 5; i++) {
    board.clock.advance(1900)
    await board.watchdog.feed()
  }
  assert.not(board.wasReset)
  board.clock.advance(2000)
  assert.ok(board.wasReset)
  await rejects(() => board.storage.read("kept"), "ERR_IO")
  const next = board.reboot()
  assert.is(next.watchdog.lastReset, "watchdog")
  assert.equal(await next.storage.read("kept"), new Uint8Array([1]))
  assert.is(next.clock.monotonicMs(), 0)
  assert.is(next.clock.wall().at, board.clock.wall().at)
})

test("a disarmed watchdog resets nothing, and a power cut is not the watchdog's", async () => {
  const board = createMemoryBoard({ keyFunctions: nodeKeyFunctions })
  await board.watchdog.arm(1000)
  await board.watchdog.disarm()
  await board.watchdog.feed()
  board.clock.advance(10_000)
  assert.not(board.wasReset)
  assert.is(board.reboot().watchdog.lastReset, "power")
})

test("keys outlive a power cut", async () => {
  const board = createMemoryBoard({ keyFunctions: nodeKeyFunctions })
  const spki = await board.keyStore.generate("gateway", "ES256")
  assert.equal(await board.reboot().keyStore.publicKey("gateway"), spki)
})

test.run()
