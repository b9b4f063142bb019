/** One log witnessed: what is stored, signed and said, with power cut at every step. The broker is a map here; see the system test. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { handoverProofs } from "../../../firmware/audit/handover-proofs.ts"
import { nodeSha256, verifyNoteSignature } from "../../../firmware/audit/note-functions.ts"
import { openCosigner } from "../../../firmware/audit/witness-key.ts"
import { openWitnessLog, SIGN_AGAIN_MS, type WitnessLink } from "../../../firmware/audit/witness-log.ts"
import { openWitnessMemory } from "../../../firmware/audit/witness-memory.ts"
import { createFileKeyStore } from "../../../hal/linux/key-store.ts"
import type { FaultPlan } from "../../../hal/memory/fault-plan.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { encodeNoteKey, type NoteKey } from "../../../policy/audit/tlog/note.ts"
import { parsePiecePath, piecePath } from "../../../policy/audit/tlog/tile.ts"
import { readCosigned, type Cosigned } from "../../../policy/audit/witness/cosignature.ts"
import { readRefusal } from "../../../policy/audit/witness/refusal.ts"
import type { TimeInterval } from "../../../policy/time/interval.ts"
import { openTestLog, sampleEvent } from "../../support/audit.ts"
import { treeLog, type TreeLog } from "../../support/tree-log.ts"

const test = suite("firmware/audit/witness-log")
const FUNCTIONS = { sha256: nodeSha256, verify: verifyNoteSignature }
const NOW = 1_800_000_000_000
const SURE: TimeInterval = { earliestAt: NOW, latestAt: NOW + 5_000 }

/** What the witness is shown: the log as it stands when it is asked. */
type ShownLog = Pick<TreeLog, "checkpoint" | "piece" | "key">

interface World {
  readonly storage: MemoryStorage
  shown: ShownLog
  interval: TimeInterval
  nowMs: number
  handovers: readonly string[]
  readonly events: AuditEvent[]
  /** Everything published, in order. */
  readonly published: { readonly topic: string; readonly text: string }[]
  readonly link: WitnessLink
}

function world(shown: ShownLog, storage = new MemoryStorage()): World {
  const own: World = {
    ...{ storage, shown, interval: SURE, nowMs: 0, handovers: [], events: [], published: [] },
    link: {
      source: {
        checkpoint: async () => own.shown.checkpoint.note,
        async piece(path) {
          const wanted = parsePiecePath(path)
          // Of a tree that has grown: the partial tile out of the full one.
          const found = (await own.shown.piece(path)) ?? (await own.shown.piece(piecePath({ ...wanted, width: 256 })))
          return found?.subarray(0, wanted.level === "entries" ? undefined : wanted.width * 32) ?? null
        },
      },
      handovers: async () => own.handovers,
      publish: async (topic, payload) =>
        void own.published.push({ topic, text: Buffer.from(payload).toString("utf8") }),
      pause: async () => undefined,
    },
  }
  return own
}

async function witnessOf(own: World, key: NoteKey, begin = 1) {
  const keyStore = createFileKeyStore(own.storage)
  const cosigner = await openCosigner(keyStore, "gw-2")
  const witness = await openWitnessLog({
    ...{ log: { gateway: "gw", key, begin }, cosigner, memory: openWitnessMemory(keyStore, "gw") },
    ...{ interval: () => own.interval, monotonicMs: () => own.nowMs, report: (event) => void own.events.push(event) },
  })
  return { witness, key: cosigner.key }
}

async function cosignedIn(own: World, key: NoteKey): Promise<readonly Cosigned[]> {
  const texts = own.published.filter(({ topic }) => topic === "lockgate/gw/witness/gw-2").map(({ text }) => text)
  const found = await Promise.all(texts.map((text) => readCosigned(FUNCTIONS, "lockgate/gw/log", key, text)))
  return found.filter((one) => one !== null)
}

const ids = (own: World): string[] =>
  own.events.map(({ id, reason }) => (reason === undefined ? id : `${id} ${reason}`))

test("[CR 3.9] it cosigns what grows, says where it began, and signs a quiet log again as a sign of life", async () => {
  const log = treeLog("gw", 300)
  const own = world(log)
  const { witness, key } = await witnessOf(own, log.key)
  assert.is(await witness.look(own.link), "settled")
  log.grow(700)
  assert.is(await witness.look(own.link), "settled")
  assert.is(await witness.look(own.link), "settled")
  assert.equal((await cosignedIn(own, key)).map(({ checkpoint, at }) => [checkpoint.size, at]), [[300, NOW], [1000, NOW]])
  own.nowMs += SIGN_AGAIN_MS
  own.interval = { earliestAt: NOW + SIGN_AGAIN_MS, latestAt: NOW + SIGN_AGAIN_MS }
  await witness.look(own.link)
  assert.is((await cosignedIn(own, key)).at(-1)?.at, NOW + SIGN_AGAIN_MS)
  assert.equal(ids(own), ["witness.begun"])
  const again = await witnessOf(own, log.key)
  assert.is(again.witness.size, 1000)
}) // prettier-ignore

