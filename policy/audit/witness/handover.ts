/**
 * From the key of a log to its next one.
 *
 * The last entry under the old key is `audit.key-changed` and names the next; the checkpoint over it is signed by both. Shown as the proof of that
 * entry (`proof-file.ts`), anyone who believes the old key can follow without asking the gateway.
 */
import { InputError } from "../../base/errors.ts"
import { encodeNoteKey, parseNote, parseNoteKey, verifyNote, type NoteKey } from "../tlog/note.ts"
import { isSameKey, parseProofFile, verifyProof } from "../proof-file.ts"
import type { NoteFunctions } from "./cosigner.ts"

/** More handovers in a row are not followed. */
export const MAX_HANDOVERS = 64

/**
 * The key that `text` hands over to from `key`; null if it does not: not by this key, not the last entry of its tree, not signed by the next
 * key too, or no such proof at all. Never throws on input.
 *
 * @see IEC 62443-4-2 CR 3.9
 */
export async function nextKeyBy(functions: NoteFunctions, key: NoteKey, text: string): Promise<NoteKey | null> {
  const { sha256, verify } = functions
  try {
    const proof = parseProofFile(sha256, text)
    const { state, entry } = await verifyProof(functions, proof, [key])
    const named = entry?.detail?.["key"]
    if (state !== "proved" || entry?.event !== "audit.key-changed" || typeof named !== "string") return null
    const next = parseNoteKey(sha256, named)
    if (proof.index !== proof.size - 1 || next.name !== key.name || next.type !== key.type) return null
    const signed = await verifyNote(sha256, parseNote(proof.checkpoint), [next], verify)
    return signed.length > 0 && !isSameKey(next, key) ? next : null
  } catch (error) {
    if (error instanceof InputError) return null
    throw error
  }
}

/** The keys from `key` on, each handed over to by the one before; `key` first. What does not fit is passed over. */
export async function followKeys(
  functions: NoteFunctions,
  key: NoteKey,
  handovers: readonly string[],
): Promise<readonly NoteKey[]> {
  const keys = [key]
  const seen = new Set([encodeNoteKey(functions.sha256, key)])
  for (let last = key; keys.length <= MAX_HANDOVERS;) {
    const next = await nextAmong(functions, last, handovers)
    const name = next === null ? "" : encodeNoteKey(functions.sha256, next)
    if (next === null || seen.has(name)) break
    keys.push(next)
    seen.add(name)
    last = next
  }
  return keys
}

async function nextAmong(
  functions: NoteFunctions,
  key: NoteKey,
  handovers: readonly string[],
): Promise<NoteKey | null> {
  for (const text of handovers) {
    const next = await nextKeyBy(functions, key, text)
    if (next !== null) return next
  }
  return null
}
