/** The tree beside the log: what is shown while it runs, what lies on disk, and what a start makes of what was done to it meanwhile. */
import type { FaultPlan } from "../../../hal/memory/fault-plan.ts"
import { STORM, tellStorm } from "../../storm/figures.ts"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { parseEntry } from "../../../policy/audit/entry.ts"
import { parseCheckpoint } from "../../../policy/audit/tlog/checkpoint.ts"
import { parseNote, parseNoteKey, verifyNote } from "../../../policy/audit/tlog/note.ts"
import { verifyLog } from "../../../policy/audit/tlog/verify-log.ts"
import type { AuditLog } from "../../../firmware/audit/log.ts"
import { nodeSha256, verifyNoteSignature } from "../../../firmware/audit/note-functions.ts"
import { nodeKeyFunctions } from "../../../hal/linux/key-functions.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { MemoryKeyStore } from "../../../hal/memory/key-store.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { verifyFolder } from "../../support/independent-log-verifier.ts"
import { folderOfStorage, judgeFolder } from "../../support/log-folder.ts"
import { openTestLog, sampleEvent, settled } from "../../support/audit.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/audit/log-tree")

const newKeys = (): MemoryKeyStore => new MemoryKeyStore(nodeKeyFunctions)

async function grown(log: AuditLog, entries: number): Promise<void> {
  await Promise.all(Array.from({ length: entries }, (_, i) => log.append(sampleEvent(`${i}`))))
}

/** Events and reasons from entry `from` on. */
async function told(log: AuditLog, from: number): Promise<readonly string[]> {
  const found = await log.read(from, 100)
  return found.map(({ line }) => parseEntry(line)).map(({ event, reason }) => `${event} ${reason ?? ""}`.trim())
}

test("[CR 3.9] what is acknowledged is covered by a signed checkpoint, one for each batch", async () => {
  const log = await openTestLog(new MemoryStorage())
  assert.is(log.key.name, "lockgate/gw/log")
  assert.is(log.checkpoint.size, 0)
  const sizes: number[] = []
  const stop = log.onCheckpoint(({ size }) => sizes.push(size))
  await log.append(sampleEvent("a"))
  assert.is(log.checkpoint.size, 1)
  await grown(log, 300)
  assert.is(log.checkpoint.size, 301)
  assert.equal(sizes, [1, 256, 301])
  stop()
  await log.append(sampleEvent("b"))
  assert.is(sizes.length, 3)
  const note = parseNote(log.checkpoint.note)
  assert.equal((await verifyNote(nodeSha256, note, [log.key], verifyNoteSignature)).length, 1)
  const { origin, size, root } = parseCheckpoint(note.text)
  assert.equal([origin, size], ["lockgate/gw/log", 302])
  assert.equal([...root], [...log.checkpoint.root])
})

test("[CR 3.9] the running log gives every piece of its tree, verified without a look at the disk", async () => {
  const storage = new MemoryStorage()
  const log = await openTestLog(storage)
  await grown(log, 700)
  const source = { checkpoint: async () => log.checkpoint.note, piece: (path: string) => log.piece(path) }
  const verdict = await verifyLog({ sha256: nodeSha256, verify: verifyNoteSignature, keys: [log.key] }, source)
  assert.equal([verdict.faults, verdict.entries], [[], 700])
  assert.is((await log.piece("tile/0/002.p/9"))?.length, 9 * 32)
  assert.is((await log.piece("tile/0/001.p/9"))?.length, 9 * 32)
  assert.is(await log.piece("tile/0/002.p/189"), null)
  assert.is(await log.piece("tile/entries/002.p/189"), null)
  assert.is(await log.piece("tile/0/003"), null)
  await rejects(() => log.piece("tile/../0"), "ERR_TLOG_PATH")
})

test("[CR 3.9] a second after growth the folder is whole on disk for any reader, with no fsync for what can be made again", async () => {
  const storage = new MemoryStorage()
  const clock = new MemoryClock()
  const log = await openTestLog(storage, { clock, keyStore: newKeys() })
  await grown(log, 5)
  const before = storage.syncs
  clock.advance(1000)
  await settled()
  assert.is(storage.syncs, before)
  for (let more = 0; more < 3; more++) {
    await grown(log, 260)
    clock.advance(1000)
    await settled()
    const folder = await folderOfStorage(storage)
    assert.equal((await judgeFolder(folder, [log.key])).entries, log.size)
    assert.ok([...folder.keys()].filter((path) => path.includes(".p/")).length <= 6, "old partial pieces go")
  }
  await log.close()
  const folder = await folderOfStorage(storage)
  const partial = [...folder.keys()].filter((path) => path.includes(".p/"))
  assert.equal(partial.sort(), ["tile/0/003.p/17", "tile/1/000.p/3", "tile/entries/003.p/17"])
  const read = (path: string): Buffer | null => (folder.has(path) ? Buffer.from(folder.get(path) ?? []) : null)
  assert.is((await verifyFolder(read, log.key)).size, 785)
})

