import { suite } from "uvu"
import * as assert from "uvu/assert"
import { LockgateError } from "../../../policy/base/errors.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import type { Buffering } from "../../../policy/language/policy.ts"
import type { Landed, Unsynced } from "../../../hal/memory/fault-plan.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { createFrameSeal, FRAME_OVERHEAD, splitFrames } from "../../../firmware/spool/frame.ts"
import { decodeRecord, encodeRecord, type SpoolRecord } from "../../../firmware/spool/record.ts"
import { openSpool, type Spool } from "../../../firmware/spool/store.ts"
import { tellStorm } from "../../storm/figures.ts"

const test = suite("firmware/spool")

const SECRET = new Uint8Array(32).fill(7)
const ROOMY: Buffering = { maxBytes: 1024 * 1024, whenFull: "refuse" }
const MARK = "a-payload-that-nobody-else-may-read"

function record(text: string): SpoolRecord {
  return {
    version: 5,
    clientId: "pump-7",
    names: { sanUri: ["urn:device:pump-7"], sanDns: [], commonName: null, address: null },
    storedAt: 1_700_000_000_000,
    packet: Buffer.from(text),
  }
}

async function open(storage = new MemoryStorage(), secret = SECRET) {
  const events: AuditEvent[] = []
  const spool = await openSpool({ storage, secret, note: (event) => events.push(event) })
  return { storage, spool, events }
}

async function contents(spool: Spool, subject = "pump-7"): Promise<string[]> {
  const { messages } = await spool.batch("up", subject, 1000, 1 << 20)
  return messages.map(({ record: found }) => (found === null ? "?" : Buffer.from(found.packet).toString()))
}

const put = (spool: Spool, text: string, buffer = ROOMY, subject = "pump-7") =>
  spool.put("up", subject, record(text), buffer)

test("keeps messages in order, over a restart, until they are settled", async () => {
  const first = await open()
  for (const text of ["a", "b", "c"]) assert.is(await put(first.spool, text), "stored")
  assert.equal(await contents(first.spool), ["a", "b", "c"])
  const { messages } = await first.spool.batch("up", "pump-7", 2, 1 << 20)
  assert.equal(messages.map(({ seq }) => seq), [1, 2]) // prettier-ignore
  assert.equal(messages[0]?.record, { ...record("a"), packet: new Uint8Array(Buffer.from("a")) })
  await first.spool.settle("up", "pump-7", { through: 2, release: [9] })
  await first.spool.close()
  const { spool } = await open(first.storage)
  assert.equal(await contents(spool), ["c"])
  assert.equal((await spool.batch("up", "pump-7", 9, 999)).done, { through: 2, release: [9] })
  await put(spool, "d")
  assert.equal(await contents(spool), ["c", "d"])
  await spool.settle("up", "pump-7", { through: 4, release: [] })
  assert.equal(spool.backlog(), [])
  await put(spool, "e")
  assert.is((await spool.batch("up", "pump-7", 9, 999)).messages[0]?.seq, 5, "numbers go on")
})

test("[CR 4.1] nothing of a message stands in the raw state folder", async () => {
  const { storage, spool } = await open()
  await put(spool, MARK)
  await spool.settle("up", "pump-7", { through: 0, release: [3] })
  let seen = 0
  for (const name of await storage.list("spool/c-up/s-pump-7")) {
    const bytes = Buffer.from((await storage.read(`spool/c-up/s-pump-7/${name}`)) ?? [])
    seen += bytes.length
    for (const secret of [MARK, MARK.slice(0, 12), "urn:device"]) assert.not.ok(bytes.includes(secret), name)
  }
  assert.ok(seen > MARK.length)
})

test("a subject's queue is nobody else's, and `..` is a subject like any other", async () => {
  const { storage, spool } = await open()
  for (const subject of ["..", ".", "a.b", "pump-7"]) await put(spool, subject, ROOMY, subject)
  await spool.close()
  const again = (await open(storage)).spool
  for (const subject of ["..", ".", "a.b", "pump-7"]) assert.equal(await contents(again, subject), [subject])
})

