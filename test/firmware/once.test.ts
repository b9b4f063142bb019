import { suite } from "uvu"
import * as assert from "uvu/assert"
import { MemoryStorage } from "../../hal/memory/storage.ts"
import { once } from "../../firmware/once.ts"
import { recordingWhenNeeded } from "../../firmware/recording/late.ts"
import type { RecordingKeeper } from "../../firmware/recording/keeper.ts"
import { spoolWhenNeeded } from "../../firmware/spool/late.ts"
import type { Spool } from "../../firmware/spool/store.ts"
import { StateError } from "../../policy/base/errors.ts"
import { rejects } from "../support/rejects.ts"

const test = suite("firmware/once")

test("makes a thing once, however many ask at the same time", async () => {
  let made = 0
  const one = once(() => Promise.resolve(++made))
  assert.is(one.now, null)
  assert.is(await one.settled(), null)
  assert.equal(await Promise.all([one.get(), one.get(), one.settled()]), [1, 1, 1])
  assert.is(one.now, 1)
})

test("a failure is the asker's: the next one tries again, and who ends it hears of none", async () => {
  let tries = 0
  const one = once(() =>
    ++tries === 1 ? Promise.reject(new StateError("ERR_BUSY", "not now")) : Promise.resolve("made"),
  )
  const first = one.get()
  assert.is(await one.settled(), null)
  await rejects(() => first, "ERR_BUSY")
  assert.is(one.now, null)
  assert.is(await one.get(), "made")
})

test("the spool is opened by the first message, or at once if an earlier run left some", async () => {
  const log: string[] = []
  const open = (): Promise<Spool> => {
    log.push("open")
    return Promise.resolve({
      put: () => Promise.resolve("stored"),
      backlog: () => [{ conduit: "c", subject: "s", messages: 1, bytes: 9 }],
      close: () => Promise.resolve(void log.push("close")),
    } as unknown as Spool)
  }
  const storage = new MemoryStorage()
  const unused = await spoolWhenNeeded(storage, open)
  assert.equal(unused.backlog(), [])
  await unused.close()
  assert.equal(log, [])
  const used = await spoolWhenNeeded(storage, open)
  assert.is(await used.put("c", "s", {} as never, {} as never), "stored")
  assert.is(used.backlog().length, 1)
  await used.close()
  assert.equal(log.splice(0), ["open", "close"])
  await storage.write("spool/c-c/s-s/state", new Uint8Array(1))
  assert.is((await spoolWhenNeeded(storage, open)).backlog().length, 1)
})

test("a recording keeper that is opened late knows the policy in force", async () => {
  const told: unknown[] = []
  const keeper = { policyInForce: (policy: unknown) => told.push(policy), status: () => Promise.resolve(null) }
  const late = await recordingWhenNeeded(new MemoryStorage(), () =>
    Promise.resolve(keeper as unknown as RecordingKeeper),
  )
  late.policyInForce({ version: 7, sha256: "00" })
  assert.equal(told, [])
  await late.status()
  late.policyInForce(null)
  assert.equal(told, [{ version: 7, sha256: "00" }, null])
})

test.run()
