/**
 * Tiles and bundles held against a signed root, from the top down: the tiles at the right edge give the root, each of their hashes
 * vouches for the full tile below it, and each hash of the lowest tiles for an entry.
 *
 * Where a tile and what lies below it say different things, the one that does not lead to the signed root is the wrong one.
 */
import { bundleName, compareBundle, hashedEntries, type HashedEntries } from "./verify-bundle.ts"
import { TreeEdge } from "./edge.ts"
import { HASH_BYTES, sameHash, type Sha256 } from "./hash.ts"
import type { LogStart } from "./log-start.ts"
import type { FaultList } from "./log-verdict.ts"
import type { Entry } from "../entry.ts"
import { piecePath, TILE_WIDTH, tileHashes, type LogPiece, type Tile } from "./tile.ts"
import { foldWhole } from "./tree.ts"

type Hashes = readonly Uint8Array[]

/** What a walk through the pieces is given. */
export interface PieceWalk {
  readonly sha256: Sha256
  readonly size: number
  readonly root: Uint8Array
  readonly origin: string
  /** First entry that is looked at; a multiple of 256. */
  readonly from: number
  readonly faults: FaultList
  /** Takes note of what is missing from the beginning. */
  readonly start: Pick<LogStart, "goesOn" | "isGone">
  /** Called with every entry that is right. */
  heard(entry: Entry): void
  piece(path: string): Promise<Uint8Array | null>
  progress(done: number): void
}

/** Bytes of a piece: by its own path, or the beginning of a wider one that has come since. */
export async function pieceOf(
  walk: Pick<PieceWalk, "piece">,
  piece: LogPiece,
): Promise<{ readonly bytes: Uint8Array; readonly isWider: boolean } | null> {
  const bytes = await walk.piece(piecePath(piece))
  if (bytes !== null) return { bytes, isWider: false }
  const wider = piece.width === TILE_WIDTH ? null : await walk.piece(piecePath({ ...piece, width: TILE_WIDTH }))
  return wider === null ? null : { bytes: wider, isWider: true }
}

/** The hashes of a tile; `missing`, or `malformed` if it has another length. */
export async function hashesOf(walk: Pick<PieceWalk, "piece">, tile: Tile): Promise<Hashes | "missing" | "malformed"> {
  const found = await pieceOf(walk, tile)
  if (found === null) return "missing"
  const bytes = found.isWider ? found.bytes.subarray(0, tile.width * HASH_BYTES) : found.bytes
  return bytes.length === tile.width * HASH_BYTES ? tileHashes(bytes, tile.width) : "malformed"
}

/** Verify every piece of the log from `from` on; returns the number of entries that are right. */
export async function verifyPieces(walk: PieceWalk): Promise<number> {
  const { faults } = walk
  const edge = edgeTiles(walk.size)
  const stored = await Promise.all(edge.map((tile) => hashesOf(walk, tile)))
  let trusted: readonly Hashes[] | null = stored.every((hashes) => typeof hashes !== "string") ? stored : null
  if (trusted === null || !sameHash(rootOfEdge(walk, edge, trusted), walk.root)) {
    trusted = await settleEdge(walk, edge, stored)
    if (trusted === null) return 0
  }
  let good = 0
  for (const [at, { level, index }] of [...edge.entries()].reverse()) {
    const hashes = trusted[at] ?? []
    if (level === 0) good += await verifyBundle(walk, index, hashes)
    else
      for (const [k, hash] of hashes.entries())
        good += await descend(walk, { level: level - 1, index: index * TILE_WIDTH + k, width: TILE_WIDTH }, hash)
  }
  if (faults.found.length === 0) walk.progress(walk.size)
  return good
}

/** The partial tiles of a tree, lowest level first. */
function edgeTiles(size: number): readonly Tile[] {
  const tiles: Tile[] = []
  for (let [level, count] = [0, size]; count > 0; level++, count = Math.floor(count / TILE_WIDTH)) {
    const width = count % TILE_WIDTH
    if (width > 0) tiles.push({ level, index: Math.floor(count / TILE_WIDTH), width })
  }
  return tiles
}

function rootOfEdge(walk: PieceWalk, edge: readonly Tile[], hashes: readonly Hashes[]): Uint8Array {
  const levels: Hashes[] = []
  for (const [at, { level }] of edge.entries()) {
    while (levels.length < level) levels.push([])
    levels.push(hashes[at] ?? [])
  }
  return new TreeEdge(walk.sha256, walk.size, levels).root()
}

/**
 * The edge tiles do not give the signed root: say which are wrong, by making each of what lies below it and trying every choice
 * between the two (at most 2^6).
 */
async function settleEdge(
  walk: PieceWalk,
  edge: readonly Tile[],
  stored: readonly (Hashes | "missing" | "malformed")[],
): Promise<readonly Hashes[] | null> {
  const made = await Promise.all(edge.map((tile) => madeOfBelow(walk, tile)))
  for (let choice = 0; choice < 2 ** edge.length; choice++) {
    const levels = edge.map((_, at) => ((choice >> at) & 1 ? made[at] : stored[at]))
    if (levels.some((hashes) => hashes === null || hashes === undefined || typeof hashes === "string")) continue
    if (!sameHash(rootOfEdge(walk, edge, levels as Hashes[]), walk.root)) continue
    for (const [at, tile] of edge.entries()) if ((choice >> at) & 1) blameTile(walk, tile, stored[at])
    return levels as Hashes[]
  }
  let told = false
  for (const [at, tile] of edge.entries()) {
    const [lies, below] = [stored[at], made[at] ?? null]
    if (lies === undefined || typeof lies === "string") {
      blameTile(walk, tile, lies)
      told = true
    } else if (below === null || lies.some((hash, k) => !sameHash(hash, below[k] ?? new Uint8Array()))) {
      const text = "this tile and what lies below it do not agree, and neither leads to the signed root"
      walk.faults.add(piecePath(tile), "ERR_LOG_TILE_ALTERED", text)
      told = true
    }
  }
  const text = told
    ? "neither tiles nor entries lead to the signed root"
    : "the log was changed and hashed anew: it is not what was signed"
  walk.faults.add("checkpoint", "ERR_LOG_OTHER_ROOT", text)
  return null
}