/** A log of `entries`, closed; then what `meanwhile` does to its folder; then opened again. */
async function reopened(
  entries: number,
  meanwhile: (storage: MemoryStorage) => Promise<void>,
): Promise<{ log: AuditLog; storage: MemoryStorage; keyStore: MemoryKeyStore }> {
  const [storage, keyStore] = [new MemoryStorage(), newKeys()]
  const log = await openTestLog(storage, { keyStore })
  await grown(log, entries)
  await log.close()
  await meanwhile(storage)
  return { log: await openTestLog(storage, { keyStore }), storage, keyStore }
}

/** After whatever happened the log goes on, and its folder is whole again. */
async function goesOn(log: AuditLog, storage: MemoryStorage): Promise<void> {
  await log.append(sampleEvent("goes on"))
  await log.close()
  assert.equal((await judgeFolder(await folderOfStorage(storage), [log.key])).faults, [])
}

test("an orderly end leaves nothing to repair", async () => {
  const { log, storage } = await reopened(600, async () => undefined)
  assert.is(log.size, 600)
  assert.not(log.state.rolledBack)
  await goesOn(log, storage)
})

test("[CR 3.9] tiles and checkpoint that are gone or torn are made again, and that is told", async () => {
  const cases: readonly (readonly [string, (storage: MemoryStorage) => Promise<void>, string])[] = [
    ["a tile gone", (s) => s.remove("audit/tile/0/000"), "audit.tree-repaired missing"],
    ["checkpoint gone", (s) => s.remove("audit/checkpoint"), "audit.tree-repaired missing"],
    ["checkpoint torn", (s) => s.write("audit/checkpoint", new Uint8Array(100)), "audit.tree-repaired torn"],
  ]
  for (const [name, meanwhile, event] of cases) {
    const { log, storage } = await reopened(600, meanwhile)
    assert.equal(await told(log, 600), [event], name)
    assert.not(log.state.rolledBack, name)
    await goesOn(log, storage)
  }
  const torn = await reopened(600, (s) => s.write("audit/tile/0/001", new Uint8Array(9)))
  assert.not(torn.log.state.rolledBack)
  await goesOn(torn.log, torn.storage)
  const altered = await reopened(600, (s) => s.write("audit/tile/0/001", new Uint8Array(8192)))
  assert.equal(await told(altered.log, 600), ["audit.tree-repaired altered"])
  assert.not(altered.log.state.rolledBack)
  await goesOn(altered.log, altered.storage)
})

test("partial pieces are never believed: gone, torn or left over, they are written anew without a word", async () => {
  const { log, storage } = await reopened(600, async (s) => {
    await s.remove("audit/tile/0/002.p/88")
    await s.write("audit/tile/1/000.p/2", new Uint8Array(3))
    await s.write("audit/tile/0/001.p/7", new Uint8Array(7))
  })
  assert.is(log.size, 600)
  await goesOn(log, storage)
  assert.is(await storage.read("audit/tile/0/001.p/7"), null)
})

test("a log from before there were trees is taken over at its first start", async () => {
  const { log, storage } = await reopened(600, async (s) => {
    for (const path of (await folderOfStorage(s)).keys())
      if (!/^tail$|^tile\/entries\/\d{3}$/.test(path)) await s.remove(`audit/${path}`)
  })
  assert.equal(await told(log, 600), ["audit.tree-repaired new", "audit.tree-repaired missing"])
  assert.not(log.state.rolledBack)
  await goesOn(log, storage)
})

