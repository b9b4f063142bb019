import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeBundle, parseBundle } from "../../../policy/audit/entry-bundle.ts"
import { parseEntry } from "../../../policy/audit/entry.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { allEntries, openTestLog, sampleEvent, settled } from "../../support/audit.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/audit/log")

test("[CR 2.8] an append resolves with its sequence number when the entry is on disk", async () => {
  const storage = new MemoryStorage()
  const log = await openTestLog(storage)
  assert.is(await log.append(sampleEvent("a")), 0)
  assert.is(await log.append(sampleEvent("b")), 1)
  assert.is(log.size, 2)
  const after = await openTestLog(storage.powerCut("lost"), { bootId: "next" })
  assert.equal(
    (await allEntries(after)).map((e) => [e.seq, e.object, e.boot]),
    [
      [0, "a", "boot"],
      [1, "b", "boot"],
    ],
  )
  assert.is(await after.append(sampleEvent("c")), 2)
  assert.is((await allEntries(after))[2]?.boot, "next")
})

test("an entry bears the time of its append, not of its fsync", async () => {
  const storage = new MemoryStorage()
  const clock = new MemoryClock(Date.UTC(2031, 5, 1))
  const log = await openTestLog(storage, { clock, interval: () => ({ earliestAt: 7, latestAt: 9 }) })
  const open: { now?: () => void } = {}
  storage.gate = () => new Promise((resolve) => (open.now = resolve))
  const first = log.append(sampleEvent("a"))
  clock.advance(1500)
  const second = log.append(sampleEvent("b"))
  clock.advance(60_000)
  storage.gate = null
  await settled()
  open.now?.()
  await Promise.all([first, second])
  const entries = await allEntries(log)
  assert.equal(
    entries.map((e) => e.time),
    ["2031-06-01T00:00:00.000Z", "2031-06-01T00:00:01.500Z"],
  )
  assert.equal(
    entries.map((e) => e.mono),
    [0, 1500],
  )
  assert.equal([entries[0]?.earliest, entries[0]?.latest], [7, 9])
})

test("appends made together share one fsync, and those made during one share the next", async () => {
  const storage = new MemoryStorage()
  const log = await openTestLog(storage)
  const before = storage.syncs
  const seqs = await Promise.all(Array.from({ length: 100 }, (_, i) => log.append(sampleEvent(`${i}`))))
  assert.equal(
    seqs,
    Array.from({ length: 100 }, (_, i) => i),
  )
  assert.is(storage.syncs - before, 1)

  const held: (() => void)[] = []
  storage.gate = (step) => (step === "sync" ? new Promise((resolve) => held.push(resolve)) : Promise.resolve())
  const first = log.append(sampleEvent("first"))
  await settled()
  const others = Array.from({ length: 50 }, (_, i) => log.append(sampleEvent(`other ${i}`)))
  await settled()
  assert.is(held.length, 1)
  assert.is(log.size, 100)
  held[0]?.()
  await first
  assert.is(log.size, 101)
  await settled()
  held[1]?.()
  await Promise.all(others)
  assert.is(storage.syncs - before, 3)
})

test("256 entries make a bundle of the tlog-tiles layout; what is left over is a partial one", async () => {
  const storage = new MemoryStorage()
  const log = await openTestLog(storage)
  await Promise.all(Array.from({ length: 255 }, (_, i) => log.append(sampleEvent(`${i}`))))
  assert.equal(await storage.list("audit/tile/entries"), [])
  await log.append(sampleEvent("255"))
  await settled()
  assert.equal(await storage.list("audit/tile/entries"), ["000"])
  await Promise.all(Array.from({ length: 600 }, (_, i) => log.append(sampleEvent(`${256 + i}`))))
  await log.close()
  assert.equal(await storage.list("audit/tile/entries"), ["000", "001", "002", "003.p/"])
  assert.equal(await storage.read("audit/tile/entries/003.p/88"), await storage.read("audit/tail"))
  const lines = parseBundle((await storage.read("audit/tile/entries/001")) ?? new Uint8Array())
  assert.is(lines.length, 256)
  assert.equal(
    lines.map((line) => parseEntry(line).seq),
    Array.from({ length: 256 }, (_, i) => 256 + i),
  )
  assert.is(parseBundle((await storage.read("audit/tail")) ?? new Uint8Array()).length, 856 - 768)
})

