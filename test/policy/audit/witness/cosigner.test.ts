import fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { TreeEdge } from "../../../../policy/audit/tlog/edge.ts"
import { encodeNote, parseNote } from "../../../../policy/audit/tlog/note.ts"
import { piecePath } from "../../../../policy/audit/tlog/tile.ts"
import { consistencyOf } from "../../../../policy/audit/witness/consistency.ts"
import { decideCosigner, type Shown } from "../../../../policy/audit/witness/cosigner.ts"
import { leaves, naiveConsistency, naiveRoot } from "../../../support/cosigners.ts"
import { sha256, testLogKey, verify } from "../../../support/signed-notes.ts"

const test = suite("policy/audit/witness: what a cosigner does with a checkpoint")

const log = testLogKey("gw")
const origin = log.key.name
const MOST = 700
const HONEST = leaves(MOST)
const treeAt = (size: number, of = HONEST) => ({ origin, size, root: naiveRoot(of.slice(0, size)) })

async function decide(known: number | null, shown: Shown, keys = [log.key]): Promise<string> {
  const tree = known === null ? null : treeAt(known)
  const decision = await decideCosigner({ sha256, verify }, { origin, keys, known: tree }, shown)
  return decision.verdict === "refuse" ? decision.reason : decision.verdict
}

const shownAt = (known: number, size: number, of = HONEST): Shown => ({
  note: log.note(treeAt(size, of)),
  proof: naiveConsistency(of.slice(0, size), Math.min(known, size)),
})

/** The tiles that a log of these leaves shows. */
function tilesAt(size: number, of = HONEST): Map<string, Uint8Array> {
  const tiles = new Map<string, Uint8Array>()
  const edge = new TreeEdge(sha256)
  for (const leaf of of.slice(0, size)) for (const tile of edge.add(leaf)) tiles.set(piecePath(tile), tile.bytes)
  for (const tile of edge.partials()) tiles.set(piecePath(tile), tile.bytes)
  return tiles
}

const shownByTiles = async (known: number, size: number, of = HONEST, tiles = tilesAt(size, of)): Promise<Shown> => ({
  note: log.note(treeAt(size, of)),
  ...(await consistencyOf(sha256, known, size, async (path) => tiles.get(path) ?? null)),
})

test("[CR 3.9] the table: first sight, growth, the same again, rewind, fork, and proofs that are none", async () => {
  const forked = leaves(MOST, 90)
  assert.is(await decide(null, { note: log.note(treeAt(100)), proof: null }), "cosign")
  assert.is(await decide(0, shownAt(0, 100)), "cosign")
  assert.is(await decide(100, shownAt(100, 100)), "known")
  assert.is(await decide(100, shownAt(100, 333)), "cosign")
  assert.is(await decide(100, shownAt(100, 99)), "rewind")
  assert.is(await decide(100, shownAt(100, 0)), "rewind")
  assert.is(await decide(100, shownAt(100, 100, forked)), "fork")
  assert.is(await decide(100, { note: log.note(treeAt(333)), proof: null }), "proof-missing")
  assert.is(await decide(100, { note: log.note(treeAt(333)), proof: [] }), "proof-invalid")
  assert.is(await decide(100, shownAt(100, 333, forked)), "proof-invalid")
})

test("[CR 3.9] a signed tree that begins with another one is a fork; a tile that somebody else changed accuses nobody", async () => {
  for (const [known, size] of [[100, 333], [128, 333], [256, 700], [300, 700], [1, 2], [512, 513]] as const) {
    const forked = leaves(MOST, known - 1)
    assert.is(await decide(known, await shownByTiles(known, size)), "cosign", `${known} ${size}`)
    assert.is(await decide(known, await shownByTiles(known, size, forked)), "fork", `${known} ${size}`)
    const [tiles, others] = [tilesAt(size), tilesAt(size, forked)]
    for (const path of tiles.keys()) {
      const swapped = new Map(tiles).set(path, others.get(path)!)
      const reason = await decide(known, await shownByTiles(known, size, HONEST, swapped))
      assert.ok(["cosign", "proof-invalid"].includes(reason), `${path}: ${reason}`)
      const gone = new Map(tiles)
      gone.delete(path)
      assert.ok(["cosign", "proof-missing"].includes(await decide(known, await shownByTiles(known, size, HONEST, gone))))
      const torn = new Map(tiles).set(path, tiles.get(path)!.subarray(1))
      assert.ok(["cosign", "proof-missing"].includes(await decide(known, await shownByTiles(known, size, HONEST, torn))))
    }
  }
}) // prettier-ignore

