import { HardwareError, LockgateError, StateError, type IntegrityError } from "../../policy/base/errors.ts"
import { encodeEntry } from "../../policy/audit/entry.ts"
import { BUNDLE_ENTRIES, encodeBundle } from "../../policy/audit/entry-bundle.ts"
import type { AuditEvent, EventId } from "../../policy/audit/event.ts"
import { encodeNoteKey, type NoteKey } from "../../policy/audit/tlog/note.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { Clock } from "../../hal/clock.ts"
import type { KeyStore } from "../../hal/key-store.ts"
import type { AppendFile, Storage } from "../../hal/storage.ts"
import { createAnchorKeeper } from "./anchor.ts"
import { bundleFile, damageOf, readBundle, TAIL, type LoggedEntry, type ReadBundle } from "./bundle-reader.ts"
import { readBeginning, removeBelow, writeBeginning, type LogBeginning } from "./dropping.ts"
import { keepHandover, lastHandover } from "./handover.ts"
import { openLogKey, type LogSigner, type SignedCheckpoint } from "./log-key.ts"
import { LogTree, type LogTreeDeps } from "./log-tree.ts"
import { nodeSha256 } from "./note-functions.ts"
import { recoverLog, settleTail, type RecoveredLog } from "./recovery.ts"

const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 60_000

/** What the log stands on. */
export interface AuditLogDeps {
  readonly storage: Storage
  readonly clock: Clock
  /** Holds the key of the log, and what must not go back with its folder. */
  readonly keyStore: KeyStore
  readonly gateway: string
  /** Names this run of the gateway, at most 36 characters. */
  readonly bootId: string
  /** What is known of the true time now. */
  readonly interval: () => TimeInterval
  /** Events that may wait for the disk; default 4,096. */
  readonly maxQueued?: number
}

/** How the log stands. */
export interface AuditLogState {
  /** `failing`: nothing is accepted; the log tries by itself to go on. */
  readonly condition: "writing" | "failing" | "closed"
  /** Events refused or lost since the log was opened. */
  readonly lost: number
  /** What was found missing or damaged when it was opened. */
  readonly damage: readonly IntegrityError[]
  /** Whether it was found shorter than, or another one than, what had been signed of it. */
  readonly rolledBack: boolean
}

