import type { Entry } from "../entry.ts"
import { droppedBelow, type SaidDrop } from "../retention-event.ts"
import { sameHash } from "./hash.ts"
import type { FaultList } from "./log-verdict.ts"
import { TILE_WIDTH } from "./tile.ts"

/**
 * Where a log begins, as it lies there, and where it says itself that it begins.
 *
 * A log that drops its oldest bundles writes an entry first, which stays as long as no later one takes its place: so the log vouches for its
 * own beginning, and a hand that takes bundles away, or writes another number into `audit/first`, does not.
 *
 * @see IEC 62443-4-2 CR 2.9, CR 3.9
 */
export class LogStart {
  readonly #claimed: number
  #first: number
  #said: SaidDrop | null = null

  /** `from`: what the source says; nothing below it is looked at. `isWindow`: the source never said that it has more. */
  constructor(from: number, isWindow: boolean) {
    this.#claimed = isWindow ? from : 0
    this.#first = from
  }

  /** True if the full bundle `index`, which is not there, is one of those that are missing from the beginning. */
  goesOn(index: number): boolean {
    return index * TILE_WIDTH === this.#first
  }

  /** Bundle `index` is missing; true if it is one of those from the beginning, which `judge` tells of. */
  isGone(index: number): boolean {
    if (!this.goesOn(index)) return false
    this.#first += TILE_WIDTH
    return true
  }

  /** An entry that was verified. */
  hear(entry: Entry): void {
    const said = droppedBelow(entry)
    if (said !== null && said.below > (this.#said?.below ?? 0)) this.#said = said
  }

  /** Entries below this one were given up, as the log says; 0 for none. */
  get dropped(): number {
    return this.#said?.below ?? 0
  }

  /** Tell what is missing without a word of the log, and an entry that names another root than its log had. */
  async judge(faults: FaultList, rootAt: (size: number) => Promise<Uint8Array | null>): Promise<void> {
    const known = Math.max(this.#claimed, this.dropped)
    if (this.#first > known) {
      const text = `entries ${known} to ${this.#first - 1} are gone, and no entry of the log says that they were given up`
      faults.add(`entry ${known}`, "ERR_LOG_START_MISSING", text)
    }
    // A tile that is wrong makes a root that is.
    const said = this.#said
    if (said === null || said.root === null || faults.found.length > 0) return
    const { seq, below, root } = said
    const found = await rootAt(below)
    if (found !== null && !sameHash(found, root))
      faults.add(`entry ${seq}`, "ERR_LOG_ENTRY_WRONG", `entry ${seq} is signed, and names another root of ${below}`)
  }
}
