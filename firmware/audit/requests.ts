/**
 * Requests of people, kept exactly as they were received, so that who gave a command cannot deny it and whoever doubts it
 * can read it: entries of the log name each by its SHA-256, and that is the name of its file.
 *
 *     audit/requests/<SHA-256>    the bytes; never changed
 *     audit/requests/order        a line a request, the oldest first: "<SHA-256> <bytes> <change|reading> <entry|->"
 *                                 or "<SHA-256> gone"; append-only, written anew at every start
 *
 * A file is on disk before its line, a line says "gone" before its file is removed: a file without a line was kept when the
 * power went, a line without a file is the work of a hand or of a failing disk.
 *
 * @see IEC 62443-4-2 CR 2.12
 */
import { createHash } from "node:crypto"
import { HardwareError, IntegrityError, StateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { AppendFile, Storage } from "../../hal/storage.ts"
import { createQueue } from "../bundles/queue.ts"
import { survivable } from "../bundles/refusal.ts"
import type { AuditLog } from "./log.ts"
import { formatOrder, ORDER, parseOrder, requestFile, REQUESTS, type KeptRequest } from "./request-order.ts"

/** What a request was for: each kind has room of its own, so that reading pushes out no change. */
export type RequestKind = KeptRequest["kind"]

/** How many requests of a kind are kept, and how many bytes together. Any one request fits. */
export const REQUEST_BOUNDS: Readonly<Record<RequestKind, { readonly count: number; readonly bytes: number }>> = {
  change: { count: 1024, bytes: 32 * 1024 * 1024 },
  reading: { count: 256, bytes: 8 * 1024 * 1024 },
}

/** What the keeper stands on. */
export interface KeptRequestsDeps {
  readonly storage: Storage
  /** For what was given up, which is said before the bytes go, or is missing. */
  readonly audit: (event: AuditEvent) => Promise<number>
  /** Entries in the log now. */
  readonly logSize: () => number
  readonly bounds?: typeof REQUEST_BOUNDS
}

/** The requests of people. */
export interface KeptRequests {
  /**
   * Keep a request; on disk before this resolves. To be called, the returned function, when every entry that names it is written.
   *
   * Makes room by giving up the oldest of its kind, and says so in the log. The same bytes again are one request, the newest.
   * @throws HardwareError `ERR_IO`
   * @throws StateError `ERR_REQUESTS_FULL` if commands under way hold all the room
   */
  keep(bytes: Uint8Array, kind: RequestKind): Promise<() => void>
  /** The log has dropped its entries below `firstSeq`: give up what no other entry names. @throws HardwareError `ERR_IO` */
  dropBelow(firstSeq: number): Promise<void>
  /** What is kept now. */
  readonly held: { readonly count: number; readonly bytes: number }
  close(): Promise<void>
}

interface Held extends KeptRequest {
  /** Commands under way that it belongs to. */
  underWay: number
}

/**
 * Open the folder of requests; what a crash left is put in order, what is missing is told.
 *
 * @throws HardwareError `ERR_IO`
 */
export async function openKeptRequests(deps: KeptRequestsDeps): Promise<KeptRequests> {
  const { storage, audit, logSize, bounds = REQUEST_BOUNDS } = deps
  const inTurn = createQueue()
  /** The oldest first. */
  const held = new Map<string, Held>()
  let file: AppendFile | null = null
  let lines = 0
  await recover()

  async function recover(): Promise<void> {
    const before = parseOrder((await storage.read(ORDER)) ?? new Uint8Array())
    const names = new Set((await storage.list(REQUESTS)).filter((name) => /^[0-9a-f]{64}$/.test(name)))
    const known = new Map(before.kept.map((one) => [one.hash, one]))
    // Said again, perhaps: power may have gone before it was said, or after.
    const rest = [...before.gone].filter((hash) => names.has(hash))
    if (rest.length > 0) await tellDropped({ reason: "full", count: rest.length, detail: { first: rest[0] ?? "" } })
    for (const hash of names) {
      if (known.has(hash)) continue
      if (before.gone.has(hash)) await storage.remove(requestFile(hash))
      else {
        // Kept when the power went, or its line was lost: how old it is nobody knows, so it is the first to go.
        const bytes = await storage.read(requestFile(hash))
        hold({ hash, bytes: bytes?.length ?? 0, kind: "change", until: logSize() })
      }
    }
    const missing = before.kept.filter(({ hash }) => !names.has(hash))
    for (const one of before.kept) if (names.has(one.hash)) hold({ ...one, until: one.until ?? logSize() })
    if (missing.length > 0) {
      const detail = { first: missing[0]?.hash ?? "" }
      const count = missing.length
      await audit({ id: "audit.requests-damaged", outcome: "failure", source: "audit", count, detail }).catch(
        survivable,
      )
    }
    await writeOrder()
  }

  function hold(one: KeptRequest, underWay = 0): void {
    held.delete(one.hash)
    held.set(one.hash, { ...one, underWay })
  }

  /** The whole order anew: at start, when it has grown, and after an append that failed. */
  async function writeOrder(): Promise<void> {
    await file?.close()
    file = null
    await storage.write(ORDER, formatOrder([...held.values()]))
    file = await storage.openAppend(ORDER)
    lines = held.size
  }

  async function appendOrder(text: string): Promise<void> {
    if (file === null || lines > 2 * held.size + 256) return writeOrder()
    try {
      await file.append(new TextEncoder().encode(text))
      lines++
    } catch (error) {
      // What the file holds now cannot be relied on: the next one is written whole.
      await file.close().catch(() => undefined)
      file = null
      throw error
    }
  }

  async function giveUp(gone: readonly Held[], reason: "full" | "log"): Promise<void> {
    const [first] = gone
    if (first === undefined) return
    const before = [...held]
    for (const { hash } of gone) held.delete(hash)
    try {
      await appendOrder(gone.map(({ hash }) => `${hash} gone\n`).join(""))
    } catch (error) {
      held.clear()
      for (const [hash, one] of before) held.set(hash, one)
      throw error
    }
    const detail = { bytes: sum(gone), first: first.hash, kind: first.kind }
    await tellDropped({ reason, count: gone.length, detail })
    for (const { hash } of gone) await storage.remove(requestFile(hash))
  }

  async function tellDropped(more: Pick<AuditEvent, "reason" | "count" | "detail">): Promise<void> {
    await audit({ id: "audit.requests-dropped", outcome: "success", source: "audit", ...more }).catch(survivable)
  }

  /** Give up the oldest of a kind until one more fits; an eighth more, so that not every command says so. */
  async function makeRoom(kind: RequestKind, bytes: number): Promise<void> {
    const own = [...held.values()].filter((one) => one.kind === kind)
    const most = bounds[kind]
    if (own.length + 1 <= most.count && sum(own) + bytes <= most.bytes) return
    const count = most.count - Math.ceil(most.count / 8)
    const room = Math.max(0, most.bytes - Math.max(bytes, Math.ceil(most.bytes / 8)))
    const gone: Held[] = []
    let [left, leftBytes] = [own.length, sum(own)]
    for (const one of own) {
      if (left <= count && leftBytes <= room) break
      if (one.underWay > 0) continue
      gone.push(one)
      left--
      leftBytes -= one.bytes
    }
    if (left + 1 > most.count || leftBytes + bytes > most.bytes) {
      throw new StateError("ERR_REQUESTS_FULL", "commands under way hold all the room for requests")
    }
    await giveUp(gone, "full")
  }

  return {
    keep: (bytes, kind) =>
      inTurn(async () => {
        const hash = createHash("sha256").update(bytes).digest("hex")
        const known = held.get(hash)
        if (known === undefined) await makeRoom(kind, bytes.length)
        // Written again even if it is there: what it holds now is the request.
        await storage.write(requestFile(hash), bytes)
        const before = known?.underWay ?? 0
        const one = { hash, bytes: bytes.length, kind, until: null }
        hold(one, before + 1)
        try {
          await appendOrder(`${hash} ${bytes.length} ${kind} -\n`)
        } catch (error) {
          if (known === undefined) held.delete(hash)
          else hold(known, before)
          throw error
        }
        let released = false
        return () => {
          const now = held.get(hash)
          if (released || now === undefined) return
          released = true
          held.set(hash, { ...now, underWay: now.underWay - 1, until: now.underWay === 1 ? logSize() : null })
        }
      }),
    dropBelow: (firstSeq) =>
      inTurn(async () => {
        const gone = [...held.values()].filter((one) => one.underWay === 0 && (one.until ?? Infinity) <= firstSeq)
        await giveUp(gone, "log")
      }),
    get held() {
      return { count: held.size, bytes: sum([...held.values()]) }
    },
    close: () =>
      inTurn(async () => {
        try {
          await writeOrder()
        } catch (error) {
          if (!(error instanceof HardwareError)) throw error
        }
        await file?.close()
        file = null
      }),
  }
}

/** From now on requests go with the entries that name them, as the log drops its oldest. */
export function dropWithLog(requests: KeptRequests, log: Pick<AuditLog, "firstSeq" | "onGrowth">): void {
  let dropped = 0
  log.onGrowth(() => {
    if (log.firstSeq <= dropped) return
    dropped = log.firstSeq
    // What fails now is given up with the next, or at the bound.
    requests.dropBelow(dropped).catch(survivable)
  })
}

function sum(requests: readonly KeptRequest[]): number {
  return requests.reduce((bytes, one) => bytes + one.bytes, 0)
}

/**
 * The kept request of that hash, exactly as it was received, or null if it is not kept.
 *
 * @throws IntegrityError `ERR_REQUEST_DAMAGED` if the file holds other bytes
 * @throws HardwareError `ERR_IO`
 */
export async function readKeptRequest(storage: Pick<Storage, "read">, hash: string): Promise<Uint8Array | null> {
  const bytes = await storage.read(requestFile(hash))
  if (bytes === null || createHash("sha256").update(bytes).digest("hex") === hash) return bytes
  throw new IntegrityError("ERR_REQUEST_DAMAGED", `the request kept under ${hash} is not what was received`)
}
