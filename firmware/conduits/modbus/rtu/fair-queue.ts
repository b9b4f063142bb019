/** What waits for the line. */
export interface Waiting {
  readonly unit: number
  readonly master: number
  readonly priority: 0 | 1
}

/** Of so many in a row the last one is normal, if any waits: essential requests never shut out the others. */
const ESSENTIAL_IN_A_ROW = 8
/** Normal requests leave so much of the room to essential ones. */
const KEPT_FREE = 1 / 4
/** A single master has so much of the room. */
const SHARE = 1 / 4
/** Masters that are remembered while they wait for nothing. */
const MAX_IDLE_MASTERS = 1024

interface Master<T> {
  readonly waiting: [essential: T[], normal: T[]]
  /** Milliseconds of the line that it has had, newcomers as if they had had as much as who had least. */
  usedMs: number
}

/**
 * The masters of one line in front of it. Pure: time comes in as what the line was used for.
 *
 * Essential requests first, but for one normal request in eight. Among the same class it is the turn of the master that
 * had the line for the shortest time: who asks a dead unit and makes everybody wait is the last one to ask again. Bounded in
 * all and for each master.
 */
export class FairQueue<T extends Waiting> {
  readonly #room: number
  readonly #masters = new Map<number, Master<T>>()
  #size = 0
  #essentialRow = 0
  /** Usage of who was served last: where newcomers begin. */
  #floorMs = 0

  constructor(room: number) {
    this.#room = room
  }

  get size(): number {
    return this.#size
  }

  /** False if there is no room, in all or for this master; nothing changed then. */
  add(one: T): boolean {
    const known = this.#masters.get(one.master)
    const room = one.priority === 0 ? this.#room : Math.max(1, Math.floor(this.#room * (1 - KEPT_FREE)))
    const share = Math.max(1, Math.ceil(this.#room * SHARE))
    const own = known === undefined ? 0 : known.waiting[0].length + known.waiting[1].length
    if (this.#size >= room || own >= share) return false
    this.#masterOf(one.master).waiting[one.priority].push(one)
    this.#size++
    return true
  }

  /** Put back what was taken, in front of its master's own. It had room before: it has it again. */
  putBack(one: T): void {
    this.#masterOf(one.master).waiting[one.priority].unshift(one)
    this.#size++
  }

  /** Take the next one whose unit `mayAsk` accepts, or null. A master's requests to one unit keep their order. */
  take(mayAsk: (unit: number) => boolean): T | null {
    const normalNow = this.#essentialRow >= ESSENTIAL_IN_A_ROW - 1
    for (const priority of normalNow ? ([1, 0] as const) : ([0, 1] as const)) {
      const found = this.#next(priority, mayAsk)
      if (found === null) continue
      this.#essentialRow = priority === 0 ? this.#essentialRow + 1 : 0
      return found
    }
    return null
  }

  #next(priority: 0 | 1, mayAsk: (unit: number) => boolean): T | null {
    let best: Master<T> | null = null
    let bestAt = -1
    for (const master of this.#masters.values()) {
      if (best !== null && master.usedMs >= best.usedMs) continue
      const at = master.waiting[priority].findIndex(({ unit }) => mayAsk(unit))
      if (at === -1) continue
      best = master
      bestAt = at
    }
    if (best === null) return null
    this.#size--
    this.#floorMs = Math.max(this.#floorMs, best.usedMs)
    return best.waiting[priority].splice(bestAt, 1)[0] ?? null
  }

  /** The master had the line for `ms`. */
  charge(master: number, ms: number): void {
    const known = this.#masters.get(master)
    if (known !== undefined) known.usedMs += ms
  }

  /** Take out all that `which` says, in no order. */
  remove(which: (one: T) => boolean): T[] {
    const removed: T[] = []
    for (const { waiting } of this.#masters.values()) {
      for (const list of waiting) {
        for (let at = list.length - 1; at >= 0; at--) {
          const one = list[at]
          if (one === undefined || !which(one)) continue
          list.splice(at, 1)
          removed.push(one)
        }
      }
    }
    this.#size -= removed.length
    return removed
  }

  /** Forget a master and take out all that it waits for. */
  forget(master: number): T[] {
    const removed = this.remove((one) => one.master === master)
    this.#masters.delete(master)
    return removed
  }

  /** Everything that waits, in no order. */
  *[Symbol.iterator](): Generator<T> {
    for (const { waiting } of this.#masters.values()) for (const list of waiting) yield* list
  }

  #masterOf(master: number): Master<T> {
    let known = this.#masters.get(master)
    if (known === undefined) {
      if (this.#masters.size >= MAX_IDLE_MASTERS) this.#dropIdle()
      known = { waiting: [[], []], usedMs: this.#floorMs }
      this.#masters.set(master, known)
      return known
    }
    // Who was away does not come back with a treasure of unused time.
    if (known.waiting[0].length + known.waiting[1].length === 0) known.usedMs = Math.max(known.usedMs, this.#floorMs)
    return known
  }

  #dropIdle(): void {
    for (const [id, { waiting }] of this.#masters)
      if (waiting[0].length + waiting[1].length === 0) this.#masters.delete(id)
  }
}
