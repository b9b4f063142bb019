/**
 * One subject's messages on disk, in order.
 *
 *     spool/c-<conduit>/s-<subject>/000000000001.seg     frames 1, 2, 3 ...: append only, a file of some 256 KiB
 *     spool/c-<conduit>/s-<subject>/done.json            up to where they have gone, written whole
 *
 * Numbers only grow, also across restarts. A torn end of the last file is cut off when the queue is opened: what it held was
 * never acknowledged. A frame in the middle that is damaged costs itself and nothing else.
 */
import { IntegrityError } from "../../policy/base/errors.ts"
import type { AppendFile, Storage } from "../../hal/storage.ts"
import { createQueue } from "../bundles/queue.ts"
import { createFrameSeal, splitFrames, type FrameSeal } from "./frame.ts"

const SEGMENT_BYTES = 256 * 1024
const DONE = "done.json"
const SEQ_DIGITS = 12

/** What has left a queue. */
export interface Done {
  /** Every message up to this number is with the broker, or was dropped. */
  readonly through: number
  /** Packet identifiers whose PUBREL the broker may still await. */
  readonly release: readonly number[]
}

/** One message in order; null where its frame is damaged. */
export interface Queued {
  readonly seq: number
  readonly plain: Uint8Array | null
}

interface Segment {
  readonly first: number
  /** Sizes of its frames. */
  readonly sizes: number[]
  /** Their sum. */
  bytes: number
}

/** A queue, open. Calls are carried out one after the other. */
export interface SpoolQueue {
  /** Messages that wait. */
  readonly messages: number
  /** Their bytes on disk. */
  readonly bytes: number
  readonly done: Done
  /** Bytes that were cut off when it was opened. */
  readonly tornBytes: number
  /** Append all; on disk before this resolves. @throws HardwareError `ERR_IO`: none of them counts */
  append(plains: readonly Uint8Array[]): Promise<void>
  /** The next messages: at most `max`, and about `maxBytes`. @throws HardwareError `ERR_IO` */
  next(max: number, maxBytes: number): Promise<readonly Queued[]>
  /** They have gone; on disk before this resolves. @throws HardwareError `ERR_IO` */
  settle(done: Done): Promise<void>
  /** Give up at least `bytes` of the oldest; returns how many messages that was. @throws HardwareError `ERR_IO` */
  dropOldest(bytes: number): Promise<number>
  close(): Promise<void>
}

/** Open a queue, empty if there is none. @throws HardwareError `ERR_IO`, IntegrityError `ERR_SPOOL_STATE` */
export async function openSpoolQueue(
  storage: Storage,
  secret: Uint8Array,
  conduit: string,
  subject: string,
): Promise<SpoolQueue> {
  const queue = new DiskQueue(storage, secret, conduit, subject)
  await queue.open()
  return queue
}

class DiskQueue implements SpoolQueue {
  messages = 0
  bytes = 0
  done: Done = { through: 0, release: [] }
  tornBytes = 0

  readonly #storage: Storage
  readonly #folder: string
  readonly #seal: FrameSeal
  readonly #inTurn = createQueue()
  #segments: Segment[] = []
  /** The last segment, where it may be written on. */
  #file: AppendFile | null = null
  /** After a failed append nobody knows what is on disk until it was looked at. */
  #unknown = false
  #nextSeq = 1
  /** The segment read last. */
  #cached: { readonly first: number; readonly frames: readonly Uint8Array[] } | null = null

  constructor(storage: Storage, secret: Uint8Array, conduit: string, subject: string) {
    this.#storage = storage
    this.#folder = queueFolder(conduit, subject)
    this.#seal = createFrameSeal(secret, `${conduit} ${subject}`)
  }

