/** What a gateway makes of what its witnesses and its collector say; the broker is a function call here. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import type { MqttMessage } from "../../../firmware/audit/mqtt-link.ts"
import { openWitnessed } from "../../../firmware/audit/witnessed.ts"
import { witnessLines } from "../../../firmware/cli/witness-text.ts"
import { createFileKeyStore } from "../../../hal/linux/key-store.ts"
import { MemoryClock } from "../../../hal/memory/clock.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { parseCheckpoint } from "../../../policy/audit/tlog/checkpoint.ts"
import { parseNote } from "../../../policy/audit/tlog/note.ts"
import { parsePiecePath, piecePath } from "../../../policy/audit/tlog/tile.ts"
import { testCosigner, type TestCosigner } from "../../support/cosigners.ts"
import { treeLog, type TreeLog } from "../../support/tree-log.ts"

const test = suite("firmware/audit/witnessed")
const AT = 1_900_000_000
const HOUR_MS = 3_600_000
const [WITNESS, COLLECTOR] = [testCosigner("gw-2"), testCosigner("desk")]

/** A piece as it was when the log was smaller, as the real one gives it. */
async function pieceThen(log: TreeLog, path: string): Promise<Uint8Array | null> {
  const wanted = parsePiecePath(path)
  for (let width = wanted.width; width <= 256; width++) {
    const found = await log.piece(piecePath({ ...wanted, width }))
    if (found !== null) return found.subarray(0, wanted.width * 32)
  }
  return null
}

async function world(log: TreeLog, storage = new MemoryStorage()) {
  const clock = new MemoryClock(AT * 1000)
  const events: AuditEvent[] = []
  const told = { cosigned: [] as number[], collected: [] as number[], putBack: 0 }
  const witnessed = await openWitnessed({
    ...{ gateway: "gw", clock, keyStore: createFileKeyStore(storage), report: (event) => void events.push(event) },
    log: { key: log.key, piece: (path) => pieceThen(log, path), get size() { return log.checkpoint.size } }, // prettier-ignore
    ...{ witnesses: [WITNESS.key], collectors: [COLLECTOR.key], putBack: () => (told.putBack += 1) },
    ...{ cosigned: (at) => void told.cosigned.push(at), collected: async (size) => void told.collected.push(size) },
  })
  let hear: (message: MqttMessage) => Promise<void> = async () => undefined
  const over = new AbortController()
  await witnessed.listen(
    {
      ...{ subscribe: async () => undefined, unsubscribe: async () => undefined, publish: async () => undefined },
      onMessage: (listener) => void (hear = listener),
    },
    over.signal,
  )
  const say = (by: TestCosigner, text: string, place = ""): Promise<void> =>
    hear({ topic: `lockgate/gw/witness/${by.key.name}${place}`, payload: new TextEncoder().encode(text), retained: true }) // prettier-ignore
  const ids = (): string[] => events.map(({ id, reason }) => (reason === undefined ? id : `${id} ${reason}`))
  return { clock, witnessed, told, say, ids, storage, end: () => over.abort() }
}

test("[CR 3.9] a line on our own tree counts: a witness's is a bound of the time, a collector's lets entries go", async () => {
  const log = treeLog("gw", 300)
  const { told, say, ids, witnessed } = await world(log)
  const { note } = log.checkpoint
  log.grow(50)
  await say(WITNESS, WITNESS.cosign(note, AT))
  assert.equal([told.cosigned, told.collected], [[AT * 1000], []])
  await say(COLLECTOR, COLLECTOR.cosign(note, AT))
  assert.equal([told.cosigned.length, told.collected], [1, [300]])
  assert.equal([ids(), told.putBack], [[], 0])
  const [one, two] = witnessLines({ by: witnessed.status, of: [{ gateway: "gw-3", size: 7 }] }, AT * 1000)
  assert.match(one!, /witnessed by gw-2 at size 300, .*, 50 entries behind$/)
  assert.match(two!, /collected by desk at size 300/)
})

