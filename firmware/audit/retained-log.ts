import { promisify } from "node:util"
import { gunzipSync, gzip } from "node:zlib"
import { LockgateError } from "../../policy/base/errors.ts"
import { encodeEdge, levelsAbove, MAX_EDGE_BYTES, type Edge } from "../../policy/audit/edge-message.ts"
import { BUNDLE_ENTRIES } from "../../policy/audit/entry-bundle.ts"
import { MAX_ENTRY_BYTES } from "../../policy/audit/entry.ts"
import type { Checkpoint } from "../../policy/audit/tlog/checkpoint.ts"
import type { NoteKey } from "../../policy/audit/tlog/note.ts"
import { HASH_BYTES } from "../../policy/audit/tlog/hash.ts"
import { piecePath, TILE_WIDTH, type LogPiece } from "../../policy/audit/tlog/tile.ts"
import type { LoggedEntry } from "./bundle-reader.ts"

/** No full bundle is longer, nor is more unpacked of one. */
export const MAX_BUNDLE_BYTES = BUNDLE_ENTRIES * (2 + MAX_ENTRY_BYTES)

const compress = promisify(gzip)

/** The log as what stands at the broker is made from it. */
export interface RetainedLog {
  readonly key: NoteKey
  /** Of everything that is acknowledged; `note` is the signed text. */
  readonly checkpoint: Checkpoint & { readonly note: string }
  onCheckpoint(listener: () => void): () => void
  /** A tile or bundle by its tlog-tiles path; null if there is none such. @throws IntegrityError if it is damaged */
  piece(path: string): Promise<Uint8Array | null>
  read(fromSeq: number, max: number): Promise<readonly LoggedEntry[]>
  /** Entries below it are gone for good. */
  readonly firstSeq?: number
}

/** A piece as it is published: bundles gzipped, tiles as they are, for hashes do not shrink. */
export async function packPiece({ level }: LogPiece, bytes: Uint8Array): Promise<Uint8Array> {
  return level === "entries" ? compress(bytes) : bytes
}

/** The bytes of a piece again; null if they cannot be one of its kind. Never throws, never unpacks more than a bundle has. */
export function unpackPiece({ level }: LogPiece, payload: Uint8Array): Uint8Array | null {
  if (level !== "entries") return payload.length === TILE_WIDTH * HASH_BYTES ? payload : null
  return unpacked(payload, MAX_BUNDLE_BYTES)
}

/** An edge as it is published. */
export async function packEdge(edge: Edge): Promise<Uint8Array> {
  return compress(encodeEdge(edge))
}

/** The bytes of an edge; null if they are not gzip or too many. */
export function unpackEdge(payload: Uint8Array): Uint8Array | null {
  return unpacked(payload, MAX_EDGE_BYTES)
}

/**
 * The edge of the log for its checkpoint of this moment; null if what it takes cannot be read now.
 *
 * @throws HardwareError `ERR_IO`
 */
export async function edgeOf(log: RetainedLog, first: number): Promise<Edge | null> {
  // The log may grow while it is read, and a partial tile of yesterday is then a wider or a full one: begin anew.
  for (let attempt = 0; attempt < 4; attempt++) {
    const { size, note } = log.checkpoint
    const levels = await levelsOf(log, size)
    const width = size % TILE_WIDTH
    const entries = width === 0 ? [] : await log.read(size - width, width)
    if (levels === null || entries.length !== width) continue
    return { checkpoint: note, first: Math.min(first, size), levels, entries: entries.map(({ line }) => line) }
  }
  return null
}

async function levelsOf(log: RetainedLog, size: number): Promise<readonly Uint8Array[] | null> {
  const levels: Uint8Array[] = []
  for (let level = 1, have = Math.floor(size / TILE_WIDTH); level <= levelsAbove(size); level++) {
    const [index, width] = [Math.floor(have / TILE_WIDTH), have % TILE_WIDTH]
    const bytes = width === 0 ? new Uint8Array(0) : await log.piece(piecePath({ level, index, width }))
    if (bytes?.length !== width * HASH_BYTES) return null
    levels.push(bytes)
    have = index
  }
  return levels
}

/** A piece of the log, or null; a damaged one is as good as none. @throws HardwareError `ERR_IO` */
export async function pieceOrNull(log: Pick<RetainedLog, "piece">, piece: LogPiece): Promise<Uint8Array | null> {
  try {
    return await log.piece(piecePath(piece))
  } catch (error) {
    if (error instanceof LockgateError && error.kind === "integrity") return null
    throw error
  }
}

function unpacked(payload: Uint8Array, maxBytes: number): Uint8Array | null {
  try {
    return gunzipSync(payload, { maxOutputLength: maxBytes })
  } catch {
    return null
  }
}
