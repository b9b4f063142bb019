import type { IntegrityError } from "../../policy/base/errors.ts"
import { encodeEntry } from "../../policy/audit/entry.ts"
import type { AuditEvent, EventId } from "../../policy/audit/event.ts"
import type { NoteKey } from "../../policy/audit/tlog/note.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { Clock } from "../../hal/clock.ts"
import type { KeyStore } from "../../hal/key-store.ts"
import type { Storage } from "../../hal/storage.ts"
import { createAnchorKeeper } from "./anchor.ts"
import { TAIL, type LoggedEntry } from "./bundle-reader.ts"
import { readBeginning } from "./dropping.ts"
import { GroupCommitLog, type OfLog, type Stamp } from "./group-commit-log.ts"
import { lastHandover } from "./handover.ts"
import { openLogKey, type SignedCheckpoint } from "./log-key.ts"
import { LogTree } from "./log-tree.ts"
import { recoverLog } from "./recovery.ts"

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
  /** The bare signature over a text of one line, by the key in force now. @throws LockgateError whatever the key store throws */
  signText(text: string): Promise<Uint8Array>
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
   * Called when the disk has no room for an entry, before anything is refused: whoever holds bytes that can be spared gives them, and sees
   * to the rest afterwards (an append waits for the listener). The returned function ends that.
   */
  onNoRoom(listener: () => Promise<void>): () => void
  /** What pieces take on the disk that the log gives up by itself when there is no room, and makes again when there is. */
  readonly partialBytes: number
  /**
   * Hand over to a new key: an entry names it (`audit.key-changed`), and the checkpoint over that entry is signed by both. The note is
   * kept as `audit/handover-<size>`, a proof file, and returned, so that whoever trusts the old key can follow.
   * @throws LockgateError whatever the disk or the key store throws; the old key is in force then
   */
  rotateKey(): Promise<SignedCheckpoint>
  /** Write what waits, then stop. Later appends are refused. */
  close(): Promise<void>
}

/**
 * Opens the log, repairs what a crash left, and writes what was repaired or found damaged into it.
 *
 * @throws HardwareError `ERR_IO`
 * @see IEC 62443-4-2 CR 2.8, CR 2.10
 */
export async function openAuditLog(deps: AuditLogDeps): Promise<AuditLog> {
  const now = (): Stamp => ({
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
