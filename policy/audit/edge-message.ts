/**
 * The edge of a log: with the full tiles and bundles, all that it takes to verify the log as its checkpoint has it.
 *
 *     { "format": 1,
 *       "checkpoint": "<signed note>",
 *       "first": 512,                      first entry that the broker still holds
 *       "levels": ["<base64>", ..],        hashes of the partial tile of level 1, 2, ..; "" where there is none
 *       "entries": ["<line>", ..] }        of the partial bundle; their hashes are the partial tile of level 0
 *
 * A checkpoint and what it covers can never be seen apart. On the wire it is gzipped, by the caller, and cut if it is large (`edge-parts.ts`).
 */
import { InputError } from "../base/errors.ts"
import { MAX_ENTRY_BYTES } from "./entry.ts"
import { fromBase64, toBase64 } from "./tlog/base64.ts"
import { parseCheckpoint, type Checkpoint } from "./tlog/checkpoint.ts"
import { HASH_BYTES } from "./tlog/hash.ts"
import { parseNote } from "./tlog/note.ts"
import { TILE_WIDTH } from "./tlog/tile.ts"

/** More bytes are refused, and no reader unpacks more. */
export const MAX_EDGE_BYTES = 1024 * 1024
const KEYS = ["format", "checkpoint", "first", "levels", "entries"] as const

/** The edge as it is written. */
export interface Edge {
  /** The checkpoint as signed note text. */
  readonly checkpoint: string
  /** The first entry that the broker still holds; those before are to be had by request. */
  readonly first: number
  /** Partial tiles of the levels from 1 up, 32 bytes a hash, as many levels as a tree of that size has. */
  readonly levels: readonly Uint8Array[]
  /** Lines of the partial bundle, without line ends. */
  readonly entries: readonly Uint8Array[]
}

/** An edge as it was read: whole in itself, nothing of it verified. */
export interface ParsedEdge extends Edge {
  /** What the note says, unverified. */
  readonly said: Checkpoint
}

/** How many levels of tiles above the lowest a tree of `size` entries has. */
export function levelsAbove(size: number): number {
  let levels = 0
  for (let left = Math.floor(size / TILE_WIDTH); left > 0; left = Math.floor(left / TILE_WIDTH)) levels++
  return levels
}

/** The edge as JSON bytes. @throws InputError `ERR_EDGE` if it does not fit together: nothing is written that a reader would refuse */
export function encodeEdge({ checkpoint, first, levels, entries }: Edge): Uint8Array {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  const bytes = new TextEncoder().encode(
    JSON.stringify({
      format: 1,
      checkpoint,
      first,
      levels: levels.map(toBase64),
      entries: entries.map((line) => decoded(text, line)),
    }),
  )
  parseEdge(bytes)
  return bytes
}

/**
 * @throws InputError `ERR_EDGE` if the bytes are not an edge of format 1, or its parts do not fit the size in its checkpoint;
 *   signature and root are for the verifier
 */
export function parseEdge(bytes: Uint8Array): ParsedEdge {
  if (bytes.length > MAX_EDGE_BYTES) throw wrong("too long")
  const value = parsed(bytes)
  if (value["format"] !== 1) throw wrong("an unknown format")
  if (Object.keys(value).some((key) => !(KEYS as readonly string[]).includes(key))) throw wrong("an unknown key")
  const { checkpoint, first } = value
  if (typeof checkpoint !== "string") throw wrong("no checkpoint")
  const said = checkpointIn(checkpoint)
  if (!Number.isSafeInteger(first) || (first as number) < 0 || (first as number) > said.size) throw wrong("first")
  const levels = strings(value["levels"], levelsAbove(said.size)).map((text, k) => {
    const hashes = fromBase64(text)
    const width = Math.floor(said.size / TILE_WIDTH ** (k + 1)) % TILE_WIDTH
    if (hashes?.length !== width * HASH_BYTES) throw wrong(`level ${k + 1}`)
    return hashes
  })
  const encoder = new TextEncoder()
  const entries = strings(value["entries"], said.size % TILE_WIDTH).map((text, k) => {
    const line = encoder.encode(text)
    if (line.length === 0 || line.length > MAX_ENTRY_BYTES || text.includes("\n")) throw wrong(`entry ${k} of the edge`)
    return line
  })
  return { checkpoint, first: first as number, levels, entries, said }
}

function parsed(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(decoded(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }), bytes))
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw wrong("not a JSON object")
}

function decoded(decoder: { decode(bytes: Uint8Array): string }, bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw wrong("not UTF-8")
  }
}

function checkpointIn(note: string): Checkpoint {
  try {
    return parseCheckpoint(parseNote(note).text)
  } catch (error) {
    if (error instanceof InputError) throw wrong("its checkpoint is none")
    throw error
  }
}

function strings(value: unknown, count: number): readonly string[] {
  if (!Array.isArray(value) || value.length !== count || !value.every((one) => typeof one === "string"))
    throw wrong("a list that does not fit the size")
  return value
}

function wrong(why: string): InputError<"ERR_EDGE"> {
  return new InputError("ERR_EDGE", `not the edge of a log: ${why}`)
}
