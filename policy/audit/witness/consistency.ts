import { InputError } from "../../base/errors.ts"
import type { Sha256 } from "../tlog/hash.ts"
import { piecePath, tileHashes } from "../tlog/tile.ts"
import { nodesOfTiles, proveConsistency, rootOf, type NodeReader } from "../tlog/tree.ts"
import type { Shown } from "./cosigner.ts"

/** Six levels of tiles: more no log of a gateway ever has, and none that says so is looked at. */
const MAX_SIZE = 2 ** 47
const NO_TILE: ReadonlySet<string> = new Set(["ERR_TLOG_TILE", "ERR_TLOG_PATH"])

/** Gives a tile by its tlog-tiles path, unverified; null if it cannot be had. */
export type PieceReader = (path: string) => Promise<Uint8Array | null>

/**
 * What a cosigner that knows `known` entries is to be shown beside the checkpoint of `size`: the proof, made of tiles, and the root
 * that those have at `known`. The proof is null where a tile is missing or is none.
 *
 * A few tiles a level are asked for, however far apart the sizes are. Errors of `piece` itself come through.
 */
export async function consistencyOf(
  sha256: Sha256,
  known: number,
  size: number,
  piece: PieceReader,
): Promise<Pick<Shown, "proof" | "rootThen">> {
  if (known === 0 || known >= size) return { proof: [] }
  if (size > MAX_SIZE) return { proof: null }
  const node = nodesFrom(sha256, size, piece)
  try {
    const proof = await proveConsistency(sha256, known, size, node)
    return { proof, rootThen: await rootOf(sha256, known, node) }
  } catch (error) {
    if (isNoTile(error)) return { proof: null }
    throw error
  }
}

/** The root of the first `size` entries from whatever tiles there are; null if one of them is missing. */
export async function rootFrom(sha256: Sha256, size: number, piece: PieceReader): Promise<Uint8Array | null> {
  const node = nodesFrom(sha256, size, piece)
  try {
    return size > MAX_SIZE ? null : await rootOf(sha256, size, node)
  } catch (error) {
    if (isNoTile(error)) return null
    throw error
  }
}

function isNoTile(error: unknown): boolean {
  return error instanceof InputError && NO_TILE.has(String(error.code))
}

function nodesFrom(sha256: Sha256, size: number, piece: PieceReader): NodeReader {
  return nodesOfTiles(sha256, size, async (tile) => {
    const bytes = await piece(piecePath(tile))
    if (bytes === null) throw new InputError("ERR_TLOG_TILE", "a tile is missing")
    return tileHashes(bytes, tile.width)
  })
}
