/**
 * The tree of a log as the last run left it, held against what was signed of it.
 *
 * | found | what is done |
 * |---|---|
 * | no tile at all | an old log: all tiles are made of its entries |
 * | another full tile missing or of another length | made again of what lies below it, told |
 * | a full tile that is not of its entries | found when a signed root does not fit: all are made of the entries again, told |
 * | tiles of entries that were dropped | believed, until a signed root does not fit: nothing is left to make them of |
 * | partial tiles, partial bundle | never read: written anew from the entries, the old ones removed |
 * | checkpoint behind the entries | the usual case after a kill: goes on from the entries |
 * | checkpoint missing or torn | a new one is signed, told |
 * | checkpoint that another key signed, or changed | a new one is signed, alarm |
 * | checkpoint or anchor ahead of the entries | entries were cut off, or an old copy was restored: alarm, the log goes on from what is there |
 * | checkpoint or anchor with another root | entries were altered: alarm likewise |
 *
 * Entries are on disk before they are signed, so that no crash leaves a checkpoint or an anchor ahead of them.
 */
import { LockgateError } from "../../policy/base/errors.ts"
import type { Storage } from "../../hal/storage.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { parseCheckpoint, type Checkpoint } from "../../policy/audit/tlog/checkpoint.ts"
import { TreeEdge } from "../../policy/audit/tlog/edge.ts"
import { leafHash, sameHash } from "../../policy/audit/tlog/hash.ts"
import { parseNote, verifyNote } from "../../policy/audit/tlog/note.ts"
import { TILE_WIDTH } from "../../policy/audit/tlog/tile.ts"
import { foldWhole, nodesOfTiles, rootOf } from "../../policy/audit/tlog/tree.ts"
import type { Anchor } from "./anchor.ts"
import type { LogSigner } from "./log-key.ts"
import { nodeSha256, verifyNoteSignature } from "./note-functions.ts"
import type { Tail } from "./recovery.ts"
import { CHECKPOINT, createTileFiles, firstLeafTile, listPieces, pieceFile, type TileFiles } from "./tile-files.ts"

/** The tree that a log goes on with. */
export interface RecoveredTree {
  /** Of all entries that were found. */
  readonly edge: TreeEdge
  /** What the log has to tell of it. */
  readonly events: readonly AuditEvent[]
  /** True if entries are missing or others than were signed. */
  readonly rolledBack: boolean
  /** The size that the anchor has; -1 if there is none. */
  readonly anchored: number
  /** Partial pieces that lie there. */
  readonly stale: readonly string[]
}

/** What a note that lies there is worth. */
type Evidence =
  { readonly is: "missing" | "torn" | "foreign" } | { readonly is: "good"; readonly checkpoint: Checkpoint }

/**
 * Rebuild the tree over the entries that were found, make missing tiles again, and judge them by the checkpoint and the anchor.
 *
 * @throws HardwareError `ERR_IO`
 */
export async function recoverTree(
  storage: Storage,
  signer: Pick<LogSigner, "key" | "previous" | "origin">,
  anchor: Anchor,
  tail: Tail,
  dropped: number,
): Promise<RecoveredTree> {
  const size = tail.firstSeq + tail.lines.length
  const { events, stale } = await completeTiles(storage, tail.firstSeq, dropped)
  const bytes = await storage.read(CHECKPOINT)
  const evidence = {
    checkpoint: await judged(bytes === null ? null : new TextDecoder().decode(bytes), signer),
    anchor: await judged(anchor.note, signer),
  }
  let files = createTileFiles(storage, dropped)
  let edge = await edgeOf(storage, files, tail)
  let wrong = await contradicted(evidence, files, edge)
  if (wrong?.reason === "altered") {
    files = createTileFiles(storage, dropped, true)
    edge = await edgeOf(storage, files, tail)
    wrong = await contradicted(evidence, files, edge)
    const [first] = files.remade
    if (first !== undefined) events.push(repaired(pieceFile(first), "altered", files.remade.length))
  }
  if (wrong === null && anchor.isOld) wrong = { by: "anchor", reason: "counter", signed: size }
  if (wrong !== null) {
    const detail = { by: wrong.by, size, signed: wrong.signed }
    events.push({ id: "audit.rolled-back", outcome: "failure", source: "audit", reason: wrong.reason, detail })
  }
  if (size > 0) events.push(...aboutCheckpoint(evidence.checkpoint, signer))
  const anchored = evidence.anchor.is === "good" ? evidence.anchor.checkpoint.size : -1
  return { edge, events, rolledBack: wrong !== null, anchored, stale }
}

