import { createHash } from "node:crypto"
import fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { TreeEdge } from "../../../../policy/audit/tlog/edge.ts"
import { leafHash, nodeHash, type Sha256 } from "../../../../policy/audit/tlog/hash.ts"
import { parsePiecePath, piecePath, tileHashes, tilesOf, type Tile } from "../../../../policy/audit/tlog/tile.ts"
import { nodesOfTiles, proveConsistency, proveInclusion, rootOf } from "../../../../policy/audit/tlog/tree.ts"
import { verifyConsistency, verifyInclusion } from "../../../../policy/audit/tlog/verify.ts"
import { rejects } from "../../../support/rejects.ts"

const test = suite("policy/audit/tlog: trees")

const sha256: Sha256 = (bytes) => createHash("sha256").update(bytes).digest()

/** The definition, word for word, over all leaves at once. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256(new Uint8Array(0))
  if (leaves.length === 1) return leaves[0]!
  let middle = 1
  while (middle * 2 < leaves.length) middle *= 2
  return nodeHash(sha256, naiveRoot(leaves.slice(0, middle)), naiveRoot(leaves.slice(middle)))
}

const MOST = 600
const LEAVES = Array.from({ length: MOST }, (_, k) => leafHash(sha256, Uint8Array.of(k & 255, k >> 8)))
const ROOTS = Array.from({ length: MOST + 1 }, (_, size) => (size % 7 === 0 || size > 500 ? naiveRoot(LEAVES.slice(0, size)) : null)) // prettier-ignore

/** What a disk would hold: each tile by its path, as the growing edge gave it. */
function grown(size: number): { edge: TreeEdge; tiles: Map<string, Uint8Array> } {
  const tiles = new Map<string, Uint8Array>()
  const edge = new TreeEdge(sha256)
  for (const leaf of LEAVES.slice(0, size)) for (const tile of edge.add(leaf)) tiles.set(piecePath(tile), tile.bytes)
  for (const tile of edge.partials()) tiles.set(piecePath(tile), tile.bytes)
  return { edge, tiles }
}

const readerOf = (tiles: ReadonlyMap<string, Uint8Array>, size: number) =>
  nodesOfTiles(sha256, size, async (tile: Tile) => tileHashes(tiles.get(piecePath(tile))!, tile.width))

test("[CR 3.9] the root at the growing edge is that of the definition, at every size", () => {
  const edge = new TreeEdge(sha256)
  for (let size = 0; size <= MOST; size++) {
    if (ROOTS[size] !== null) assert.equal([...edge.root()], [...ROOTS[size]!], `${size}`)
    if (size < MOST) edge.add(LEAVES[size]!)
  }
})

test("the tiles that the edge gives are those that a tree of that size has, and roots are made of them again", async () => {
  for (const size of [1, 2, 255, 256, 257, 511, 512, 513, MOST]) {
    const { edge, tiles } = grown(size)
    assert.equal([...tiles.keys()].sort(), tilesOf(size).map(piecePath).sort(), `${size}`)
    assert.equal([...(await rootOf(sha256, size, readerOf(tiles, size)))], [...edge.root()])
    const again = new TreeEdge(sha256, size, edgeOf(tiles, size))
    assert.equal([...again.root()], [...edge.root()])
  }
})

function edgeOf(tiles: ReadonlyMap<string, Uint8Array>, size: number): readonly (readonly Uint8Array[])[] {
  const levels: (readonly Uint8Array[])[] = []
  for (let [level, count] = [0, size]; count > 0; level++, count = Math.floor(count / 256)) {
    const width = count % 256
    const bytes = tiles.get(width === 0 ? "" : piecePath({ level, index: Math.floor(count / 256), width }))
    levels.push(bytes === undefined ? [] : tileHashes(bytes, width))
  }
  return levels
}

test("[CR 3.9] every proof made from tiles verifies, and no changed one does", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: MOST }),
      fc.nat(),
      fc.nat(),
      fc.nat(),
      async (size, at, from, change) => {
        const { edge, tiles } = grown(size)
        const node = readerOf(tiles, size)
        const index = at % size
        const root = edge.root()
        const proof = await proveInclusion(sha256, index, size, node)
        const claim = { index, size, leaf: LEAVES[index]!, root, proof }
        assert.ok(verifyInclusion(sha256, claim))
        assert.not(verifyInclusion(sha256, { ...claim, leaf: LEAVES[(index + 1) % MOST]! }))
        assert.not(verifyInclusion(sha256, { ...claim, proof: [...proof, root] }))
        if (proof.length > 0) {
          assert.not(verifyInclusion(sha256, { ...claim, proof: proof.slice(1) }))
          assert.not(verifyInclusion(sha256, { ...claim, proof: flipped(proof, change) }))
        }
        const first = from % (size + 1)
        const consistency = await proveConsistency(sha256, first, size, node)
        const firstRoot = naiveRoot(LEAVES.slice(0, first))
        const grew = { first, second: size, firstRoot, secondRoot: root, proof: consistency }
        assert.ok(verifyConsistency(sha256, grew), `${first} ${size}`)
        assert.not(verifyConsistency(sha256, { ...grew, proof: [...consistency, root] }))
        if (consistency.length > 0) {
          assert.not(verifyConsistency(sha256, { ...grew, proof: consistency.slice(0, -1) }))
          assert.not(verifyConsistency(sha256, { ...grew, proof: flipped(consistency, change) }))
          assert.not(
            verifyConsistency(sha256, { ...grew, firstRoot: LEAVES[0]!, ...(first === 1 ? { first: 2 } : {}) }),
          )
        }
      },
    ),
    { numRuns: 60 },
  )
})

function flipped(hashes: readonly Uint8Array[], change: number): readonly Uint8Array[] {
  return hashes.map((hash, k) => {
    if (k !== change % hashes.length) return hash
    const other = Uint8Array.from(hash)
    other[change % 32]! ^= 1 << (change % 8)
    return other
  })
}

test("paths are those of tlog-tiles, and only the one way to write them is read", async () => {
  const known: readonly (readonly [string, number | "entries", number, number])[] = [
    ["tile/0/000", 0, 0, 256],
    ["tile/entries/x001/x234/067", "entries", 1_234_067, 256],
    ["tile/2/x001/234.p/5", 2, 1_234, 5],
  ]
  for (const [path, level, index, width] of known) {
    assert.is(piecePath({ level, index, width }), path)
    assert.equal(parsePiecePath(path), { level, index, width })
  }
  for (const path of [
    "",
    "tile",
    "tile/0/0",
    "tile/00/000",
    "tile/6/000",
    "tile/0/x000/001",
    "tile/0/001.p/0",
    "tile/0/001.p/256",
    "tile/0/001.p/05",
    "tile/entry/001",
    "tile/0/x1/001",
    "tile/0/../001",
    "tile/0/001/",
    "a/tile/0/001",
  ])
    // prettier-ignore
    await rejects(() => parsePiecePath(path), "ERR_TLOG_PATH")
})

test.run()