/** The audit log: append-only, every acknowledged entry on disk. */
export interface AuditLog {
  /**
   * Write an event; resolves with its sequence number once it is on disk. Times are those of the call.
   *
   * Appends made while one is under way share its successor's fsync. After a rejection the event is counted as lost, and an
   * `audit.lost` entry says so later; it may be on disk all the same if the process dies before.
   * @throws HardwareError `ERR_AUDIT_FAILING` while the disk fails
   * @throws StateError `ERR_AUDIT_OVERLOAD` if too many events wait; `ERR_AUDIT_FULL` if there is no room for it; `ERR_AUDIT_CLOSED`
   */
  append(event: AuditEvent): Promise<number>
  /**
   * Up to `max` entries from `fromSeq` on, in order; fewer at the end or before a damaged bundle. Below `firstSeq` all are missing.
   * @throws IntegrityError `ERR_AUDIT_MISSING`, `ERR_AUDIT_DAMAGED` if the first one asked for is not there
   * @throws HardwareError `ERR_IO`
   */
  read(fromSeq: number, max: number): Promise<readonly LoggedEntry[]>
  /** Entries on disk: the next one gets this number. */
  readonly size: number
  /** The first entry that is still there, a multiple of 256; those below it were dropped. */
  readonly firstSeq: number
  /**
   * Give up the full bundles below `seq`, never the newest; the entry that says so, number `said`, must be written already, and is under the
   * checkpoint on disk before anything goes. Without it the next start, and everybody who verifies, takes the beginning for
   * tampered with. Reads find them gone at once; on disk before this resolves. May be repeated after a failure. @throws HardwareError `ERR_IO`
   */
  drop(seq: number, said?: number): Promise<void>
  /** Root of the tree of the first `size` entries. @throws HardwareError `ERR_IO` */
  rootAt(size: number): Promise<Uint8Array>
  /** From now on only events of whose id `judge` says so are taken; the others are counted as lost, and told once `judge` is null. */
  admit(judge: ((id: EventId) => boolean) | null): void
  /** The key that signs checkpoints. */
  readonly key: NoteKey
  /** A note over `text`, which is no checkpoint, by the key in force now. @throws LockgateError whatever the key store throws */
  signNote(text: string): Promise<string>
  /** Size and root of everything that is acknowledged, signed. Older only while the key store does not sign (`audit.unsigned`). */
  readonly checkpoint: SignedCheckpoint
  /** Called after each new checkpoint; the returned function ends that. */
  onCheckpoint(listener: (checkpoint: SignedCheckpoint) => void): () => void
  /**
   * A tile or an entry bundle by its tlog-tiles path, partial ones up to the size of now included; null if the log has it not.
   * @throws InputError `ERR_TLOG_PATH`
   * @throws HardwareError `ERR_IO`
   */
  piece(path: string): Promise<Uint8Array | null>
  readonly state: AuditLogState
  /** Called after every change of `state.condition`; the returned function ends that. */
  onState(listener: (state: AuditLogState) => void): () => void
  /** Called after entries have reached the disk; the returned function ends that. */
  onGrowth(listener: () => void): () => void
  /**
   * Hand over to a new key: an entry names it (`audit.key-changed`), and the checkpoint over that entry is signed by both. The note is
   * kept as `audit/handover-<size>`, a proof file, and returned, so that whoever trusts the old key can follow.
   * @throws LockgateError whatever the disk or the key store throws; the old key is in force then
   */
  rotateKey(): Promise<SignedCheckpoint>
  /** Write what waits, then stop. Later appends are refused. */
  close(): Promise<void>
}

type Loss = "failing" | "overload" | "full"

interface Waiting {
  readonly event: AuditEvent
  readonly wallAt: number
  readonly monotonicMs: number
  readonly time: TimeInterval
  /** What a report of losses counts; 0 for any other event. */
  readonly reports: number
  resolve(seq: number): void
  reject(error: LockgateError): void
}

/**
 * Opens the log, repairs what a crash left, and writes what was repaired or found damaged into it.
 *
 * @throws HardwareError `ERR_IO`
 * @see IEC 62443-4-2 CR 2.8, CR 2.10
 */
export async function openAuditLog(deps: AuditLogDeps): Promise<AuditLog> {
  const now = (): Pick<Waiting, "wallAt" | "monotonicMs" | "time"> => ({
    wallAt: deps.clock.wall().at,
    monotonicMs: deps.clock.monotonicMs(),
    time: deps.interval(),
  })
  const encode = (seq: number, event: AuditEvent, at = now()): Uint8Array =>
    encodeEntry({ seq, event, boot: deps.bootId, gateway: deps.gateway, ...at })
  const beginning = await readBeginning(deps.storage)
  const signer = await openLogKey(deps.keyStore, deps.gateway, await lastHandover(deps.storage))
  const anchor = createAnchorKeeper(deps.keyStore)
  const recovered = await recoverLog({ storage: deps.storage, signer, anchor, encode, beginning })
  const { edge } = recovered
  const checkpoint = await signer.sign({ origin: signer.key.name, size: edge.size, root: edge.root() })
  const file = await deps.storage.openAppend(TAIL)
  const treeOf = (ofLog: OfLog): LogTree =>
    new LogTree({ ...ofLog, storage: deps.storage, clock: deps.clock, signer, anchor }, checkpoint, recovered)
  const log = new GroupCommitLog(deps, { now, encode }, file, signer, recovered, treeOf, beginning)
  await log.start()
  return log
}

interface Stamping {
  now(): Pick<Waiting, "wallAt" | "monotonicMs" | "time">
  encode(seq: number, event: AuditEvent, at?: Pick<Waiting, "wallAt" | "monotonicMs" | "time">): Uint8Array
}

