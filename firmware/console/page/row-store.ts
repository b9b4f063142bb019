/** The rows of one log by number, in blocks, so that a search need not look again at what did not change. Pure. */
import { FACETS, type Facet, type Row } from "./rows.ts"

/** Numbers that lie in one block; looking through one is a small part of a frame. */
export const BLOCK_ROWS = 256

/** Rows whose numbers lie together, with holes for what is not here. */
export interface RowBlock {
  readonly index: number
  readonly rows: readonly (Row | undefined)[]
  /** Grows with each change. */
  readonly changes: number
}

type OwnBlock = { index: number; rows: (Row | undefined)[]; changes: number }

/** Keeps rows and what the facets count. */
export class RowStore {
  readonly #blocks = new Map<number, OwnBlock>()
  readonly #counts = new Map(FACETS.map((facet) => [facet, new Map<string, number>()] as const))
  #newestFirst: readonly RowBlock[] | null = null
  #size = 0

  /** How many rows there are. */
  get size(): number {
    return this.#size
  }

  /** Takes rows in; what is proven is not replaced. */
  keep(rows: readonly Row[]): void {
    for (const row of rows) {
      const block = this.#blockOf(Math.floor(row.seq / BLOCK_ROWS))
      const place = row.seq % BLOCK_ROWS
      const before = block.rows[place]
      if (before?.proven === true) continue
      if (before === undefined) this.#size++
      else this.#count(before, -1)
      this.#count(row, 1)
      block.rows[place] = row
      block.changes++
    }
  }

  /** Newest first. */
  blocks(): readonly RowBlock[] {
    this.#newestFirst ??= [...this.#blocks.values()].sort((one, other) => other.index - one.index)
    return this.#newestFirst
  }

  /** Values of a facet with their counts, most frequent first, at most `max`. Counted as rows come in, not here. */
  counted(facet: Facet, max: number): readonly (readonly [value: string, count: number])[] {
    const counts = [...(this.#counts.get(facet) ?? [])]
    return counts.sort((one, other) => other[1] - one[1] || (one[0] < other[0] ? -1 : 1)).slice(0, max)
  }

  #blockOf(index: number): OwnBlock {
    const there = this.#blocks.get(index)
    if (there !== undefined) return there
    const block = { index, rows: [], changes: 0 }
    this.#blocks.set(index, block)
    this.#newestFirst = null
    return block
  }

  #count(row: Row, by: number): void {
    for (const [facet, counts] of this.#counts) {
      const count = (counts.get(row[facet]) ?? 0) + by
      if (count === 0) counts.delete(row[facet])
      else counts.set(row[facet], count)
    }
  }
}
