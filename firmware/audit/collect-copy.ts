/**
 * The copy of a gateway's log: a tlog-tiles folder that anyone can verify.
 *
 *     checkpoint          the note of the gateway over everything that is here; written last, so that it never says too much
 *     tile/...            bundles and tiles, partial ones of the checkpoint included
 *     tail                the partial bundle once more, where the commands of `lockgate audit` look for it
 *     first               first entry that is here; absent: 0
 *     older-gone          the gateway has said that it holds nothing before `first` any more
 *
 * Every file is on disk before the checkpoint that speaks of it. What a kill leaves beyond the checkpoint is verified and used again.
 *
 * @see C2SP tlog-tiles
 */
import { LockgateError } from "../../policy/base/errors.ts"
import { parseCheckpoint, type Checkpoint } from "../../policy/audit/tlog/checkpoint.ts"
import { parseNote, verifyNote, type NoteKey } from "../../policy/audit/tlog/note.ts"
import { joinedHashes } from "../../policy/audit/tlog/edge.ts"
import { piecePath, TILE_WIDTH, tilesOf, type Tile } from "../../policy/audit/tlog/tile.ts"
import type { Storage } from "../../hal/storage.ts"
import { TAIL } from "./bundle-reader.ts"
import { openSignedTree, type SignedTree } from "./collect-tiles.ts"
import { readFirst, writeBeginning } from "./dropping.ts"
import { nodeSha256, verifyNoteSignature } from "./note-functions.ts"
import { CHECKPOINT } from "./tile-files.ts"

const OLDER_GONE = "audit/older-gone"
/** Older bundles that are fetched before `first` moves. */
const OLDER_RUN = 16

/** What a copy needs of a storage; its paths begin with `audit/`. */
export type CopyStorage = Pick<Storage, "read" | "list" | "write" | "removeCached">

/** A tree with the note that says so. */
export type NotedCheckpoint = Checkpoint & { readonly note: string }

/** The copy of one log. All methods throw HardwareError `ERR_IO`, and IntegrityErrors of the pieces that they are given. */
export interface LogCopy {
  /** Everything below it is here and on disk, from `first` on; null for an empty copy. */
  readonly checkpoint: NotedCheckpoint | null
  readonly first: number
  /** Nothing that the gateway still has is missing below the checkpoint: it may be acknowledged. */
  readonly isComplete: boolean
  /** A piece that lies here; unverified. */
  piece(path: string): Promise<Uint8Array | null>
  /** Bring the copy to `to`, whose tree this is; an empty copy begins at entry `first`. On disk before this resolves. */
  extend(to: NotedCheckpoint, tree: SignedTree, first: number, progress: (entries: number) => void): Promise<void>
  /** Fetch a run of what is older than `first`; true while there may be more. */
  older(tree: SignedTree): Promise<boolean>
  /** The gateway has nothing before `first`. */
  olderIsGone(): Promise<void>
}

