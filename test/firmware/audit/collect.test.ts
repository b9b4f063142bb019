import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createFolderSource } from "../../../firmware/audit/folder-source.ts"
import { createLogReader } from "../../../firmware/audit/reader.ts"
import { copyStorage } from "../../../firmware/audit/collect-copy.ts"
import { nodeSha256, verifyNoteSignature } from "../../../firmware/audit/note-functions.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import type { FaultPlan, Landed, Unsynced } from "../../../hal/memory/fault-plan.ts"
import { verifyLog, type LogVerdict } from "../../../policy/audit/tlog/verify-log.ts"
import { readCosigned } from "../../../policy/audit/witness/cosignature.ts"
import { readRefusal } from "../../../policy/audit/witness/refusal.ts"
import { verifyFolder } from "../../support/independent-log-verifier.ts"
import { collectAll, COLLECTOR, lines, notes, openTestCollect, show, type Shown } from "../../support/collect.ts"
import { logFolder, testLogKey } from "../../support/log-folder.ts"
import { STORM, tellStorm } from "../../storm/figures.ts"

const test = suite("firmware/audit/collect")
const FUNCTIONS = { sha256: nodeSha256, verify: verifyNoteSignature }
const BY = testLogKey("lockgate/gw/log")
const folders = new Map<string, ReturnType<typeof logFolder>>()
/** The log of that many entries, made once. */
function folder(count: number, forkedAt = Infinity): ReturnType<typeof logFolder> {
  const name = `${count} ${forkedAt}`
  const made = folders.get(name) ?? logFolder(lines(count, forkedAt), BY)
  folders.set(name, made)
  return new Map(made)
}

/** What the verifier of `lockgate audit verify` says of the copy. */
async function verdictOf(storage: MemoryStorage): Promise<LogVerdict> {
  const copy = copyStorage(storage, "logs/gw")
  const from = await createLogReader(copy).first()
  return verifyLog({ ...FUNCTIONS, keys: [BY.key] }, createFolderSource(copy), { from })
}

/** Sizes under the collector's own signature, oldest first. */
async function cosigned(shown: Shown): Promise<number[]> {
  const sizes: number[] = []
  for (const note of notes(shown)) {
    const read = await readCosigned(FUNCTIONS, BY.key.name, COLLECTOR.key, note)
    assert.ok(read !== null)
    assert.is(read.at, 1_900_000_000_000)
    sizes.push(read.checkpoint.size)
  }
  return sizes
}

test("[CR 2.9] a copy grows with its log, verifies by itself, and is acknowledged at each size", async () => {
  const storage = new MemoryStorage()
  const collect = await openTestCollect(storage, BY)
  const shown = show(folder(0))
  const sizes = [3, 256, 300, 512, 700, 1300]
  for (const size of sizes) {
    shown.files = folder(size)
    const status = await collectAll(collect, shown)
    assert.equal([status.state, status.first, status.size, status.cosigned], ["current", 0, size, size])
    const verdict = await verdictOf(storage)
    assert.equal([verdict.faults, verdict.entries], [[], size])
  }
  assert.equal(await cosigned(shown), sizes)
  assert.equal(shown.asked, [], "the broker had all of it")
  await collectAll(collect, shown)
  assert.is(shown.published.length, sizes.length, "nothing is said twice on one connection")
  // Somebody else's reader, and nothing left over of earlier partial pieces.
  const files = new Map<string, Buffer>()
  const walk = async (at: string): Promise<void> => {
    for (const name of await storage.list(at))
      if (name.endsWith("/")) await walk(`${at}/${name.slice(0, -1)}`)
      else files.set(`${at}/${name}`.slice("logs/gw/".length), Buffer.from((await storage.read(`${at}/${name}`))!))
  }
  await walk("logs/gw")
  assert.is((await verifyFolder((path) => files.get(path) ?? null, BY.key)).size, 1300)
  assert.equal([...files.keys()].filter((name) => name.includes(".p/")).sort(), ["tile/0/005.p/20", "tile/1/000.p/5", "tile/entries/005.p/20"]) // prettier-ignore
  const { entries } = await createLogReader(copyStorage(storage, "logs/gw")).bundle(5)
  assert.is(entries.length, 20, "the newest entries are read, too")
})