test("[CR 3.9] against the definition: cosigned is what grew from what is known, whatever the sizes, and nothing else", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({ known: fc.nat(MOST), size: fc.nat(MOST), forkedAt: fc.option(fc.nat(MOST), { nil: Infinity }) }),
      async ({ known, size, forkedAt }) => {
        const of = leaves(size, forkedAt)
        const reason = await decide(known, await shownByTiles(known, size, of))
        const isSame = forkedAt >= Math.min(known, size)
        const expected = size < known ? "rewind" : !isSame && known > 0 ? "fork" : size === known ? "known" : "cosign"
        assert.is(reason, expected)
      },
    ),
    { numRuns: 60 },
  )
})

test("no other key, no other log, no line that is wrong", async () => {
  const other = testLogKey("gw")
  const { note, proof } = shownAt(100, 333)
  assert.is(await decide(100, { note, proof }, []), "unknown-key")
  assert.is(await decide(100, { note, proof }, [other.key]), "unknown-key")
  assert.is(await decide(100, { note, proof }, [other.key, log.key]), "cosign")
  const strange = testLogKey("gw-2").note({ size: 333, root: treeAt(333).root })
  assert.is(await decide(100, { note: strange, proof }), "other-log")
  const opened = parseNote(note)
  const bent = opened.signatures.map((line) => ({ ...line, signature: line.signature.map((byte, k) => byte ^ (k === 5 ? 1 : 0)) }))
  assert.is(await decide(100, { note: encodeNote(opened.text, bent), proof }), "bad-signature")
  assert.is(await decide(100, { note: "", proof }), "malformed")
}) // prettier-ignore

test("[CR 3.5] no truncation and no flipped bit of a checkpoint is ever cosigned, nor accuses the log", async () => {
  const { note, proof } = shownAt(100, 333)
  const bytes = new TextEncoder().encode(note)
  const harmless = new Set(["malformed", "other-log", "unknown-key", "bad-signature"])
  for (let length = 0; length < bytes.length; length++) {
    const reason = await decide(100, { note: new TextDecoder().decode(bytes.subarray(0, length)), proof })
    assert.ok(harmless.has(reason), `${length}: ${reason}`)
  }
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice()
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    const reason = await decide(100, { note: new TextDecoder().decode(flipped), proof })
    assert.ok(harmless.has(reason), `${bit}: ${reason}`)
  }
})

test("[CR 3.5] proofs of the wrong length, of wrong hashes and of no hashes at all lead nowhere", async () => {
  const good = shownAt(100, 333)
  const proof = good.proof!
  const wrong: (readonly Uint8Array[])[] = [
    proof.slice(1),
    proof.slice(0, -1),
    [...proof, proof[0]!],
    proof.toReversed(),
    proof.map((hash) => hash.subarray(1)),
    Array.from({ length: 1000 }, () => proof[0]!),
    ...proof.map((_, at) => proof.map((hash, k) => (k === at ? hash.map((byte) => byte ^ 1) : hash))),
  ]
  for (const one of wrong) {
    assert.is(await decide(100, { ...good, proof: one }), "proof-invalid")
    assert.is(await decide(100, { ...good, proof: one, rootThen: sha256(new Uint8Array()) }), "proof-invalid")
  }
})

test.run()
