import { LockgateError } from "../../policy/base/errors.ts"
import { encodeProofFile } from "../../policy/audit/proof-file.ts"
import { parseCheckpoint } from "../../policy/audit/tlog/checkpoint.ts"
import { parseNote } from "../../policy/audit/tlog/note.ts"
import { piecePath, tileHashes } from "../../policy/audit/tlog/tile.ts"
import { nodesOfTiles, proveInclusion } from "../../policy/audit/tlog/tree.ts"
import { handoverTopic } from "../../policy/audit/witness/place.ts"
import type { Storage } from "../../hal/storage.ts"
import type { AuditLog } from "./log.ts"
import { nodeSha256 } from "./note-functions.ts"

/**
 * Every change of this log's key, as messages for whoever believes an older one: the proof of the entry that names the next key, under the
 * checkpoint that both have signed. What can no longer be proved, because its tiles were dropped, is left to what the broker holds already.
 *
 * @throws HardwareError `ERR_IO`
 */
export async function handoverProofs(
  log: Pick<AuditLog, "key" | "read" | "piece">,
  storage: Pick<Storage, "read" | "list">,
  gateway: string,
): Promise<readonly { readonly topic: string; readonly payload: Uint8Array }[]> {
  const names = (await storage.list("audit")).filter((name) => /^handover-[1-9][0-9]{0,15}$/.test(name))
  const messages: { topic: string; payload: Uint8Array }[] = []
  for (const name of names) {
    const bytes = await storage.read(`audit/${name}`)
    const proof = bytes === null ? null : await proofOf(log, new TextDecoder().decode(bytes))
    if (proof === null) continue
    const topic = handoverTopic(gateway, Number(name.slice(name.indexOf("-") + 1)))
    messages.push({ topic, payload: new TextEncoder().encode(proof) })
  }
  return messages
}

async function proofOf(log: Pick<AuditLog, "key" | "read" | "piece">, checkpoint: string): Promise<string | null> {
  try {
    const note = parseNote(checkpoint)
    const { size } = parseCheckpoint(note.text)
    const index = size - 1
    const node = nodesOfTiles(nodeSha256, size, async (tile) =>
      tileHashes((await log.piece(piecePath(tile))) ?? new Uint8Array(), tile.width),
    )
    const [entry] = await log.read(index, 1)
    if (entry === undefined) return null
    const proof = await proveInclusion(nodeSha256, index, size, node)
    // Whoever follows brings the key that it believes; the one in the file is no more than a hint.
    return encodeProofFile(nodeSha256, { line: entry.line, index, size, proof, checkpoint, key: log.key })
  } catch (error) {
    // A piece of that time is gone or damaged; what is damaged the log itself tells.
    if (error instanceof LockgateError && error.kind !== "hardware" && error.kind !== "invariant") return null
    throw error
  }
}
