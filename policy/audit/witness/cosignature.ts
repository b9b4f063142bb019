/**
 * A checkpoint with a cosigner's line, and such lines read again.
 *
 *     <origin>
 *     <size>
 *     <root>
 *
 *     — <origin> <line of the log>
 *     — <cosigner> base64(key id || time, 8 bytes || Ed25519 over "cosignature/v1\ntime <time>\n" and the text above)
 *
 * @see C2SP tlog-cosignature
 */
import { InputError } from "../../base/errors.ts"
import { parseCheckpoint, type Checkpoint } from "../tlog/checkpoint.ts"
import type { Sha256 } from "../tlog/hash.ts"
import {
  cosignatureTime,
  encodeCosignature,
  encodeNote,
  keyIdOf,
  parseNote,
  parseNoteKey,
  verifyNote,
  type Note,
  type NoteKey,
} from "../tlog/note.ts"
import type { NoteFunctions } from "./cosigner.ts"
import { isCosignerName } from "./place.ts"

/** What a line of a cosigner says, verified. */
export interface Cosigned {
  readonly by: NoteKey
  readonly checkpoint: Checkpoint
  /** Milliseconds since 1970: at least so late it was when it was signed. */
  readonly at: number
  readonly note: Note
}

/** `note` with the line of a cosigner; `ed25519` is over `cosignedMessage(note.text, atSeconds)`. Lines of others but the log's are left out. */
export function withCosignature(
  sha256: Sha256,
  note: Note,
  key: NoteKey,
  atSeconds: number,
  ed25519: Uint8Array,
): string {
  const origin = note.text.slice(0, note.text.indexOf("\n"))
  const line = { name: key.name, keyId: keyIdOf(sha256, key), signature: encodeCosignature(atSeconds, ed25519) }
  return encodeNote(note.text, [...note.signatures.filter(({ name }) => name === origin), line])
}

/**
 * What `cosigner` says in `text`, as it came; null if there is no line by it, or what it signed is no checkpoint of `origin`.
 * Whether the log itself has signed it is another question.
 *
 * @throws InputError `ERR_NOTE`, `ERR_NOTE_SIGNATURE`
 */
export async function readCosigned(
  { sha256, verify }: NoteFunctions,
  origin: string,
  cosigner: NoteKey,
  text: string,
): Promise<Cosigned | null> {
  const note = parseNote(text)
  const lines = await verifyNote(sha256, note, [cosigner], verify)
  const times = lines.map(({ signature }) => cosignatureTime(signature) ?? 0)
  if (cosigner.type !== "cosignature" || times.length === 0) return null
  const checkpoint = checkpointOrNull(note.text)
  return checkpoint?.origin === origin ? { by: cosigner, checkpoint, at: Math.max(...times) * 1000, note } : null
}

/**
 * The key of a cosigner from its line `name+id+base64`.
 *
 * @throws InputError `ERR_NOTE_KEY`; `ERR_COSIGNER_KEY` if it is no cosigner's (type 0x04), or its name is no word for a topic
 */
export function parseCosignerKey(sha256: Sha256, line: string): NoteKey {
  const key = parseNoteKey(sha256, line)
  if (key.type !== "cosignature")
    throw new InputError("ERR_COSIGNER_KEY", "the key of a log, not of a cosigner: see lockgate audit key --cosigner")
  if (!isCosignerName(key.name))
    throw new InputError("ERR_COSIGNER_KEY", "a cosigner's name is 1 to 64 of A-Z a-z 0-9 . _ -")
  return key
}

function checkpointOrNull(text: string): Checkpoint | null {
  try {
    return parseCheckpoint(text)
  } catch (error) {
    if (error instanceof InputError) return null
    throw error
  }
}
