/**
 * Roots and proofs of a Merkle tree, from hashes that somebody else keeps.
 *
 * A node is named by its height (0: a leaf) and its number among those of its height: it covers the entries
 * [number << height, (number + 1) << height). Only whole subtrees have a node; what hangs over at the right is put together here.
 *
 * @see RFC 6962 section 2.1
 */
import { InvariantError } from "../../base/errors.ts"
import { emptyRoot, nodeHash, type Sha256 } from "./hash.ts"
import { TILE_HEIGHT, TILE_WIDTH, type Tile } from "./tile.ts"

/** Fetches the hash of a whole subtree. */
export type NodeReader = (height: number, number: number) => Promise<Uint8Array>

/** Root of the first `size` entries. */
export async function rootOf(sha256: Sha256, size: number, node: NodeReader): Promise<Uint8Array> {
  return size === 0 ? emptyRoot(sha256) : rangeRoot(sha256, 0, size, node)
}

/** What shows that entry `index` is in the tree of `size` entries: hashes from the leaf up. @throws InvariantError `ERR_TLOG_RANGE` */
export async function proveInclusion(
  sha256: Sha256,
  index: number,
  size: number,
  node: NodeReader,
): Promise<readonly Uint8Array[]> {
  if (index < 0 || index >= size) throw new InvariantError("ERR_TLOG_RANGE", `entry ${index} of ${size}`)
  const path: Uint8Array[] = []
  let [start, end] = [0, size]
  while (end - start > 1) {
    const middle = start + leftPart(end - start)
    const isLeft = index < middle
    path.unshift(await (isLeft ? rangeRoot(sha256, middle, end, node) : rangeRoot(sha256, start, middle, node)))
    if (isLeft) end = middle
    else start = middle
  }
  return path
}

/** What shows that the tree of `size` entries begins with that of `first`. @throws InvariantError `ERR_TLOG_RANGE` */
export async function proveConsistency(
  sha256: Sha256,
  first: number,
  size: number,
  node: NodeReader,
): Promise<readonly Uint8Array[]> {
  if (first < 0 || first > size) throw new InvariantError("ERR_TLOG_RANGE", `${first} of ${size}`)
  if (first === 0 || first === size) return []
  const path: Uint8Array[] = []
  let [start, end] = [0, size]
  while (first < end) {
    const middle = start + leftPart(end - start)
    const isLeft = first <= middle
    path.unshift(await (isLeft ? rangeRoot(sha256, middle, end, node) : rangeRoot(sha256, start, middle, node)))
    if (isLeft) end = middle
    else start = middle
  }
  // The old tree itself, or its last whole part, unless that is what the verifier begins with.
  if (start > 0) path.unshift(await rangeRoot(sha256, start, end, node))
  return path
}

/** Reads nodes from tiles: `tile` gives the hashes of one that a tree of `size` entries has. */
export function nodesOfTiles(
  sha256: Sha256,
  size: number,
  tile: (tile: Tile) => Promise<readonly Uint8Array[]>,
): NodeReader {
  return async (height, number) => {
    const level = Math.floor(height / TILE_HEIGHT)
    const span = 2 ** (height % TILE_HEIGHT)
    const first = number * span
    const index = Math.floor(first / TILE_WIDTH)
    const width = Math.min(TILE_WIDTH, Math.floor(size / TILE_WIDTH ** level) - index * TILE_WIDTH)
    const at = first % TILE_WIDTH
    const hashes = (await tile({ level, index, width })).slice(at, at + span)
    if (hashes.length !== span) throw new InvariantError("ERR_TLOG_RANGE", `no node ${height}/${number} of ${size}`)
    return foldWhole(sha256, hashes)
  }
}

/** Root of a whole subtree from the hashes of one height, 2^n of them. */
export function foldWhole(sha256: Sha256, hashes: readonly Uint8Array[]): Uint8Array {
  let row = hashes
  while (row.length > 1) {
    const above: Uint8Array[] = []
    for (let k = 0; k + 1 < row.length; k += 2)
      above.push(nodeHash(sha256, row[k] as Uint8Array, row[k + 1] as Uint8Array))
    row = above
  }
  const [root] = row
  if (root === undefined) throw new InvariantError("ERR_TLOG_RANGE", "no hash to fold")
  return root
}

/** Root of the entries [start, end); `start` is a multiple of the power of two that covers them. */
async function rangeRoot(sha256: Sha256, start: number, end: number, node: NodeReader): Promise<Uint8Array> {
  const count = end - start
  const height = Math.log2(count)
  if (Number.isInteger(height)) return node(height, start / count)
  const middle = start + leftPart(count)
  const [left, right] = [await rangeRoot(sha256, start, middle, node), await rangeRoot(sha256, middle, end, node)]
  return nodeHash(sha256, left, right)
}

/** The largest power of two below `count`. */
function leftPart(count: number): number {
  let part = 1
  while (part * 2 < count) part *= 2
  return part
}
