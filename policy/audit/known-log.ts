/**
 * What a viewer remembers of logs: of each the last checkpoint that it verified, and by which key. Held against what is shown the next
 * time, it shows a log that was rewound or exchanged.
 *
 *     { "format": 2, "logs": [{ "key": "<name+id+base64>", "checkpoint": "<signed note>" }, ...] }
 *     { "format": 1, "key": "<name+id+base64>", "checkpoint": "<signed note>" }                      one log; still read
 */
import { InputError, LockgateError } from "../base/errors.ts"
import { parseCheckpoint, type Checkpoint } from "./tlog/checkpoint.ts"
import type { Sha256 } from "./tlog/hash.ts"
import { encodeNoteKey, parseNote, parseNoteKey, type NoteKey } from "./tlog/note.ts"

const MAX_CHARACTERS = 4 * 1024 * 1024

/** A checkpoint that was verified before. */
export interface KnownLog {
  readonly key: NoteKey
  /** The signed note. */
  readonly note: string
  readonly checkpoint: Checkpoint
}

/** What is to be remembered after `log` was seen: it takes the place of what was known of the same log. */
export function remember(known: readonly KnownLog[], log: KnownLog): readonly KnownLog[] {
  return [...known.filter(({ checkpoint }) => checkpoint.origin !== log.checkpoint.origin), log]
}

/** The file's text, with a line end. */
export function encodeKnownLogs(sha256: Sha256, known: readonly Pick<KnownLog, "key" | "note">[]): string {
  const logs = known.map(({ key, note }) => ({ key: encodeNoteKey(sha256, key), checkpoint: note }))
  return `${JSON.stringify({ format: 2, logs }, null, 2)}\n`
}

/** The logs that are remembered, at most one of each origin. @throws InputError `ERR_KNOWN_LOG` */
export function parseKnownLogs(sha256: Sha256, text: string): readonly KnownLog[] {
  const wrong = new InputError(
    "ERR_KNOWN_LOG",
    "not what was remembered of logs; it is damaged, or another kind of file",
  )
  if (text.length > MAX_CHARACTERS) throw wrong
  try {
    const found = objectOf(JSON.parse(text))
    const logs = found?.["format"] === 1 ? [found] : found?.["format"] === 2 ? found["logs"] : null
    if (!Array.isArray(logs)) throw wrong
    const known: KnownLog[] = []
    for (const one of logs) {
      const { key, checkpoint: note } = objectOf(one) ?? {}
      if (typeof key !== "string" || typeof note !== "string") throw wrong
      const checkpoint = parseCheckpoint(parseNote(note).text)
      if (known.some((other) => other.checkpoint.origin === checkpoint.origin)) throw wrong
      known.push({ key: parseNoteKey(sha256, key), note, checkpoint })
    }
    return known
  } catch (error) {
    if (error instanceof SyntaxError || (error instanceof LockgateError && error.kind === "input")) throw wrong
    throw error
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null
}
