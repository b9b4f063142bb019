import { LockgateError } from "../../policy/base/errors.ts"
import type { Clock } from "../../hal/clock.ts"
import type { Storage } from "../../hal/storage.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import { BUNDLE_ENTRIES, encodeBundle } from "../../policy/audit/entry-bundle.ts"
import type { TileData, TreeEdge } from "../../policy/audit/tlog/edge.ts"
import { HASH_BYTES, leafHash } from "../../policy/audit/tlog/hash.ts"
import { parsePiecePath, piecePath, TILE_WIDTH, tileHashes } from "../../policy/audit/tlog/tile.ts"
import { nodesOfTiles, proveInclusion, rootOf, type NodeReader } from "../../policy/audit/tlog/tree.ts"
import type { AnchorKeeper } from "./anchor.ts"
import type { LogSigner, SignedCheckpoint } from "./log-key.ts"
import { nodeSha256 } from "./note-functions.ts"
import { CHECKPOINT, pieceFile } from "./tile-files.ts"

/** How long partial tiles and the checkpoint on disk may be behind while the log grows. */
const FLUSH_MS = 1_000
const ANCHOR_MS = 10_000

/** What the tree stands on. */
export interface LogTreeDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly signer: LogSigner
  readonly anchor: AnchorKeeper
  /** The entries of the open bundle, and the number of the first: those on disk. */
  readonly open: () => { readonly firstSeq: number; readonly lines: readonly Uint8Array[] }
  /** False while the disk fails: then nothing is written. */
  readonly isWriting: () => boolean
  /** What the log is to tell of its tree. */
  readonly report: (event: AuditEvent) => void
}

/** What a tree goes on from. */
export interface FoundTree {
  readonly edge: TreeEdge
  /** Partial pieces that lie on disk. */
  readonly stale: readonly string[]
  /** The size that the anchor has; -1 if there is none. */
  readonly anchored: number
  /** True if the anchor or the checkpoint was contradicted. */
  readonly rolledBack: boolean
}

/** Entries that are on their way to the disk, and the tree with them. */
export interface Growth {
  readonly edge: TreeEdge
  readonly filled: readonly TileData[]
  readonly signed: Promise<SignedCheckpoint | null>
}

/**
 * The tree beside a log: its edge in memory, full tiles on disk before the bundle they cover, and the rest (partial tiles, partial
 * bundle, checkpoint) written about once a second without waiting for the disk, for entries make all of it again.
 *
 * @see IEC 62443-4-2 CR 3.9; C2SP tlog-tiles
 */
export class LogTree {
  readonly #deps: LogTreeDeps
  readonly #listeners = new Set<(checkpoint: SignedCheckpoint) => void>()
  /** Of all entries that are acknowledged. */
  #edge: TreeEdge
  /** Of the entries that the checkpoint covers; the same one unless signing fails. */
  #signedEdge: TreeEdge
  #checkpoint: SignedCheckpoint
  #unwritten: TileData[] = []
  /** Partial pieces on disk: of the last writing, and older ones that go with the next. */
  #written: readonly string[] = []
  #stale: readonly string[]
  #isDirty = true
  #isUnsigned = false
  #heldAt = Infinity
  #anchored: number
  #anchoredMs: number
  #cancel: (() => void) | null = null
  /** Writings come one after the other. */
  #writing: Promise<void> = Promise.resolve()
  #isClosed = false

  /** Goes on from what recovery found; `checkpoint` is of that. */
  constructor(deps: LogTreeDeps, checkpoint: SignedCheckpoint, found: FoundTree) {
    this.#deps = deps
    this.#edge = found.edge
    this.#signedEdge = found.edge
    this.#checkpoint = checkpoint
    this.#stale = found.stale
    this.#anchored = found.rolledBack ? -1 : found.anchored
    this.#anchoredMs = found.rolledBack ? -Infinity : deps.clock.monotonicMs()
  }

  /**
   * Write what the last run left behind, and the anchor if that was contradicted. The checkpoint is on disk before this resolves, so that a
   * later power cut leaves some good one, and a missing one means that somebody took it away.
   */
  async start(): Promise<void> {
    await this.#inTurn(() => this.#flush(false))
    try {
      await this.#deps.storage.write(CHECKPOINT, new TextEncoder().encode(this.#checkpoint.note))
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind !== "hardware") throw error
    }
    if (this.#isBehind()) this.schedule()
  }

