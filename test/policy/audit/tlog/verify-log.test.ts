/** The tampering table: whatever is done to a log's folder is detected, and named. */
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeEntry } from "../../../../policy/audit/entry.ts"
import { encodeBundle, parseBundle } from "../../../../policy/audit/entry-bundle.ts"
import { parseCheckpoint } from "../../../../policy/audit/tlog/checkpoint.ts"
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

test("a log whose oldest bundles are gone is verified from where it begins", async () => {
  const files = new Map(GOOD)
  for (const path of ["tile/entries/000", "tile/0/000"]) files.delete(path)
  const { faults, entries, from } = await judgeFolder(files, [KEY.key], { from: 300 })
  assert.equal([faults, entries, from], [[], SIZE - 256, 256])
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
