/** The oldest bundles are given up: what is left is a log, whatever stops the giving up. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { FaultPlan, Landed, Unsynced } from "../../../hal/memory/fault-plan.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { bundleFile, listBundles } from "../../../firmware/audit/bundle-reader.ts"
import { removeBelow } from "../../../firmware/audit/dropping.ts"
import { createLogReader } from "../../../firmware/audit/reader.ts"
import type { AuditLog } from "../../../firmware/audit/log.ts"
import { parseEntry } from "../../../policy/audit/entry.ts"
import { STORM, tellStorm } from "../../storm/figures.ts"
import { folderOfStorage, judgeFolder } from "../../support/log-folder.ts"
import { dropSaid, openTestLog, sampleEvent } from "../../support/audit.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/audit/dropping")

const LANDED: readonly Landed[] = ["none", "all", { prefix: 8 }]
const UNSYNCED: readonly Unsynced[] = ["kept", "lost", { subset: 1 }]

/** A log of `entries`, with its tree. */
async function filled(entries: number): Promise<MemoryStorage> {
  const storage = new MemoryStorage()
  const log = await openTestLog(storage)
  await Promise.all(Array.from({ length: entries }, (_, i) => log.append(sampleEvent(`old ${i}`))))
  await log.close()
  return storage
}

const tile = (index: number): string => `audit/tile/0/${String(index).padStart(3, "0")}`

async function objects(log: AuditLog): Promise<(string | undefined)[]> {
  const found = await log.read(log.firstSeq, log.size)
  assert.equal(
    found.map(({ seq }) => seq),
    Array.from({ length: log.size - log.firstSeq }, (_, k) => log.firstSeq + k),
  )
  return found.map(({ line }) => parseEntry(line)).map(({ object, event }) => object ?? event)
}

test("[CR 2.9] dropped bundles are gone with their tiles, what is left stays, and a restart finds it so", async () => {
  const storage = await filled(4 * 256 + 10)
  const log = await openTestLog(storage)
  assert.is(log.firstSeq, 0)
  await dropSaid(log, 2 * 256)
  assert.is(log.firstSeq, 512)
  assert.equal(await listBundles(storage), [2, 3])
  // Until a full tile of level 1 has their hash, tiles of entries that have gone are what the root is made of.
  assert.ok((await storage.read(tile(0))) !== null && (await storage.read(tile(2))) !== null)
  await rejects(() => log.read(511, 1), "ERR_AUDIT_MISSING")
  assert.is((await objects(log))[0], "old 512")
  await log.append(sampleEvent("goes on"))
  const { root } = log.checkpoint
  await log.close()
  const again = await openTestLog(storage)
  assert.is(again.firstSeq, 512)
  assert.equal([again.state.damage, again.state.rolledBack], [[], false])
  assert.equal(again.checkpoint.root, root)
  assert.is((await objects(again)).at(-1), "goes on")
  assert.is(await createLogReader(storage).first(), 512)
})

test("the newest full bundle and the open one never go, and a log begins nowhere else because of a smaller number", async () => {
  const storage = await filled(3 * 256)
  const log = await openTestLog(storage)
  await log.drop(9999)
  assert.is(log.firstSeq, 512)
  await log.drop(256)
  assert.is(log.firstSeq, 512)
  await log.close()
  // The bundle that is left was taken by a hand, and the open one is empty: numbers go on all the same.
  await storage.remove(bundleFile(2))
  const again = await openTestLog(storage)
  assert.is(again.size, 514)
  assert.ok(again.state.rolledBack, "that it was cut short is told in entry 512")
  assert.is(again.firstSeq, 512)
})

test("[CR 3.9] a bundle that is missing above the first entry is told, one below it is not", async () => {
  const storage = await filled(5 * 256)
  const log = await openTestLog(storage)
  await dropSaid(log, 512)
  await log.close()
  await storage.remove(bundleFile(3))
  const again = await openTestLog(storage)
  assert.equal(
    again.state.damage.map(({ code, detail }) => [code, detail["bundle"]]),
    [["ERR_AUDIT_MISSING", 3]],
  )
  await again.close()
  // A first entry that was not written here counts as none: everything that is gone is told.
  await storage.write("audit/first", new TextEncoder().encode('{"format":1,"seq":-5}'))
  const loud = await openTestLog(storage)
  assert.is(loud.state.damage.length, 3)
})