  get checkpoint(): SignedCheckpoint {
    return this.#checkpoint
  }

  /** Called after each new checkpoint; the returned function ends that. */
  onCheckpoint(listener: (checkpoint: SignedCheckpoint) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The tree with `lines` added; its signing begins at once. Nothing changes before `accept`. */
  grow(lines: readonly Uint8Array[]): Growth {
    const edge = this.#edge.copy()
    const filled = lines.flatMap((line) => edge.add(leafHash(nodeSha256, line)))
    return { edge, filled, signed: this.#sign(edge) }
  }

  /** The entries of `growth` are on disk: the tree is theirs, and so is the checkpoint once this resolves. */
  async accept({ edge, filled, signed }: Growth): Promise<void> {
    this.#edge = edge
    this.#unwritten.push(...filled)
    const checkpoint = await signed
    if (checkpoint === null) {
      this.schedule()
      return
    }
    // Signed anew meanwhile, by a key that came after.
    if (checkpoint.size > this.#checkpoint.size) this.#show(checkpoint, edge)
  }

  /** Sign what is there anew, with the key that is in force now. */
  async signAgain(): Promise<void> {
    for (let edge: TreeEdge | null = null; edge !== this.#edge;) {
      edge = this.#edge
      const checkpoint = await this.#sign(edge)
      if (checkpoint === null) return
      if (edge === this.#edge) this.#show(checkpoint, edge)
    }
    this.#anchored = -1
    this.anchorSoon()
    this.schedule()
  }

  /** Root of the first `size` entries. @throws HardwareError `ERR_IO` */
  rootAt(size: number): Promise<Uint8Array> {
    return rootOf(nodeSha256, size, this.#nodes())
  }

  /** What shows that entry `index` is among the first `size`. @throws HardwareError `ERR_IO` */
  proofOf(index: number, size: number): Promise<readonly Uint8Array[]> {
    return proveInclusion(nodeSha256, index, size, this.#nodes())
  }

  /** Bring no checkpoint of more than `size` entries to disk: while keys change, one by the old key must not cover what comes after. */
  hold(size: number): void {
    this.#heldAt = size
    if (size === Infinity) this.schedule()
  }

  #nodes(): NodeReader {
    return nodesOfTiles(nodeSha256, this.#edge.size, async (tile) => {
      const bytes = await this.piece(piecePath(tile))
      return tileHashes(bytes ?? new Uint8Array(), tile.width)
    })
  }

  /** Bring the tiles that are full now to disk. To be repeated after a failure. @throws HardwareError `ERR_IO` */
  async writeFilled(): Promise<void> {
    for (let tile = this.#unwritten[0]; tile !== undefined; tile = this.#unwritten[0]) {
      await this.#deps.storage.write(pieceFile(tile), tile.bytes)
      this.#unwritten.shift()
    }
  }

  /**
   * A tile or a bundle by its path, partial ones of any width that the log has now included; null if it has it not.
   *
   * @throws InputError `ERR_TLOG_PATH`
   * @throws HardwareError `ERR_IO`
   */
  async piece(path: string): Promise<Uint8Array | null> {
    const wanted = parsePiecePath(path)
    const { level, index, width } = wanted
    if (level === "entries") {
      const { firstSeq, lines } = this.#deps.open()
      if (index === firstSeq / BUNDLE_ENTRIES && lines.length > 0)
        return width <= lines.length ? encodeBundle(lines.slice(0, width)) : null
      const whole = await this.#deps.storage.read(pieceFile({ ...wanted, width: BUNDLE_ENTRIES }))
      return whole === null ? null : firstRecords(whole, width)
    }
    const held = [...this.#unwritten, ...this.#edge.partials()].find(
      (tile) => tile.level === level && tile.index === index,
    )
    const bytes = held?.bytes ?? (await this.#deps.storage.read(pieceFile({ ...wanted, width: TILE_WIDTH })))
    return bytes === null || bytes.length < width * HASH_BYTES ? null : bytes.slice(0, width * HASH_BYTES)
  }

  /** Write what can be made again soon, unless that is under way. */
  schedule(): void {
    if (this.#cancel !== null || this.#isClosed) return
    this.#cancel = this.#deps.clock.after(FLUSH_MS, () => {
      this.#cancel = null
      if (!this.#deps.isWriting()) return
      void this.#inTurn(() => this.#flush(false)).finally(() => {
        if (this.#isBehind()) this.schedule()
      })
    })
  }

  /** Write all that is behind, the anchor included, and end. A disk that fails is left as it is. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancel?.()
    await this.#inTurn(async () => {
      if (this.#deps.isWriting()) await this.#flush(true)
    })
  }

  /** Bring the checkpoint of now, with its partial pieces, to disk: the checkpoint is there before this resolves. @throws HardwareError `ERR_IO` */
  keepCheckpoint(): Promise<void> {
    return this.#inTurn(async () => {
      const { note, size } = this.#checkpoint
      if (size > this.#heldAt) return
      await this.#writePartials(false)
      await this.#deps.storage.write(CHECKPOINT, new TextEncoder().encode(note))
    })
  }

  #inTurn(write: () => Promise<void>): Promise<void> {
    const done = this.#writing.then(write)
    this.#writing = done.catch(() => undefined)
    return done
  }

  /** Write the anchor with the next writing, whatever its time. */
  anchorSoon(): void {
    this.#anchoredMs = -Infinity
  }

  #show(checkpoint: SignedCheckpoint, edge: TreeEdge): void {
    this.#checkpoint = checkpoint
    this.#signedEdge = edge
    this.#isDirty = true
    this.schedule()
    for (const listener of this.#listeners) listener(checkpoint)
  }

  #isBehind(): boolean {
    return this.#isDirty || this.#anchored !== this.#checkpoint.size
  }

  async #flush(isLast: boolean): Promise<void> {
    try {
      await this.#writePartials(isLast)
      await this.#keepAnchor(isLast)
    } catch (error) {
      // Entries make it all again; a disk that takes no entries either is told by the log.
      if (!(error instanceof LockgateError) || error.kind !== "hardware") throw error
    }
  }

