/**
 * What a viewer remembers of a log: the last checkpoint that it verified, and by which key. Held against what is shown the next
 * time, it shows a log that was rewound or exchanged.
 *
 *     { "format": 1, "key": "<name+id+base64>", "checkpoint": "<signed note>" }
 */
import { InputError, LockgateError } from "../base/errors.ts"
import { parseCheckpoint, type Checkpoint } from "./tlog/checkpoint.ts"
import type { Sha256 } from "./tlog/hash.ts"
import { encodeNoteKey, parseNote, parseNoteKey, type NoteKey } from "./tlog/note.ts"

/** A checkpoint that was verified before. */
export interface KnownLog {
  readonly key: NoteKey
  /** The signed note. */
  readonly note: string
  readonly checkpoint: Checkpoint
}

/** The file's text, with a line end. */
export function encodeKnownLog(sha256: Sha256, { key, note }: Pick<KnownLog, "key" | "note">): string {
  return `${JSON.stringify({ format: 1, key: encodeNoteKey(sha256, key), checkpoint: note }, null, 2)}\n`
}

/** @throws InputError `ERR_KNOWN_LOG` */
export function parseKnownLog(sha256: Sha256, text: string): KnownLog {
  const wrong = new InputError(
    "ERR_KNOWN_LOG",
    "not what was remembered of a log; it is damaged, or another kind of file",
  )
  if (text.length > 64 * 1024) throw wrong
  try {
    const found: unknown = JSON.parse(text)
    if (typeof found !== "object" || found === null) throw wrong
    const { format, key, checkpoint } = found as Readonly<Record<string, unknown>>
    if (format !== 1 || typeof key !== "string" || typeof checkpoint !== "string") throw wrong
    return {
      key: parseNoteKey(sha256, key),
      note: checkpoint,
      checkpoint: parseCheckpoint(parseNote(checkpoint).text),
    }
  } catch (error) {
    if (error instanceof SyntaxError || (error instanceof LockgateError && error.kind === "input")) throw wrong
    throw error
  }
}
