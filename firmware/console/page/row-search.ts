/** What of a log is wanted, found a slice at a time: however long the log, no frame waits for it. Pure. */
import { wanting, type Row, type Wanted } from "./rows.ts"
import type { RowBlock, RowStore } from "./row-store.ts"

/** How long one slice may take: half of a frame. */
const SLICE_MS = 8

/** One search. It may be gone on with after rows came: only blocks that changed are looked at again. */
export class RowSearch {
  readonly #store: RowStore
  readonly #wants: (row: Row) => boolean
  readonly #found = new Map<RowBlock, { readonly changes: number; readonly rows: readonly Row[] }>()

  constructor(store: RowStore, wanted: Wanted) {
    this.#store = store
    this.#wants = wanting(wanted)
  }

  /** Looks through one block at least, and on until `isLate`; true once nothing is left to look at. */
  step(isLate: () => boolean): boolean {
    for (const block of this.#store.blocks()) {
      const { changes, rows } = block
      if (this.#found.get(block)?.changes === changes) continue
      const found = rows.filter((row) => row !== undefined && this.#wants(row)) as Row[]
      this.#found.set(block, { changes, rows: found.reverse() })
      if (isLate()) return false
    }
    return true
  }

  /** What was found so far, newest first. */
  rows(): readonly Row[] {
    const all: Row[] = []
    for (const block of this.#store.blocks()) for (const row of this.#found.get(block)?.rows ?? []) all.push(row)
    return all
  }
}

/** Where the time comes from, and the next slice. */
export interface Pace {
  readonly nowMs: () => number
  /** Do it when what waits has been done; returns what calls it off. */
  readonly later: (act: () => void) => () => void
}

/** Searches one after the other. */
export interface Finder {
  /**
   * Looks for what is wanted; `found` is called with it, at once if one slice is enough. A search that is under way is given up,
   * unless it is for the same: then it goes on. `waits` is called if another thing than before is looked for, and that takes longer.
   */
  find(store: RowStore, wanted: Wanted, found: (rows: readonly Row[]) => void, waits: () => void): void
}

/** Makes a finder that does a slice of its work at a time. */
export function createFinder({ nowMs, later }: Pace): Finder {
  let last: { readonly store: RowStore; readonly words: string; readonly search: RowSearch } | null = null
  let callOff = (): void => undefined
  return {
    find(store, wanted, found, waits) {
      callOff()
      const words = JSON.stringify(wanted)
      const isSame = last?.store === store && last.words === words
      const { search } =
        isSame && last !== null ? last : (last = { store, words, search: new RowSearch(store, wanted) })
      const slice = (): boolean => {
        const endMs = nowMs() + SLICE_MS
        if (search.step(() => nowMs() >= endMs)) found(search.rows())
        else {
          callOff = later(slice)
          return false
        }
        return true
      }
      if (!slice() && !isSame) waits()
    },
  }
}