test("refuses what does not fit, or lets the oldest make room and says how many", async () => {
  const small = encodeRecord(record("x".repeat(100))).length + FRAME_OVERHEAD
  const { spool, events } = await open()
  const refuse: Buffering = { maxBytes: small * 3, whenFull: "refuse" }
  const texts = ["1", "2", "3", "4"].map((digit) => digit.repeat(100))
  const outcomes = []
  for (const text of texts) outcomes.push(await put(spool, text, refuse))
  assert.equal(outcomes, ["stored", "stored", "stored", "full"])
  assert.is(await put(spool, texts[3]!, { ...refuse, whenFull: "drop-oldest" }), "stored")
  assert.equal(await contents(spool), texts.slice(1))
  assert.equal(events.map(({ id, detail }) => [id, detail?.["count"]]), [["spool.dropped", 1]]) // prettier-ignore
  assert.is(await put(spool, "y".repeat(small * 3), { ...refuse, whenFull: "drop-oldest" }), "full")
  assert.is((await contents(spool)).length, 3, "and nothing was dropped for what can never fit")
})

test("many at once share a write, and stay in order", async () => {
  const { storage, spool } = await open()
  await put(spool, "0")
  const before = storage.syncs
  await Promise.all(Array.from({ length: 50 }, (_, k) => put(spool, String(k + 1))))
  assert.ok(storage.syncs - before <= 3, `${storage.syncs - before} syncs`)
  assert.equal(
    await contents(spool),
    Array.from({ length: 51 }, (_, k) => String(k)),
  )
})

test("thousands over many files: read back in pieces, settled, and files that are done with are gone", async () => {
  const { storage, spool } = await open()
  const text = (k: number): string => `${k} ${"z".repeat(900)}`
  const big: Buffering = { maxBytes: 1 << 30, whenFull: "refuse" }
  for (let k = 0; k < 1000; k += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, i) => put(spool, text(k + i), big)))
  }
  assert.ok((await storage.list("spool/c-up/s-pump-7")).length > 3)
  for (let done = 0; done < 1000;) {
    const { messages } = await spool.batch("up", "pump-7", 64, 32 * 1024)
    assert.ok(messages.length > 0 && messages.length <= 64)
    for (const { seq, record: found } of messages) assert.is(Buffer.from(found!.packet).toString(), text(seq - 1))
    done = messages.at(-1)!.seq
    await spool.settle("up", "pump-7", { through: done, release: [] })
  }
  assert.equal(await storage.list("spool/c-up/s-pump-7"), ["done.json"])
})

test("[CR 3.4] frames: every truncation is torn, every flipped bit is found, no frame stands for another", () => {
  const seal = createFrameSeal(SECRET, "up pump-7")
  const frame = seal.seal(5, Buffer.from("hello"))
  assert.is(Buffer.from(seal.open(5, frame)).toString(), "hello")
  for (let cut = 0; cut < frame.length; cut++) assert.equal(splitFrames(frame.subarray(0, cut)), [])
  for (let bit = 0; bit < frame.length * 8; bit++) {
    const flipped = Uint8Array.from(frame)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    const [only] = splitFrames(flipped)
    // What is longer than its frame says is cut to it; the tag then stands elsewhere.
    if (only !== undefined) assert.throws(() => seal.open(5, only), /damaged/, `bit ${bit}`)
  }
  const others = [seal, createFrameSeal(SECRET, "up pump-8"), createFrameSeal(new Uint8Array(32), "up pump-7")]
  others.forEach((other, k) => assert.throws(() => other.open(k === 0 ? 6 : 5, frame), /damaged/))
})

test("records: every truncation and every flipped bit gives a record or a clear error", () => {
  const bytes = encodeRecord(record("hello"))
  assert.equal(decodeRecord(bytes), { ...record("hello"), packet: new Uint8Array(Buffer.from("hello")) })
  const isClear = (error: unknown): boolean => error instanceof LockgateError && error.code === "ERR_SPOOL_RECORD"
  const tryOne = (some: Uint8Array): void => {
    try {
      decodeRecord(some)
    } catch (error) {
      assert.ok(isClear(error), String(error))
    }
  }
  for (let cut = 0; cut < bytes.length - 5; cut++) assert.throws(() => decodeRecord(bytes.subarray(0, cut)), isClear)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Uint8Array.from(bytes)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    tryOne(flipped)
  }
})

test("a message damaged on disk costs itself and no other", async () => {
  const { storage, spool } = await open()
  for (const text of ["a", "b", "c"]) await put(spool, text)
  await spool.close()
  const file = "spool/c-up/s-pump-7/000000000001.seg"
  const bytes = Uint8Array.from((await storage.read(file))!)
  bytes[Math.floor(bytes.length / 2)]! ^= 1
  await storage.write(file, bytes)
  assert.equal(await contents((await open(storage)).spool), ["a", "?", "c"])
})

