import { LockgateError, InputError } from "../../policy/base/errors.ts"
import { parseCheckpoint, type Checkpoint } from "../../policy/audit/tlog/checkpoint.ts"
import { parseNote } from "../../policy/audit/tlog/note.ts"
import { piecePath, tileHashes } from "../../policy/audit/tlog/tile.ts"
import { nodesOfTiles, proveInclusion } from "../../policy/audit/tlog/tree.ts"
import type { FolderSource } from "./folder-source.ts"
import { nodeSha256 } from "./note-functions.ts"

/** The way from an entry to a checkpoint; or why there is none, in a sentence. */
export type FoundProof =
  | { readonly ok: true; readonly note: string; readonly checkpoint: Checkpoint; readonly proof: readonly Uint8Array[] }
  | { readonly ok: false; readonly reason: "no-checkpoint" | "not-yet" | "no-tile"; readonly text: string }

/**
 * The proof of entry `seq`, made from the tiles of a log. Nothing of it is verified: `verifyProof` does that.
 *
 * @throws HardwareError `ERR_IO`
 */
export async function findProof(source: FolderSource, seq: number): Promise<FoundProof> {
  const note = await source.checkpoint()
  if (note === null) return { ok: false, reason: "no-checkpoint", text: "the log has no checkpoint" }
  try {
    const checkpoint = parseCheckpoint(parseNote(note).text)
    if (seq >= checkpoint.size)
      return {
        ok: false,
        reason: "not-yet",
        text: `the last checkpoint is of ${checkpoint.size} entries; ask again in a second`,
      }
    const node = nodesOfTiles(nodeSha256, checkpoint.size, async (tile) => {
      const path = piecePath(tile)
      const bytes = await source.piece(path)
      if (bytes === null) throw new InputError("ERR_TLOG_TILE", `${path} is missing`)
      return tileHashes(bytes, tile.width)
    })
    return { ok: true, note, checkpoint, proof: await proveInclusion(nodeSha256, seq, checkpoint.size, node) }
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind !== "input") throw error
    const reason = error.code === "ERR_TLOG_TILE" ? "no-tile" : "no-checkpoint"
    return {
      ok: false,
      reason,
      text: reason === "no-tile" ? error.message : "the checkpoint is not a signed note of a log",
    }
  }
}