/** What the log itself gives to its tree. */
type OfLog = Pick<LogTreeDeps, "open" | "isWriting" | "report">

class GroupCommitLog implements AuditLog {
  readonly #deps: AuditLogDeps
  readonly #stamping: Stamping
  readonly #recovered: RecoveredLog
  readonly #signer: LogSigner
  readonly #tree: LogTree
  readonly #stateListeners = new Set<(state: AuditLogState) => void>()
  readonly #growthListeners = new Set<() => void>()
  #file: AppendFile
  #firstSeq: number
  #beginning: LogBeginning
  /** Entries of the open bundle, all on disk: at most 256 of at most 1 KiB. */
  #lines: Uint8Array[]
  #condition: AuditLogState["condition"] = "writing"
  #queue: Waiting[] = []
  /** What writes or heals now; at most one at a time. */
  #work: Promise<void> | null = null
  #cached: { readonly index: number; readonly bundle: ReadBundle } | null = null
  #lost = 0
  /** Lost and not yet told in the log. */
  #untold = { failing: 0, overload: 0, full: 0 }
  #judge: ((id: EventId) => boolean) | null = null
  #retryMs = FIRST_RETRY_MS
  #cancelRetry: (() => void) | null = null
  #closing = false

  constructor(
    deps: AuditLogDeps,
    stamping: Stamping,
    file: AppendFile,
    signer: LogSigner,
    recovered: RecoveredLog,
    treeOf: (log: OfLog) => LogTree,
    beginning: LogBeginning,
  ) {
    this.#beginning = beginning
    this.#deps = deps
    this.#stamping = stamping
    this.#file = file
    this.#signer = signer
    this.#recovered = recovered
    this.#firstSeq = recovered.tail.firstSeq
    this.#lines = [...recovered.tail.lines]
    this.#tree = treeOf({
      open: () => ({ firstSeq: this.#firstSeq, lines: this.#lines }),
      isWriting: () => this.#condition === "writing",
      report: (event) => void this.append(event).catch(() => undefined),
    })
  }

  /** Bring the files of the tree up to date. */
  start(): Promise<void> {
    return this.#tree.start()
  }

  get key(): NoteKey {
    return this.#signer.key
  }

  signNote(text: string): Promise<string> {
    return this.#signer.signNote(text)
  }

  get checkpoint(): SignedCheckpoint {
    return this.#tree.checkpoint
  }

  onCheckpoint(listener: (checkpoint: SignedCheckpoint) => void): () => void {
    return this.#tree.onCheckpoint(listener)
  }

  piece(path: string): Promise<Uint8Array | null> {
    return this.#tree.piece(path)
  }

  get size(): number {
    return this.#firstSeq + this.#lines.length
  }

  get firstSeq(): number {
    return this.#beginning.first
  }

  rootAt(size: number): Promise<Uint8Array> {
    return this.#tree.rootAt(size)
  }