  async open(): Promise<void> {
    const storage = this.#storage
    this.tornBytes = 0
    this.done = await readDone(storage, `${this.#folder}/${DONE}`)
    this.#segments = []
    this.#cached = null
    const names = (await storage.list(this.#folder)).filter((name) => /^\d{12}\.seg$/.test(name))
    for (const [k, name] of names.entries()) {
      const first = parseInt(name, 10)
      const bytes = (await storage.read(`${this.#folder}/${name}`)) ?? new Uint8Array(0)
      const frames = splitFrames(bytes)
      const isLast = k === names.length - 1
      const sound = isLast ? this.#soundLength(first, frames) : frames.length
      const sizes = frames.slice(0, sound).map(({ length }) => length)
      const kept = sum(sizes)
      this.#segments.push({ first, sizes, bytes: kept })
      if (!isLast || kept === bytes.length) continue
      this.tornBytes += bytes.length - kept
      const file = await storage.openAppend(`${this.#folder}/${name}`)
      await file.truncate(kept)
      await file.close()
    }
    const last = this.#segments.at(-1)
    this.#nextSeq = Math.max(this.done.through + 1, last === undefined ? 1 : last.first + last.sizes.length)
    this.#count()
    await this.#removeSettled()
    this.#unknown = false
  }

  append(plains: readonly Uint8Array[]): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#unknown) {
        await this.#closeFile()
        await this.open()
      }
      const { segment, file } = await this.#writable()
      const frames = plains.map((plain, k) => this.#seal.seal(this.#nextSeq + k, plain))
      try {
        await file.append(Buffer.concat(frames))
      } catch (error) {
        this.#unknown = true
        throw error
      }
      this.#nextSeq += frames.length
      for (const { length } of frames) {
        segment.sizes.push(length)
        segment.bytes += length
        this.bytes += length
      }
      this.messages += frames.length
      if (this.#cached?.first === segment.first) this.#cached = null
    })
  }

