/** The tampering table: whatever is done to a log's folder is detected, and named. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeEntry } from "../../../../policy/audit/entry.ts"
import { encodeBundle, parseBundle } from "../../../../policy/audit/entry-bundle.ts"
import { parseCheckpoint } from "../../../../policy/audit/tlog/checkpoint.ts"
import type { AuditEvent } from "../../../../policy/audit/event.ts"
import { droppingEvent } from "../../../../policy/audit/retention-event.ts"
import { toBase64 } from "../../../../policy/audit/tlog/base64.ts"
import type { VerifyLogOptions } from "../../../../policy/audit/tlog/verify-log.ts"
import { parseNote } from "../../../../policy/audit/tlog/note.ts"
import { verifyFolder } from "../../../support/independent-log-verifier.ts"
import { sampleEvent } from "../../../support/audit.ts"
import { seeded } from "../../../support/hostile.ts"
import { judgeFolder, logFolder, testLogKey, type LogFolder } from "../../../support/log-folder.ts"

const test = suite("policy/audit/tlog/verify-log")

const SIZE = 600
const KEY = testLogKey("lockgate/gw/log")
const OTHER_KEY = testLogKey("lockgate/gw/log")
const LINES = linesOf("gw", SIZE)
const GOOD = logFolder(LINES, KEY)
const LAST = `tile/entries/002.p/${SIZE - 512}`

function linesOf(gateway: string, count: number, salt = ""): Uint8Array[] {
  return Array.from({ length: count }, (_, seq) => {
    const time = { earliestAt: 0, latestAt: Infinity }
    return encodeEntry({
      seq,
      event: sampleEvent(`${salt}${seq}`),
      boot: "b",
      gateway,
      wallAt: seq,
      monotonicMs: seq,
      time,
    })
  })
}

function checkpointOf(files: LogFolder): ReturnType<typeof parseCheckpoint> {
  return parseCheckpoint(parseNote(new TextDecoder().decode(files.get("checkpoint"))).text)
}

/** What is wrong with the good log after `tamper`: `code where`, for each fault. */
async function after(tamper: (files: LogFolder) => void, keys = [KEY.key]): Promise<readonly string[]> {
  const files: LogFolder = new Map([...GOOD].map(([path, bytes]) => [path, Uint8Array.from(bytes)]))
  tamper(files)
  const { faults } = await judgeFolder(files, keys)
  return faults.map(({ where, code }) => `${code} ${where}`)
}

/** Do something to the entries of one bundle. */
function inBundle(path: string, change: (lines: Uint8Array[]) => void): (files: LogFolder) => void {
  return (files) => {
    const lines = [...parseBundle(files.get(path)!)]
    change(lines)
    files.set(path, encodeBundle(lines))
  }
}

test("[CR 3.9] a log as its gateway left it passes, here and with the verifier that shares no code", async () => {
  for (const size of [0, 1, 255, 256, 257, 512, SIZE]) {
    const files = logFolder(LINES.slice(0, size), KEY)
    const seen: number[] = []
    const verdict = await judgeFolder(files, [OTHER_KEY.key, KEY.key], { progress: (done) => void seen.push(done) })
    assert.equal(verdict.faults, [], `${size}`)
    assert.equal([verdict.entries, verdict.from, verdict.checkpoint?.size], [size, 0, size])
    assert.is(seen.at(-1), size)
    const read = (path: string): Buffer | null => (files.has(path) ? Buffer.from(files.get(path)!) : null)
    assert.is((await verifyFolder(read, KEY.key)).size, size)
  }
})

test("[CR 3.9] an entry that was changed is named, in a full bundle and in the last one", async () => {
  const change = inBundle("tile/entries/001", (lines) => (lines[44] = linesOf("gw", 301, "forged ")[300]!))
  assert.equal(await after(change), ["ERR_LOG_ENTRY_ALTERED entry 300"])
  const last = inBundle(LAST, (lines) => (lines[3] = linesOf("gw", 516, "forged ")[515]!))
  assert.equal(await after(last), ["ERR_LOG_ENTRY_ALTERED entry 515"])
})

