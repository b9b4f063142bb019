/**
 * What the gateway keeps for brokers that are lost: a queue on disk for each subject of a conduit with a buffer.
 *
 * A message counts when `put` has resolved, and goes when the broker has it and `settle` has resolved. In between it is on
 * disk, encrypted, and nowhere else.
 */
import { IntegrityError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { Buffering } from "../../policy/language/policy.ts"
import type { Storage } from "../../hal/storage.ts"
import { FRAME_OVERHEAD } from "./frame.ts"
import { openSpoolQueue, removeQueueFiles, type Done, type SpoolQueue } from "./queue.ts"
import { decodeRecord, encodeRecord, type SpoolRecord } from "./record.ts"

/** Subjects of one conduit that may have a queue. */
const MAX_SUBJECTS = 1024

/** Holds what a probe puts in, for no broker: no conduit of a policy can have this name. */
export const PROBE_CONDUIT = ".probe"

/** What the spool stands on. */
export interface SpoolDeps {
  readonly storage: Storage
  /** 32 bytes, the key of all keys. */
  readonly secret: Uint8Array
  readonly note: (event: AuditEvent) => void
}

/** How much waits for one subject. */
export interface Backlog {
  readonly conduit: string
  readonly subject: string
  readonly messages: number
  readonly bytes: number
}

/** The next messages of a subject, in order; null where one is damaged. */
export interface Batch {
  readonly done: Done
  readonly messages: readonly { readonly seq: number; readonly record: SpoolRecord | null }[]
}

/** The messages that wait. */
export interface Spool {
  /**
   * Keep a message; on disk before this resolves. `full`: there is no room, and nothing was kept.
   * @throws HardwareError `ERR_IO`, IntegrityError `ERR_SPOOL_STATE`: nothing was kept
   */
  put(conduit: string, subject: string, record: SpoolRecord, buffer: Buffering): Promise<"stored" | "full">
  /** @throws HardwareError `ERR_IO` */
  batch(conduit: string, subject: string, max: number, maxBytes: number): Promise<Batch>
  /** @throws HardwareError `ERR_IO` */
  settle(conduit: string, subject: string, done: Done): Promise<void>
  /**
   * Remove a queue with all that is in it. Nobody may be putting into it meanwhile; numbers begin anew.
   * @throws HardwareError `ERR_IO`
   */
  forget(conduit: string, subject: string): Promise<void>
  /** Every subject that waits for something for a broker. */
  backlog(): readonly Backlog[]
  close(): Promise<void>
}

interface Waiting {
  readonly plain: Uint8Array
  readonly settled: (outcome: "stored" | "full") => void
  readonly failed: (error: unknown) => void
}

interface Kept {
  readonly conduit: string
  readonly subject: string
  readonly queue: SpoolQueue
  /** Not yet on disk; written together. */
  waiting: Waiting[]
  waitingBytes: number
  writing: boolean
}

/** Open the spool with all that an earlier run left in it. A queue that cannot be read is reported and left alone. */
export async function openSpool(deps: SpoolDeps): Promise<Spool> {
  const { storage, secret, note } = deps
  const opening = new Map<string, Promise<Kept>>()
  const kept = new Map<string, Kept>()

  function keyOf(conduit: string, subject: string): string {
    return `${conduit} ${subject}`
  }

  function entryOf(conduit: string, subject: string): Promise<Kept> {
    const key = keyOf(conduit, subject)
    const known = opening.get(key) ?? openEntry(conduit, subject)
    opening.set(key, known)
    // One that cannot be opened now may be later.
    known.catch(() => opening.delete(key))
    return known
  }

  async function openEntry(conduit: string, subject: string): Promise<Kept> {
    const queue = await openSpoolQueue(storage, secret, conduit, subject)
    if (queue.tornBytes > 0) {
      const detail = { bytes: queue.tornBytes }
      note({ id: "spool.repaired", outcome: "success", source: "spool", conduit, subject, detail })
    }
    const entry: Kept = { conduit, subject, queue, waiting: [], waitingBytes: 0, writing: false }
    kept.set(keyOf(conduit, subject), entry)
    return entry
  }

  function bytesOf(conduit: string): number {
    let bytes = 0
    for (const entry of kept.values()) if (entry.conduit === conduit) bytes += entry.queue.bytes + entry.waitingBytes
    return bytes
  }

  /** Make room for `bytes`; false if that cannot be. */
  async function makeRoom(conduit: string, bytes: number, buffer: Buffering): Promise<boolean> {
    while (bytesOf(conduit) + bytes > buffer.maxBytes) {
      if (buffer.whenFull === "refuse" || bytes > buffer.maxBytes) return false
      const [largest] = [...kept.values()]
        .filter((entry) => entry.conduit === conduit && entry.queue.bytes > 0)
        .sort((a, b) => b.queue.bytes - a.queue.bytes)
      if (largest === undefined) return false
      const count = await largest.queue.dropOldest(bytes)
      if (count === 0) return false
      const { subject } = largest
      note({
        id: "spool.dropped",
        outcome: "failure",
        source: "spool",
        conduit,
        subject,
        reason: "full",
        detail: { count },
      })
    }
    return true
  }

  /** Write what waits, together; what comes meanwhile is written after it. */
  async function write(entry: Kept): Promise<void> {
    if (entry.writing) return
    entry.writing = true
    while (entry.waiting.length > 0) {
      const now = entry.waiting
      entry.waiting = []
      try {
        await entry.queue.append(now.map(({ plain }) => plain))
        for (const { settled } of now) settled("stored")
      } catch (error) {
        for (const { failed } of now) failed(error)
      }
      for (const { plain } of now) entry.waitingBytes -= plain.length + FRAME_OVERHEAD
    }
    entry.writing = false
  }

  for (const conduitFolder of await storage.list("spool")) {
    if (!/^c-.+\/$/.test(conduitFolder)) continue
    for (const subjectFolder of await storage.list(`spool/${conduitFolder.slice(0, -1)}`)) {
      if (!/^s-.+\/$/.test(subjectFolder)) continue
      const [conduit, subject] = [conduitFolder.slice(2, -1), subjectFolder.slice(2, -1)]
      if (conduit === PROBE_CONDUIT) {
        // Of a probe that was cut off.
        await removeQueueFiles(storage, conduit, subject)
        continue
      }
      try {
        await entryOf(conduit, subject)
      } catch (error) {
        if (!(error instanceof IntegrityError)) throw error
        note({ id: "spool.damaged", outcome: "failure", source: "spool", conduit, subject, reason: String(error.code) })
      }
    }
  }

  return {
    async put(conduit, subject, record, buffer) {
      if (!kept.has(keyOf(conduit, subject)) && kept.size >= MAX_SUBJECTS) return "full"
      const entry = await entryOf(conduit, subject)
      const plain = encodeRecord(record)
      const bytes = plain.length + FRAME_OVERHEAD
      if (!(await makeRoom(conduit, bytes, buffer))) return "full"
      return new Promise((settled, failed) => {
        entry.waiting.push({ plain, settled, failed })
        entry.waitingBytes += bytes
        void write(entry)
      })
    },

    async batch(conduit, subject, max, maxBytes) {
      const { queue } = await entryOf(conduit, subject)
      const messages = (await queue.next(max, maxBytes)).map(({ seq, plain }) => ({ seq, record: recordOf(plain) }))
      return { done: queue.done, messages }
    },

    async settle(conduit, subject, done) {
      await (await entryOf(conduit, subject)).queue.settle(done)
    },

    async forget(conduit, subject) {
      const { queue } = await entryOf(conduit, subject)
      await queue.close()
      await removeQueueFiles(storage, conduit, subject)
      kept.delete(keyOf(conduit, subject))
      opening.delete(keyOf(conduit, subject))
    },

    backlog: () =>
      [...kept.values()]
        .filter(({ conduit }) => conduit !== PROBE_CONDUIT)
        .filter(({ queue }) => queue.messages > 0 || queue.done.release.length > 0)
        .map(({ conduit, subject, queue }) => ({ conduit, subject, messages: queue.messages, bytes: queue.bytes })),

    async close() {
      for (const { queue } of kept.values()) await queue.close()
    },
  }
}

function recordOf(plain: Uint8Array | null): SpoolRecord | null {
  try {
    return plain === null ? null : decodeRecord(plain)
  } catch (error) {
    if (error instanceof IntegrityError) return null
    throw error
  }
}