  async drop(seq: number, said?: number): Promise<void> {
    const newest = this.#firstSeq - BUNDLE_ENTRIES
    const first = Math.min(seq - (seq % BUNDLE_ENTRIES), newest)
    if (first > this.firstSeq) {
      const beginning = { first, said: said ?? null }
      await this.#tree.keepCheckpoint()
      await writeBeginning(this.#deps.storage, beginning)
      this.#beginning = beginning
      this.#cached = null
    }
    await removeBelow(this.#deps.storage, this.firstSeq)
  }

  admit(judge: ((id: EventId) => boolean) | null): void {
    this.#judge = judge
  }

  get state(): AuditLogState {
    const { damage, rolledBack } = this.#recovered
    return { condition: this.#condition, lost: this.#lost, damage, rolledBack }
  }

  append(event: AuditEvent): Promise<number> {
    if (this.#closing) return Promise.reject(new StateError("ERR_AUDIT_CLOSED", "the log is closed"))
    if (this.#condition === "failing") {
      this.#countLost("failing", 1)
      return Promise.reject(failing())
    }
    if (this.#judge?.(event.id) === false) {
      this.#countLost("full", 1)
      return Promise.reject(new StateError("ERR_AUDIT_FULL", "the log is full and may drop nothing"))
    }
    if (this.#queue.length >= (this.#deps.maxQueued ?? 4096)) {
      this.#countLost("overload", 1)
      return Promise.reject(new StateError("ERR_AUDIT_OVERLOAD", "too many events wait for the disk"))
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ event, ...this.#stamping.now(), reports: 0, resolve, reject })
      this.#pump()
    })
  }

  async read(fromSeq: number, max: number): Promise<readonly LoggedEntry[]> {
    const found: LoggedEntry[] = []
    for (let seq = fromSeq; found.length < max && seq < this.size; seq++) {
      if (seq < this.#firstSeq) {
        const { lines, fault } = await this.#bundle(Math.floor(seq / BUNDLE_ENTRIES))
        const line = lines[seq % BUNDLE_ENTRIES]
        if (line !== undefined) found.push({ seq, line })
        else if (found.length > 0 || fault === null) break
        else throw fault
      } else {
        const line = this.#lines[seq - this.#firstSeq]
        if (line !== undefined) found.push({ seq, line })
      }
    }
    return found
  }

  onState(listener: (state: AuditLogState) => void): () => void {
    this.#stateListeners.add(listener)
    return () => this.#stateListeners.delete(listener)
  }

  onGrowth(listener: () => void): () => void {
    this.#growthListeners.add(listener)
    return () => this.#growthListeners.delete(listener)
  }

  async rotateKey(): Promise<SignedCheckpoint> {
    this.#tree.hold(-1)
    try {
      return await this.#changeKey()
    } finally {
      this.#tree.hold(Infinity)
      // The change has been made or not: what a disk does that fails now is told by the next writing.
      await this.#tree.keepCheckpoint().catch(unlessHardware)
    }
  }

  async #changeKey(): Promise<SignedCheckpoint> {
    const from = this.key
    const handover = await this.#signer.rotate({
      named: async (next) => {
        const key = encodeNoteKey(nodeSha256, next)
        const event = { id: "audit.key-changed", outcome: "success", source: "audit", detail: { key } } as const
        const size = (await this.append(event)) + 1
        return { origin: next.name, size, root: await this.#tree.rootAt(size) }
      },
      kept: async (checkpoint) => {
        const [entry] = await this.read(checkpoint.size - 1, 1)
        if (entry === undefined) throw damageOf("ERR_AUDIT_MISSING", Math.floor(checkpoint.size / BUNDLE_ENTRIES))
        // Nobody finds the log shorter than its handover.
        this.#tree.hold(checkpoint.size)
        await this.#tree.keepCheckpoint()
        const proof = await this.#tree.proofOf(entry.seq, checkpoint.size)
        await keepHandover(this.#deps.storage, { from, entry, proof, checkpoint })
      },
    })
    await this.#tree.signAgain()
    return handover
  }

  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    this.#cancelRetry?.()
    while (this.#work !== null) await this.#work
    await this.#tree.close()
    this.#become("closed")
    await this.#file.close()
  }

  #pump(): void {
    if (this.#work !== null || this.#condition !== "writing") return
    this.#begin(this.#write())
  }

  #begin(work: Promise<void>): void {
    this.#work = work.finally(() => {
      this.#work = null
      if (this.#queue.length > 0) this.#pump()
    })
  }