test("[CR 3.9] an entry taken out, put in, or exchanged with another is named", async () => {
  assert.equal(await after(inBundle("tile/entries/000", (lines) => lines.splice(100, 1))), [
    "ERR_LOG_ENTRY_MISSING entry 100",
  ])
  assert.equal(await after(inBundle(LAST, (lines) => lines.splice(0, 2))), [
    "ERR_LOG_ENTRY_MISSING entry 512",
    "ERR_LOG_ENTRY_MISSING entry 513",
  ])
  const put = inBundle(LAST, (lines) => lines.splice(10, 0, LINES[5]!))
  assert.equal(await after(put), ["ERR_LOG_ENTRY_INSERTED entry 522"])
  const exchanged = inBundle("tile/entries/001", (lines) => ([lines[7], lines[9]] = [lines[9]!, lines[7]!]))
  assert.equal(await after(exchanged), ["ERR_LOG_ENTRY_MOVED entry 263", "ERR_LOG_ENTRY_MOVED entry 265"])
})

test("[CR 3.9] a bundle that is gone, cut, or of another place is named", async () => {
  assert.equal(await after((files) => files.delete("tile/entries/001")), ["ERR_LOG_BUNDLE_MISSING tile/entries/001"])
  assert.equal(await after((files) => files.delete(LAST)), [`ERR_LOG_BUNDLE_MISSING ${LAST}`])
  const cut = (files: LogFolder): unknown => files.set(LAST, files.get(LAST)!.slice(0, -1))
  assert.equal(await after(cut), [`ERR_LOG_BUNDLE_MALFORMED ${LAST}`])
  const truncated = inBundle(LAST, (lines) => lines.splice(lines.length - 1, 1))
  assert.equal(await after(truncated), ["ERR_LOG_ENTRY_MISSING entry 599"])
  const swapped = await after((files) => files.set("tile/entries/001", GOOD.get("tile/entries/000")!))
  assert.is(swapped.length, 256)
  assert.is(swapped[0], "ERR_LOG_ENTRY_ALTERED entry 256")
})

test("[CR 3.9] a tile that is changed or gone is named, and the entries below it are not", async () => {
  const flip = (path: string) => (files: LogFolder) => void (files.get(path)![40]! ^= 1)
  for (const path of ["tile/0/000", "tile/0/001", `tile/0/002.p/${SIZE - 512}`, "tile/1/000.p/2"]) {
    assert.equal(await after(flip(path)), [`ERR_LOG_TILE_ALTERED ${path}`])
    assert.equal(await after((files) => files.delete(path)), [`ERR_LOG_TILE_MISSING ${path}`])
    assert.equal(await after((files) => files.set(path, files.get(path)!.slice(0, -1))), [
      `ERR_LOG_TILE_ALTERED ${path}`,
    ])
  }
  const both = await after((files) => {
    flip("tile/1/000.p/2")(files)
    inBundle("tile/entries/000", (lines) => (lines[1] = LINES[0]!))(files)
  })
  assert.equal(both, ["ERR_LOG_TILE_ALTERED tile/1/000.p/2", "ERR_LOG_ENTRY_MOVED entry 1"])
  const tileAndEntry = await after((files) => {
    flip("tile/0/000")(files)
    inBundle("tile/entries/000", (lines) => (lines[1] = LINES[0]!))(files)
  })
  assert.equal(tileAndEntry, ["ERR_LOG_TILE_ALTERED tile/0/000", "ERR_LOG_BUNDLE_MALFORMED tile/entries/000"])
})

test("[CR 3.9] a log that was changed and hashed anew does not have the signed root", async () => {
  const forged = logFolder([...LINES.slice(0, 599), linesOf("gw", 600, "forged ")[599]!], OTHER_KEY)
  const faults = await after((files) => {
    for (const [path, bytes] of forged) if (path !== "checkpoint") files.set(path, bytes)
  })
  assert.equal(faults, ["ERR_LOG_OTHER_ROOT checkpoint"])
})

test("[CR 3.9] a log that was signed with another key is told from one whose signature does not fit", async () => {
  const signAnew = (files: LogFolder): unknown =>
    files.set("checkpoint", logFolder(LINES, OTHER_KEY).get("checkpoint")!)
  assert.equal(await after(signAnew), ["ERR_LOG_OTHER_KEY checkpoint"])
  const shorter = (files: LogFolder): void => {
    const text = new TextDecoder().decode(files.get("checkpoint")).replace("\n600\n", "\n599\n")
    files.set("checkpoint", new TextEncoder().encode(text))
  }
  assert.equal(await after(shorter), ["ERR_LOG_SIGNATURE checkpoint"])
  assert.equal(await after((files) => files.delete("checkpoint")), ["ERR_LOG_NO_CHECKPOINT checkpoint"])
  assert.equal(await after((files) => files.set("checkpoint", new Uint8Array(300))), [
    "ERR_LOG_NO_CHECKPOINT checkpoint",
  ])
})