test("[CR 3.9] a drop verifies the moment it is done, and a beginning that the log does not speak of is told at the next start", async () => {
  const storage = await filled(5 * 256)
  const log = await openTestLog(storage)
  await dropSaid(log, 512)
  // Killed here: whoever copies the folder now can verify it.
  const verdict = await judgeFolder(await folderOfStorage(storage), [log.key], { from: 512 })
  assert.equal([verdict.faults, verdict.dropped, verdict.entries], [[], 512, 3 * 256 + 1])
  const killed = storage.powerCut("kept")
  assert.equal((await openTestLog(killed)).state.damage, [])
  // A hand takes one more, and writes that this is so; the entry it names says less, or is another one.
  for (const said of [',"said":1280', ',"said":1000', ',"said":99999', ""]) {
    const touched = storage.powerCut("kept")
    await touched.write("audit/first", new TextEncoder().encode(`{"format":1,"seq":768${said}}`))
    await touched.remove(bundleFile(2))
    const told = await openTestLog(touched)
    assert.equal(
      told.state.damage.map(({ code }) => code),
      ["ERR_AUDIT_UNSAID"],
    )
    assert.is(told.firstSeq, 768)
    const { faults } = await judgeFolder(await folderOfStorage(touched), [told.key], { from: 768 })
    assert.equal(
      faults.map(({ code, where }) => `${code} ${where}`),
      ["ERR_LOG_START_MISSING entry 512"],
    )
  }
})

test("[CR 2.9] leaf tiles go once a full tile of level 1 holds what they made, and those stay", async () => {
  const storage = new MemoryStorage()
  for (const index of [0, 255, 256, 300]) await storage.write(tile(index), new Uint8Array(8192))
  await storage.write("audit/tile/1/000", new Uint8Array(8192))
  await removeBelow(storage, 255 * 256)
  assert.equal((await storage.list("audit/tile/0")).length, 4)
  await removeBelow(storage, 300 * 256)
  assert.equal(await storage.list("audit/tile/0"), ["256", "300"])
  assert.equal(await storage.list("audit/tile/1"), ["000"])
})

test("[CR 2.9] a disk that fails while bundles are dropped loses none that is left, and the next attempt ends it", async () => {
  for (const step of ["write", "sync", "rename", "unlink"] as const) {
    const storage = await filled(3 * 256 + 3)
    const log = await openTestLog(storage)
    storage.fail({ step, errno: "EIO", path: step === "unlink" ? "audit/tile/entries" : "audit/first" })
    await rejects(() => log.drop(512), "ERR_IO")
    await log.drop(512)
    assert.equal(await listBundles(storage), [2])
    assert.is((await objects(log)).length, 259)
  }
})

test("[CR 2.9] no power cut while bundles are dropped loses an entry that was to stay, or raises a false alarm", async () => {
  const base = await filled(3 * 256 + 2)
  const drop = async (storage: MemoryStorage): Promise<void> => {
    const log = await openTestLog(storage)
    await dropSaid(log, 512)
    await log.append(sampleEvent("after"))
  }
  const whole = base.powerCut("kept")
  await drop(whole)
  let [runs, finished, at] = [0, 0, 0]
  for (let cutAt = 1; cutAt <= whole.steps; cutAt++) {
    for (const landed of LANDED) {
      for (const unsynced of UNSYNCED) {
        // Every step, and every way, but not each with each: that is for the storm.
        if (!STORM && at++ % 4 > 0) continue
        const plan: FaultPlan = { cutAt, landed, unsynced }
        const storage = base.powerCut("kept")
        storage.plan = plan
        await drop(storage).catch(() => undefined)
        const found = storage.powerCut()
        const log = await openTestLog(found)
        const told = JSON.stringify(plan)
        assert.equal([log.state.damage, log.state.rolledBack], [[], false], `a false alarm ${told}`)
        assert.ok([0, 512].includes(log.firstSeq), told)
        const left = await objects(log)
        assert.is(left[512 - log.firstSeq], "old 512", told)
        // What a power cut left below the first entry is gone after the next start.
        if (log.firstSeq === 512) {
          finished++
          assert.equal(await listBundles(found), [2], told)
          assert.ok(left.includes("audit.overwritten"), `dropped in silence ${told}`)
        }
        await log.close()
        const verdict = await judgeFolder(await folderOfStorage(found), [log.key], { from: log.firstSeq })
        assert.equal(verdict.faults, [], told)
        runs++
      }
    }
  }
  tellStorm("power cut (model)", "audit log: the oldest bundles are dropped", { cuts: runs, finished })
  assert.ok(
    runs > (STORM ? 400 : 100) && finished > (STORM ? 40 : 8) && finished < runs,
    `${runs} runs, ${finished} finished`,
  )
})

test.run()
