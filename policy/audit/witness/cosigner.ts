/**
 * What a cosigner, a witness or a collector, makes of a checkpoint that it is shown.
 *
 *     | what is shown                                              | verdict                    |
 *     |------------------------------------------------------------|----------------------------|
 *     | no note, no checkpoint in it                               | refuse `malformed`         |
 *     | the checkpoint of another log                              | refuse `other-log`         |
 *     | no line by a key of this log                               | refuse `unknown-key`       |
 *     | a line by a key of this log that is wrong                  | refuse `bad-signature`     |
 *     | nothing is known of the log yet                            | cosign: from here it holds |
 *     | smaller than what is known                                 | refuse `rewind`       (1)  |
 *     | the known size, the known root                             | known                      |
 *     | the known size, another root                               | refuse `fork`         (1)  |
 *     | larger, the proof leads from the known root to this one    | cosign                     |
 *     | larger, no proof                                           | refuse `proof-missing`     |
 *     | larger, the proof leads here from another root of then     | refuse `fork`         (1)  |
 *     | larger, the proof leads nowhere                            | refuse `proof-invalid`     |
 *
 * (1) Accusations: the log itself has signed what convicts it. All the others may be the work of whoever may write to the broker, or
 * the loss of a tile; they hold up the cosigner, and accuse nobody.
 *
 * @see C2SP tlog-witness; IEC 62443-4-2 CR 3.9
 */
import { InputError } from "../../base/errors.ts"
import { parseCheckpoint, type Checkpoint } from "../tlog/checkpoint.ts"
import { HASH_BYTES, sameHash, type Sha256 } from "../tlog/hash.ts"
import { parseNote, verifyNote, type Note, type NoteKey, type VerifySignature } from "../tlog/note.ts"
import { verifyConsistency } from "../tlog/verify.ts"

/** What a cosigner knows of one log: the newest tree that it cosigned, or was about to. */
export type KnownTree = Checkpoint

/** Why a checkpoint is not cosigned. */
export const REFUSALS = [
  "malformed",
  "other-log",
  "unknown-key",
  "bad-signature",
  "rewind",
  "fork",
  "proof-missing",
  "proof-invalid",
] as const
export type Refusal = (typeof REFUSALS)[number]

/** What is shown to a cosigner. */
export interface Shown {
  /** The signed note, as it came. */
  readonly note: string
  /** From the known size to that of the note; null if it could not be had. Empty where nothing is known, or the sizes are one. */
  readonly proof: readonly Uint8Array[] | null
  /** The root that the log as shown has at the known size, by the tiles that the proof was made of; it tells a fork from a bad tile. */
  readonly rootThen?: Uint8Array
}

/** What the cosigner does. */
export type CosignerDecision =
  /** Store size and root durably, then sign `note.text`; in this order. */
  | { readonly verdict: "cosign"; readonly checkpoint: Checkpoint; readonly note: Note }
  /** Stored already; it may be signed again. */
  | { readonly verdict: "known"; readonly checkpoint: Checkpoint; readonly note: Note }
  /** `checkpoint`: what the log has signed; null if it has not. */
  | { readonly verdict: "refuse"; readonly reason: Refusal; readonly checkpoint: Checkpoint | null }

/** The functions that a decision needs. */
export interface NoteFunctions {
  readonly sha256: Sha256
  readonly verify: VerifySignature
}

/** Whether this refusal says that the log has signed two things that do not go together. */
export function isAccusation(reason: Refusal): boolean {
  return reason === "rewind" || reason === "fork"
}

/**
 * What a cosigner does with `shown`, knowing `known` of the log `origin` and believing `keys` for it. Never throws on input.
 *
 * @see IEC 62443-4-2 CR 3.9
 */
export async function decideCosigner(
  functions: NoteFunctions,
  log: { readonly origin: string; readonly keys: readonly NoteKey[]; readonly known: KnownTree | null },
  shown: Shown,
): Promise<CosignerDecision> {
  const { sha256 } = functions
  const opened = await openSigned(functions, log, shown.note)
  if ("reason" in opened) return { verdict: "refuse", reason: opened.reason, checkpoint: null }
  const { note, checkpoint } = opened
  const { known } = log
  const { size, root } = checkpoint
  const refuse = (reason: Refusal): CosignerDecision => ({ verdict: "refuse", reason, checkpoint })
  if (known === null) return { verdict: "cosign", checkpoint, note }
  if (size < known.size) return refuse("rewind")
  if (size === known.size) return sameHash(root, known.root) ? { verdict: "known", checkpoint, note } : refuse("fork")
  const { proof, rootThen } = shown
  if (proof === null) return refuse("proof-missing")
  const leadsFrom = (firstRoot: Uint8Array): boolean =>
    verifyConsistency(sha256, { first: known.size, second: size, firstRoot, secondRoot: root, proof })
  if (leadsFrom(known.root)) return { verdict: "cosign", checkpoint, note }
  // The signed tree begins with another one than was signed before: nobody but the log can have made that.
  const isFork = rootThen?.length === HASH_BYTES && !sameHash(rootThen, known.root) && leadsFrom(rootThen)
  return refuse(isFork ? "fork" : "proof-invalid")
}

/** A note with the checkpoint in it, or why it is none of this log. */
export async function openSigned(
  { sha256, verify }: NoteFunctions,
  { origin, keys }: { readonly origin: string; readonly keys: readonly NoteKey[] },
  text: string,
): Promise<
  | { readonly note: Note; readonly checkpoint: Checkpoint }
  | { readonly reason: "malformed" | "other-log" | "unknown-key" | "bad-signature" }
> {
  try {
    const note = parseNote(text)
    const checkpoint = parseCheckpoint(note.text)
    if (checkpoint.origin !== origin) return { reason: "other-log" }
    const signed = await verifyNote(sha256, note, keys, verify)
    return signed.length === 0 ? { reason: "unknown-key" } : { note, checkpoint }
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    return { reason: error.code === "ERR_NOTE_SIGNATURE" ? "bad-signature" : "malformed" }
  }
}