  async #writePartials(isLast: boolean): Promise<void> {
    const { storage } = this.#deps
    if (this.#isDirty && this.#checkpoint.size <= this.#heldAt) {
      this.#isDirty = false
      const { note, size } = this.#checkpoint
      const pieces = new Map(this.#signedEdge.partials().map((tile) => [pieceFile(tile), tile.bytes]))
      const { firstSeq, lines } = this.#deps.open()
      const width = size - firstSeq
      if (width > 0 && width < BUNDLE_ENTRIES) {
        const path = pieceFile({ level: "entries", index: firstSeq / BUNDLE_ENTRIES, width })
        pieces.set(path, encodeBundle(lines.slice(0, width)))
      }
      try {
        for (const [path, bytes] of pieces) await storage.writeCached(path, bytes)
        await storage.writeCached(CHECKPOINT, new TextEncoder().encode(note))
      } catch (error) {
        this.#isDirty = true
        throw error
      }
      // One generation is left for whoever has just read the checkpoint before.
      await this.#remove(this.#stale, pieces)
      this.#stale = this.#written
      this.#written = [...pieces.keys()]
    }
    if (!isLast) return
    await this.#remove(this.#stale, new Set(this.#written))
    this.#stale = []
  }

  async #remove(paths: readonly string[], kept: { has(path: string): boolean }): Promise<void> {
    for (const path of paths) if (!kept.has(path)) await this.#deps.storage.removeCached(path)
  }

  async #keepAnchor(isLast: boolean): Promise<void> {
    const nowMs = this.#deps.clock.monotonicMs()
    const checkpoint = this.#checkpoint
    if (this.#anchored === checkpoint.size || (!isLast && nowMs - this.#anchoredMs < ANCHOR_MS)) return
    await this.#deps.anchor.keep(checkpoint)
    this.#anchored = checkpoint.size
    this.#anchoredMs = nowMs
  }

  async #sign(edge: TreeEdge): Promise<SignedCheckpoint | null> {
    const { signer, report } = this.#deps
    try {
      const signed = await signer.sign({ origin: signer.key.name, size: edge.size, root: edge.root() })
      this.#isUnsigned = false
      return signed
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
      if (!this.#isUnsigned)
        report({ id: "audit.unsigned", outcome: "failure", source: "audit", reason: String(error.code) })
      this.#isUnsigned = true
      return null
    }
  }
}

/** The first records of a bundle; null if it has fewer. */
function firstRecords(bytes: Uint8Array, count: number): Uint8Array | null {
  let at = 0
  for (let k = 0; k < count; k++) {
    if (at + 2 > bytes.length) return null
    at += 2 + (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0))
  }
  return at > bytes.length ? null : bytes.subarray(0, at)
}
