import { suite } from "uvu"
import * as assert from "uvu/assert"
import { openIsland } from "../../../firmware/management/island.ts"
import type { Island } from "../../../firmware/management/island.ts"
import { HardwareError } from "../../../policy/base/errors.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { MemoryLog } from "../../support/commands.ts"
import { bitFlips, truncations } from "../../support/hostile.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/management/island")
const by = "local:owner"

const NOTHING = async (): Promise<void> => undefined

async function open(
  storage: MemoryStorage,
  also = NOTHING,
): Promise<{ island: Island; applied: boolean[]; log: MemoryLog }> {
  const applied: boolean[] = []
  const log = new MemoryLog()
  const apply = (on: boolean): Promise<void> => {
    applied.push(on)
    return also()
  }
  return { island: await openIsland({ storage, audit: log.audit, apply }), applied, log }
}

test("[NDR 5.2 RE(2)] island mode is kept until somebody lifts it, power cuts included", async () => {
  const storage = new MemoryStorage()
  const first = await open(storage)
  assert.is(first.island.on, false)
  assert.equal(await first.island.set(true, by), { before: false, durable: true })
  const second = await open(storage.powerCut())
  assert.equal([second.island.on, second.applied], [true, []])
})

test("lifting it is kept as well, and only a change is an event", async () => {
  const storage = new MemoryStorage()
  const { island, applied, log } = await open(storage)
  for (const on of [true, true, false, false]) await island.set(on, by)
  assert.equal(applied, [true, true, false, false])
  assert.equal(log.events.map(({ id, subject }) => [id, subject]), [["island.on", by], ["island.off", by]]) // prettier-ignore
  assert.is((await open(storage.powerCut())).island.on, false)
})

test("[NDR 5.2 RE(2)] on works with a dead disk and a dead log, and says that it is not durable", async () => {
  const storage = new MemoryStorage()
  const { island, applied, log } = await open(storage)
  storage.fail({ step: "create", errno: "EIO", times: 9 })
  log.failsFrom = 0
  assert.equal(await island.set(true, by), { before: false, durable: false })
  assert.equal([island.on, applied], [true, [true]])
})

test("[NDR 5.2 RE(2)] an order that the engine fails to carry out is told, stands, and is found after the restart", async () => {
  const storage = new MemoryStorage()
  const failing = async (): Promise<void> => {
    throw new HardwareError("ERR_ENGINE_GONE", "the engine is gone")
  }
  const { island } = await open(storage, failing)
  await rejects(() => island.set(true, by), "ERR_ENGINE_GONE")
  assert.is(island.on, true)
  assert.is((await open(storage.powerCut())).island.on, true)
})

test("[NDR 5.2 RE(2)] off with a dead disk leaves the conduits closed", async () => {
  const storage = new MemoryStorage()
  const { island, applied } = await open(storage)
  await island.set(true, by)
  storage.fail({ step: "create", errno: "EIO" })
  await rejects(() => island.set(false, by), "ERR_IO")
  assert.equal([island.on, applied], [true, [true]])
})

test("[NDR 5.2 RE(2)] an order to close overtakes one to reopen that waits for the disk", async () => {
  const storage = new MemoryStorage()
  const { island, applied } = await open(storage)
  await island.set(true, by)
  let release: () => void = () => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  storage.gate = () => held
  const off = island.set(false, by).catch((error: unknown) => (error as { code: string }).code)
  const on = island.set(true, by)
  assert.equal(applied, [true, true])
  release()
  assert.is(await off, "ERR_ISLAND_ORDERED")
  await on
  assert.equal([island.on, applied], [true, [true, true]])
  storage.gate = null
  assert.is((await open(storage.powerCut())).island.on, true)
})

test("[CR 3.4] a record that is damaged in any way means closed", async () => {
  const storage = new MemoryStorage()
  const { island } = await open(storage)
  await island.set(false, by)
  const bytes = (await storage.read("island.json"))!
  for (const damaged of [...truncations(bytes), ...bitFlips(bytes)]) {
    await storage.write("island.json", damaged)
    assert.is((await open(storage)).island.on, true)
  }
})

test("[CR 7.4] power cut (model) at every step of on and off: the mode is the old or the new", async () => {
  for (const [from, to] of [
    [false, true],
    [true, false],
  ] as const) {
    // prettier-ignore
    for (let cutAt = 1; cutAt < 12; cutAt++) {
      for (const landed of ["none", "all", "zeros", { prefix: 5 }] as const) {
        const storage = new MemoryStorage()
        await (await open(storage)).island.set(from, by)
        const { island } = await open(storage)
        storage.plan = { cutAt: storage.steps + cutAt, landed, unsynced: "lost" }
        const done = await island.set(to, by).then(({ durable }) => durable, () => false) // prettier-ignore
        const after = (await open(storage.powerCut())).island.on
        assert.ok(done ? after === to : [from, to].includes(after), JSON.stringify({ from, cutAt, landed }))
      }
    }
  }
})

test.run()