  next(max: number, maxBytes: number): Promise<readonly Queued[]> {
    return this.#inTurn(async () => {
      const found: Queued[] = []
      let size = 0
      for (const { first, sizes } of this.#segments) {
        const end = first + sizes.length
        for (let seq = Math.max(first, this.done.through + 1); seq < end; seq++) {
          if (found.length >= max || (size > 0 && size + (sizes[seq - first] ?? 0) > maxBytes)) return found
          const frame = (await this.#framesOf(first))[seq - first]
          size += sizes[seq - first] ?? 0
          found.push({ seq, plain: frame === undefined ? null : this.#plain(seq, frame) })
        }
      }
      return found
    })
  }

  settle(done: Done): Promise<void> {
    return this.#inTurn(() => this.#settle(done))
  }

  dropOldest(bytes: number): Promise<number> {
    return this.#inTurn(async () => {
      let freed = 0
      let through = this.done.through
      for (const { first, sizes } of this.#segments) {
        for (let seq = Math.max(first, through + 1); seq < first + sizes.length && freed < bytes; seq++) {
          freed += sizes[seq - first] ?? 0
          through = seq
        }
      }
      const dropped = through - this.done.through
      if (dropped > 0) await this.#settle({ through, release: this.done.release })
      return dropped
    })
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#closeFile())
  }

  async #settle({ through, release }: Done): Promise<void> {
    const done = { through: Math.max(through, this.done.through), release: [...release] }
    const text = JSON.stringify({ format: 1, ...done }) + "\n"
    await this.#storage.write(`${this.#folder}/${DONE}`, new TextEncoder().encode(text))
    for (const { first, sizes } of this.#segments) {
      if (first > done.through) break
      for (let seq = Math.max(first, this.done.through + 1); seq <= done.through; seq++) {
        const size = sizes[seq - first]
        if (size === undefined) break
        this.messages--
        this.bytes -= size
      }
    }
    this.done = done
    await this.#removeSettled()
  }

  async #writable(): Promise<{ segment: Segment; file: AppendFile }> {
    const last = this.#segments.at(-1)
    // One whose end is settled may be gone at the next start: numbers go on in a new file.
    const usable = last !== undefined && last.first + last.sizes.length === this.#nextSeq
    if (usable && last.bytes < SEGMENT_BYTES) {
      this.#file ??= await this.#storage.openAppend(this.#path(last.first))
      return { segment: last, file: this.#file }
    }
    await this.#closeFile()
    const segment: Segment = { first: this.#nextSeq, sizes: [], bytes: 0 }
    this.#file = await this.#storage.openAppend(this.#path(segment.first))
    // Left by an append that failed.
    if (this.#file.size > 0) await this.#file.truncate(0)
    this.#segments.push(segment)
    return { segment, file: this.#file }
  }

  /**
   * Frames at the beginning of the last segment that were written whole: those behind the last sound one are torn. If none
   * is sound, something else is wrong (another key, say), and nothing is cut off.
   */
  #soundLength(first: number, frames: readonly Uint8Array[]): number {
    for (let k = frames.length; k > 0; k--) {
      const frame = frames[k - 1]
      if (frame !== undefined && this.#plain(first + k - 1, frame) !== null) return k
    }
    return frames.length
  }

  #plain(seq: number, frame: Uint8Array): Uint8Array | null {
    try {
      return this.#seal.open(seq, frame)
    } catch (error) {
      if (error instanceof IntegrityError) return null
      throw error
    }
  }

  async #framesOf(first: number): Promise<readonly Uint8Array[]> {
    if (this.#cached?.first === first) return this.#cached.frames
    const bytes = (await this.#storage.read(this.#path(first))) ?? new Uint8Array(0)
    this.#cached = { first, frames: splitFrames(bytes) }
    return this.#cached.frames
  }

  async #removeSettled(): Promise<void> {
    for (let segment = this.#segments[0]; segment !== undefined; segment = this.#segments[0]) {
      if (segment.first + segment.sizes.length - 1 > this.done.through) return
      if (this.#segments.length === 1) await this.#closeFile()
      await this.#storage.remove(this.#path(segment.first))
      this.#segments.shift()
      if (this.#cached?.first === segment.first) this.#cached = null
    }
  }

  /** Count what waits from the beginning. */
  #count(): void {
    this.messages = 0
    this.bytes = 0
    for (const { first, sizes } of this.#segments) {
      const waiting = sizes.slice(Math.max(0, this.done.through + 1 - first))
      this.messages += waiting.length
      this.bytes += sum(waiting)
    }
  }

  async #closeFile(): Promise<void> {
    const file = this.#file
    this.#file = null
    await file?.close()
  }

  #path(first: number): string {
    return `${this.#folder}/${String(first).padStart(SEQ_DIGITS, "0")}.seg`
  }
}

/** Folder of a subject's queue. The letters before the names keep `.` and `..` from being folders. */
export function queueFolder(conduit: string, subject: string): string {
  return `spool/c-${conduit}/s-${subject}`
}

/** Remove all that a queue has on disk; nobody may have it open. @throws HardwareError `ERR_IO` */
export async function removeQueueFiles(storage: Storage, conduit: string, subject: string): Promise<void> {
  const folder = queueFolder(conduit, subject)
  for (const name of await storage.list(folder)) await storage.remove(`${folder}/${name}`)
}

async function readDone(storage: Storage, path: string): Promise<Done> {
  const bytes = await storage.read(path)
  if (bytes === null) return { through: 0, release: [] }
  const damaged = (cause?: unknown) => new IntegrityError("ERR_SPOOL_STATE", `${path} is damaged`, { cause })
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder().decode(bytes))
  } catch (cause) {
    throw damaged(cause)
  }
  if (typeof value !== "object" || value === null || !("through" in value) || !("release" in value)) throw damaged()
  const { through, release } = value
  const isId = (id: unknown): id is number => Number.isInteger(id) && (id as number) > 0 && (id as number) < 65_536
  if (!Number.isSafeInteger(through) || (through as number) < 0 || !Array.isArray(release) || !release.every(isId))
    throw damaged()
  return { through: through as number, release }
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + size, 0)
}
