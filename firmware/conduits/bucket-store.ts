import type { Buckets, FilterTable } from "../../policy/filter/table.ts"
import { AccountTable, createAccountMemory, type AccountMemory } from "./load/account-table.ts"

/** Subjects whose buckets are kept after they left, so that reconnecting does not refill a rate. */
const MAX_KEPT = 10_000
/** Of the memory that workers share for one policy's rates. Only what is used is taken from the board. */
const MAX_SHARED_BYTES = 512 * 1024 * 1024

/** Two cells for each rule with a rate, and one for the lock behind them (`policy/filter/buckets.ts`). */
const cellsFor = (rateCount: number): number => rateCount * 2 + 1

/**
 * Memory for the rates of one policy, for `workers` threads; null if it has none, or one thread needs none.
 *
 * It has room for 10,000 subjects, fewer if a policy has more than some 3,000 rules with a rate.
 */
export function createRateMemory(rateCount: number, workers: number): AccountMemory | null {
  if (workers === 1 || rateCount === 0) return null
  const cells = cellsFor(rateCount)
  const accounts = Math.max(1, Math.min(MAX_KEPT, Math.floor(MAX_SHARED_BYTES / (cells * 8))))
  return createAccountMemory({ accounts, cells, workers })
}

/** The rates of one policy as its workers share them; null: each worker's own. */
export interface RateMemory {
  readonly mqtt: AccountMemory | null
  readonly modbus: AccountMemory | null
}

interface Kept {
  readonly buckets: Buckets
  /** In the shared table, held; -1: this thread's alone. */
  readonly account: number
}

/**
 * Token buckets by subject: all connections of one subject share one set, on whatever worker they are; a new policy starts
 * with full buckets.
 *
 * @see IEC 62443-4-2 CR 7.1 RE(1)
 */
export class BucketStore<Table = FilterTable> {
  readonly #create: (table: Table) => Buckets
  readonly #bySubject = new Map<string, Kept>()
  readonly #joined = new Map<string, number>()
  #table: Table | null = null
  #shared: { readonly accounts: AccountTable; readonly memory: AccountMemory } | null = null

  /** `create` makes the full buckets of one subject. */
  constructor(create: (table: Table) => Buckets) {
    this.#create = create
  }

  /** A new policy: from now on `table`'s buckets lie in `memory`, if there is one. What an earlier thread `worker` held there is struck. */
  share(table: Table, memory: AccountMemory | null, worker: number): void {
    if (this.#table === table && (this.#shared?.memory ?? null) === memory) return
    this.#begin(table)
    if (memory === null) return
    const accounts = new AccountTable(memory, worker, [...this.#create(table)])
    accounts.forget(worker)
    this.#shared = { accounts, memory }
  }

  /** A connection of `subject` begins; call what is returned when it ends. Meanwhile its buckets stay where they are. */
  join(subject: string): () => void {
    this.#joined.set(subject, (this.#joined.get(subject) ?? 0) + 1)
    let left = false
    return () => {
      if (left) return
      left = true
      const others = (this.#joined.get(subject) ?? 0) - 1
      if (others > 0) this.#joined.set(subject, others)
      else {
        this.#joined.delete(subject)
        this.#release(subject)
      }
    }
  }

  /** The subject's buckets under `table`. Over 10,000 subjects the one unused for longest starts anew. */
  of(table: Table, subject: string): Buckets {
    if (this.#table !== table) this.#begin(table)
    const kept = this.#bySubject.get(subject) ?? this.#keep(table, subject)
    this.#bySubject.delete(subject)
    this.#bySubject.set(subject, kept)
    if (this.#bySubject.size > MAX_KEPT) {
      for (const oldest of this.#bySubject.keys()) {
        if (this.#joined.has(oldest)) continue
        this.#release(oldest)
        this.#bySubject.delete(oldest)
        break
      }
    }
    return kept.buckets
  }

  #begin(table: Table): void {
    this.#table = table
    this.#shared = null
    this.#bySubject.clear()
  }

  #keep(table: Table, subject: string): Kept {
    const alone = { buckets: this.#create(table), account: -1 }
    if (this.#shared === null) return alone
    const { accounts, memory } = this.#shared
    const account = accounts.hold(subject)
    // No room for one more: this worker counts it by itself, as a single one would.
    if (account < 0) return alone
    const buckets = accounts.cellsOf(account).subarray(0, memory.cells - 1)
    return { buckets, account }
  }

  /** The shared table may forget the subject when it needs the room; until then coming back does not refill a rate. */
  #release(subject: string): void {
    const kept = this.#bySubject.get(subject)
    if (kept === undefined || kept.account < 0) return
    this.#shared?.accounts.release(kept.account)
    this.#bySubject.delete(subject)
  }
}