test("under another key nothing is read and nothing is destroyed", async () => {
  const { storage, spool } = await open()
  await put(spool, "a")
  await spool.close()
  const other = await open(storage, new Uint8Array(32))
  assert.equal(await contents(other.spool), ["?"])
  await other.spool.close()
  assert.equal(await contents((await open(storage)).spool), ["a"])
})

test("a state file that is damaged is reported and left alone", async () => {
  const { storage, spool } = await open()
  await put(spool, "a")
  await spool.settle("up", "pump-7", { through: 0, release: [] })
  await spool.close()
  for (const text of ["{", "[]", '{"through":-1,"release":[]}', '{"through":1,"release":[70000]}']) {
    await storage.write("spool/c-up/s-pump-7/done.json", Buffer.from(text))
    const { spool: again, events } = await open(storage)
    assert.equal(events.map(({ id }) => id), ["spool.damaged"], text) // prettier-ignore
    assert.equal(again.backlog(), [])
    await again.close()
  }
})

const LANDED: readonly Landed[] = ["none", "all", "zeros", { prefix: 40 }]
const UNSYNCED: readonly Unsynced[] = ["lost", "kept", { subset: 1 }, { subset: 2 }]

/** Put, settle, put more; tells what was acknowledged and how far settling had been asked for. */
async function life(storage: MemoryStorage, told: { stored: string[]; asked: number }): Promise<void> {
  const { spool } = await open(storage)
  const store = async (...texts: string[]): Promise<void> => {
    await Promise.all(texts.map((text) => put(spool, text)))
    told.stored.push(...texts)
  }
  const settle = async (through: number): Promise<void> => {
    told.asked = through
    await spool.settle("up", "pump-7", { through, release: [through] })
  }
  await store("1", "2", "3")
  await settle(2)
  await store("4", "5")
  await settle(5)
  await store("6")
  await spool.close()
}

test("[CR 3.4] power cut (model) at every step: what was acknowledged and not settled is there, once, in order", async () => {
  const whole = new MemoryStorage()
  await life(whole, { stored: [], asked: 0 })
  const total = whole.steps
  let cuts = 0
  for (let cutAt = 1; cutAt <= total; cutAt++) {
    for (const landed of LANDED) {
      for (const unsynced of UNSYNCED) {
        const where = JSON.stringify({ cutAt, landed, unsynced })
        const storage = new MemoryStorage()
        storage.plan = { cutAt, landed, unsynced }
        const told = { stored: [] as string[], asked: 0 }
        await life(storage, told).catch((error: unknown) => {
          assert.ok(error instanceof LockgateError && error.kind !== "invariant", `${where}: ${String(error)}`)
        })
        const { spool, events } = await open(storage.powerCut(unsynced))
        assert.not.ok(events.some(({ id }) => id === "spool.damaged"), where) // prettier-ignore
        const { done, messages } = await spool.batch("up", "pump-7", 100, 1 << 20)
        const texts = messages.map(({ record: found }) => (found === null ? "?" : Buffer.from(found.packet).toString()))
        assert.ok(done.through <= told.asked, where)
        const must = told.stored.filter((text) => Number(text) > done.through)
        assert.equal(texts.slice(0, must.length), must, where)
        assert.equal(texts, texts.map((_, k) => String(Number(texts[0]) + k)), where) // prettier-ignore
        await put(spool, "next")
        assert.is((await contents(spool)).at(-1), "next", where)
        cuts++
      }
    }
  }
  tellStorm("power cut (model)", "messages buffered for a lost broker", { steps: total, cuts })
  assert.ok(total > 15 && cuts === total * 16, `${total} steps, ${cuts} cuts`)
})

test("[CR 3.4] a failing disk: nothing is acknowledged that is not kept, and it goes on once the disk heals", async () => {
  for (const step of ["create", "write", "sync", "sync-folder"] as const) {
    for (const before of [0, 1, 2]) {
      const { storage, spool } = await open()
      const kept: string[] = []
      for (let k = 0; k < before; k++) {
        await put(spool, `k${k}`)
        kept.push(`k${k}`)
      }
      storage.fail({ step, errno: "ENOSPC", path: "spool", times: 1 })
      await put(spool, "during").then(
        () => kept.push("during"),
        (error: unknown) => assert.ok(error instanceof LockgateError && error.kind === "hardware", String(error)),
      )
      storage.heal()
      assert.is(await put(spool, "after"), "stored", `${step} after ${before}`)
      const found = await contents(spool)
      assert.equal(found.filter((text) => text !== "during" || kept.includes("during")), [...kept, "after"]) // prettier-ignore
      await spool.close()
      assert.equal(await contents((await open(storage)).spool), found)
    }
  }
})

test.run()
