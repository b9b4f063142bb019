/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices of arrays made here */
import { InvariantError } from "../../../policy/base/errors.ts"

/** How a table of accounts is laid out. */
export interface AccountLayout {
  /** At most so many; over it the one unused for longest and held by nobody gives way. */
  readonly accounts: number
  /** Numbers of each account. */
  readonly cells: number
  /** Threads that share it; their number counts from 0. */
  readonly workers: number
}

/** A table as it travels between threads. */
export interface AccountMemory extends AccountLayout {
  readonly memory: SharedArrayBuffer
}

/** Longest key, in characters; all of them below U+0080. */
export const MAX_KEY = 95
const KEY_BYTES = MAX_KEY + 1

const LOCK = 0
const USED = 1
const OLDEST = 2
const NEWEST = 3
const FREE = 4
const HEAD_WORDS = 8
const NONE = -1

/** Turns of a thread that waits before it goes to sleep, and sleeps of 2 ms before it takes the lock of a thread that died. */
const SPINS = 1_000
const SLEEPS = 25

/** Zeroed memory for a table; nothing of it is touched, and so none of it is taken from the board, before it is used. */
export function createAccountMemory(layout: AccountLayout): AccountMemory {
  const { accounts, cells, workers } = layout
  const words = HEAD_WORDS + bucketsFor(accounts) + accounts * (3 + workers)
  return { ...layout, memory: new SharedArrayBuffer(align(words * 4) + accounts * cells * 8 + accounts * KEY_BYTES) }
}

/**
 * Accounts by name, in memory that the conduit workers share: the same code and the same numbers for one worker and for many.
 *
 * Bounded: a new name takes the account that nobody holds and that was unused for longest. An account that is held
 * keeps its place; each worker counts its own holds, so that those of a thread that died can be struck.
 *
 *     Int32    lock, used, oldest, newest, free | hash heads | next in chain | older | newer | holds of each worker
 *     Float64  cells of each account
 *     Uint8    length and name of each account
 *
 * Short sections under one lock guard the table; with one worker there is no lock. A thread that dies inside a section
 * holds the others up for 50 ms, once.
 *
 * @see IEC 62443-4-2 CR 7.2
 */
export class AccountTable {
  readonly #layout: AccountLayout
  readonly #me: number
  readonly #words: Int32Array
  readonly #heads: Int32Array
  readonly #chain: Int32Array
  readonly #older: Int32Array
  readonly #newer: Int32Array
  readonly #holds: Int32Array
  readonly #cells: Float64Array
  readonly #keys: Uint8Array
  readonly #scratch = new Uint8Array(KEY_BYTES)
  readonly #first: readonly number[]

  /** `first` is what the first cells of a new account hold; the others hold 0. */
  constructor(shared: AccountMemory, worker: number, first: readonly number[] = []) {
    const { accounts, cells, workers, memory } = shared
    this.#layout = shared
    this.#me = worker
    this.#first = first
    let at = 0
    const ints = (count: number): Int32Array => {
      const part = new Int32Array(memory, at, count)
      at += count * 4
      return part
    }
    this.#words = ints(HEAD_WORDS)
    this.#heads = ints(bucketsFor(accounts))
    this.#chain = ints(accounts)
    this.#older = ints(accounts)
    this.#newer = ints(accounts)
    this.#holds = ints(accounts * workers)
    at = align(at)
    this.#cells = new Float64Array(memory, at, accounts * cells)
    this.#keys = new Uint8Array(memory, at + accounts * cells * 8, accounts * KEY_BYTES)
  }

  /** Names that have an account now. */
  get size(): number {
    return this.#words[USED]!
  }

