import { IntegrityError, InvariantError, LockgateError } from "../../policy/base/errors.ts"
import { isSameKey } from "../../policy/audit/proof-file.ts"
import { encodeCheckpoint, originOf, type Checkpoint } from "../../policy/audit/tlog/checkpoint.ts"
import { encodeNote, keyIdOf, type NoteKey, type NoteSignature } from "../../policy/audit/tlog/note.ts"
import type { KeyStore } from "../../hal/key-store.ts"
import { bareEd25519, ecdsaDer, nodeSha256 } from "./note-functions.ts"

/** Slot of the key that signs checkpoints; after a rotation it is the other one, and so on in turn. */
export const LOG_SLOT = "audit-log"
/** The other one of the two. */
export const OTHER_SLOT = "audit-log-2"
/** Remembers which of the two it is. */
export const TURN_SLOT = "audit-log-turn"
/** Slot of the board's own key for the second line, where keys lie in hardware. */
export const BOARD_SLOT = "audit-board"

/** A checkpoint and the note that says so. */
export interface SignedCheckpoint extends Checkpoint {
  readonly note: string
}

/** Signs for the log. */
export interface LogSigner {
  /** Ed25519; its name is the origin of the log. Another one after `rotate`. */
  readonly key: NoteKey
  /** The key before, while the store has it: what it signed is believed at a start. */
  readonly previous: NoteKey | null
  /** ECDSA P-256 of the board's hardware; null where keys are files. */
  readonly boardKey: NoteKey | null
  /** `kept`: the key was there. `made`: there was none. `replaced`: there was one, and it could not be read. */
  readonly origin: "kept" | "made" | "replaced"
  /** The note over a checkpoint: a line of the log key, then one of the board's. @throws LockgateError whatever the key store throws */
  sign(checkpoint: Checkpoint): Promise<SignedCheckpoint>
  /** A note over any text that is no checkpoint, by the log key in force alone. @throws LockgateError whatever the key store throws */
  signNote(text: string): Promise<string>
  /** The bare signature over a text of one line without its end, which hence is no note. @throws LockgateError whatever the key store throws */
  signText(text: string): Promise<Uint8Array>
  /**
   * Make the next key: `named` puts it into the log and returns the checkpoint that covers that. Both keys sign this one; `kept` brings the
   * note to disk; then the next key is in force. After a failure, or a power cut before that, the old one still is.
   */
  rotate(steps: {
    named: (next: NoteKey) => Promise<Checkpoint>
    kept: (handover: SignedCheckpoint) => Promise<void>
  }): Promise<SignedCheckpoint>
}

/**
 * The key of the gateway's log, made at the first start.
 *
 * `handover` is the newest that lies there: if power went after it was kept, and before that was remembered, the key that it names is in
 * force. A key that cannot be read is replaced: the log goes on, and says so. Where the key store is hardware, the board's key signs too.
 *
 * @throws HardwareError `ERR_IO`
 * @see IEC 62443-4-2 CR 3.9
 */
export async function openLogKey(
  keyStore: KeyStore,
  gateway: string,
  handover: { readonly from: NoteKey; readonly to: NoteKey } | null = null,
): Promise<LogSigner> {
  const name = originOf(gateway)
  const bare = (spki: Uint8Array | null): NoteKey | null => {
    const publicKey = spki === null ? null : bareEd25519(spki)
    return publicKey === null ? null : { name, type: "ed25519", publicKey }
  }
  const turn = await keyStore.recall(TURN_SLOT)
  let slot = turn !== null && new TextDecoder().decode(turn) === OTHER_SLOT ? OTHER_SLOT : LOG_SLOT
  const otherOf = (one: string): string => (one === LOG_SLOT ? OTHER_SLOT : LOG_SLOT)
  const [spki, origin] = await keyIn(keyStore, slot, "Ed25519")
  const found = bare(spki)
  if (found === null) throw new IntegrityError("ERR_KEY_DAMAGED", `the key in slot ${slot} is not Ed25519`)
  let key = found
  let previous = bare(await keyStore.publicKey(otherOf(slot)).catch(unlessDamaged))
  if (handover !== null && previous !== null && isSameKey(handover.from, key) && isSameKey(handover.to, previous)) {
    ;[key, previous, slot] = [previous, key, otherOf(slot)]
    await keyStore.remember(TURN_SLOT, new TextEncoder().encode(slot))
  }
  const inHardware = keyStore.protection === "tpm" || keyStore.protection === "pkcs11"
  const board = inHardware ? (await keyIn(keyStore, BOARD_SLOT, "ES256"))[0] : null
  const boardKey: NoteKey | null = board === null ? null : { name, type: "ecdsa", publicKey: board }

  async function lines(text: string, more: readonly NoteSignature[] = []): Promise<string> {
    const signed = [await noteSignature(keyStore, slot, key, text), ...more]
    if (boardKey !== null) signed.push(await noteSignature(keyStore, BOARD_SLOT, boardKey, text))
    return encodeNote(text, signed)
  }

  return {
    boardKey,
    origin,
    get key() {
      return key
    },
    get previous() {
      return previous
    },
    sign: async (checkpoint) => ({ ...checkpoint, note: await lines(encodeCheckpoint(checkpoint)) }),
    signNote: async (text) => encodeNote(text, [await noteSignature(keyStore, slot, key, text)]),
    async signText(text) {
      // A note ends in a line end: nobody makes one of what was signed here.
      if (text.includes("\n"))
        throw new InvariantError("ERR_LOG_TEXT", "a text of one line is signed here, and no note")
      return keyStore.sign(slot, new TextEncoder().encode(text))
    },
    async rotate({ named, kept }) {
      const nextSlot = otherOf(slot)
      const next = bare(await keyStore.generate(nextSlot, "Ed25519"))
      if (next === null) throw new IntegrityError("ERR_KEY_DAMAGED", `the key in slot ${nextSlot} is not Ed25519`)
      const checkpoint = await named(next)
      const text = encodeCheckpoint(checkpoint)
      const byNext = await noteSignature(keyStore, nextSlot, next, text)
      const handover = { ...checkpoint, note: await lines(text, [byNext]) }
      await kept(handover)
      await keyStore.remember(TURN_SLOT, new TextEncoder().encode(nextSlot))
      ;[previous, key, slot] = [key, next, nextSlot]
      return handover
    },
  }
}

function unlessDamaged(error: unknown): null {
  if (error instanceof LockgateError && error.kind === "integrity") return null
  throw error
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
