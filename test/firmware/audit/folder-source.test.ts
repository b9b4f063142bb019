/** The log in a folder, for whoever verifies it there while its gateway goes on writing. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { verifyLog, type LogVerdict } from "../../../policy/audit/tlog/verify-log.ts"
import { createFolderSource, type FolderSource } from "../../../firmware/audit/folder-source.ts"
import type { AuditLog } from "../../../firmware/audit/log.ts"
import { nodeSha256, verifyNoteSignature } from "../../../firmware/audit/note-functions.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { openTestLog, sampleEvent, settled } from "../../support/audit.ts"

const test = suite("firmware/audit/folder-source")

const grown = (log: AuditLog, entries: number): Promise<unknown> =>
  Promise.all(Array.from({ length: entries }, (_, i) => log.append(sampleEvent(`${i}`))))

/** A log of 700 entries with its partial pieces and its checkpoint on disk. */
async function logOf700(): Promise<{ log: AuditLog; storage: MemoryStorage; flush: () => Promise<void> }> {
  const storage = new MemoryStorage()
  const clock = new MemoryClock()
  const log = await openTestLog(storage, { clock })
  const flush = async (): Promise<void> => {
    clock.advance(1000)
    await settled()
  }
  await grown(log, 700)
  await flush()
  return { log, storage, flush }
}

const verified = (log: AuditLog, source: FolderSource): Promise<LogVerdict> =>
  verifyLog({ sha256: nodeSha256, verify: verifyNoteSignature, keys: [log.key] }, source)

const PARTIALS = ["tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/002.p/188"]

test("[CR 3.9] partial pieces that a full disk had no room for are made again of what they cover", async () => {
  const { log, storage } = await logOf700()
  for (const path of PARTIALS) {
    assert.ok((await storage.read(`audit/${path}`)) !== null, path)
    const before = await createFolderSource(storage).piece(path)
    await storage.removeCached(`audit/${path}`)
    assert.equal(await createFolderSource(storage).piece(path), before, path)
  }
  const { faults, entries } = await verified(log, createFolderSource(storage))
  assert.equal([faults, entries], [[], 700])
})

test("[CR 3.9] a tile that was made again proves nothing that was not signed", async () => {
  const { log, storage } = await logOf700()
  await storage.removeCached(`audit/${PARTIALS[0]}`)
  const tail = (await storage.read("audit/tail")) ?? new Uint8Array()
  const text = new TextDecoder().decode(tail)
  const altered = text.replace("success", "failure")
  assert.is.not(altered, text)
  for (const path of [PARTIALS[2] ?? "", "tail"]) await storage.removeCached(`audit/${path}`)
  await storage.write("audit/tail", new TextEncoder().encode(altered))
  const { faults } = await verified(log, createFolderSource(storage))
  assert.ok(faults.length > 0)
})

test("[CR 3.9] a log that goes on between any two looks of whoever verifies it is verified as it stood", async () => {
  const { log, storage, flush } = await logOf700()
  const source = createFolderSource({
    // After each name or file looked for, the log grows and two more generations of partial pieces come and go.
    async list(path) {
      const names = await storage.list(path)
      await more()
      return names
    },
    async read(path) {
      const bytes = await storage.read(path)
      await more()
      return bytes
    },
  })
  const more = async (): Promise<void> => {
    for (let k = 0; k < 2; k++) {
      await grown(log, 1)
      await flush()
    }
  }
  const { faults, entries } = await verified(log, source)
  assert.equal([faults, entries], [[], 700])
})

test("[CR 3.9] what is missing under a partial tile leaves it missing", async () => {
  const { storage } = await logOf700()
  await storage.removeCached(`audit/${PARTIALS[1]}`)
  await storage.remove("audit/tile/0/001")
  const source = createFolderSource(storage)
  assert.equal(await source.piece(PARTIALS[1] ?? ""), null)
  assert.equal(await source.piece("tile/0/001"), null)
})

test.run()
