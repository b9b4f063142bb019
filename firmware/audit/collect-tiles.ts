import { IntegrityError } from "../../policy/base/errors.ts"
import { encodeBundle } from "../../policy/audit/entry-bundle.ts"
import type { Checkpoint } from "../../policy/audit/tlog/checkpoint.ts"
import { joinedHashes, TreeEdge } from "../../policy/audit/tlog/edge.ts"
import { HASH_BYTES, sameHash } from "../../policy/audit/tlog/hash.ts"
import {
  parsePiecePath,
  piecePath,
  TILE_WIDTH,
  tileHashes,
  type LogPiece,
  type Tile,
} from "../../policy/audit/tlog/tile.ts"
import { foldWhole } from "../../policy/audit/tlog/tree.ts"
import { hashedEntries } from "../../policy/audit/tlog/verify-bundle.ts"
import { nodeSha256 } from "./note-functions.ts"

/** Verified tiles that are kept in memory: a few of each level are wanted again and again. */
const KEPT = 16

/** From where pieces come that nobody has verified yet, the best first; each gives null if it has none. */
export type PieceWays = readonly ((path: string) => Promise<Uint8Array | null>)[]

/** What a signed tree is made of, each piece verified against its root before it is given. */
export interface SignedTree {
  readonly size: number
  /** The hashes of a tile of this tree. @throws IntegrityError `ERR_PIECE_MISSING`, `ERR_PIECE_ALTERED` */
  hashes(tile: Tile): Promise<readonly Uint8Array[]>
  /** A full bundle, and its tile. @throws IntegrityError likewise */
  bundle(index: number): Promise<{ readonly entries: Uint8Array; readonly tile: Uint8Array }>
  /** The partial pieces of this tree, as tlog-tiles names them; none if its size is a multiple of 256. */
  readonly partials: readonly { readonly path: string; readonly bytes: Uint8Array }[]
}

/**
 * The tree of a signed checkpoint, whose right edge `ways` must have; each full tile is vouched for by the one above it. A piece that is
 * missing or wrong in one way is looked for in the next.
 *
 * @throws IntegrityError `ERR_PIECE_MISSING`, `ERR_PIECE_ALTERED` if the edge is not that of the checkpoint
 */
export async function openSignedTree(
  { size, root }: Pick<Checkpoint, "size" | "root">,
  ways: PieceWays,
): Promise<SignedTree> {
  const edge = await edgeOf(size, root, ways)
  const verified = new Map<string, readonly Uint8Array[]>()

  /** The root of a full tile, by the tile above it. */
  async function signedRoot({ level, index }: Pick<Tile, "level" | "index">): Promise<Uint8Array> {
    const above = Math.floor(index / TILE_WIDTH)
    const width = Math.min(TILE_WIDTH, Math.floor(size / TILE_WIDTH ** (level + 1)) - above * TILE_WIDTH)
    const hashes = await hashesOf({ level: level + 1, index: above, width })
    return hashes[index % TILE_WIDTH] ?? new Uint8Array(HASH_BYTES)
  }

  async function hashesOf(tile: Tile): Promise<readonly Uint8Array[]> {
    const path = piecePath(tile)
    const known = edge.tiles.get(path) ?? verified.get(path)
    if (known !== undefined) return known
    const signed = await signedRoot(tile)
    const bytes = await firstThat(path, ways, (found) => {
      const isTile = found.length === TILE_WIDTH * HASH_BYTES
      return isTile && sameHash(foldWhole(nodeSha256, tileHashes(found, TILE_WIDTH)), signed)
    })
    const hashes = tileHashes(bytes, TILE_WIDTH)
    verified.set(path, hashes)
    const oldest = verified.keys().next().value
    if (verified.size > KEPT && oldest !== undefined) verified.delete(oldest)
    return hashes
  }

  return {
    size,
    partials: edge.partials,
    hashes: hashesOf,
    async bundle(index) {
      const signed = await signedRoot({ level: 0, index })
      let leaves: readonly Uint8Array[] = []
      const path = piecePath({ level: "entries", index, width: TILE_WIDTH })
      const entries = await firstThat(path, ways, (found) => {
        leaves = hashedEntries(nodeSha256, found)?.leaves ?? []
        return leaves.length === TILE_WIDTH && sameHash(foldWhole(nodeSha256, leaves), signed)
      })
      return { entries, tile: joinedHashes(leaves) }
    },
  }
}

interface SignedEdge {
  readonly tiles: ReadonlyMap<string, readonly Uint8Array[]>
  readonly partials: SignedTree["partials"]
}

/** The partial tiles of a tree, all from one way, for they fit one size only. */
async function edgeOf(size: number, root: Uint8Array, ways: PieceWays): Promise<SignedEdge> {
  let isAltered = false
  for (const way of ways) {
    const found = await edgeBy(size, root, way)
    if (found !== null && found !== "altered") return found
    isAltered ||= found === "altered"
  }
  if (isAltered) throw altered("the edge")
  throw missing("the edge")
}

async function edgeBy(size: number, root: Uint8Array, way: PieceWays[number]): Promise<SignedEdge | "altered" | null> {
  const tiles = new Map<string, readonly Uint8Array[]>()
  const partials: { path: string; bytes: Uint8Array }[] = []
  const levels: (readonly Uint8Array[])[] = []
  for (let [level, count] = [0, size]; count > 0; level++, count = Math.floor(count / TILE_WIDTH)) {
    const [index, width] = [Math.floor(count / TILE_WIDTH), count % TILE_WIDTH]
    let hashes: readonly Uint8Array[] = []
    if (width > 0 && level === 0) {
      const bundle: LogPiece = { level: "entries", index, width }
      const bytes = await way(piecePath(bundle))
      if (bytes === null) return null
      const found = hashedEntries(nodeSha256, bytes)
      if (found?.leaves.length !== width) return "altered"
      hashes = found.leaves
      partials.push({ path: piecePath(bundle), bytes: encodeBundle(found.lines) })
    } else if (width > 0) {
      const bytes = await way(piecePath({ level, index, width }))
      if (bytes === null) return null
      if (bytes.length !== width * HASH_BYTES) return "altered"
      hashes = tileHashes(bytes, width)
    }
    levels.push(hashes)
    if (width === 0) continue
    const path = piecePath({ level, index, width })
    tiles.set(path, hashes)
    partials.push({ path, bytes: joinedHashes(hashes) })
  }
  return sameHash(new TreeEdge(nodeSha256, size, levels).root(), root) ? { tiles, partials } : "altered"
}

/** The first that is right. */
async function firstThat(path: string, ways: PieceWays, isRight: (bytes: Uint8Array) => boolean): Promise<Uint8Array> {
  let isAltered = false
  for (const way of ways) {
    const bytes = await way(path)
    if (bytes === null) continue
    if (isRight(bytes)) return bytes
    isAltered = true
  }
  throw isAltered ? altered(path) : missing(path)
}

function altered(what: string): IntegrityError {
  return new IntegrityError("ERR_PIECE_ALTERED", `${what} is not what the gateway signed`, { detail: { piece: what } })
}

function missing(what: string): IntegrityError {
  return new IntegrityError("ERR_PIECE_MISSING", `${what} is not to be had now`, { detail: { piece: what } })
}

/** The tile at a path as bytes, for whoever makes proofs. */
export async function tileBytes(tree: SignedTree, path: string): Promise<Uint8Array> {
  return joinedHashes(await tree.hashes(parsePiecePath(path) as Tile))
}