test("[CR 3.9] a log that was cut short, altered, or put back as a whole is told, once, and goes on", async () => {
  const [storage, keyStore] = [new MemoryStorage(), newKeys()]
  const first = await openTestLog(storage, { keyStore })
  await grown(first, 300)
  await first.close()
  const old = await folderOfStorage(storage)
  const second = await openTestLog(storage, { keyStore })
  await grown(second, 300)
  await second.close()
  const putBack = async (files: ReadonlyMap<string, Uint8Array>): Promise<void> => {
    for (const path of (await folderOfStorage(storage)).keys()) await storage.remove(`audit/${path}`)
    for (const [path, bytes] of files) await storage.write(`audit/${path}`, bytes)
  }
  await putBack(old)
  const third = await openTestLog(storage, { keyStore })
  assert.ok(third.state.rolledBack)
  assert.equal(await told(third, 300), ["audit.rolled-back cut-short"])
  const [entry] = await third.read(300, 1)
  assert.equal(parseEntry(entry!.line).detail, { by: "anchor", size: 300, signed: 600 })
  await goesOn(third, storage)
  const fourth = await openTestLog(storage, { keyStore })
  assert.not(fourth.state.rolledBack)
  assert.is(fourth.size, 302)
  await fourth.close()
  await putBack(new Map())
  const emptied = await openTestLog(storage, { keyStore })
  assert.ok(emptied.state.rolledBack)
  assert.equal(await told(emptied, 0), ["audit.rolled-back cut-short"])
})

test("[CR 3.9] entries rewritten behind the checkpoint are told at the start", async () => {
  const forged = new MemoryStorage()
  const other = await openTestLog(forged)
  await Promise.all(Array.from({ length: 10 }, (_, i) => other.append(sampleEvent(`forged ${i}`))))
  await other.close()
  const { log, storage } = await reopened(10, async (s) => s.write("audit/tail", (await forged.read("audit/tail"))!))
  assert.ok(log.state.rolledBack)
  assert.equal(await told(log, 10), ["audit.rolled-back altered"])
  await goesOn(log, storage)
})

test("[CR 3.9] where the board counts, an anchor that was put back with the log is told", async () => {
  let count = 0
  const counter = { read: async () => count, advance: async () => ++count }
  const keyStore = new MemoryKeyStore(nodeKeyFunctions, { counter })
  const storage = new MemoryStorage()
  const first = await openTestLog(storage, { keyStore })
  await grown(first, 3)
  await first.close()
  const [old, anchor] = [storage.powerCut("kept"), await keyStore.recall("audit-log")]
  const second = await openTestLog(old, { keyStore })
  const image = old.powerCut("kept")
  await second.close().catch(() => undefined)
  const third = await openTestLog(image, { keyStore })
  assert.not(third.state.rolledBack)
  await grown(third, 3)
  await third.close()
  await keyStore.remember("audit-log", anchor!)
  const fourth = await openTestLog(image.powerCut("kept"), { keyStore })
  assert.ok(fourth.state.rolledBack)
  assert.equal(await told(fourth, 6), ["audit.rolled-back counter"])
})

test("[CR 3.9] a checkpoint of another key is told, and so is a key that is not the one before", async () => {
  const stranger = await openTestLog(new MemoryStorage())
  const { log } = await reopened(5, (s) =>
    s.write("audit/checkpoint", new TextEncoder().encode(stranger.checkpoint.note)),
  )
  assert.equal(await told(log, 5), ["audit.damaged ERR_AUDIT_CHECKPOINT"])
  const { storage } = await reopened(5, async () => undefined)
  const anew = await openTestLog(storage.powerCut("kept"), { keyStore: newKeys() })
  assert.equal(await told(anew, 5), ["audit.key-made made"])
})

test("[CR 2.8] entries go on while the key store does not sign, and that is told once", async () => {
  const keyStore = newKeys()
  const log = await openTestLog(new MemoryStorage(), { keyStore })
  const sign = keyStore.sign.bind(keyStore)
  const { HardwareError } = await import("../../../policy/base/errors.ts")
  keyStore.sign = () => Promise.reject(new HardwareError("ERR_IO", "no key store"))
  await log.append(sampleEvent("a"))
  await log.append(sampleEvent("b"))
  await settled()
  assert.equal([log.size, log.checkpoint.size], [3, 0])
  keyStore.sign = sign
  await log.append(sampleEvent("c"))
  assert.equal([log.size, log.checkpoint.size], [4, 4])
  assert.equal((await told(log, 0)).filter((text) => text === "audit.unsigned ERR_IO").length, 1)
})

test("[CR 3.9] where keys lie in hardware, the board's key signs a second line", async () => {
  for (const protection of ["tpm", "pkcs11"] as const) {
    const keyStore = new MemoryKeyStore(nodeKeyFunctions, { protection })
    const log = await openTestLog(new MemoryStorage(), { keyStore })
    for (let k = 0; k < 20; k++) await log.append(sampleEvent(`${k}`))
    const note = parseNote(log.checkpoint.note)
    assert.is(note.signatures.length, 2)
    const publicKey = (await keyStore.publicKey("audit-board"))!
    const board = { name: log.key.name, type: "ecdsa", publicKey } as const
    const good = await verifyNote(nodeSha256, note, [log.key, board], verifyNoteSignature)
    assert.equal(
      good.map(({ key }) => key.type),
      ["ed25519", "ecdsa"],
    )
  }
})