/** The hashes of a tile as what lies below it has them; null if that is not there whole. */
async function madeOfBelow(walk: PieceWalk, { level, index, width }: Tile): Promise<Hashes | null> {
  if (level === 0) {
    const found = await entriesOf(walk, index, width)
    return typeof found === "string" || found.leaves.length !== width ? null : found.leaves
  }
  const hashes: Uint8Array[] = []
  for (let k = 0; k < width; k++) {
    const below = await hashesOf(walk, { level: level - 1, index: index * TILE_WIDTH + k, width: TILE_WIDTH })
    if (typeof below === "string") return null
    hashes.push(foldWhole(walk.sha256, below))
  }
  return hashes
}

/** Verify a full tile whose root is `signed`, and all below it. */
async function descend(walk: PieceWalk, tile: Tile, signed: Uint8Array): Promise<number> {
  const end = (tile.index + 1) * TILE_WIDTH ** (tile.level + 1)
  if (end <= walk.from) return 0
  const stored = await hashesOf(walk, tile)
  if (stored === "missing" && tile.level === 0 && (await isGone(walk, tile.index))) return 0
  let hashes = typeof stored === "string" || !sameHash(foldWhole(walk.sha256, stored), signed) ? null : stored
  if (hashes === null) {
    blameTile(walk, tile, stored)
    const made = await madeOfBelow(walk, tile)
    if (made !== null && sameHash(foldWhole(walk.sha256, made), signed)) hashes = made
    else if (tile.level > 0) return 0
    else return unvouched(walk, tile.index)
  }
  if (tile.level === 0) return verifyBundle(walk, tile.index, hashes)
  let good = 0
  for (const [k, hash] of hashes.entries())
    good += await descend(walk, { level: tile.level - 1, index: tile.index * TILE_WIDTH + k, width: TILE_WIDTH }, hash)
  return good
}

/** True if neither the tile nor the bundle of a beginning that was dropped is there. */
async function isGone(walk: PieceWalk, index: number): Promise<boolean> {
  if (!walk.start.goesOn(index)) return false
  return (await walk.piece(bundleName(index, TILE_WIDTH))) === null && walk.start.isGone(index)
}

/** A bundle whose tile is of no use, and which is not as it was signed itself. */
async function unvouched(walk: PieceWalk, index: number): Promise<0> {
  const found = await entriesOf(walk, index, TILE_WIDTH)
  if (typeof found === "string") blameBundle(walk, index, TILE_WIDTH, found)
  else {
    const text = "not as it was signed, and no tile says which of its entries is wrong"
    walk.faults.add(bundleName(index, TILE_WIDTH), "ERR_LOG_BUNDLE_MALFORMED", text)
  }
  return 0
}

async function verifyBundle(walk: PieceWalk, index: number, signed: Hashes): Promise<number> {
  const found = await entriesOf(walk, index, signed.length)
  walk.progress(index * TILE_WIDTH + signed.length)
  if (typeof found !== "string")
    return compareBundle(index, found, signed, walk.origin, walk.faults, (entry) => walk.heard(entry))
  blameBundle(walk, index, signed.length, found)
  return 0
}

async function entriesOf(
  walk: PieceWalk,
  index: number,
  width: number,
): Promise<HashedEntries | "missing" | "malformed"> {
  const found = await pieceOf(walk, { level: "entries", index, width })
  if (found === null) return "missing"
  const hashed = hashedEntries(walk.sha256, found.bytes)
  if (hashed === null) return "malformed"
  return found.isWider ? { lines: hashed.lines.slice(0, width), leaves: hashed.leaves.slice(0, width) } : hashed
}

function blameTile(walk: PieceWalk, tile: Tile, stored: Hashes | "missing" | "malformed" | undefined): void {
  const isMissing = stored === "missing" || stored === undefined
  const text = isMissing ? "this tile is not there" : "this tile is not the one that was signed"
  walk.faults.add(piecePath(tile), isMissing ? "ERR_LOG_TILE_MISSING" : "ERR_LOG_TILE_ALTERED", text)
}

function blameBundle(walk: PieceWalk, index: number, width: number, how: "missing" | "malformed"): void {
  const [first, last] = [index * TILE_WIDTH, index * TILE_WIDTH + width - 1]
  const where = bundleName(index, width)
  if (how === "missing" && width === TILE_WIDTH && walk.start.isGone(index)) return
  if (how === "missing") walk.faults.add(where, "ERR_LOG_BUNDLE_MISSING", `entries ${first} to ${last} are not there`)
  else walk.faults.add(where, "ERR_LOG_BUNDLE_MALFORMED", `entries ${first} to ${last}: not an entry bundle`)
}
