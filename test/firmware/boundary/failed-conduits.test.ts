import { suite } from "uvu"
import * as assert from "uvu/assert"
import { openFailedConduits } from "../../../firmware/boundary/failed-conduits.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { HardwareError } from "../../../policy/base/errors.ts"
import { MemoryLog } from "../../support/commands.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/boundary/failed-conduits")

async function open(storage = new MemoryStorage()) {
  const log = new MemoryLog()
  const held: (readonly string[])[] = []
  const restored: string[] = []
  const failures = await openFailedConduits({
    storage,
    audit: log.audit,
    hold: (names) => held.push(names),
    restore: async (name) => void restored.push(name),
  })
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  return { storage, log, held, restored, failures, settle }
}

test("[NDR 5.2 RE(3)] a conduit that failed is held, alarmed, and held again after a restart", async () => {
  const { storage, log, held, failures, settle } = await open()
  failures.fail("field", "TypeError at session.ts:1:1")
  await settle()
  assert.equal(held, [[], ["field"]])
  assert.equal(
    log.events.map(({ id, conduit, reason }) => [id, conduit, reason]),
    [["conduit.failed", "field", "TypeError at session.ts:1:1"]],
  )
  const next = await open(storage)
  assert.equal(next.held, [["field"]])
  assert.equal([...next.failures.failed], [["field", "TypeError at session.ts:1:1"]])
})

test("[NDR 5.2 RE(3)] only a command restores it, written down first; what has not failed cannot be restored", async () => {
  const { storage, log, held, restored, failures, settle } = await open()
  await rejects(() => failures.restore("field", "anna"), "ERR_CONDUIT_WHOLE")
  failures.fail("field", "x")
  await settle()
  assert.is(await failures.restore("field", "anna"), "x")
  assert.equal([held.at(-1), restored], [[], ["field"]])
  assert.equal([log.events.at(-1)?.id, log.events.at(-1)?.subject], ["conduit.restored", "anna"])
  assert.equal((await open(storage)).held, [[]])
})

test("[NDR 5.2 RE(3)] if it cannot be written down it stays closed", async () => {
  const { storage, restored, failures, settle } = await open()
  failures.fail("field", "x")
  await settle()
  storage.write = async () => Promise.reject(new HardwareError("ERR_IO", "the disk is dead"))
  await rejects(() => failures.restore("field", "anna"), "ERR_IO")
  assert.equal([[...failures.failed.keys()], restored], [["field"], []])
})

test("a record that is no record holds nothing", async () => {
  for (const text of ["", "{", "null", "[]", '{"failed":7}', '{"failed":[["a"],["b",2],7]}']) {
    const storage = new MemoryStorage()
    await storage.write("failed-conduits.json", new TextEncoder().encode(text))
    assert.equal((await open(storage)).held, [[]], text)
  }
})

test.run()