test("[CR 3.9] a log hands over to a new key: an entry names it, both sign for that, and whoever has the old one can follow", async () => {
  for (const protection of ["memory", "tpm"] as const) {
    const keyStore = new MemoryKeyStore(nodeKeyFunctions, { protection })
    const storage = new MemoryStorage()
    const log = await openTestLog(storage, { keyStore })
    await grown(log, 300)
    const old = log.key
    const handover = await log.rotateKey()
    assert.not.equal([...log.key.publicKey], [...old.publicKey])
    const note = parseNote(handover.note)
    const both = await verifyNote(nodeSha256, note, [old, log.key], verifyNoteSignature)
    assert.is(both.length, 2)
    assert.is(parseCheckpoint(note.text).size, 301)
    const [last] = await log.read(300, 1)
    const entry = parseEntry(last!.line)
    assert.is(entry.event, "audit.key-changed")
    const named = parseNoteKey(nodeSha256, String(entry.detail?.["key"]))
    assert.equal([...named.publicKey], [...log.key.publicKey])
    assert.is(log.checkpoint.size, 301)
    const byNew = await verifyNote(nodeSha256, parseNote(log.checkpoint.note), [log.key], verifyNoteSignature)
    assert.is(byNew.length, 1)
    assert.is(parseNote(log.checkpoint.note).signatures.length, protection === "tpm" ? 2 : 1)
    await log.append(sampleEvent("after"))
    await log.close()
    const next = await openTestLog(storage, { keyStore })
    assert.equal([...next.key.publicKey], [...log.key.publicKey])
    assert.equal([next.size, next.state.rolledBack], [302, false])
    const known = parseCheckpoint(note.text)
    assert.equal((await judgeFolder(await folderOfStorage(storage), [next.key], { known })).faults, [])
    const middle = next.key
    await next.rotateKey()
    assert.not.equal([...next.key.publicKey], [...old.publicKey])
    // Whoever has any of the three follows to the end, at once.
    for (const key of [old, middle, next.key]) {
      const verdict = await judgeFolder(await folderOfStorage(storage), [key])
      assert.equal(verdict.faults, [])
      assert.equal([...verdict.key!.publicKey], [...next.key.publicKey])
    }
    await next.close()
    assert.not((await openTestLog(storage, { keyStore })).state.rolledBack)
  }
})

test("[CR 3.9] a power cut at any step of a change of keys leaves a log that goes on, with one key or the other", async () => {
  const whole = new MemoryStorage()
  const first = await openTestLog(whole)
  await grown(first, 3)
  await first.close()
  const base = whole.powerCut("kept")
  const run = async (storage: MemoryStorage): Promise<void> => {
    const log = await openTestLog(storage)
    await log.rotateKey()
    await log.append(sampleEvent("after"))
    await log.close()
  }
  const counted = base.powerCut("kept")
  await run(counted)
  let changed = 0
  const plans: FaultPlan[] = []
  for (let cutAt = 1; cutAt <= counted.steps; cutAt++) {
    // Every step, and every way, but not each with each: that is for the storm.
    const every = (["none", "all", "zeros", { prefix: 9 }] as const).flatMap((landed) =>
      (["kept", "lost", { subset: 1 }, { subset: 2 }] as const).map((unsynced) => ({ cutAt, landed, unsynced })),
    )
    plans.push(...(STORM ? every : every.filter((_, k) => k % 16 === (cutAt * 5) % 16)))
  }
  for (const plan of plans) {
    const cutAt = JSON.stringify(plan)
    const storage = base.powerCut("kept")
    storage.plan = plan
    await run(storage).catch(() => undefined)
    const found = storage.powerCut()
    const log = await openTestLog(found)
    assert.not(log.state.rolledBack, cutAt)
    const verdict = await judgeFolder(await folderOfStorage(found), [first.key])
    assert.equal(verdict.faults, [], `${cutAt}: whoever has the first key cannot follow`)
    if (log.key.publicKey.join() !== first.key.publicKey.join()) changed++
    assert.equal(
      (await told(log, 0)).filter((text) => /damaged|key-made/.test(text)),
      [],
      cutAt,
    )
    await goesOn(log, found)
  }
  tellStorm("power cut (model)", "audit log: a change of its key", { cuts: plans.length, changed })
  assert.ok(changed > 3 && changed < plans.length, `${changed} of ${plans.length}`)
})

test.run()
