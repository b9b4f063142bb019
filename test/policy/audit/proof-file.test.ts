import * as fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeEntry } from "../../../policy/audit/entry.ts"
import {
  encodeProofFile,
  looksLikeProof,
  MAX_PROOF_BYTES,
  parseProofFile,
  verifyProof,
  type EntryProof,
} from "../../../policy/audit/proof-file.ts"
import { leafHash } from "../../../policy/audit/tlog/hash.ts"
import { foldWhole, proveInclusion, rootOf, type NodeReader } from "../../../policy/audit/tlog/tree.ts"
import { rejects } from "../../support/rejects.ts"
import { sha256, testLogKey, verify } from "../../support/signed-notes.ts"

const test = suite("policy/audit/proof-file")

const SIZE = 77
const lines = Array.from({ length: SIZE }, (_, seq) =>
  encodeEntry({
    ...{ seq, wallAt: 0, time: { earliestAt: 0, latestAt: Infinity }, boot: "b", monotonicMs: seq, gateway: "gw" },
    event: { id: "conduit.connected", outcome: "success", source: "test", object: `${seq} "ü\u202e` },
  }),
)
const leaves = lines.map((line) => leafHash(sha256, line))
const node: NodeReader = async (height, number) =>
  foldWhole(sha256, leaves.slice(number << height, (number + 1) << height))
const root = await rootOf(sha256, SIZE, node)
const log = testLogKey()
const other = testLogKey()
const elsewhere = testLogKey("gw-2")

async function proofOf(index: number, more: Partial<EntryProof> = {}): Promise<EntryProof> {
  return {
    ...{ line: lines[index]!, index, size: SIZE, proof: await proveInclusion(sha256, index, SIZE, node) },
    ...{ checkpoint: log.note({ size: SIZE, root }), key: log.key },
    ...more,
  }
}

const judge = async (proof: EntryProof, trusted = [log.key]): Promise<{ state: string; codes: string[] }> => {
  const { state, faults } = await verifyProof({ sha256, verify }, proof, trusted)
  return { state, codes: faults.map(({ code }) => code) }
}

test("[CR 2.12] every entry is proved by its file, which reads back as it was", async () => {
  for (let index = 0; index < SIZE; index++) {
    const proof = await proofOf(index)
    const text = encodeProofFile(sha256, proof)
    assert.ok(looksLikeProof(text))
    const read = parseProofFile(sha256, text)
    assert.equal(Buffer.from(read.line), Buffer.from(proof.line))
    assert.is(encodeProofFile(sha256, read), text)
    const verdict = await verifyProof({ sha256, verify }, read, [other.key, log.key])
    assert.is(verdict.state, "proved")
    assert.is(verdict.entry?.seq, index)
    assert.is(verdict.checkpoint?.size, SIZE)
    assert.equal(verdict.key, log.key)
  }
})

test("[CR 6.1] nobody vouches for a key that only the file itself names", async () => {
  assert.equal(await judge(await proofOf(5), []), { state: "unvouched", codes: [] })
  const forged = await proofOf(5, { checkpoint: other.note({ size: SIZE, root }), key: other.key })
  assert.equal(await judge(forged, []), { state: "unvouched", codes: [] })
})

const nineteen = await proofOf(19)
const four = await proofOf(4)
const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, k) => (k === at ? byte ^ 1 : byte))

/** What was done to the proof of entry 4, and what is said of it. */
const TAMPERED: readonly (readonly [what: string, more: Partial<EntryProof>, ...codes: string[]])[] = [
  ["another entry in its place", { line: nineteen.line }, "entry", "inclusion"],
  ["another entry under its number", { line: nineteen.line, index: 19 }, "inclusion"],
  ["another number", { index: 19 }, "entry", "inclusion"],
  [
    "one bit of the entry",
    { line: flipped(four.line, Buffer.from(four.line).indexOf(`"object":"4`) + 10) },
    "inclusion",
  ],
  ["an entry that is none", { line: Buffer.from("{}") }, "entry", "inclusion"],
  ["a way through another entry", { proof: nineteen.proof }, "inclusion"],
  ["a step too few", { proof: four.proof.slice(1) }, "inclusion"],
  ["a step too many", { proof: [...four.proof, root] }, "inclusion"],
  ["no step", { proof: [] }, "inclusion"],
  ["one bit of a step", { proof: four.proof.map((hash, k) => (k === 2 ? flipped(hash, 9) : hash)) }, "inclusion"],
  ["another size", { size: SIZE + 1 }, "size"],
  ["a checkpoint of another tree", { checkpoint: log.note({ size: SIZE, root: leaves[0]! }) }, "inclusion"],
  ["a checkpoint of another size", { checkpoint: log.note({ size: 5, root }) }, "size", "inclusion"],
  ["a checkpoint by another key of this name", { checkpoint: other.note({ size: SIZE, root }) }, "key"],
  ["a checkpoint of another gateway", { checkpoint: elsewhere.note({ size: SIZE, root }) }, "key"],
  ["a changed checkpoint", { checkpoint: four.checkpoint.replace("\n77\n", "\n78\n"), size: 78 }, "signature"],
  ["a checkpoint without signatures", { checkpoint: "lockgate/gw/log\n77\n" }, "checkpoint"],
  [
    "a checkpoint that is none",
    { checkpoint: log.note({ size: SIZE, root }).replace("\n77\n", "\nmany\n") },
    "checkpoint",
  ],
]