  async #write(): Promise<void> {
    // What is appended in this turn of the event loop shares one fsync.
    await Promise.resolve()
    while (this.#condition === "writing" && this.#queue.length > 0) {
      this.#reportLosses()
      const batch = this.#queue.splice(0, BUNDLE_ENTRIES - this.#lines.length)
      const first = this.size
      const lines = batch.map((waiting, index) => this.#stamping.encode(first + index, waiting.event, waiting))
      const growth = this.#tree.grow(lines)
      try {
        await this.#file.append(encodeBundle(lines))
      } catch (error) {
        this.#fail(error, batch)
        return
      }
      this.#lines.push(...lines)
      await this.#tree.accept(growth)
      batch.forEach((waiting, index) => waiting.resolve(first + index))
      for (const listener of this.#growthListeners) listener()
      if (this.#lines.length < BUNDLE_ENTRIES) continue
      try {
        await this.#rotate()
      } catch (error) {
        this.#fail(error, [])
      }
    }
  }

  /** The full tail becomes a bundle by its name alone, so that no bundle is ever seen half written. */
  async #rotate(): Promise<void> {
    // Tiles first, so that a bundle never lies there without its tile.
    await this.#tree.writeFilled()
    await this.#file.close()
    await this.#deps.storage.rename(TAIL, bundleFile(this.#firstSeq / BUNDLE_ENTRIES))
    this.#file = await this.#deps.storage.openAppend(TAIL)
    this.#firstSeq += BUNDLE_ENTRIES
    this.#lines = []
    this.#tree.anchorSoon()
  }

  #fail(error: unknown, batch: readonly Waiting[]): void {
    if (!(error instanceof LockgateError) || error.kind !== "hardware") throw error
    const refused = [...batch, ...this.#queue]
    this.#queue = []
    for (const { reports } of refused) {
      if (reports === 0) this.#countLost("failing", 1)
      else this.#untold.failing += reports
    }
    this.#become("failing")
    for (const waiting of refused) waiting.reject(failing())
    this.#retry()
  }

  #retry(): void {
    if (this.#closing) return
    this.#cancelRetry = this.#deps.clock.after(this.#retryMs, () => this.#begin(this.#heal()))
    this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2)
  }

  /**
   * Write the acknowledged entries anew, and only those: after a failed fsync neither the file nor what is seen of it can
   * be relied on. A full tail becomes its bundle with the very bytes that a rename would have given it.
   */
  async #heal(): Promise<void> {
    try {
      await this.#file.close()
      await this.#tree.writeFilled()
      const tail = await settleTail(this.#deps.storage, { firstSeq: this.#firstSeq, lines: this.#lines })
      this.#file = await this.#deps.storage.openAppend(TAIL)
      this.#firstSeq = tail.firstSeq
      this.#lines = [...tail.lines]
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind !== "hardware") throw error
      this.#retry()
      return
    }
    this.#retryMs = FIRST_RETRY_MS
    this.#become("writing")
    this.#tree.schedule()
    this.#reportLosses()
  }

  #reportLosses(): void {
    for (const reason of ["failing", "overload", "full"] as const) {
      const count = this.#untold[reason]
      // Each report of a full log would take of the room that there is not.
      if (count === 0 || (reason === "full" && this.#judge !== null)) continue
      this.#untold[reason] = 0
      const ignore = (): void => undefined
      const event = lossEvent(reason, count)
      this.#queue.push({ event, ...this.#stamping.now(), reports: count, resolve: ignore, reject: ignore })
    }
  }

  #countLost(reason: Loss, count: number): void {
    this.#lost += count
    this.#untold[reason] += count
  }

  #become(condition: AuditLogState["condition"]): void {
    this.#condition = condition
    const state = this.state
    for (const listener of this.#stateListeners) listener(state)
  }

  async #bundle(index: number): Promise<ReadBundle> {
    if (this.#cached?.index === index) return this.#cached.bundle
    if (index * BUNDLE_ENTRIES < this.firstSeq) return { lines: [], fault: damageOf("ERR_AUDIT_MISSING", index) }
    const bundle = await readBundle(this.#deps.storage, index)
    if (bundle.fault === null) this.#cached = { index, bundle }
    return bundle
  }
}

function unlessHardware(error: unknown): void {
  if (!(error instanceof LockgateError) || error.kind !== "hardware") throw error
}

function failing(): HardwareError {
  return new HardwareError("ERR_AUDIT_FAILING", "the disk does not take log entries")
}

function lossEvent(reason: Loss, count: number): AuditEvent {
  return { id: "audit.lost", outcome: "failure", source: "audit", reason, count }
}
