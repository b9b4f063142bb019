/** The rows of one log: of entries that stand in its tree, and of lines that were told and are not proven yet. */
import { MAX_ENTRY_BYTES, parseEntry } from "../../../policy/audit/entry.ts"
import { sameHash } from "../../../policy/audit/tlog/hash.ts"
import { TILE_WIDTH } from "../../../policy/audit/tlog/tile.ts"
import type { FaultBook } from "./fault-book.ts"
import type { LogTree } from "./log-tree.ts"
import { entryIn, rowOf, type Row } from "./rows.ts"

const MAX_PENDING = 4_096

/** Makes rows of what comes, each once. */
export class EntryRows {
  readonly #gateway: string
  readonly #tree: LogTree
  readonly #faults: FaultBook
  readonly #pending = new Map<number, Uint8Array>()
  #provenTo = 0
  #fresh: Row[] = []

  constructor(gateway: string, tree: LogTree, faults: FaultBook) {
    this.#gateway = gateway
    this.#tree = tree
    this.#faults = faults
  }

  /** The line of an entry, proven or told; null if it is not here. */
  line(seq: number): Uint8Array | null {
    return this.#tree.line(seq) ?? this.#pending.get(seq) ?? null
  }

  /** A line that was just written: shown at once, as not proven; compared when a checkpoint covers it. @throws InputError `ERR_AUDIT_ENTRY` */
  takeLine(payload: Uint8Array): void {
    if (payload.length > MAX_ENTRY_BYTES + 1) return
    const line = payload.at(-1) === 0x0a ? payload.slice(0, -1) : payload
    const { seq } = parseEntry(line)
    const there = this.#tree.line(seq)
    if (there !== null) this.#sameLine(seq, line, there)
    else if (seq >= (this.#tree.edge?.said.size ?? 0) && this.#pending.size < MAX_PENDING && !this.#pending.has(seq)) {
      this.#pending.set(seq, line)
      this.#fresh.push(rowOf(seq, entryIn(line), false))
    }
  }

  /** A bundle stands. */
  addBundle(index: number): void {
    this.#rowsOf(index, 0)
  }

  /** The tree has another edge: what it adds stands. */
  addEdge(): void {
    const size = this.#tree.edge?.said.size ?? 0
    const index = Math.floor(size / TILE_WIDTH)
    this.#rowsOf(index, Math.max(0, this.#provenTo - index * TILE_WIDTH))
    this.#provenTo = Math.max(this.#provenTo, size)
    // What waited in bundles that came before the edge is compared there.
    for (const [seq, line] of this.#pending) {
      const there = this.#tree.line(seq)
      if (there === null) continue
      this.#sameLine(seq, line, there)
      this.#pending.delete(seq)
    }
  }

  /** The rows since the last call. */
  fresh(): readonly Row[] {
    const rows = this.#fresh
    this.#fresh = []
    return rows
  }

  #rowsOf(index: number, skip: number): void {
    const lines = this.#tree.bundle(index) ?? []
    for (const [k, line] of lines.entries()) {
      if (k < skip) continue
      const seq = index * TILE_WIDTH + k
      const entry = entryIn(line)
      this.#fresh.push(rowOf(seq, entry, true))
      if (entry?.seq !== seq || entry.gateway !== this.#gateway) {
        const text = `entry ${seq} is signed, and is not an entry of this gateway with that number`
        this.#faults.say(`entry ${seq}`, `entry ${seq}`, "ERR_LOG_ENTRY_WRONG", text)
      }
      const waiting = this.#pending.get(seq)
      if (waiting !== undefined) this.#sameLine(seq, waiting, line)
      this.#pending.delete(seq)
    }
  }

  #sameLine(seq: number, told: Uint8Array, there: Uint8Array): void {
    if (sameHash(told, there)) return
    const text = `somebody told a line for entry ${seq} that is not the one in the log; the log's own is shown`
    this.#faults.say(`entry ${seq}`, `entry ${seq}`, "ERR_LIVE_LINE", text)
  }
}
