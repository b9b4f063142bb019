import { LockgateError, IntegrityError } from "../../policy/base/errors.ts"
import { cosignedMessage, type Note, type NoteKey } from "../../policy/audit/tlog/note.ts"
import { withCosignature } from "../../policy/audit/witness/cosignature.ts"
import { encodeRefusal, signedRefusal, type RefusalStatement } from "../../policy/audit/witness/refusal.ts"
import type { KeyStore } from "../../hal/key-store.ts"
import { bareEd25519, nodeSha256 } from "./note-functions.ts"

/** Slot of the key that cosigns the logs of others: never the one that signs our own. */
export const COSIGNER_SLOT = "audit-cosigner"

/** Signs for what it has seen of other logs. Neither function looks at what it signs: the caller has decided. */
export interface Cosigner {
  /** Its name is one level of a topic: that of the gateway. */
  readonly key: NoteKey
  /** Whether the key was made just now; what others have in their board files is another one, if any. */
  readonly isNew: boolean
  /** The note with our line. @throws LockgateError whatever the key store throws */
  cosign(note: Note, atSeconds: number): Promise<string>
  /** A refusal as a signed note. @throws LockgateError whatever the key store throws */
  refuse(statement: RefusalStatement, atSeconds: number): Promise<string>
}

/**
 * The cosigner of this board, its key made at the first use. A key that cannot be read is replaced.
 *
 * @throws HardwareError `ERR_IO`
 * @see C2SP tlog-cosignature
 */
export async function openCosigner(keyStore: KeyStore, name: string): Promise<Cosigner> {
  const kept = await readCosignerKey(keyStore, name)
  const publicKey = kept?.publicKey ?? bareEd25519(await keyStore.generate(COSIGNER_SLOT, "Ed25519"))
  if (publicKey === null) throw new IntegrityError("ERR_KEY_DAMAGED", `the key in slot ${COSIGNER_SLOT} is not Ed25519`)
  const key: NoteKey = { name, type: "cosignature", publicKey }
  const signed = (text: string, atSeconds: number): Promise<Uint8Array> =>
    keyStore.sign(COSIGNER_SLOT, cosignedMessage(text, atSeconds))
  return {
    key,
    isNew: kept === null,
    cosign: async (note, at) => withCosignature(nodeSha256, note, key, at, await signed(note.text, at)),
    async refuse(statement, at) {
      const text = encodeRefusal(statement)
      return signedRefusal(nodeSha256, text, key, at, await signed(text, at))
    },
  }
}

/** The public key of this board's cosigner; null if there is none that can be read. @throws HardwareError `ERR_IO` */
export async function readCosignerKey(keyStore: Pick<KeyStore, "publicKey">, name: string): Promise<NoteKey | null> {
  try {
    const spki = await keyStore.publicKey(COSIGNER_SLOT)
    const publicKey = spki === null ? null : bareEd25519(spki)
    return publicKey === null ? null : { name, type: "cosignature", publicKey }
  } catch (error) {
    if (error instanceof LockgateError && error.kind === "integrity") return null
    throw error
  }
}