test("entries are read from memory and from bundles alike", async () => {
  const storage = new MemoryStorage()
  const log = await openTestLog(storage)
  await Promise.all(Array.from({ length: 600 }, (_, i) => log.append(sampleEvent(`${i}`))))
  assert.equal(
    (await log.read(250, 300)).map((e) => e.seq),
    Array.from({ length: 300 }, (_, i) => 250 + i),
  )
  assert.equal(
    (await log.read(598, 10)).map((e) => parseEntry(e.line).object),
    ["598", "599"],
  )
  assert.equal(await log.read(600, 10), [])
  assert.equal(await log.read(0, 0), [])
})

test("[CR 2.8] a torn tail is cut off, kept aside and told in the log; sequence numbers go on", async () => {
  const storage = new MemoryStorage()
  const log = await openTestLog(storage)
  await Promise.all(["a", "b"].map((name) => log.append(sampleEvent(name))))
  await log.close()
  const tail = (await storage.read("audit/tail")) ?? new Uint8Array()
  await storage.write("audit/tail", new Uint8Array([...tail, 1, 200, 65, 66]))
  const after = await openTestLog(storage)
  const entries = await allEntries(after)
  assert.equal(
    entries.map((e) => [e.seq, e.event]),
    [
      [0, "conduit.connected"],
      [1, "conduit.connected"],
      [2, "audit.repaired"],
    ],
  )
  assert.equal(entries[2]?.detail, { bytes: 4, kept: "audit/aside/tail-2" })
  assert.equal(await storage.read("audit/aside/tail-2"), new Uint8Array([1, 200, 65, 66]))
  assert.equal(after.state.damage, [])
  await after.close()
  const again = await openTestLog(storage)
  assert.is(again.size, 3)
})

test("[CR 2.10] after a failed fsync nothing is accepted until the log has healed, and the loss is told", async () => {
  const storage = new MemoryStorage()
  const clock = new MemoryClock()
  const log = await openTestLog(storage, { clock })
  const states: string[] = []
  log.onState(({ condition, lost }) => states.push(`${condition} ${lost}`))
  await log.append(sampleEvent("acknowledged"))
  storage.fail({ step: "sync", errno: "EIO", path: "audit/tail", times: 2 })
  const lost = [log.append(sampleEvent("lost 1")), log.append(sampleEvent("lost 2"))]
  for (const append of lost) await rejects(() => append, "ERR_AUDIT_FAILING")
  await rejects(() => log.append(sampleEvent("lost 3")), "ERR_AUDIT_FAILING")
  assert.equal(states, ["failing 2"])
  clock.advance(1000)
  await settled()
  assert.is(log.state.condition, "failing")
  clock.advance(1999)
  await settled()
  assert.is(log.state.condition, "failing")
  clock.advance(1)
  await settled()
  assert.is(log.state.condition, "writing")
  assert.equal(states, ["failing 2", "writing 3"])
  assert.is(await log.append(sampleEvent("after")), 2)
  // Whether the kernel still shows the lost bytes or not, what was acknowledged is there after a power cut.
  const entries = await allEntries(await openTestLog(storage.powerCut("kept")))
  assert.equal(
    entries.map((e) => [e.object ?? e.event, e.count]),
    [
      ["acknowledged", undefined],
      ["audit.lost", 3],
      ["after", undefined],
    ],
  )
})

test("after a failed fsync and a kill, the next process does not build on bytes that are only seen", async () => {
  const storage = new MemoryStorage()
  const log = await openTestLog(storage)
  await log.append(sampleEvent("acknowledged"))
  storage.fail({ step: "sync", errno: "EIO", path: "audit/tail" })
  await rejects(() => log.append(sampleEvent("lost")), "ERR_AUDIT_FAILING")
  const next = storage.processKill()
  const after = await openTestLog(next)
  const seq = await after.append(sampleEvent("after"))
  const entries = await allEntries(await openTestLog(next.powerCut("lost")))
  assert.is(entries[0]?.object, "acknowledged")
  assert.is(entries[seq]?.object, "after")
})