  /** Hold the account of `key` until `release`; -1 if all are held. */
  hold(key: string): number {
    return this.#locked(() => {
      const index = this.#open(key)
      if (index === NONE) return NONE
      if (!this.#isHeld(index)) this.#unlink(index)
      this.#holds[index * this.#layout.workers + this.#me]!++
      return index
    })
  }

  /** Undo one `hold` of this worker. */
  release(index: number): void {
    this.#locked(() => {
      const at = index * this.#layout.workers + this.#me
      if (this.#holds[at]! === 0)
        throw new InvariantError("ERR_ACCOUNT_HOLD", "an account is released that is not held")
      this.#holds[at]!--
      if (!this.#isHeld(index)) this.#append(index)
    })
  }

  /** Holds of all workers on the account of `key`. */
  holds(key: string): number {
    return this.#locked(() => {
      const index = this.#find(key)
      return index === NONE ? 0 : this.#sum(index)
    })
  }

  /** Whether `key` has an account; it counts as used. */
  has(key: string): boolean {
    return this.#locked(() => {
      const index = this.#find(key)
      if (index !== NONE) this.#touch(index)
      return index !== NONE
    })
  }

  /**
   * What `use` makes of the account of `key`, with its cells from `at` on and the holds on it; nobody else changes them
   * meanwhile. Null if all accounts are held and `key` has none.
   */
  with<T>(key: string, use: (cells: Float64Array, at: number, holds: number) => T): T | null {
    return this.#locked(() => {
      const index = this.#open(key)
      if (index === NONE) return null
      this.#touch(index)
      return use(this.#cells, index * this.#layout.cells, this.#sum(index))
    })
  }

  /** The same for an account that is held. */
  at<T>(index: number, use: (cells: Float64Array, at: number, holds: number) => T): T {
    return this.#locked(() => use(this.#cells, index * this.#layout.cells, this.#sum(index)))
  }

  /** The cells of an account that is held: for as long as it is. Whoever writes them does so inside `at`. */
  cellsOf(index: number): Float64Array {
    const { cells } = this.#layout
    return this.#cells.subarray(index * cells, (index + 1) * cells)
  }

  /** Strike all holds of a worker that died. */
  forget(worker: number): void {
    const { accounts, workers } = this.#layout
    this.#locked(() => {
      const used = Math.min(this.#words[FREE]!, accounts)
      for (let index = 0; index < used; index++) {
        const at = index * workers + worker
        if (this.#holds[at]! === 0) continue
        this.#holds[at] = 0
        if (!this.#isHeld(index)) this.#append(index)
      }
    })
  }

  #isHeld(index: number): boolean {
    return this.#sum(index) > 0
  }

  #sum(index: number): number {
    const { workers } = this.#layout
    let sum = 0
    for (let k = 0; k < workers; k++) sum += this.#holds[index * workers + k]!
    return sum
  }

  /** Find or make; NONE if all are held. */
  #open(key: string): number {
    const known = this.#find(key)
    if (known !== NONE) return known
    const index = this.#claim()
    if (index === NONE) return NONE
    const { cells } = this.#layout
    const bucket = this.#readKey(key)
    this.#keys.set(this.#scratch.subarray(0, 1 + key.length), index * KEY_BYTES)
    this.#chain[index] = this.#heads[bucket]!
    this.#heads[bucket] = index + 1
    this.#cells.fill(0, index * cells, (index + 1) * cells)
    this.#cells.set(this.#first, index * cells)
    this.#words[USED]!++
    this.#append(index)
    return index
  }

  #claim(): number {
    if (this.#words[FREE]! < this.#layout.accounts) return this.#words[FREE]!++
    const oldest = this.#words[OLDEST]! - 1
    if (oldest === NONE) return NONE
    this.#unlink(oldest)
    this.#unchain(oldest)
    this.#words[USED]!--
    return oldest
  }

  #find(key: string): number {
    const bucket = this.#readKey(key)
    for (let index = this.#heads[bucket]! - 1; index !== NONE; index = this.#chain[index]! - 1) {
      if (this.#isKey(index)) return index
    }
    return NONE
  }

  #isKey(index: number): boolean {
    const length = this.#scratch[0]!
    for (let k = 0; k <= length; k++) if (this.#keys[index * KEY_BYTES + k] !== this.#scratch[k]) return false
    return true
  }

  /** Put the key into the scratch space; returns its hash chain. @throws InvariantError for a key that does not fit */
  #readKey(key: string): number {
    if (key.length > MAX_KEY) throw new InvariantError("ERR_ACCOUNT_KEY", "the name of an account is too long")
    this.#scratch[0] = key.length
    let hash = 0x811c9dc5
    for (let k = 0; k < key.length; k++) {
      const code = key.charCodeAt(k)
      this.#scratch[1 + k] = code
      hash = Math.imul(hash ^ code, 0x01000193)
    }
    return (hash ^ (hash >>> 15)) & (this.#heads.length - 1)
  }

  #unchain(index: number): void {
    const at = index * KEY_BYTES
    const key = String.fromCharCode(...this.#keys.subarray(at + 1, at + 1 + this.#keys[at]!))
    const kept = this.#scratch.slice()
    const bucket = this.#readKey(key)
    this.#scratch.set(kept)
    if (this.#heads[bucket] === index + 1) {
      this.#heads[bucket] = this.#chain[index]!
      return
    }
    let before = this.#heads[bucket]! - 1
    while (this.#chain[before] !== index + 1) before = this.#chain[before]! - 1
    this.#chain[before] = this.#chain[index]!
  }

  #touch(index: number): void {
    if (this.#isHeld(index)) return
    this.#unlink(index)
    this.#append(index)
  }

  /** Links hold an index and one, so that zeroed memory is an empty list. */
  #append(index: number): void {
    const newest = this.#words[NEWEST]!
    this.#older[index] = newest
    this.#newer[index] = 0
    if (newest === 0) this.#words[OLDEST] = index + 1
    else this.#newer[newest - 1] = index + 1
    this.#words[NEWEST] = index + 1
  }

  #unlink(index: number): void {
    const older = this.#older[index]!
    const newer = this.#newer[index]!
    if (older === 0) this.#words[OLDEST] = newer
    else this.#newer[older - 1] = newer
    if (newer === 0) this.#words[NEWEST] = older
    else this.#older[newer - 1] = older
  }

  #locked<T>(section: () => T): T {
    if (this.#layout.workers === 1) return section()
    const own = this.#me + 1
    let turns = 0
    let sleeps = 0
    for (;;) {
      const holder = Atomics.compareExchange(this.#words, LOCK, 0, own)
      if (holder === 0) break
      if (turns++ < SPINS) continue
      if (sleeps++ < SLEEPS) Atomics.wait(this.#words, LOCK, holder, 2)
      else if (Atomics.compareExchange(this.#words, LOCK, holder, own) === holder) break
    }
    try {
      return section()
    } finally {
      Atomics.store(this.#words, LOCK, 0)
      Atomics.notify(this.#words, LOCK, 1)
    }
  }
}

/** Chains of the hash: a power of two. */
function bucketsFor(accounts: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(2, accounts)))
}

function align(bytes: number): number {
  return (bytes + 7) & ~7
}