for (const [what, more, ...codes] of TAMPERED)
  test(`[CR 3.9] ${what} is found`, async () => {
    const verdict = await judge({ ...four, ...more })
    assert.is(verdict.state, "wrong")
    assert.equal(
      verdict.codes.filter((code) => code !== "inclusion" || codes.includes(code)),
      codes,
    )
  })

test("[CR 3.9] a log's key does not vouch for the checkpoint of another log", async () => {
  // A note that bears the line of our key under a text of another origin: signed, and not what the key is for.
  const stray = { ...log.key, name: elsewhere.key.name }
  const verdict = await judge({ ...four, checkpoint: elsewhere.note({ size: SIZE, root }), key: elsewhere.key }, [
    stray,
  ])
  assert.is(verdict.state, "wrong")
})

const text = encodeProofFile(sha256, four)
const changed = (change: (file: Record<string, unknown>) => void): string => {
  const file = JSON.parse(text) as Record<string, unknown>
  change(file)
  return JSON.stringify(file)
}

/** Files that are none, and the key that is named. */
const BROKEN: readonly (readonly [file: string, at: string])[] = [
  ["", "file"],
  ["[]", "file"],
  ["null", "file"],
  ["{}", "format"],
  [changed((file) => (file["format"] = 2)), "format"],
  [changed((file) => delete file["entry"]), "entry"],
  [changed((file) => (file["entry"] = "\ud800")), "entry"],
  [changed((file) => (file["index"] = -1)), "index"],
  [changed((file) => (file["index"] = "4")), "index"],
  [changed((file) => (file["size"] = 1.5)), "size"],
  [changed((file) => (file["proof"] = {})), "proof"],
  [changed((file) => (file["proof"] = ["AAAA"])), "proof"],
  [changed((file) => (file["proof"] = [7])), "proof"],
  [changed((file) => (file["proof"] = Array.from({ length: 65 }, () => "A"))), "proof"],
  [changed((file) => (file["checkpoint"] = null)), "checkpoint"],
  [changed((file) => (file["key"] = "lockgate/gw/log+00000000+AAAA")), "key"],
  [`{"__proto__":${text}}`, "format"],
  [" ".repeat(MAX_PROOF_BYTES + 1), "length"],
]

for (const [file, at] of BROKEN)
  test(`[CR 3.5] a file that is wrong at ${at} is refused: ${file.slice(0, 20).trim()}`, async () => {
    const error = await rejects(() => parseProofFile(sha256, file), "ERR_PROOF")
    assert.is(error.detail["at"], at)
  })

test("[CR 3.5] a proof cut short or with a flipped bit is refused or wrong, or says the same", async () => {
  const bytes = Buffer.from(text)
  for (let end = 0; end < bytes.length - 2; end++)
    await rejects(() => parseProofFile(sha256, bytes.subarray(0, end).toString()), "ERR_PROOF")
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(7), async (at, bit) => {
      const damaged = Buffer.from(bytes)
      damaged[at]! ^= 1 << bit
      let proof: EntryProof
      try {
        proof = parseProofFile(sha256, damaged.toString())
      } catch (error) {
        assert.is((error as { code?: string }).code, "ERR_PROOF")
        return
      }
      const { state } = await judge(proof)
      const isSame = Buffer.from(proof.line).equals(four.line) && proof.index === 4
      assert.ok(state === "wrong" || isSame)
    }),
    { numRuns: 400 },
  )
})

test.run()