test("[CR 3.9] away for a day, it catches up with one proof", async () => {
  const log = treeLog("gw", 300)
  const own = world(log)
  await (await witnessOf(own, log.key)).witness.look(own.link)
  log.grow(2_500)
  const before = log.reads.pieces
  const { witness, key } = await witnessOf(own, log.key)
  await witness.look(own.link)
  assert.is((await cosignedIn(own, key)).at(-1)?.checkpoint.size, 2_800)
  assert.ok(log.reads.pieces - before < 60, `${log.reads.pieces - before} pieces`)
})

test("[CR 3.9] a log put back is refused, as is one that goes on in another way; both notes are enclosed", async () => {
  const log = treeLog("gw", 300)
  const old = { checkpoint: log.checkpoint, key: log.key, piece: (path: string) => log.piece(path) }
  const own = world(log)
  const { witness, key } = await witnessOf(own, log.key)
  log.grow(100)
  await witness.look(own.link)
  own.shown = old
  assert.is(await witness.look(own.link), "waits")
  assert.is(await witness.look(own.link), "waits", "told once")
  const [refused] = own.published.filter(({ topic }) => topic.endsWith("/refused"))
  const said = await readRefusal(FUNCTIONS, "lockgate/gw/log", key, refused!.text)
  assert.equal([said?.reason, said?.known?.size, said?.shown?.size], ["rewind", 400, 300])
  assert.equal(said?.evidence, { known: log.checkpoint.note, shown: old.checkpoint.note })
  assert.equal(ids(own), ["witness.begun", "witness.refused rewind"])
  own.shown = log
  own.nowMs += 60_000
  assert.is(await witness.look(own.link), "settled")
  assert.is((await cosignedIn(own, key)).length, 1, "it was signed already")
  log.grow(1)
  await witness.look(own.link)
  assert.equal(own.published.at(-1), { topic: "lockgate/gw/witness/gw-2/refused", text: "" }, "taken back")
  assert.is(ids(own).at(-1), "witness.resumed")
})

test("[CR 3.9] a fork under the same key is refused at any size", async () => {
  for (const more of [0, 1, 400]) {
    const { mine, theirs } = await twoLogs(40 + more)
    const own = world(mine)
    const { witness, key } = await witnessOf(own, mine.key)
    await witness.look(own.link)
    own.shown = theirs
    assert.is(await witness.look(own.link), "waits")
    assert.equal(ids(own).at(-1), "witness.refused fork", `${more}`)
    assert.is((await cosignedIn(own, key)).length, 1)
  }
})

test("[CR 2.11] while it does not know the time it signs nothing and says so once; it refuses all the same", async () => {
  const log = treeLog("gw", 10)
  const own = world(log)
  own.interval = { earliestAt: NOW, latestAt: Infinity }
  const { witness, key } = await witnessOf(own, log.key)
  assert.is(await witness.look(own.link), "waits")
  assert.is(await witness.look(own.link), "waits")
  assert.equal([own.published.length, ids(own)], [0, ["witness.begun", "witness.clock-uncertain"]])
  own.interval = { earliestAt: NOW, latestAt: NOW + 2 * 3_600_000 }
  assert.is(await witness.look(own.link), "waits", "off by two hours is not known")
  own.interval = SURE
  assert.is(await witness.look(own.link), "settled")
  assert.is((await cosignedIn(own, key)).length, 1)
})

test("a missing or a foreign tile holds it up and accuses nobody; a key that nobody handed over to is not followed", async () => {
  const log = treeLog("gw", 300)
  const own = world(log)
  const { witness } = await witnessOf(own, log.key)
  await witness.look(own.link)
  log.grow(700)
  log.lostPieces.add("tile/0/001")
  assert.is(await witness.look(own.link), "waits")
  own.nowMs += 60_000
  const other = treeLog("gw", 1000)
  own.shown = { checkpoint: log.checkpoint, key: log.key, piece: (path) => other.piece(path) }
  assert.is(await witness.look(own.link), "waits")
  own.nowMs += 300_000
  own.shown = other
  assert.is(await witness.look(own.link), "waits")
  assert.equal(ids(own).slice(1), ["witness.held-up proof-missing", "witness.held-up proof-invalid", "witness.held-up unknown-key"]) // prettier-ignore
})

test("[CR 3.9] refusals are few, whatever alternates at the broker", async () => {
  const log = treeLog("gw", 300)
  const old = { checkpoint: log.checkpoint, key: log.key, piece: (path: string) => log.piece(path) }
  const own = world(log)
  const { witness } = await witnessOf(own, log.key)
  log.grow(100)
  await witness.look(own.link)
  // An hour, ten seconds a look.
  for (let k = 0; k < 360; k++) {
    own.nowMs += 10_000
    own.shown = k % 2 === 0 ? old : log
    await witness.look(own.link)
  }
  const count = ids(own).filter((id) => id.startsWith("witness.refused")).length
  assert.ok(count > 0 && count < 10, `${count}`)
})

