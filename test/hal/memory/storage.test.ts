import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { FaultPlan, Landed, Unsynced } from "../../../hal/memory/fault-plan.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { rejects } from "../../support/rejects.ts"
import { storageConformance } from "../storage-conformance.ts"

const test = suite("hal/memory/storage")
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const text = (found: Uint8Array | null): string | null => (found === null ? null : Buffer.from(found).toString())

const LANDED: readonly Landed[] = ["none", "all", "zeros", { prefix: 1 }, { prefix: 5 }]
const UNSYNCED: readonly Unsynced[] = ["kept", "lost", { subset: 1 }, { subset: 2 }, { subset: 3 }, { subset: 4 }]

storageConformance(test, {
  fresh: async () => new MemoryStorage(),
  reopen: async (storage) => storage.powerCut("lost"),
})

/** Runs `action` once for every place where power can go and every way it can go; returns how often. */
async function sweep(
  prepare: () => Promise<MemoryStorage>,
  action: (storage: MemoryStorage) => Promise<void>,
  check: (found: MemoryStorage, plan: FaultPlan | null, done: boolean) => Promise<void>,
): Promise<number> {
  const whole = await prepare()
  const before = whole.steps
  await action(whole)
  await check(whole.powerCut("lost"), null, true)
  let runs = 0
  for (let cutAt = before + 1; cutAt <= whole.steps; cutAt++) {
    for (const landed of LANDED) {
      for (const unsynced of UNSYNCED) {
        const storage = await prepare()
        const plan = { cutAt, landed, unsynced }
        storage.plan = plan
        await rejects(() => action(storage), "ERR_IO")
        await check(storage.powerCut(), plan, false)
        runs++
      }
    }
  }
  return runs
}

test("[CR 3.4] after a power cut anywhere in a write, the old file or the new one is there", async () => {
  const seen = new Set<string | null>()
  const runs = await sweep(
    async () => {
      const storage = new MemoryStorage()
      await storage.write("a/f", bytes("old text"))
      return storage
    },
    (storage) => storage.write("a/f", bytes("the new text")),
    async (found, plan) => {
      const value = text(await found.read("a/f"))
      seen.add(value)
      assert.ok(value === "old text" || value === "the new text", `${value} after ${JSON.stringify(plan)}`)
      assert.equal(await found.list("a"), ["f"])
    },
  )
  assert.ok(runs > 100)
  assert.is(seen.size, 2)
})

test("a first write into new folders is there whole once it has resolved, else whole or not at all", async () => {
  await sweep(
    async () => new MemoryStorage(),
    (storage) => storage.write("a/b/f", bytes("text")),
    async (found, plan, done) => {
      const value = text(await found.read("a/b/f"))
      assert.ok(value === "text" || (value === null && !done), `${value} after ${JSON.stringify(plan)}`)
    },
  )
})

test("a power cut in a rename leaves the file under its old name, its new one or both, never under none", async () => {
  const seen = new Set<string>()
  await sweep(
    async () => {
      const storage = new MemoryStorage()
      await storage.write("a/f", bytes("text"))
      return storage
    },
    (storage) => storage.rename("a/f", "b/g"),
    async (found) => {
      const names = [text(await found.read("a/f")), text(await found.read("b/g"))]
      assert.ok(names.includes("text"))
      seen.add(names.map((n) => (n === null ? "-" : "x")).join(""))
    },
  )
  assert.equal([...seen].sort(), ["-x", "x-", "xx"])
})

test("a removal that resolved is not undone by a power cut", async () => {
  const storage = new MemoryStorage()
  await storage.write("f", bytes("text"))
  await storage.remove("f")
  assert.is(await storage.powerCut("lost").read("f"), null)
})

test("what was acknowledged by an append survives, the rest may be cut, zeroed or torn", async () => {
  const seen = new Set<string>()
  await sweep(
    async () => {
      const storage = new MemoryStorage()
      const file = await storage.openAppend("tail")
      await file.append(bytes("one."))
      await file.close()
      return storage
    },
    async (storage) => (await storage.openAppend("tail")).append(bytes("two.abc")),
    async (found, plan, done) => {
      const value = text(await found.read("tail")) ?? ""
      assert.ok(value.startsWith("one."), `${value} after ${JSON.stringify(plan)}`)
      if (done) assert.is(value, "one.two.abc")
      seen.add(value)
    },
  )
  assert.equal([...seen].sort(), ["one.", "one.\0\0\0\0\0\0\0", "one.t", "one.two.a", "one.two.abc"])
})

test("after a failed fsync the bytes are seen, are not on disk, and a retry succeeds without them", async () => {
  const storage = new MemoryStorage()
  const file = await storage.openAppend("tail")
  await file.append(bytes("one."))
  storage.fail({ step: "sync", errno: "EIO", path: "tail" })
  const error = await rejects(() => file.append(bytes("two.")), "ERR_IO")
  assert.is(error.detail["errno"], "EIO")
  await rejects(() => file.append(bytes("x")), "ERR_FAILED_BEFORE")
  await file.close()
  const again = await storage.openAppend("tail")
  assert.is(again.size, 8)
  await again.append(bytes("end"))
  assert.is(text(await storage.read("tail")), "one.two.end")
  assert.is(text(await storage.powerCut("kept").read("tail")), "one.\0\0\0\0end")
})

test("a full disk takes a part of the bytes; a whole-file write then leaves the old file", async () => {
  const storage = new MemoryStorage()
  await storage.write("f", bytes("old"))
  storage.fail({ step: "write", errno: "ENOSPC", times: 2 })
  assert.is((await rejects(() => storage.write("f", bytes("newer")), "ERR_IO")).detail["errno"], "ENOSPC")
  assert.is(text(await storage.read("f")), "old")
  const file = await storage.openAppend("tail")
  await rejects(() => file.append(bytes("12345678")), "ERR_IO")
  assert.is(text(await storage.read("tail")), "1234")
  await storage.write("f", bytes("new"))
  assert.is(text(await storage.read("f")), "new")
})

test("a storage whose power was cut answers nothing any more", async () => {
  const storage = new MemoryStorage()
  storage.powerCut()
  await rejects(() => storage.read("f"), "ERR_IO")
  await rejects(() => storage.write("f", bytes("x")), "ERR_IO")
})

test.run()
