import { createHash } from "node:crypto"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { bundleOf, bundlesToLeave, firstWorthIt, piecesWith } from "../../../policy/audit/retained-plan.ts"
import { TreeEdge } from "../../../policy/audit/tlog/edge.ts"
import { leafHash } from "../../../policy/audit/tlog/hash.ts"
import { piecePath, tileHashes, tilesOf } from "../../../policy/audit/tlog/tile.ts"
import { nodesOfTiles, proveConsistency, proveInclusion } from "../../../policy/audit/tlog/tree.ts"
import { verifyConsistency, verifyInclusion } from "../../../policy/audit/tlog/verify.ts"

const test = suite("policy/audit/retained-plan")
const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest()

test("a bundle comes with the tiles that it completes, each full piece of a log with exactly one bundle", () => {
  assert.equal(piecesWith(0).map(piecePath), ["tile/entries/000", "tile/0/000"])
  assert.equal(piecesWith(255).map(piecePath), ["tile/entries/255", "tile/0/255", "tile/1/000"])
  assert.equal(piecesWith(65_535).map(piecePath).slice(2), ["tile/1/255", "tile/2/000"])
  const all = Array.from({ length: 600 }, (_, bundle) => piecesWith(bundle)).flat()
  assert.equal(
    all.filter(({ level }) => level !== "entries").map(piecePath).sort(),
    tilesOf(600 * 256).filter(({ width }) => width === 256).map(piecePath).sort(),
  ) // prettier-ignore
  for (const [bundle, pieces] of [0, 1, 255, 256, 65_535].map((n) => [n, piecesWith(n)] as const))
    for (const piece of pieces) assert.is(bundleOf(piece), bundle)
})

test("[CR 3.9] what stays after old bundles have left, with the partial tiles, proves every entry from there on", async () => {
  const leaf = (index: number): Uint8Array => leafHash(sha256, Buffer.from(`${index}`))
  const size = 258 * 256 + 77
  const tiles = new Map<string, Uint8Array>()
  const tree = new TreeEdge(sha256)
  const roots = new Map<number, Uint8Array>()
  for (let index = 0; index < size; index++) {
    for (const tile of tree.add(leaf(index))) tiles.set(piecePath(tile), tile.bytes)
    if ([254 * 256, 256 * 256, 257 * 256 + 3].includes(index + 1)) roots.set(index + 1, tree.root())
  }
  for (const tile of tree.partials()) tiles.set(piecePath(tile), tile.bytes)
  const node = nodesOfTiles(sha256, size, async (tile) => {
    const bytes = tiles.get(piecePath(tile))
    if (bytes === undefined) throw new Error(`${piecePath(tile)} has left`)
    return tileHashes(bytes, tile.width)
  })
  let left = 0
  for (const first of [1, 254, 255, 256, 257, 258]) {
    for (; left < first; left++) for (const piece of piecesWith(left)) tiles.delete(piecePath(piece))
    for (const index of [first * 256, first * 256 + 55, size - 1]) {
      const proof = await proveInclusion(sha256, index, size, node)
      assert.ok(verifyInclusion(sha256, { index, size, leaf: leaf(index), root: tree.root(), proof }), `${first}`)
    }
    for (const [older, firstRoot] of roots) {
      if (older < first * 256) continue
      const proof = await proveConsistency(sha256, older, size, node)
      const claim = { first: older, second: size, firstRoot, secondRoot: tree.root(), proof }
      assert.ok(verifyConsistency(sha256, claim), `${older} from ${first}`)
    }
  }
})

test("room is made rarely, down to a sixteenth below the limit, and the newest bundle always stays", () => {
  const costs = (...sizes: number[]) => sizes.map((bytes) => ({ bytes, parts: 1 }))
  assert.is(bundlesToLeave([], 100), 0)
  assert.is(bundlesToLeave(costs(50, 50), 100), 0)
  assert.is(bundlesToLeave(costs(1, 50, 50), 100), 2)
  assert.is(bundlesToLeave(costs(10, 10, 10, 71), 100), 1)
  assert.is(bundlesToLeave(costs(500), 100), 0)
  assert.is(bundlesToLeave(costs(500, 500), 100), 1)
})

test("of a long log only what the window can hold is published at all", () => {
  assert.is(firstWorthIt(10, 64 * 1024 * 1024), 0)
  assert.is(firstWorthIt(10_000, 1024 * 1024), 10_000 - 103)
  assert.is(firstWorthIt(10, 1), 9)
})

test.run()