test("[CR 3.9] an hour without a word is told once, and so is the return; what stood there all the time is no return", async () => {
  const log = treeLog("gw", 300)
  const { clock, say, ids, witnessed } = await world(log)
  const line = WITNESS.cosign(log.checkpoint.note, AT)
  await say(WITNESS, line)
  await say(COLLECTOR, COLLECTOR.cosign(log.checkpoint.note, AT))
  clock.advance(HOUR_MS - 60_000)
  await say(COLLECTOR, COLLECTOR.cosign(log.checkpoint.note, AT + 3_000))
  clock.advance(90_000)
  assert.equal(ids(), ["witness.silent"])
  clock.advance(600_000)
  await say(WITNESS, line)
  assert.equal(ids(), ["witness.silent"], "the same line again")
  assert.match(witnessLines({ by: witnessed.status, of: [] }, AT * 1000)[0]!, /SILENT SINCE/)
  await say(WITNESS, WITNESS.cosign(log.checkpoint.note, AT + 4_500))
  assert.equal(ids(), ["witness.silent", "witness.returned"])
})

test("[CR 3.9] a larger size, or another root of ours, is an alarm and closes normal flows; after a start it still is", async () => {
  const ahead = treeLog("gw", 300)
  const then = treeLog("gw", 200)
  for (const [reason, note] of [["ahead", ahead.checkpoint.note], ["forked", treeLog("gw", 120).checkpoint.note]] as const) {
    const { told, say, ids, witnessed, storage } = await world(then)
    await say(WITNESS, WITNESS.cosign(note, AT))
    await say(WITNESS, WITNESS.cosign(note, AT + 1))
    assert.equal([ids(), told.putBack, witnessed.isPutBack], [[`witness.rolled-back ${reason}`], 1, true])
    assert.match(witnessLines({ by: witnessed.status, of: [] }, AT * 1000)[0]!, /PUT BACK OR COPIED/)
    await witnessed.stop()
    const again = await world(then, storage)
    assert.equal([again.ids(), again.told.putBack], [[`witness.rolled-back ${reason}`], 1])
    await again.witnessed.stop()
  }
}) // prettier-ignore

test("[CR 2.9] nothing may go for a collector's line on another tree", async () => {
  const { told, say } = await world(treeLog("gw", 200))
  await say(COLLECTOR, COLLECTOR.cosign(treeLog("gw", 120).checkpoint.note, AT))
  assert.equal(told.collected, [])
})

test("[CR 3.9] a refusal is an accusation or an objection, is shown, and is taken back; what is not by that key counts for nothing", async () => {
  const log = treeLog("gw", 20)
  const { say, ids, witnessed, told } = await world(log)
  const tree = parseCheckpoint(parseNote(log.checkpoint.note).text)
  const origin = "lockgate/gw/log"
  const evidence = { known: log.checkpoint.note, shown: log.checkpoint.note }
  await say(WITNESS, WITNESS.refuse({ origin, reason: "proof-missing", known: tree, shown: tree, evidence: null }, AT), "/refused") // prettier-ignore
  assert.is(witnessed.status[0]?.refused, "proof-missing")
  await say(WITNESS, WITNESS.refuse({ origin, reason: "rewind", known: tree, shown: tree, evidence }, AT), "/refused")
  assert.equal(ids(), ["witness.objected proof-missing", "witness.accused rewind"])
  await say(WITNESS, "", "/refused")
  assert.is(witnessed.status[0]?.refused, null)
  const stranger = testCosigner("gw-2")
  await say(WITNESS, stranger.cosign(log.checkpoint.note, AT))
  await say(WITNESS, "I saw it")
  assert.is(ids().filter((id) => id.startsWith("witness.invalid")).length > 0, true)
  assert.equal([witnessed.status[0]?.size, told.cosigned], [null, []])
})

test.run()