test("[CR 3.9] the log of another gateway is not taken for this one's, nor are its entries", async () => {
  const otherGateway = testLogKey("lockgate/gw-2/log")
  const swapped = logFolder(linesOf("gw-2", 300), otherGateway)
  assert.equal(
    (await judgeFolder(swapped, [KEY.key])).faults.map(({ code }) => code),
    ["ERR_LOG_OTHER_LOG"],
  )
  const signedWrongly = await judgeFolder(logFolder([LINES[0]!, linesOf("gw-2", 2)[1]!, LINES[3]!], KEY), [KEY.key])
  assert.equal(
    signedWrongly.faults.map(({ code, where }) => `${code} ${where}`),
    ["ERR_LOG_ENTRY_WRONG entry 1", "ERR_LOG_ENTRY_WRONG entry 2"],
  )
  assert.is(signedWrongly.entries, 1)
})

test("[CR 3.9] a log that was put back, and a fork, are told by a checkpoint that was known", async () => {
  const codes = async (files: LogFolder, known: LogFolder): Promise<string[]> =>
    (await judgeFolder(files, [KEY.key], { known: checkpointOf(known) })).faults.map(({ code }) => code)
  for (const size of [0, 1, 100, 256, 512, 599, 600])
    assert.equal(await codes(GOOD, logFolder(LINES.slice(0, size), KEY)), [], `${size}`)
  assert.equal(await codes(logFolder(LINES.slice(0, 500), KEY), GOOD), ["ERR_LOG_REWOUND"])
  const fork = [...LINES.slice(0, 300), ...linesOf("gw", 600, "other ").slice(300)]
  for (const size of [301, 512, 600])
    assert.equal(await codes(GOOD, logFolder(fork.slice(0, size), KEY)), ["ERR_LOG_FORKED"])
  assert.equal(await codes(GOOD, logFolder(fork.slice(0, 300), KEY)), [])
  assert.equal(await codes(GOOD, logFolder(LINES.slice(0, 9), testLogKey("lockgate/gw-2/log"))), ["ERR_LOG_OTHER_LOG"])
  const torn = new Map(GOOD)
  torn.set("tile/0/000", new Uint8Array(8192))
  const verdict = await judgeFolder(torn, [KEY.key], { known: checkpointOf(logFolder(LINES.slice(0, 100), KEY)) })
  assert.not(verdict.faults.some(({ code }) => code === "ERR_LOG_FORKED"))
})

/** A log of 800 entries whose entry 780 says that everything below `below` was given up; `change` may say something else. */
async function droppedLog(below: number, change: Partial<AuditEvent> = {}): Promise<LogFolder> {
  const lines = linesOf("gw", 800)
  const root = checkpointOf(logFolder(lines.slice(0, below), KEY)).root
  const event = { ...droppingEvent(0, below, 0, root, { byDisk: false }), ...change }
  const at = { boot: "b", wallAt: 780, monotonicMs: 780, time: { earliestAt: 0, latestAt: Infinity } }
  lines[780] = encodeEntry({ seq: 780, event, gateway: "gw", ...at })
  return logFolder(lines, KEY)
}

async function without(files: LogFolder, bundles: readonly string[], options: VerifyLogOptions = {}): Promise<unknown> {
  const left = new Map(files)
  for (const name of bundles) left.delete(name)
  const { faults, entries, dropped } = await judgeFolder(left, [KEY.key], options)
  return [entries, dropped, ...faults.map(({ where, code }) => `${code} ${where}`)]
}

test("[CR 2.9] [CR 3.9] a log whose oldest bundles were dropped verifies if one of its entries says so, whatever is known of its beginning", async () => {
  const files = await droppedLog(512)
  const both = ["tile/entries/000", "tile/entries/001"]
  for (const gone of [both, [...both, "tile/0/000"], [...both, "tile/0/000", "tile/0/001"]])
    for (const from of [0, 256, 512]) assert.equal(await without(files, gone, { from }), [288, 512])
  // Said, and not done yet, or only half: what is there is verified all the same.
  assert.equal(await without(files, []), [800, 512])
  assert.equal(await without(files, both.slice(0, 1)), [544, 512])
})

