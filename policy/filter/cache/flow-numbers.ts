import type { FilterState } from "../state.ts"
import type { FilterTable } from "../table.ts"

/** Peers of one table that are known by their number; beyond that all are forgotten, and get new ones. */
const MAX_KNOWN = 8_192

/**
 * The numbers by which a flow cache tells states apart. None is given twice, but to states that cannot be told apart by what
 * the cache remembers: of one table, with the same roots, names, version and posture, and with the same rules recorded.
 */
export class FlowNumbers {
  #next: number
  readonly #known = new WeakMap<
    FilterTable,
    { readonly records: object | null; readonly numbers: Map<string, number> }
  >()

  constructor(first: number) {
    this.#next = first
  }

  fresh(): number {
    return this.#next++
  }

  /** The number that a state which judges alike was given before, or a new one. */
  of(state: FilterState, records: object | null): number {
    const { table } = state
    let peers = this.#known.get(table)
    if (peers === undefined || peers.records !== records) {
      peers = { records, numbers: new Map() }
      this.#known.set(table, peers)
    }
    const { numbers } = peers
    const key = keyOf(state)
    const known = numbers.get(key)
    if (known !== undefined) return known
    if (numbers.size >= MAX_KNOWN) numbers.clear()
    const number = this.fresh()
    numbers.set(key, number)
    return number
  }
}

/** All of a state that `decide` reads, but for what is never remembered: what hangs on rates, gates and what births said. */
function keyOf({ flags, root, depth, aliases, name, clientId }: FilterState): string {
  return `${flags} ${root} ${depth} ${aliases !== null} ${name.join()} ${clientId.join()}`
}
