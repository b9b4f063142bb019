/**
 * Changes of the log's key, kept so that whoever trusts the old one can follow:
 *
 *     audit/handover-301    proof file of entry 300, which names the next key, over a checkpoint that both keys signed
 *
 * @see policy/audit/key-chain.ts
 */
import type { Storage } from "../../hal/storage.ts"
import { followHandovers } from "../../policy/audit/key-chain.ts"
import { encodeProofFile, parseProofFile } from "../../policy/audit/proof-file.ts"
import { FaultList } from "../../policy/audit/tlog/log-verdict.ts"
import type { NoteKey } from "../../policy/audit/tlog/note.ts"
import { LockgateError } from "../../policy/base/errors.ts"
import type { LoggedEntry } from "./bundle-reader.ts"
import type { SignedCheckpoint } from "./log-key.ts"
import { nodeSha256, verifyNoteSignature } from "./note-functions.ts"

/** On disk before this resolves. @throws HardwareError `ERR_IO` */
export function keepHandover(
  storage: Pick<Storage, "write">,
  handover: {
    readonly from: NoteKey
    readonly entry: LoggedEntry
    readonly proof: readonly Uint8Array[]
    readonly checkpoint: SignedCheckpoint
  },
): Promise<void> {
  const { from, entry, proof, checkpoint } = handover
  const { size, note } = checkpoint
  const file = { line: entry.line, index: entry.seq, size, proof, checkpoint: note, key: from }
  return storage.write(`audit/handover-${size}`, new TextEncoder().encode(encodeProofFile(nodeSha256, file)))
}

/** Between which keys the newest handover is, signed by both; null if there is none. @throws HardwareError `ERR_IO` */
export async function lastHandover(
  storage: Pick<Storage, "list" | "read">,
): Promise<{ readonly from: NoteKey; readonly to: NoteKey } | null> {
  const sizes = (await storage.list("audit")).flatMap((name) => /^handover-(\d{1,15})$/.exec(name)?.slice(1, 2) ?? [])
  if (sizes.length === 0) return null
  const where = `handover-${Math.max(...sizes.map(Number))}`
  const text = new TextDecoder().decode((await storage.read(`audit/${where}`)) ?? new Uint8Array())
  const from = claimedKey(text)
  if (from === null) return null
  // Whoever has one of the keys only cannot make the log go back to it.
  const deps = { sha256: nodeSha256, verify: verifyNoteSignature, keys: [from] }
  const { retired, keys } = await followHandovers(deps, [{ where, text }], new FaultList())
  const [to] = keys
  return retired.length === 0 || to === undefined ? null : { from, to }
}

function claimedKey(text: string): NoteKey | null {
  try {
    return parseProofFile(nodeSha256, text).key
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind !== "input") throw error
    return null
  }
}