/** Make the full tiles that are not there again: only names are compared. */
async function completeTiles(
  storage: Storage,
  firstSeq: number,
  dropped: number,
): Promise<{ readonly events: AuditEvent[]; readonly stale: readonly string[] }> {
  const files = createTileFiles(storage, dropped)
  const stale = [...(await listPieces(storage, "entries")).partialFiles]
  let found = 0
  for (let [level, count] = [0, firstSeq / TILE_WIDTH]; level < 6; level++, count = Math.floor(count / TILE_WIDTH)) {
    const listed = await listPieces(storage, level)
    stale.push(...listed.partialFiles)
    found += listed.full.length
    const there = new Set(listed.full)
    const first = level === 0 ? firstLeafTile(dropped) : 0
    for (let index = first; index < count; index++) if (!there.has(index)) await files.full(level, index)
  }
  const [first] = files.remade
  if (first === undefined) return { events: [], stale }
  return { events: [repaired(pieceFile(first), found === 0 ? "new" : "missing", files.remade.length)], stale }
}

async function edgeOf(storage: Storage, files: TileFiles, tail: Tail): Promise<TreeEdge> {
  const levels: Uint8Array[][] = [[]]
  for (
    let [level, count] = [1, tail.firstSeq / TILE_WIDTH];
    count > 0;
    level++, count = Math.floor(count / TILE_WIDTH)
  ) {
    const hashes: Uint8Array[] = []
    for (let index = count - (count % TILE_WIDTH); index < count; index++)
      hashes.push(foldWhole(nodeSha256, await files.full(level - 1, index)))
    levels.push(hashes)
  }
  const edge = new TreeEdge(nodeSha256, tail.firstSeq, levels)
  // A tail that is full already fills tiles: its bundle must not lie there without them.
  for (const line of tail.lines)
    for (const tile of edge.add(leafHash(nodeSha256, line))) await storage.write(pieceFile(tile), tile.bytes)
  return edge
}

interface Contradiction {
  readonly by: "checkpoint" | "anchor"
  readonly reason: "cut-short" | "altered" | "counter"
  /** Entries that were signed. */
  readonly signed: number
}

async function contradicted(
  evidence: Readonly<Record<"checkpoint" | "anchor", Evidence>>,
  files: TileFiles,
  edge: TreeEdge,
): Promise<Contradiction | null> {
  const node = nodesOfTiles(nodeSha256, edge.size, ({ level, index, width }) =>
    width === TILE_WIDTH ? files.full(level, index) : Promise.resolve(edge.hashes(level)),
  )
  let found: Contradiction | null = null
  for (const by of ["anchor", "checkpoint"] as const) {
    const one = evidence[by]
    if (one.is !== "good") continue
    const { size, root } = one.checkpoint
    if (size > edge.size) return { by, reason: "cut-short", signed: size }
    if (!sameHash(await rootOf(nodeSha256, size, node), root)) found ??= { by, reason: "altered", signed: size }
  }
  return found
}

async function judged(note: string | null, { key, previous }: Pick<LogSigner, "key" | "previous">): Promise<Evidence> {
  if (note === null) return { is: "missing" }
  try {
    const parsed = parseNote(note)
    const checkpoint = parseCheckpoint(parsed.text)
    const good = await verifyNote(nodeSha256, parsed, previous === null ? [key] : [key, previous], verifyNoteSignature)
    return good.length > 0 && checkpoint.origin === key.name ? { is: "good", checkpoint } : { is: "foreign" }
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind !== "input") throw error
    return { is: error.code === "ERR_NOTE_SIGNATURE" ? "foreign" : "torn" }
  }
}

function aboutCheckpoint(found: Evidence, { origin }: Pick<LogSigner, "origin">): readonly AuditEvent[] {
  if (found.is === "good" || (found.is === "missing" && origin === "made")) return []
  if (found.is !== "foreign") return [repaired(CHECKPOINT, found.is, 1)]
  // A new key cannot have signed it: the change of the key is what there is to tell.
  if (origin !== "kept") return [{ id: "audit.key-made", outcome: "failure", source: "audit", reason: origin }]
  return [
    { id: "audit.damaged", outcome: "failure", source: "audit", reason: "ERR_AUDIT_CHECKPOINT", object: CHECKPOINT },
  ]
}

function repaired(object: string, reason: string, count: number): AuditEvent {
  return { id: "audit.tree-repaired", outcome: "success", source: "audit", object, reason, count }
}
