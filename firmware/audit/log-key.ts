import { IntegrityError, LockgateError } from "../../policy/base/errors.ts"
import { encodeCheckpoint, originOf, type Checkpoint } from "../../policy/audit/tlog/checkpoint.ts"
import { encodeNote, keyIdOf, type NoteKey, type NoteSignature } from "../../policy/audit/tlog/note.ts"
import type { KeyStore } from "../../hal/key-store.ts"
import { bareEd25519, ecdsaDer, nodeSha256 } from "./note-functions.ts"

/** Slot of the key that signs checkpoints. */
export const LOG_SLOT = "audit-log"
/** Slot of the board's own key for the second line, where keys lie in hardware. */
export const BOARD_SLOT = "audit-board"

/** A checkpoint and the note that says so. */
export interface SignedCheckpoint extends Checkpoint {
  readonly note: string
}

/** Signs for the log. */
export interface LogSigner {
  /** Ed25519; its name is the origin of the log. */
  readonly key: NoteKey
  /** ECDSA P-256 of the board's hardware; null where keys are files. */
  readonly boardKey: NoteKey | null
  /** `kept`: the key was there. `made`: there was none. `replaced`: there was one, and it could not be read. */
  readonly origin: "kept" | "made" | "replaced"
  /** The note over a checkpoint: a line of the log key, then one of the board's. @throws LockgateError whatever the key store throws */
  sign(checkpoint: Checkpoint): Promise<SignedCheckpoint>
}

/**
 * The key of the gateway's log, made at the first start.
 *
 * A key that cannot be read is replaced: the log goes on, and says so. Where the key store is hardware, the board's key signs too.
 *
 * @throws HardwareError `ERR_IO`
 * @see IEC 62443-4-2 CR 3.9
 */
export async function openLogKey(keyStore: KeyStore, gateway: string): Promise<LogSigner> {
  const name = originOf(gateway)
  const [spki, origin] = await keyIn(keyStore, LOG_SLOT, "Ed25519")
  const publicKey = bareEd25519(spki)
  if (publicKey === null) throw new IntegrityError("ERR_KEY_DAMAGED", `the key in slot ${LOG_SLOT} is not Ed25519`)
  const inHardware = keyStore.protection === "tpm" || keyStore.protection === "pkcs11"
  const board = inHardware ? (await keyIn(keyStore, BOARD_SLOT, "ES256"))[0] : null
  const key: NoteKey = { name, type: "ed25519", publicKey }
  const boardKey: NoteKey | null = board === null ? null : { name, type: "ecdsa", publicKey: board }
  return {
    key,
    boardKey,
    origin,
    async sign(checkpoint) {
      const text = encodeCheckpoint(checkpoint)
      const lines = [await noteSignature(keyStore, LOG_SLOT, key, text)]
      if (boardKey !== null) lines.push(await noteSignature(keyStore, BOARD_SLOT, boardKey, text))
      return { ...checkpoint, note: encodeNote(text, lines) }
    },
  }
}

/** A signature line by the key in `slot`. @throws LockgateError whatever the key store throws */
export async function noteSignature(
  keyStore: KeyStore,
  slot: string,
  key: NoteKey,
  text: string,
): Promise<NoteSignature> {
  const raw = await keyStore.sign(slot, new TextEncoder().encode(text))
  return {
    name: key.name,
    keyId: keyIdOf(nodeSha256, key),
    signature: key.type === "ecdsa" ? ecdsaDer(raw) : raw,
  }
}

async function keyIn(
  keyStore: KeyStore,
  slot: string,
  algorithm: "Ed25519" | "ES256",
): Promise<[Uint8Array, LogSigner["origin"]]> {
  let origin: LogSigner["origin"] = "made"
  try {
    const kept = await keyStore.publicKey(slot)
    const isRight = kept !== null && (bareEd25519(kept) !== null) === (algorithm === "Ed25519")
    if (isRight) return [kept, "kept"]
    if (kept !== null) origin = "replaced"
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind !== "integrity") throw error
    origin = "replaced"
  }
  return [await keyStore.generate(slot, algorithm), origin]
}
