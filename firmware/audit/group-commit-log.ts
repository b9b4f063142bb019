import { HardwareError, LockgateError, StateError } from "../../policy/base/errors.ts"
import { BUNDLE_ENTRIES, encodeBundle } from "../../policy/audit/entry-bundle.ts"
import type { AuditEvent, EventId } from "../../policy/audit/event.ts"
import { encodeNoteKey, type NoteKey } from "../../policy/audit/tlog/note.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { AppendFile } from "../../hal/storage.ts"
import { bundleFile, damageOf, readBundle, TAIL, type LoggedEntry, type ReadBundle } from "./bundle-reader.ts"
import { removeBelow, writeBeginning, type LogBeginning } from "./dropping.ts"
import { keepHandover } from "./handover.ts"
import type { AuditLog, AuditLogDeps, AuditLogState } from "./log.ts"
import type { LogSigner, SignedCheckpoint } from "./log-key.ts"
import type { LogTree, LogTreeDeps } from "./log-tree.ts"
import { nodeSha256 } from "./note-functions.ts"
import { isNoSpace, unlessHardware } from "./no-space.ts"
import { settleTail, type RecoveredLog } from "./recovery.ts"

const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 60_000

type Loss = "failing" | "overload" | "full"

/** The times of an event: those of its call. */
export interface Stamp {
  readonly wallAt: number
  readonly monotonicMs: number
  readonly time: TimeInterval
}

interface Waiting extends Stamp {
  readonly event: AuditEvent
  /** What a report of losses counts; 0 for any other event. */
  readonly reports: number
  resolve(seq: number): void
  reject(error: LockgateError): void
}

/** Makes lines of events. */
export interface Stamping {
  now(): Stamp
  encode(seq: number, event: AuditEvent, at?: Stamp): Uint8Array
}

/** What the log itself gives to its tree. */
export type OfLog = Pick<LogTreeDeps, "open" | "isWriting" | "report">

/** The log once it has been recovered: appends that are made while one is under way share its successor's fsync. */
export class GroupCommitLog implements AuditLog {
  readonly #deps: AuditLogDeps
  readonly #stamping: Stamping
  readonly #recovered: RecoveredLog
  readonly #signer: LogSigner
  readonly #tree: LogTree
  readonly #stateListeners = new Set<(state: AuditLogState) => void>()
  readonly #growthListeners = new Set<() => void>()
  readonly #noRoomListeners = new Set<() => Promise<void>>()
  /** Room was made for what no disk has taken yet. */
  #hasMadeRoom = false
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

  signText(text: string): Promise<Uint8Array> {
    return this.#signer.signText(text)
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

  onNoRoom(listener: () => Promise<void>): () => void {
    this.#noRoomListeners.add(listener)
    return () => this.#noRoomListeners.delete(listener)
  }

  get partialBytes(): number {
    return this.#tree.partialBytes
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
        // Nothing of it is on disk once the tail has been written anew: it goes again before anything that came later.
        if (await this.#makeRoom(error)) this.#queue.unshift(...batch)
        else this.#fail(error, batch)
        continue
      }
      this.#hasMadeRoom = false
      this.#lines.push(...lines)
      await this.#tree.accept(growth)
      batch.forEach((waiting, index) => waiting.resolve(first + index))
      for (const listener of this.#growthListeners) listener()
      if (this.#lines.length < BUNDLE_ENTRIES) continue
      try {
        await this.#rotate()
      } catch (error) {
        if (!(await this.#makeRoom(error))) this.#fail(error, [])
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
   * Make room on a full disk and write the tail anew, true if that went well: nothing has been refused then, and nothing closes. Once only,
   * until an entry has been taken. What is left to others (bytes held back, the oldest bundles) they do when they are asked.
   */
  async #makeRoom(error: unknown): Promise<boolean> {
    if (!isNoSpace(error) || this.#hasMadeRoom || this.#closing) return false
    this.#hasMadeRoom = true
    await this.#tree.giveUpPartials()
    for (const listener of this.#noRoomListeners) await listener()
    return this.#mend()
  }

  /**
   * Write the acknowledged entries anew, and only those: after a failed fsync neither the file nor what is seen of it can
   * be relied on. A full tail becomes its bundle with the very bytes that a rename would have given it. False if the disk fails still.
   */
  async #mend(): Promise<boolean> {
    try {
      await this.#file.close()
      await this.#tree.writeFilled()
      const tail = await settleTail(this.#deps.storage, { firstSeq: this.#firstSeq, lines: this.#lines })
      this.#file = await this.#deps.storage.openAppend(TAIL)
      this.#firstSeq = tail.firstSeq
      this.#lines = [...tail.lines]
      return true
    } catch (error) {
      unlessHardware(error)
      return false
    }
  }

  async #heal(): Promise<void> {
    if (!(await this.#mend())) {
      this.#retry()
      return
    }
    this.#retryMs = FIRST_RETRY_MS
    this.#hasMadeRoom = false
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

function failing(): HardwareError {
  return new HardwareError("ERR_AUDIT_FAILING", "the disk does not take log entries")
}

function lossEvent(reason: Loss, count: number): AuditEvent {
  return { id: "audit.lost", outcome: "failure", source: "audit", reason, count }
}