test("[CR 2.10] a full disk is tried again ever more rarely, and nothing acknowledged is lost meanwhile", async () => {
  const storage = new MemoryStorage()
  const clock = new MemoryClock()
  const log = await openTestLog(storage, { clock })
  await Promise.all(Array.from({ length: 250 }, (_, i) => log.append(sampleEvent(`${i}`))))
  storage.fail({ step: "write", errno: "ENOSPC", times: Infinity })
  await rejects(() => log.append(sampleEvent("lost")), "ERR_AUDIT_FAILING")
  const before = storage.steps
  let attempts = 0
  for (let second = 0, steps = before; second < 600; second++) {
    clock.advance(1000)
    await new Promise((resolve) => setImmediate(resolve))
    if (storage.steps > steps) attempts++
    steps = storage.steps
  }
  assert.ok(attempts >= 10 && attempts <= 16, `${attempts} attempts in 10 minutes`)
  assert.is((await log.read(0, 300)).length, 250)
  storage.heal()
  clock.advance(60_000)
  await settled()
  assert.is(await log.append(sampleEvent("after")), 251)
  const entries = await allEntries(await openTestLog(storage.powerCut("lost")))
  assert.is(entries.length, 252)
  assert.is(entries[250]?.event, "audit.lost")
})

test("a rotation that fails at any step heals, and the bundle is whole", async () => {
  for (const step of ["folder", "rename", "sync-folder", "create"] as const) {
    const storage = new MemoryStorage()
    const clock = new MemoryClock()
    const log = await openTestLog(storage, { clock })
    await Promise.all(Array.from({ length: 255 }, (_, i) => log.append(sampleEvent(`${i}`))))
    storage.fail({ step, errno: "EIO" })
    assert.is(await log.append(sampleEvent("255")), 255)
    await settled()
    assert.is(log.state.condition, "failing", step)
    clock.advance(1000)
    await settled()
    assert.is(log.state.condition, "writing", step)
    assert.is(await log.append(sampleEvent("256")), 256)
    const after = await openTestLog(storage.powerCut("lost"))
    assert.equal(
      (await allEntries(after)).map((e) => e.object),
      Array.from({ length: 257 }, (_, i) => `${i}`),
    )
    assert.equal(after.state.damage, [])
  }
})

test("[CR 7.1] events over the bound are refused, counted and told", async () => {
  const storage = new MemoryStorage()
  const log = await openTestLog(storage, { maxQueued: 10 })
  const appends = Array.from({ length: 25 }, (_, i) => log.append(sampleEvent(`${i}`)))
  const results = await Promise.allSettled(appends)
  assert.is(results.filter((r) => r.status === "fulfilled").length, 10)
  await rejects(() => appends[24], "ERR_AUDIT_OVERLOAD")
  await log.append(sampleEvent("after"))
  const entries = await allEntries(log)
  const told = entries.filter((e) => e.event === "audit.lost")
  assert.equal(
    told.map((e) => [e.reason, e.count]),
    [["overload", 15]],
  )
  assert.is(log.state.lost, 15)
})

async function damagedLog(damage: (storage: MemoryStorage) => Promise<void>): Promise<MemoryStorage> {
  const storage = new MemoryStorage()
  const log = await openTestLog(storage)
  await Promise.all(Array.from({ length: 520 }, (_, i) => log.append(sampleEvent(`${i}`))))
  await log.close()
  await damage(storage)
  return storage
}

test("[CR 3.9] a full bundle that was changed is told, read around, and the log goes on", async () => {
  const storage = await damagedLog(async (s) => {
    const bytes = (await s.read("audit/tile/entries/001")) ?? new Uint8Array()
    bytes[bytes.length >> 1] = 0
    await s.write("audit/tile/entries/001", bytes)
  })
  const log = await openTestLog(storage)
  assert.equal(
    log.state.damage.map((d) => [d.kind, d.code, d.detail["bundle"]]),
    [["integrity", "ERR_AUDIT_DAMAGED", 1]],
  )
  assert.is(await log.append(sampleEvent("next")), 521)
  const good = await log.read(256, 300)
  assert.ok(good.length > 100 && good.length < 150)
  await rejects(() => log.read(256 + good.length, 10), "ERR_AUDIT_DAMAGED")
  const rest = (await log.read(512, 20)).map(({ line }) => parseEntry(line))
  assert.is(rest.length, 10)
  assert.equal([rest[8]?.event, rest[8]?.object], ["audit.damaged", "audit/tile/entries/001"])
})