/** The copy in this storage, whose checkpoint one of `keys` must have signed; a damaged one counts as empty and is filled again. */
export async function openCopy(storage: CopyStorage, keys: readonly NoteKey[]): Promise<LogCopy> {
  const piece = (path: string): Promise<Uint8Array | null> => storage.read(`audit/${path}`)
  let checkpoint = await storedCheckpoint(storage, keys)
  let first = await readFirst(storage)
  let goneAt = Number(new TextDecoder().decode((await storage.read(OLDER_GONE)) ?? new Uint8Array()) || "-1")

  async function keep(path: string, bytes: Uint8Array): Promise<void> {
    const there = await piece(path)
    if (there !== null && Buffer.compare(there, bytes) === 0) return
    await storage.write(`audit/${path}`, bytes)
  }

  async function keepBundle(tree: SignedTree, index: number): Promise<void> {
    const { entries, tile } = await tree.bundle(index)
    await keep(piecePath({ level: "entries", index, width: TILE_WIDTH }), entries)
    await keep(piecePath({ level: 0, index, width: TILE_WIDTH }), tile)
  }

  /** A full tile above the lowest; without it nobody could verify what is below. */
  async function keepAbove(tree: SignedTree, tile: Tile): Promise<void> {
    if (tile.level > 0 && tile.width === TILE_WIDTH) await keep(piecePath(tile), joinedHashes(await tree.hashes(tile)))
  }

  return {
    get checkpoint() {
      return checkpoint
    },
    get first() {
      return first
    },
    get isComplete() {
      return checkpoint !== null && (first === 0 || goneAt === first)
    },
    piece,

    async extend(to, tree, begin, progress) {
      const size = checkpoint?.size ?? 0
      if (checkpoint === null && first === 0 && begin > 0) {
        first = begin
        await writeBeginning(storage, { first, said: null })
      }
      const from = checkpoint === null ? first : size
      for (let index = Math.floor(from / TILE_WIDTH); (index + 1) * TILE_WIDTH <= to.size; index++) {
        await keepBundle(tree, index)
        progress((index + 1) * TILE_WIDTH)
      }
      for (const tile of tilesOf(to.size, from))
        if (tile.width === TILE_WIDTH && tile.level > 0) await tree.hashes(tile)
      for (const partial of tree.partials) await keep(partial.path, partial.bytes)
      const tail = tree.partials.find(({ path }) => path.startsWith("tile/entries/"))
      await storage.write(TAIL, tail?.bytes ?? new Uint8Array())
      await storage.write(CHECKPOINT, new TextEncoder().encode(to.note))
      checkpoint = to
      progress(to.size)
      const wanted = new Set(tree.partials.map(({ path }) => path))
      for (const path of partialPaths(size)) if (!wanted.has(path)) await storage.removeCached(`audit/${path}`)
    },

    async older(tree) {
      let index = first / TILE_WIDTH
      const least = Math.max(0, index - OLDER_RUN)
      try {
        while (index > least) {
          await keepBundle(tree, index - 1)
          index--
        }
        for (
          let [level, at] = [1, Math.floor(index / TILE_WIDTH)];
          ;
          [level, at] = [level + 1, Math.floor(at / TILE_WIDTH)]
        ) {
          if ((at + 1) * TILE_WIDTH ** (level + 1) > tree.size) break
          await keepAbove(tree, { level, index: at, width: TILE_WIDTH })
        }
      } finally {
        if (index * TILE_WIDTH < first) {
          await writeBeginning(storage, { first: index * TILE_WIDTH, said: null })
          first = index * TILE_WIDTH
        }
      }
      return first > 0
    },

    async olderIsGone() {
      await storage.write(OLDER_GONE, new TextEncoder().encode(String(first)))
      goneAt = first
    },
  }
}

/** Null if there is none that one of the keys has signed, or its edge is not here: then everything is looked at again. */
async function storedCheckpoint(storage: CopyStorage, keys: readonly NoteKey[]): Promise<NotedCheckpoint | null> {
  const bytes = await storage.read(CHECKPOINT)
  if (bytes === null) return null
  try {
    const text = new TextDecoder().decode(bytes)
    const note = parseNote(text)
    const checkpoint = parseCheckpoint(note.text)
    if ((await verifyNote(nodeSha256, note, keys, verifyNoteSignature)).length === 0) return null
    await openSignedTree(checkpoint, [(path) => storage.read(`audit/${path}`)])
    return { ...checkpoint, note: text }
  } catch (error) {
    if (error instanceof LockgateError && (error.kind === "input" || error.kind === "integrity")) return null
    throw error
  }
}

/** The paths of the partial pieces of a tree. */
function partialPaths(size: number): readonly string[] {
  const tiles = tilesOf(size).filter(({ width }) => width < TILE_WIDTH)
  const lowest = tiles.find(({ level }) => level === 0)
  return [...tiles, ...(lowest === undefined ? [] : [{ ...lowest, level: "entries" as const }])].map(piecePath)
}

/** The files of one gateway's copy, below `folder` of the store, under the names that a gateway's own folder has. */
export function copyStorage(storage: CopyStorage, folder: string): CopyStorage {
  const at = (path: string): string => `${folder}${path.slice("audit".length)}`
  return {
    read: (path) => storage.read(at(path)),
    list: (path) => storage.list(at(path)),
    write: (path, bytes) => storage.write(at(path), bytes),
    removeCached: (path) => storage.removeCached(at(path)),
  }
}
