import type { Storage } from "../../hal/storage.ts"
import { HASH_BYTES, leafHash } from "../../policy/audit/tlog/hash.ts"
import { piecePath, TILE_WIDTH, tileHashes, type LogPiece, type Tile } from "../../policy/audit/tlog/tile.ts"
import { foldWhole } from "../../policy/audit/tlog/tree.ts"
import { joinedHashes } from "../../policy/audit/tlog/edge.ts"
import { BUNDLE_ENTRIES } from "../../policy/audit/entry-bundle.ts"
import { readBundle } from "./bundle-reader.ts"
import { nodeSha256 } from "./note-functions.ts"

/** The signed root, as a third-party reader of the folder looks for it. */
export const CHECKPOINT = "audit/checkpoint"

/** Where a tile or a bundle lies in the storage. */
export function pieceFile(piece: LogPiece): string {
  return `audit/${piecePath(piece)}`
}

/** The full tiles of a log on disk. */
export interface TileFiles {
  /** The hashes of a full tile; made again, and written, if the file is missing or of another length. @throws HardwareError `ERR_IO` */
  full(level: number, index: number): Promise<readonly Uint8Array[]>
  /** What had to be made again since this was made. */
  readonly remade: readonly Tile[]
}

/**
 * The full tiles in this storage.
 *
 * Entries that no bundle holds any more have a hash of zeros when their tile has to be made again: no entry has that one.
 * Tiles of entries below `firstSeq`, which were dropped, are believed as they lie there: nothing is left to make them of.
 * With `fromEntries` no other tile that lies there is believed: all that are asked for are made of entries, and written where they differ.
 */
export function createTileFiles(storage: Storage, firstSeq: number, fromEntries = false): TileFiles {
  const remade: Tile[] = []
  const done = new Map<string, readonly Uint8Array[]>()

  async function made(level: number, index: number): Promise<readonly Uint8Array[]> {
    if (level === 0) return bundleLeaves(storage, index)
    const hashes: Uint8Array[] = []
    for (let k = 0; k < TILE_WIDTH; k++)
      hashes.push(foldWhole(nodeSha256, await full(level - 1, index * TILE_WIDTH + k)))
    return hashes
  }

  async function full(level: number, index: number): Promise<readonly Uint8Array[]> {
    const tile: Tile = { level, index, width: TILE_WIDTH }
    const path = pieceFile(tile)
    const known = done.get(path)
    if (known !== undefined) return known
    const bytes = await storage.read(path)
    const isWhole = bytes?.length === TILE_WIDTH * HASH_BYTES
    if (isOfDropped(level, index, firstSeq))
      return tileHashes(isWhole ? bytes : new Uint8Array(TILE_WIDTH * HASH_BYTES), TILE_WIDTH)
    if (isWhole && !fromEntries) return tileHashes(bytes, TILE_WIDTH)
    const hashes = await made(level, index)
    const right = joinedHashes(hashes)
    if (!isWhole || !right.every((byte, at) => byte === bytes[at])) {
      remade.push(tile)
      await storage.write(path, right)
    }
    if (fromEntries) done.set(path, hashes)
    return hashes
  }

  return { full, remade }
}

/** Tiles of level 0 below this one went with their entries: those whose hashes are all in full tiles of level 1. */
export function firstLeafTile(firstSeq: number): number {
  const bundle = firstSeq / BUNDLE_ENTRIES
  return bundle - (bundle % TILE_WIDTH)
}

function isOfDropped(level: number, index: number, firstSeq: number): boolean {
  return level === 0 ? index < firstSeq / BUNDLE_ENTRIES : level === 1 && index < firstLeafTile(firstSeq) / TILE_WIDTH
}

async function bundleLeaves(storage: Storage, index: number): Promise<readonly Uint8Array[]> {
  const { lines } = await readBundle(storage, index)
  const leaves = lines.map((line) => leafHash(nodeSha256, line))
  while (leaves.length < BUNDLE_ENTRIES) leaves.push(new Uint8Array(HASH_BYTES))
  return leaves
}

/** Full pieces of one kind that there are, and the files of partial ones. Only names are read. */
export interface ListedPieces {
  /** Indexes, ascending. */
  readonly full: readonly number[]
  readonly partialFiles: readonly string[]
}

/** The names below `audit/tile/<level>`. @throws HardwareError `ERR_IO` */
export async function listPieces(storage: Pick<Storage, "list">, level: number | "entries"): Promise<ListedPieces> {
  const full: number[] = []
  const partialFiles: string[] = []
  const walk = async (folder: string, base: number): Promise<void> => {
    for (const name of await storage.list(folder)) {
      const below = `${folder}/${name.slice(0, -1)}`
      if (/^\d{3}$/.test(name)) full.push(base * 1000 + Number(name))
      else if (/^x\d{3}\/$/.test(name)) await walk(below, base * 1000 + Number(name.slice(1, 4)))
      else if (/^\d{3}\.p\/$/.test(name))
        for (const width of await storage.list(below)) partialFiles.push(`${below}/${width}`)
    }
  }
  await walk(`audit/tile/${level}`, 0)
  return { full: full.sort((a, b) => a - b), partialFiles }
}