test("[CR 3.9] bundles that a hand took from the beginning are told: no entry says so, or one that says less", async () => {
  const both = ["tile/entries/000", "tile/entries/001"]
  const unsaid = logFolder(linesOf("gw", 800), KEY)
  for (const from of [0, 256, 512])
    assert.equal(await without(unsaid, both, { from }), [288, 0, "ERR_LOG_START_MISSING entry 0"])
  assert.equal(await without(unsaid, both.slice(0, 1)), [544, 0, "ERR_LOG_START_MISSING entry 0"])
  assert.equal(await without(unsaid, [], { from: 9999 }), [32, 0, "ERR_LOG_START_MISSING entry 0"])
  const less = await droppedLog(256)
  assert.equal(await without(less, both, { from: 512 }), [288, 256, "ERR_LOG_START_MISSING entry 256"])
  assert.equal(await without(less, both), [288, 256, "ERR_LOG_START_MISSING entry 256"])
  // Not the log's own word, of what is still to come, or not a word about it.
  const liars: Partial<AuditEvent>[] = [
    { source: "conduit/x" },
    { detail: { last: 781 } },
    { detail: { last: "511" } },
    { id: "audit.full" },
  ]
  for (const liar of liars)
    assert.equal(await without(await droppedLog(512, liar), both), [288, 0, "ERR_LOG_START_MISSING entry 0"])
  // Nor may the middle go.
  const middle = ["tile/entries/001"]
  assert.equal(await without(await droppedLog(512), middle), [544, 512, "ERR_LOG_BUNDLE_MISSING tile/entries/001"])
})

test("[CR 3.9] the entry of a drop is one like the others: altered it says nothing, and its root must be that of the log", async () => {
  const files = await droppedLog(256)
  const last = "tile/entries/003.p/32"
  inBundle(last, (lines) => (lines[12] = linesOf("gw", 781)[780]!))(files)
  assert.equal(await without(files, ["tile/entries/000"], { from: 256 }), [
    ...[543, 0, "ERR_LOG_ENTRY_ALTERED entry 780", "ERR_LOG_START_MISSING entry 0"],
  ])
  const other = await droppedLog(256, { detail: { last: 255, root: toBase64(new Uint8Array(32)) } })
  assert.equal(await without(other, ["tile/entries/000"]), [544, 256, "ERR_LOG_ENTRY_WRONG entry 780"])
  const silent = await droppedLog(256, { detail: { last: 255 } })
  assert.equal(await without(silent, ["tile/entries/000"]), [544, 256])
})

test("[CR 3.9] a source that holds a window says nothing of what is before it, and everything of what is in it", async () => {
  const gone = ["tile/entries/000", "tile/0/000"]
  const unsaid = logFolder(linesOf("gw", 800), KEY)
  assert.equal(await without(unsaid, gone, { from: 256, window: true }), [544, 0])
  assert.equal(await without(unsaid, [...gone, "tile/entries/001"], { from: 256, window: true }), [
    ...[288, 0, "ERR_LOG_START_MISSING entry 256"],
  ])
  // What the gateway itself has given up cannot be in the window.
  const said = await droppedLog(512)
  assert.equal(await without(said, [...gone, "tile/entries/001"], { from: 256, window: true }), [288, 512])
})

test("a checkpoint whose partial pieces have become full ones meanwhile is verified all the same", async () => {
  const now = new Map(logFolder([...LINES, ...linesOf("gw", 800).slice(600)], KEY))
  now.set("checkpoint", GOOD.get("checkpoint")!)
  now.set("tile/1/000.p/2", GOOD.get("tile/1/000.p/2")!)
  assert.equal((await judgeFolder(now, [KEY.key])).faults, [])
})

test("[CR 3.5] no bit of any file can be flipped, and no file be cut, without a fault and with an exception", async () => {
  const small = logFolder(LINES.slice(0, 259), KEY)
  const random = seeded(7)
  for (const [path, bytes] of small) {
    for (let k = 0; k < 8; k++) {
      const flipped = Uint8Array.from(bytes)
      flipped[Math.floor(random() * bytes.length)]! ^= 1 << Math.floor(random() * 8)
      const hostile = [flipped, bytes.slice(0, Math.floor(random() * bytes.length))]
      for (const wrong of hostile) {
        const { faults } = await judgeFolder(new Map(small).set(path, wrong), [KEY.key])
        assert.ok(faults.length > 0, path)
      }
    }
  }
})

test("[CR 7.1] faults are bounded", async () => {
  const none = await judgeFolder(new Map([["checkpoint", GOOD.get("checkpoint")!]]), [KEY.key])
  assert.ok(none.faults.length > 0 && none.faults.length < 10)
  const size = 2048
  const lines = linesOf("gw", size)
  const files = logFolder(lines, KEY)
  for (let index = 0; index < size / 256; index++)
    files.set(`tile/entries/00${index}`, encodeBundle(linesOf("gw", size, "x").slice(0, 256)))
  const { faults } = await judgeFolder(files, [KEY.key])
  assert.is(faults.length, 1001)
  assert.is(faults.at(-1)?.code, "ERR_LOG_MORE")
})

test.run()
