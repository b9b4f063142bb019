/** Changes of a log's key: the honest ones are followed, every other is refused and named. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeEntry } from "../../../policy/audit/entry.ts"
import type { AuditEvent } from "../../../policy/audit/event.ts"
import { encodeProofFile } from "../../../policy/audit/proof-file.ts"
import { parseCheckpoint } from "../../../policy/audit/tlog/checkpoint.ts"
import { encodeNoteKey, parseNote, type NoteKey } from "../../../policy/audit/tlog/note.ts"
import { nodesOfTiles, proveInclusion } from "../../../policy/audit/tlog/tree.ts"
import { piecePath, tileHashes } from "../../../policy/audit/tlog/tile.ts"
import { nodeSha256 } from "../../../firmware/audit/note-functions.ts"
import { sampleEvent } from "../../support/audit.ts"
import { judgeFolder, logFolder, testLogKey, type LogFolder, type TestLogKey } from "../../support/log-folder.ts"

const test = suite("policy/audit/key-chain")

const NAME = "lockgate/gw/log"
const KEYS = [0, 1, 2, 3].map(() => testLogKey(NAME)) as [TestLogKey, TestLogKey, TestLogKey, TestLogKey]
/** The entries that hand over. */
const AT = [99, 299]
const time = { earliestAt: 0, latestAt: Infinity }

function named(next: TestLogKey): AuditEvent {
  const key = encodeNoteKey(nodeSha256, next.key)
  return { id: "audit.key-changed", outcome: "success", source: "audit", detail: { key } }
}

function linesOf(events: ReadonlyMap<number, AuditEvent>, count = 400): Uint8Array[] {
  return Array.from({ length: count }, (_, seq) => {
    const event = events.get(seq) ?? sampleEvent(`${seq}`)
    return encodeEntry({ seq, event, boot: "b", gateway: "gw", wallAt: seq, monotonicMs: seq, time })
  })
}

const LINES = linesOf(new Map([[AT[0]!, named(KEYS[1])], [AT[1]!, named(KEYS[2])]])) // prettier-ignore

/** The proof file of entry `at` in a log that ends with it, signed by both. */
async function handover(lines: readonly Uint8Array[], at: number, by: readonly TestLogKey[]): Promise<Uint8Array> {
  const size = at + 1
  const files = logFolder(lines.slice(0, size), by[0]!)
  const node = nodesOfTiles(nodeSha256, size, async (tile) => tileHashes(files.get(piecePath(tile))!, tile.width))
  const note = new TextDecoder().decode(files.get("checkpoint"))
  const checkpoint = parseCheckpoint(parseNote(note).text)
  const [, ...others] = by
  const more = others.map((key) => key.sign(checkpoint).split("\n\n")[1]!).join("")
  const proof = { index: at, size, proof: await proveInclusion(nodeSha256, at, size, node), line: lines[at]! }
  const file = encodeProofFile(nodeSha256, { ...proof, checkpoint: note + more, key: by[0]!.key })
  return new TextEncoder().encode(file)
}

const [K0, K1, K2, STRANGER] = KEYS
const FIRST = await handover(LINES, AT[0]!, [K0, K1])
const SECOND = await handover(LINES, AT[1]!, [K1, K2])

async function verdict(
  trusted: readonly NoteKey[],
  signer: TestLogKey,
  more: Record<string, Uint8Array>,
  lines = LINES,
): Promise<string[]> {
  // prettier-ignore
  const files: LogFolder = new Map([...logFolder(lines, signer), ...Object.entries(more)])
  const { faults, key } = await judgeFolder(files, trusted)
  if (faults.length === 0) assert.equal(key, signer.key)
  return faults.map(({ code, where }) => `${code} ${where}`)
}

const both = { "handover-100": FIRST, "handover-300": SECOND }

test("[CR 3.9] with the first key, or any after it, a log whose keys changed verifies to its end", async () => {
  for (const { key } of [K0, K1, K2]) assert.equal(await verdict([key], K2, both), [])
  assert.equal(await verdict([K1.key], K2, { "handover-300": SECOND }), [])
  assert.equal(await verdict([testLogKey("lockgate/other/log").key, K0.key], K2, both), [])
  assert.equal(await verdict([K2.key, K0.key], K2, both), [])
})

test("[CR 3.9] a handover that dropped with its entry is followed all the same: it stands by itself", async () => {
  const files = new Map([...logFolder(LINES, K2), ...Object.entries(both)])
  files.delete("tile/entries/000")
  const { faults } = await judgeFolder(files, [K0.key], { from: 256, window: true })
  assert.equal(faults, [])
})

test("[CR 3.9] without the handover nobody follows, and a stranger's key is not the log's", async () => {
  assert.equal(await verdict([K0.key], K2, {}), ["ERR_LOG_OTHER_KEY checkpoint"])
  const gap = ["ERR_LOG_HANDOVER handover-300", "ERR_LOG_OTHER_KEY checkpoint"]
  assert.equal(await verdict([K0.key], K2, { "handover-300": SECOND }), gap)
  assert.equal(await verdict([K0.key], STRANGER, both), ["ERR_LOG_OTHER_KEY checkpoint"])
})

test("[CR 3.9] a forged handover is refused and named, whatever it lacks", async () => {
  const lines = linesOf(new Map([[99, named(STRANGER)]]))
  const text = new TextDecoder().decode(FIRST)
  const forged: [string, Uint8Array][] = [
    ["by a stranger alone", await handover(lines, 99, [STRANGER, STRANGER])],
    ["not by the key before", await handover(LINES, 99, [STRANGER, K1])],
    ["not by the key that it names", await handover(LINES, 99, [K0])],
    ["of another entry", await handover(LINES, 98, [K0, K1])],
    ["names another key than was signed", new TextEncoder().encode(text.replace(/"entry": .*,/, `"entry": ${JSON.stringify(new TextDecoder().decode(lines[99]))},`))], // prettier-ignore
    ["nothing", new Uint8Array()],
    ["no proof", new TextEncoder().encode("{}")],
  ]
  for (const [why, file] of forged) {
    const told = await verdict([K0.key], STRANGER, { "handover-100": file })
    assert.equal(told, ["ERR_LOG_HANDOVER handover-100", "ERR_LOG_OTHER_KEY checkpoint"], why)
    // Nor does it spoil a log unseen whose key never changed.
    assert.equal(await verdict([K0.key], K0, { "handover-100": file }, linesOf(new Map())), ["ERR_LOG_HANDOVER handover-100"]) // prettier-ignore
  }
})

test("[CR 3.9] a key that handed over signs nothing more, and a log that is shorter than its handover was cut short", async () => {
  assert.equal(await verdict([K0.key], K0, both), ["ERR_LOG_OTHER_KEY checkpoint"])
  assert.equal(await verdict([K0.key], K1, both), ["ERR_LOG_OTHER_KEY checkpoint"])
  // Between the two steps of a change the old key's checkpoint is the last one.
  assert.equal(await verdict([K0.key], K1, both, LINES.slice(0, 300)), [])
  assert.equal(await verdict([K0.key], K2, both, LINES.slice(0, 200)), ["ERR_LOG_REWOUND checkpoint"])
  const forked = [...LINES.slice(0, 50), ...linesOf(new Map([[60, sampleEvent("other")]])).slice(50)]
  const told = await verdict([K0.key], K2, both, forked)
  assert.equal(told, ["ERR_LOG_FORKED checkpoint", "ERR_LOG_FORKED checkpoint"])
})

test.run()
