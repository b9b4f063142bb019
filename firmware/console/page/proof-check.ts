/** A proof file that was handed to the page: checked here, without any broker, and the result said so that nobody misreads it. */
import { InputError, LockgateError } from "../../../policy/base/errors.ts"
import { MAX_PROOF_BYTES, parseProofFile, verifyProof } from "../../../policy/audit/proof-file.ts"
import { encodeNoteKey, parseNoteKey, type NoteKey } from "../../../policy/audit/tlog/note.ts"
import type { CheckedProof } from "./messages.ts"
import { canVerify, sha256, verifySignature } from "./signatures.ts"

/**
 * What a proof file comes to, by the keys that were given. Never rejects for what is in the file.
 *
 * @see IEC 62443-4-2 CR 2.12, CR 3.9
 */
export async function checkProof(name: string, text: string, keyLines: string): Promise<CheckedProof> {
  const nothing = { name, key: null, seq: null, line: null, gateway: null, size: null }
  if (!(await canVerify())) return { ...nothing, state: "unable", faults: [] }
  try {
    if (text.length > MAX_PROOF_BYTES) throw new InputError("ERR_PROOF", "the file is too long for a proof")
    const proof = parseProofFile(sha256, text)
    const keys = trustedIn(keyLines)
    // A key of another log neither vouches for this one nor speaks against it.
    const own = keys.filter(({ name: of }) => of === proof.key.name)
    const { state, entry, checkpoint, key, faults } = await verifyProof({ sha256, verify: verifySignature }, proof, own)
    return {
      name,
      state,
      faults: faults.map(({ text: said }) => said),
      key: encodeNoteKey(sha256, key ?? proof.key),
      gateway: entry?.gateway ?? null,
      size: checkpoint?.size ?? null,
      seq: proof.index,
      line: new TextDecoder().decode(proof.line),
    }
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind !== "input") throw error
    return { ...nothing, state: "wrong", faults: [error.message] }
  }
}

/** The keys among the lines; what is no key is passed over: the form says so when it is used to connect. */
function trustedIn(lines: string): readonly NoteKey[] {
  const keys: NoteKey[] = []
  for (const line of lines.split("\n").map((one) => one.trim())) {
    try {
      if (line !== "") keys.push(parseNoteKey(sha256, line))
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind !== "input") throw error
    }
  }
  return keys
}
