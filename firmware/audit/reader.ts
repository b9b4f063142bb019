import { BUNDLE_ENTRIES, scanBundle } from "../../policy/audit/entry-bundle.ts"
import { parseEntry, type Entry } from "../../policy/audit/entry.ts"
import type { Storage } from "../../hal/storage.ts"
import { readFirst } from "./dropping.ts"
import { listBundles, readBundle, TAIL } from "./bundle-reader.ts"

/** An entry and the very bytes it was read from. */
export interface ReadEntry {
  readonly entry: Entry
  readonly line: Uint8Array
}

/** Reads a log that a gateway may be writing at the same time: no lock, no change, no cache. */
export interface LogReader {
  /** The first entry that was not dropped. */
  first(): Promise<number>
  /** One past the last entry that can be seen now; 0 if there is no log. */
  end(): Promise<number>
  /**
   * The entries of one bundle, full or open: those that can be read, in order.
   * `whole` is false if it should hold 256 and some cannot be read.
   */
  bundle(index: number): Promise<{ readonly entries: readonly ReadEntry[]; readonly whole: boolean }>
}

/**
 * A reader of the log in this storage.
 *
 * A tail that becomes a bundle between two looks changes nothing: entries are found by their numbers, wherever they lie. What is
 * seen in the tail may not be on disk yet; after a power cut it can be gone.
 */
export function createLogReader(storage: Pick<Storage, "read" | "list">): LogReader {
  async function tail(): Promise<{ readonly firstSeq: number | null; readonly entries: readonly Uint8Array[] }> {
    return scanBundle((await storage.read(TAIL)) ?? new Uint8Array(), null)
  }

  return {
    first: () => readFirst(storage),

    async end() {
      const { firstSeq, entries } = await tail()
      if (firstSeq !== null) return firstSeq + entries.length
      const last = (await listBundles(storage)).at(-1)
      return last === undefined ? 0 : (last + 1) * BUNDLE_ENTRIES
    },

    async bundle(index) {
      // The tail first: if it is renamed after this look, the bundle is there for the next one.
      const open = await tail()
      if (open.firstSeq === index * BUNDLE_ENTRIES) return { entries: open.entries.map(readEntry), whole: true }
      const { lines, fault } = await readBundle(storage, index)
      return { entries: lines.map(readEntry), whole: fault === null }
    },
  }
}

function readEntry(line: Uint8Array): ReadEntry {
  return { entry: parseEntry(line), line }
}
