import { InputError, InvariantError } from "../../base/errors.ts"
import type { Sha256 } from "../tlog/hash.ts"
import { piecePath, tileHashes } from "../tlog/tile.ts"
import { nodesOfTiles, proveConsistency, rootOf } from "../tlog/tree.ts"
import type { Shown } from "./cosigner.ts"

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
  const missing = new InputError("ERR_TLOG_TILE", "a tile is missing")
  const node = nodesOfTiles(sha256, size, async (tile) => {
    const bytes = await piece(piecePath(tile))
    if (bytes === null) throw missing
    return tileHashes(bytes, tile.width)
  })
  try {
    const proof = await proveConsistency(sha256, known, size, node)
    return { proof, rootThen: await rootOf(sha256, known, node) }
  } catch (error) {
    if (!(error instanceof InputError) && !(error instanceof InvariantError)) throw error
    if (error.code !== "ERR_TLOG_TILE") throw error
    return { proof: null }
  }
}
