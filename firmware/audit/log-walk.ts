import { BUNDLE_ENTRIES } from "../../policy/audit/entry-bundle.ts"
import type { LogReader, ReadEntry } from "./reader.ts"

/** One bundle of a walk: its entries within the range, and whether some of them cannot be read. */
export interface WalkedBundle {
  readonly index: number
  readonly entries: readonly ReadEntry[]
  readonly whole: boolean
}

/**
 * The entries from `first` to before `end`, in order, a bundle at a time: one is in memory, however long the log is. Bundles of
 * which nothing can be read come too, empty.
 */
export async function* walkLog(reader: LogReader, first: number, end: number): AsyncGenerator<WalkedBundle> {
  for (let index = Math.floor(first / BUNDLE_ENTRIES); index * BUNDLE_ENTRIES < end; index++) {
    const { entries, whole } = await reader.bundle(index)
    yield { index, whole, entries: entries.filter(({ entry }) => entry.seq >= first && entry.seq < end) }
  }
}