test("[CR 2.9] what the broker no longer holds is asked of the gateway, and nothing is acknowledged before it is here", async () => {
  const storage = new MemoryStorage()
  const collect = await openTestCollect(storage, BY)
  const shown = Object.assign(show(folder(3000)), { first: 2048, isAway: true })
  const held = await collectAll(collect, shown)
  assert.equal([held.state, held.first, held.size, held.cosigned], ["held", 2048, 3000, null])
  assert.match(held.text, /before 2048 are not here yet: the gateway does not answer/)
  assert.equal((await verdictOf(storage)).faults, [], "what is here verifies all the same")
  shown.isAway = false
  const whole = await collectAll(collect, shown)
  assert.equal([whole.state, whole.first, whole.cosigned], ["current", 0, 3000])
  assert.equal([(await verdictOf(storage)).entries, await cosigned(shown)], [3000, [3000]])
})

test("[CR 2.9] entries that the gateway itself gave up before the collector came hold up nothing", async () => {
  const storage = new MemoryStorage()
  const shown = Object.assign(show(folder(3000)), { first: 2048, goneBelow: 1280 })
  const status = await collectAll(await openTestCollect(storage, BY), shown)
  assert.equal([status.state, status.first, status.cosigned], ["current", 1280, 3000])
  const verdict = await verdictOf(storage)
  assert.equal([verdict.faults, verdict.from, verdict.entries], [[], 1280, 1720])
  const again = await openTestCollect(storage, BY)
  shown.asked.length = 0
  assert.is((await collectAll(again, shown)).state, "current")
  assert.equal(shown.asked, [], "it is remembered that nothing older is to be had")
})

test("[CR 2.9] a hole that nobody can fill any more ends the copy, and says what to do", async () => {
  const storage = new MemoryStorage()
  const collect = await openTestCollect(storage, BY)
  const shown = show(folder(300))
  await collectAll(collect, shown)
  Object.assign(shown, { files: folder(1300), first: 1024, goneBelow: 1024 })
  const status = await collectAll(collect, shown)
  assert.equal([status.state, status.size], ["accused", 300])
  assert.match(status.text, /has given up entries after 300 .*Move logs\/gw and known\/gw/)
  assert.equal(await cosigned(shown), [300])
  assert.equal((await verdictOf(storage)).entries, 300)
})

test("[CR 3.9] a fork is refused with both checkpoints, whatever its size; the copy stays as it was, and goes on with the log", async () => {
  for (const [known, size, forkedAt] of [
    [700, 1300, 100],
    [700, 1300, 699],
    [700, 700, 5],
    [700, 600, 599],
    [512, 1300, 511],
  ] as const) {
    // prettier-ignore
    const [storage, told] = [new MemoryStorage(), `${known} ${size} ${forkedAt}`]
    const collect = await openTestCollect(storage, BY)
    const shown = show(folder(known))
    await collectAll(collect, shown)
    shown.files = folder(size, forkedAt)
    const status = await collectAll(collect, shown)
    assert.equal([status.state, status.size], ["accused", known], told)
    assert.match(status.text, /^FORKED: .*evidence\/gw\/fork-/, told)
    const refusal = await readRefusal(FUNCTIONS, BY.key.name, COLLECTOR.key, notes(shown, "refused")[0]!)
    assert.equal([refusal?.reason, refusal?.known?.size, refusal?.shown?.size], ["fork", known, size], told)
    const [file] = await storage.list("evidence/gw")
    const kept = JSON.parse(Buffer.from((await storage.read(`evidence/gw/${file!}`))!).toString()) as Record<string, string> // prettier-ignore
    assert.equal([kept["known"], kept["shown"]], [folder(known), folder(size, forkedAt)].map((one) => Buffer.from(one.get("checkpoint")!).toString())) // prettier-ignore
    assert.equal([(await verdictOf(storage)).faults, await cosigned(shown)], [[], [known]], told)
    shown.files = folder(1300)
    assert.is((await collectAll(collect, shown)).state, "current", told)
    assert.equal((await verdictOf(storage)).faults, [], told)
    assert.is(notes(shown, "refused").at(-1), "", "the refusal is taken back")
  }
})