test("[CR 3.9] an honest change of the log's key is followed by its proof; the old key is believed no more", async () => {
  const storage = new MemoryStorage()
  const log = await openTestLog(storage)
  for (let k = 0; k < 5; k++) await log.append(sampleEvent(`a ${k}`))
  const first = log.key
  const own = world(log)
  const { witness, key } = await witnessOf(own, first)
  await witness.look(own.link)
  await log.rotateKey()
  for (let k = 0; k < 300; k++) void log.append(sampleEvent(`b ${k}`))
  await log.append(sampleEvent("c"))
  await log.rotateKey()
  await log.append(sampleEvent("d"))
  assert.is(await witness.look(own.link), "waits")
  assert.is(ids(own).at(-1), "witness.held-up unknown-key", "without the proof it does not follow")
  own.handovers = (await handoverProofs(log, storage, "gw")).map(({ payload }) => Buffer.from(payload).toString())
  assert.is(own.handovers.length, 2)
  own.nowMs += 60_000
  assert.is(await witness.look(own.link), "settled")
  assert.is((await cosignedIn(own, key)).at(-1)?.checkpoint.size, log.size)
  assert.ok(ids(own).includes("witness.key-followed"))
  const again = await witnessOf(own, first)
  assert.is(again.witness.size, log.size, "the board file still names the first key")
  const byNew = await witnessOf(own, log.key)
  assert.is(byNew.witness.size, log.size, "and may name the last")
  await log.close()
})

test("[CR 3.9] a person who raises `begin` lets it begin anew; nothing else does", async () => {
  const log = treeLog("gw", 300)
  const own = world(log)
  await (await witnessOf(own, log.key)).witness.look(own.link)
  assert.is((await witnessOf(own, log.key, 1)).witness.size, 300)
  assert.is((await witnessOf(own, log.key, 2)).witness.size, null)
  assert.is((await witnessOf(own, treeLog("gw", 1).key)).witness.size, null, "another log altogether")
})

test("[CR 3.9] power cut at every step of a witness: no two trees are ever signed, and none smaller than before", async () => {
  const { mine, theirs } = await twoLogs(60)
  const prepared = new MemoryStorage()
  await witnessOf(world(mine, prepared), mine.key)
  const steps = async (own: World): Promise<NoteKey | null> => {
    let by: NoteKey | null = null
    try {
      const { witness, key } = await witnessOf(own, mine.key)
      by = key
      for (const shown of own === null ? [] : [mine, theirs, mine]) {
        own.shown = shown
        own.nowMs += 3_600_000
        await witness.look(own.link)
      }
    } catch {
      // Power is gone.
    }
    return by
  }
  const whole = prepared.powerCut("kept")
  await steps(world(mine, whole))
  let runs = 0
  for (let cutAt = 1; cutAt <= whole.steps; cutAt++) {
    for (const landed of ["none", "all", "zeros", { prefix: 1 }] as const) {
      for (const unsynced of ["kept", "lost", { subset: 1 }] as const) {
        const storage = prepared.powerCut("kept")
        storage.plan = { cutAt, landed, unsynced } satisfies FaultPlan
        const first = world(mine, storage)
        const key = await steps(first)
        const second = world(theirs, storage.powerCut(unsynced))
        // The other tree comes first after the cut: signed only if nothing of this one was.
        second.shown = theirs
        const again = await witnessOf(second, mine.key)
        await again.witness.look(second.link)
        second.shown = mine
        second.nowMs += 3_600_000
        await again.witness.look(second.link)
        const all = [...(key === null ? [] : await cosignedIn(first, key)), ...(await cosignedIn(second, again.key))]
        const roots = new Set(all.map(({ checkpoint }) => Buffer.from(checkpoint.root).toString("hex")))
        assert.ok(roots.size === 1, `${roots.size} trees signed, cut at ${cutAt} ${JSON.stringify(landed)}`)
        runs++
      }
    }
  }
  assert.ok(runs >= 24, `${runs}`)
})

test("keys: made once, and read without a gateway", async () => {
  const storage = new MemoryStorage()
  const first = await openCosigner(createFileKeyStore(storage), "gw-2")
  const second = await openCosigner(createFileKeyStore(storage), "gw-2")
  assert.equal([first.isNew, second.isNew], [true, false])
  assert.is(encodeNoteKey(nodeSha256, first.key), encodeNoteKey(nodeSha256, second.key))
})

/** Two logs of one key: what a gateway writes whose disk was copied. */
async function twoLogs(size: number) {
  const storage = new MemoryStorage()
  const log = await openTestLog(storage)
  for (let k = 0; k < 20; k++) await log.append(sampleEvent(`both ${k}`))
  await log.close()
  const copy = storage.powerCut("kept")
  const grown = async (from: MemoryStorage, name: string, count: number) => {
    const own = await openTestLog(from)
    const waiting = []
    for (let k = own.size; k < count; k++) waiting.push(own.append(sampleEvent(`${name} ${k}`)))
    await Promise.all(waiting)
    const shown: ShownLog = { checkpoint: own.checkpoint, key: own.key, piece: (path) => own.piece(path) }
    return shown
  }
  return { mine: await grown(storage.powerCut("kept"), "mine", 40), theirs: await grown(copy, "theirs", size) }
}

test.run()
