import { createHash } from "node:crypto"
import fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { LockgateError } from "../../../policy/base/errors.ts"
import { encodeEdge, levelsAbove, MAX_EDGE_BYTES, parseEdge, type Edge } from "../../../policy/audit/edge-message.ts"
import { encodeCheckpoint } from "../../../policy/audit/tlog/checkpoint.ts"
import { TreeEdge } from "../../../policy/audit/tlog/edge.ts"
import { leafHash } from "../../../policy/audit/tlog/hash.ts"
import { encodeNote } from "../../../policy/audit/tlog/note.ts"
import { bitFlips, truncations } from "../../support/hostile.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/audit/edge-message")
const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest()
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const note = (size: number): string =>
  encodeNote(encodeCheckpoint({ origin: "lockgate/gw/log", size, root: new Uint8Array(32).fill(7) }), [
    { name: "lockgate/gw/log", keyId: 5, signature: new Uint8Array(64) },
  ])

/** An edge of a tree of `size` entries, its hashes made up. */
function edgeOf(size: number, first = 0, line = (k: number): string => `{"seq":${k}}`): Edge {
  const levels = Array.from({ length: levelsAbove(size) }, (_, k) =>
    new Uint8Array((Math.floor(size / 256 ** (k + 1)) % 256) * 32).fill(k + 1),
  )
  const entries = Array.from({ length: size % 256 }, (_, k) => bytesOf(line(size - (size % 256) + k)))
  return { checkpoint: note(size), first, levels, entries }
}

const changed = (change: Record<string, unknown>, size = 259): Uint8Array => {
  const value = JSON.parse(new TextDecoder().decode(encodeEdge(edgeOf(size)))) as Record<string, unknown>
  return bytesOf(JSON.stringify({ ...value, ...change }))
}

test("an edge is read back as it was written, at every size where levels begin or end", () => {
  for (const size of [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 65_792, 256 ** 3 + 1]) {
    const edge = edgeOf(size, Math.min(size, 200))
    const { said, ...read } = parseEdge(encodeEdge(edge))
    assert.equal(read, edge, `${size}`)
    assert.is(said.size, size)
  }
})

test("what it holds is what a verifier needs: the partial tiles of a growing tree, level 0 from the entries", () => {
  const tree = new TreeEdge(sha256)
  const line = (k: number): string => `{"seq":${k},"text":"ä ${k}"}`
  for (let k = 0; k < 700; k++) tree.add(leafHash(sha256, bytesOf(line(k))))
  const [leaves, above] = tree.partials()
  const edge = parseEdge(encodeEdge({ ...edgeOf(700, 0, line), levels: [above!.bytes] }))
  const hashes = edge.entries.map((entry) => leafHash(sha256, entry))
  const whole = new TreeEdge(sha256, 700, [hashes, [edge.levels[0]!.subarray(0, 32), edge.levels[0]!.subarray(32)]])
  assert.equal(Buffer.concat(hashes), Buffer.from(leaves!.bytes))
  assert.equal(whole.root(), tree.root())
})

test("entries survive exactly, whatever text is in them", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }), { maxLength: 20 }), (texts) => {
      const lines = texts.map((text) => text.replaceAll("\n", " ").slice(0, 200))
      const edge = { ...edgeOf(0), checkpoint: note(lines.length), entries: lines.map(bytesOf) }
      assert.equal(parseEdge(encodeEdge(edge)).entries, edge.entries)
    }),
    { numRuns: 200 },
  )
})

test("[CR 3.5] an edge that does not fit its checkpoint, or is of another form, is refused", async () => {
  const cases: [string, Uint8Array][] = [
    ["nothing", new Uint8Array()],
    ["no object", bytesOf("[]")],
    ["null", bytesOf("null")],
    ["deep", bytesOf("[".repeat(100_000))],
    ["not UTF-8", Uint8Array.of(0x7b, 0xff, 0x7d)],
    ["a byte order mark", Uint8Array.of(0xef, 0xbb, 0xbf, ...changed({}))],
    ["format 2", changed({ format: 2 })],
    ["an unknown key", changed({ more: 1 })],
    ["no checkpoint", changed({ checkpoint: null })],
    ["a checkpoint that is no note", changed({ checkpoint: "lockgate/gw/log\n259\n" })],
    ["another size", changed({ checkpoint: note(258) })],
    ["a level too few", changed({ checkpoint: note(65_536 + 3) })],
    ["first beyond the end", changed({ first: 260 })],
    ["first below 0", changed({ first: -1 })],
    ["first in half", changed({ first: 0.5 })],
    ["levels missing", changed({ levels: undefined })],
    ["a level too many", changed({ levels: ["", ""] })],
    ["a level too short", changed({ levels: [""] })],
    ["a level that is not base64", changed({ levels: ["*".repeat(44)] })],
    ["entries too few", changed({ entries: ["a", "b"] })],
    ["an entry that is no text", changed({ entries: ["a", "b", 3] })],
    ["an empty entry", changed({ entries: ["a", "b", ""] })],
    ["two lines in one", changed({ entries: ["a", "b", "c\nd"] })],
    ["an entry too long", changed({ entries: ["a", "b", "c".repeat(1025)] })],
    ["entries as an object", changed({ entries: { length: 3 } })],
    ["too long", bytesOf(`${new TextDecoder().decode(changed({}))}${" ".repeat(MAX_EDGE_BYTES)}`)],
  ]
  for (const [name, bytes] of cases)
    try {
      await rejects(() => parseEdge(bytes), "ERR_EDGE")
    } catch (error) {
      throw new Error(`${name}: ${String(error)}`, { cause: error })
    }
})

test("[CR 3.5] every truncation is refused, and no flipped bit makes it throw anything else", async () => {
  const bytes = encodeEdge(edgeOf(259))
  for (const cut of truncations(bytes)) await rejects(() => parseEdge(cut), "ERR_EDGE")
  for (const flipped of bitFlips(bytes))
    try {
      parseEdge(flipped)
    } catch (error) {
      assert.ok(error instanceof LockgateError && error.code === "ERR_EDGE", String(error))
    }
})

test("an edge that no reader would take is not written", async () => {
  await rejects(() => encodeEdge({ ...edgeOf(3), entries: [] }), "ERR_EDGE")
  await rejects(() => encodeEdge({ ...edgeOf(1), entries: [Uint8Array.of(0xff)] }), "ERR_EDGE")
})

test("the largest edge there can be fits its bound", () => {
  const hard = '"'.repeat(1024)
  const bytes = encodeEdge(edgeOf(256 ** 4 - 1, 0, () => hard))
  assert.ok(bytes.length < MAX_EDGE_BYTES, `${bytes.length}`)
})

test.run()