test("[CR 3.9] a bundle that is missing is told, between others and before the tail", async () => {
  for (const missing of [0, 1]) {
    const storage = await damagedLog((s) => s.remove(`audit/tile/entries/00${missing}`))
    const log = await openTestLog(storage)
    assert.equal(
      log.state.damage.map((d) => [d.code, d.detail["bundle"]]),
      [["ERR_AUDIT_MISSING", missing]],
    )
    assert.is(await log.append(sampleEvent("next")), 521)
    await rejects(() => log.read(missing * 256, 10), "ERR_AUDIT_MISSING")
    assert.is((await log.read(512, 8)).length, 8)
  }
})

test("[CR 3.9] a tail that contradicts a bundle is put aside and told", async () => {
  const storage = await damagedLog(async (s) => {
    const other = new MemoryStorage()
    const log = await openTestLog(other)
    await log.append(sampleEvent("forged"))
    await log.close()
    await s.write("audit/tail", (await other.read("audit/tail")) ?? new Uint8Array())
  })
  const log = await openTestLog(storage)
  assert.equal(
    log.state.damage.map((d) => [d.code, d.detail["bundle"]]),
    [["ERR_AUDIT_CONFLICT", 0]],
  )
  assert.equal(await storage.list("audit/aside"), ["tail-512"])
  assert.equal(
    (await log.read(512, 5)).map(({ line }) => parseEntry(line).event),
    ["audit.damaged", "audit.rolled-back", "audit.repaired"],
  )
})

test("[CR 3.5] whatever lies in the tail, the log opens, and what it held of good entries is there", async () => {
  const { bitFlips, randomBytes, seeded } = await import("../../support/hostile.ts")
  const storage = new MemoryStorage()
  const log = await openTestLog(storage)
  for (const name of ["a", "b"]) await log.append(sampleEvent(name))
  await log.close()
  const good = (await storage.read("audit/tail")) ?? new Uint8Array()
  const random = seeded(3)
  let at = 0
  const hostile = [...bitFlips(good)].filter(() => at++ % 7 === 0)
  for (let i = 0; i < 100; i++) hostile.push(randomBytes(1 + Math.floor(random() * 300), random))
  hostile.push(new Uint8Array(70_000), encodeBundle([new Uint8Array([0x7b, 0x7d])]))
  for (const tail of hostile) {
    const found = new MemoryStorage()
    await found.write("audit/tail", tail)
    const opened = await openTestLog(found)
    const size = opened.size
    assert.is(await opened.append(sampleEvent("next")), size)
    await opened.close()
    assert.is((await allEntries(await openTestLog(found))).length, size + 1 - (await allEntries(opened))[0]!.seq)
  }
})

test("a closed log has written what waited, and takes nothing more", async () => {
  const storage = new MemoryStorage()
  const log = await openTestLog(storage)
  const last = log.append(sampleEvent("last"))
  await log.close()
  assert.is(await last, 0)
  assert.is(log.state.condition, "closed")
  await rejects(() => log.append(sampleEvent("late")), "ERR_AUDIT_CLOSED")
  await log.close()
  await (await openTestLog(storage)).close()
})

test("a log that is closed while it fails does not come back to life", async () => {
  const storage = new MemoryStorage()
  const clock = new MemoryClock()
  const log = await openTestLog(storage, { clock })
  storage.fail({ step: "sync", errno: "EIO" })
  await rejects(() => log.append(sampleEvent("lost")), "ERR_AUDIT_FAILING")
  await log.close()
  clock.advance(100_000)
  await settled()
  assert.is(log.state.condition, "closed")
  assert.is(clock.waiting, 0)
})

test("growth is told after the entries are on disk", async () => {
  const log = await openTestLog(new MemoryStorage())
  const sizes: number[] = []
  const stop = log.onGrowth(() => sizes.push(log.size))
  await log.append(sampleEvent("a"))
  await Promise.all([log.append(sampleEvent("b")), log.append(sampleEvent("c"))])
  stop()
  await log.append(sampleEvent("d"))
  assert.equal(sizes, [1, 3])
})

test.run()