test("[CR 3.9] a log that was put back is accused at the second look; a broker that was behind for a moment is not", async () => {
  const storage = new MemoryStorage()
  const collect = await openTestCollect(storage, BY)
  const shown = show(folder(700))
  await collectAll(collect, shown)
  shown.files = folder(300)
  assert.is((await collectAll(collect, shown)).state, "held")
  shown.files = folder(700)
  assert.is((await collectAll(collect, shown)).size, 700)
  shown.files = folder(300)
  await collectAll(collect, shown)
  const status = await collectAll(collect, shown)
  assert.is(status.state, "accused")
  assert.match(status.text, /the log shown has 300 entries, and had 700/)
  const refusal = await readRefusal(FUNCTIONS, BY.key.name, COLLECTOR.key, notes(shown, "refused")[0]!)
  assert.is(refusal?.reason, "rewind")
  // Put back and written on: the other log that comes of it is a fork, also for a collector that starts anew.
  shown.files = folder(1300, 300)
  assert.match((await collectAll(await openTestCollect(storage, BY), shown)).text, /^FORKED/)
})

test("[CR 3.9] a collector whose copy was taken away, or put back, still knows what it signed", async () => {
  const storage = new MemoryStorage()
  const shown = show(folder(700))
  await collectAll(await openTestCollect(storage, BY), shown)
  await storage.remove("logs/gw/checkpoint")
  shown.files = folder(600, 300)
  const status = await collectAll(await openTestCollect(storage, BY), shown)
  await collectAll(await openTestCollect(storage, BY), shown)
  assert.is(status.cosigned, null)
  shown.files = folder(1300, 300)
  assert.match((await collectAll(await openTestCollect(storage, BY), shown)).text, /^FORKED/)
  shown.files = folder(1300)
  assert.is((await collectAll(await openTestCollect(storage, BY), shown)).state, "current")
  assert.equal([(await verdictOf(storage)).entries, (await cosigned(shown)).at(-1)], [1300, 1300])
})

test("[CR 3.9] what was altered on the way is never taken: the gateway is asked, and if it is away the copy waits", async () => {
  const paths = ["tile/entries/001", "tile/entries/005.p/20", "tile/1/000.p/5"]
  for (const path of paths) {
    const storage = new MemoryStorage()
    const collect = await openTestCollect(storage, BY)
    const shown = Object.assign(show(folder(1300)), { isAway: true })
    for (const bend of [
      (bytes: Uint8Array) => bytes.slice(1),
      (bytes: Uint8Array) => bytes.map((byte, at) => (at === 9 ? byte ^ 1 : byte)),
      () => new Uint8Array(),
    ]) {
      // prettier-ignore
      shown.alter = (at, bytes) => (at === path && bytes !== null ? bend(bytes) : bytes)
      const status = await collectAll(collect, shown)
      assert.is(status.state, "held", path)
      assert.match(status.text, /is not what the gateway signed/)
      assert.equal([status.cosigned, shown.published], [null, []])
    }
    shown.isAway = false
    if (path === "tile/entries/001") assert.is((await collectAll(collect, shown)).state, "current", "by request")
    shown.alter = (_, bytes) => bytes
    assert.is((await collectAll(collect, shown)).state, "current", path)
    assert.equal((await verdictOf(storage)).faults, [])
  }
})

test("a checkpoint of another log or key, or none at all, changes nothing", async () => {
  const storage = new MemoryStorage()
  const collect = await openTestCollect(storage, BY)
  const shown = show(folder(300))
  await collectAll(collect, shown)
  const put = (text: string): void => void (shown.files = folder(700)).set("checkpoint", Buffer.from(text))
  const note = (by: string): string => Buffer.from(logFolder(lines(700), testLogKey(by)).get("checkpoint")!).toString()
  for (const [text, words] of [
    ["", /is no checkpoint/],
    ["nonsense", /is no checkpoint/],
    [note("lockgate/gw/log"), /was the key changed/],
    [note("lockgate/other/log"), /another log/],
    [note("lockgate/gw/log").replace(/— .*/, (line) => `${line.slice(0, 24)}AAAA${line.slice(28)}`), /is wrong|key/],
  ] as const) {
    put(text)
    const status = await collectAll(collect, shown)
    assert.equal([status.state, status.size], ["held", 300])
    assert.match(status.text, words)
  }
})

