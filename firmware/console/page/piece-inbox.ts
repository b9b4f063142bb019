/** Tiles and bundles as messages bring them: parts joined, bundles unpacked, and what is none refused. */
import { LockgateError } from "../../../policy/base/errors.ts"
import { MAX_ENTRY_BYTES } from "../../../policy/audit/entry.ts"
import { TILE_WIDTH } from "../../../policy/audit/tlog/tile.ts"
import { joinParts, type PieceAt } from "../../../policy/audit/topics.ts"
import { nameOf, type LogTree } from "./log-tree.ts"

const MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)

/** Unpacks gzip, at most so many bytes. @throws InputError `ERR_GZIP` */
export type Inflate = (packed: Uint8Array, maxBytes: number) => Promise<Uint8Array>

/** Puts the pieces of one log into its tree. */
export class PieceInbox {
  readonly #tree: LogTree
  readonly #inflate: Inflate
  readonly #parts = new Map<string, Map<number, Uint8Array>>()

  constructor(tree: LogTree, inflate: Inflate) {
    this.#tree = tree
    this.#inflate = inflate
  }

  /** Take one message; empty: the piece, or the part, was cleared. True once the piece is whole. Never throws for what is in it. */
  async take({ path, part }: PieceAt, payload: Uint8Array): Promise<boolean> {
    const packed = part === null ? payload : this.#joined(path, part, payload)
    if (packed === null) return false
    if (packed.length === 0) this.#tree.takePiece(path, null)
    else await this.#unpacked(path, packed)
    return true
  }

  #joined(path: string, part: number, payload: Uint8Array): Uint8Array | null {
    const parts = this.#parts.get(path) ?? new Map<number, Uint8Array>()
    this.#parts.set(path, parts)
    if (payload.length === 0) parts.delete(part)
    else parts.set(part, payload)
    const whole = joinParts(parts)
    if (whole !== null) this.#parts.delete(path)
    return whole
  }

  async #unpacked(path: string, packed: Uint8Array): Promise<void> {
    const isBundle = path.startsWith("tile/entries/")
    try {
      this.#tree.takePiece(path, isBundle ? await this.#inflate(packed, MAX_BUNDLE_BYTES) : packed)
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind !== "input") throw error
      this.#tree.refuse(path, (error as LockgateError).code, `${nameOf(path)}: ${error.message}`)
    }
  }
}