test("[CR 2.11] without a clock that somebody bounds it collects, and signs nothing", async () => {
  const storage = new MemoryStorage()
  const shown = show(folder(300))
  const status = await collectAll(await openTestCollect(storage, BY, [], null), shown)
  assert.equal([status.state, status.size, status.cosigned, shown.published], ["current", 300, null, []])
  assert.match(status.text, /not cosigned: this machine's clock is not synchronised/)
  assert.is((await collectAll(await openTestCollect(storage, BY), shown)).cosigned, 300)
})

test("[CR 2.9] no power cut leaves an acknowledgement of what is not on disk, and the next start goes on", async () => {
  const LANDED: readonly Landed[] = ["none", "all", "zeros", { prefix: 40 }]
  const UNSYNCED: readonly Unsynced[] = ["kept", "lost", { subset: 1 }, { subset: 2 }]
  const base = new MemoryStorage()
  await collectAll(await openTestCollect(base, BY), show(folder(250)))
  /** Two edges one after the other, the second with older entries to be fetched in an empty copy. */
  const run = async (storage: MemoryStorage, shown: Shown): Promise<void> => {
    try {
      const collect = await openTestCollect(storage, BY)
      for (const size of [300, 700]) {
        shown.files = folder(size)
        await collectAll(collect, shown)
      }
    } catch {
      // Power is gone.
    }
  }
  let [runs, acknowledged, at] = [0, 0, 0]
  for (const [start, first] of [
    [base, 0],
    [new MemoryStorage(), 256],
  ] as const) {
    // prettier-ignore
    const whole = start.powerCut("kept")
    await run(whole, Object.assign(show(folder(300)), { first }))
    for (let cutAt = 1; cutAt <= whole.steps; cutAt++)
      for (const landed of LANDED)
        for (const unsynced of UNSYNCED) {
          if (!STORM && at++ % 31 > 0) continue
          const plan: FaultPlan = { cutAt, landed, unsynced }
          const told = JSON.stringify(plan)
          const storage = start.powerCut("kept")
          storage.plan = plan
          const shown = Object.assign(show(folder(300)), { first })
          await run(storage, shown)
          const found = storage.powerCut()
          const sizes = await cosigned(shown)
          const size = sizes.at(-1) ?? 0
          if (size > 0) {
            acknowledged++
            const verdict = await verdictOf(found)
            assert.equal([verdict.faults, verdict.from], [[], 0], told)
            assert.ok((verdict.checkpoint?.size ?? 0) >= size, `${size} acknowledged, and lost: ${told}`)
          }
          const status = await collectAll(
            await openTestCollect(found, BY),
            Object.assign(show(folder(1300)), { first }),
          )
          assert.equal([status.state, status.cosigned], ["current", 1300], told)
          const verdict = await verdictOf(found)
          assert.equal([verdict.faults, verdict.entries], [[], 1300], told)
          runs++
        }
  }
  tellStorm("power cut (model)", "collector: copy and acknowledgement", { cuts: runs, acknowledged })
  assert.ok(runs > (STORM ? 1000 : 40) && acknowledged > 8, `${runs} runs, ${acknowledged} acknowledged`)
})

test("a disk that fails ends the round with the error of the disk, and nothing is acknowledged", async () => {
  const storage = new MemoryStorage()
  const collect = await openTestCollect(storage, BY)
  const shown = show(folder(300))
  storage.fail({ step: "write", errno: "ENOSPC", times: 1 })
  let code = ""
  await collectAll(collect, shown).catch((error: unknown) => (code = (error as { code: string }).code))
  assert.equal([code, shown.published], ["ERR_IO", []])
  assert.is((await collectAll(await openTestCollect(storage, BY), shown)).cosigned, 300)
})

test.run()
