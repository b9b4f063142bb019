import { InvariantError } from "../../base/errors.ts"
import { emptyRoot, HASH_BYTES, nodeHash, type Sha256 } from "./hash.ts"
import { TILE_WIDTH, type Tile } from "./tile.ts"
import { foldWhole } from "./tree.ts"

/** A tile with its bytes. */
export interface TileData extends Tile {
  readonly bytes: Uint8Array
}

/**
 * The right edge of a growing tree: the partial tile of each level, at most 255 hashes of 32 bytes; enough to go on and to
 * say the root at any time.
 *
 *     level 1   [ h0 h1 ]                 each the root of a full tile below it
 *     level 0   [ l512 l513 l514 ]        size = 2 * 256 + 3
 */
export class TreeEdge {
  readonly #sha256: Sha256
  readonly #levels: Uint8Array[][]
  #size: number

  /** Of a tree of `size` entries whose partial tiles are `levels`, lowest first. @throws InvariantError `ERR_TLOG_EDGE` */
  constructor(sha256: Sha256, size = 0, levels: readonly (readonly Uint8Array[])[] = []) {
    this.#sha256 = sha256
    this.#size = size
    this.#levels = levels.map((hashes) => [...hashes])
    let left = size
    for (const { length } of this.#levels) {
      if (length !== left % TILE_WIDTH)
        throw new InvariantError("ERR_TLOG_EDGE", `${length} hashes at the edge of ${size}`)
      left = Math.floor(left / TILE_WIDTH)
    }
    if (left > 0) throw new InvariantError("ERR_TLOG_EDGE", `too few levels for ${size}`)
  }

  get size(): number {
    return this.#size
  }

  /** Add the hash of the next entry; returns the tiles that this has filled, lowest level first. */
  add(leaf: Uint8Array): readonly TileData[] {
    const filled: TileData[] = []
    this.#size++
    let hash = leaf
    for (let level = 0, count = this.#size; ; level++) {
      const hashes = (this.#levels[level] ??= [])
      hashes.push(hash)
      if (hashes.length < TILE_WIDTH) return filled
      count = Math.floor(count / TILE_WIDTH)
      filled.push({ level, index: count - 1, width: TILE_WIDTH, bytes: joined(hashes) })
      hash = foldWhole(this.#sha256, hashes)
      this.#levels[level] = []
    }
  }

  /** The root now. */
  root(): Uint8Array {
    let root: Uint8Array | null = null
    for (const hashes of this.#levels) {
      for (let end = hashes.length; end > 0;) {
        // From the right: the lowest bit of what is left is the smallest whole subtree.
        const span = end & -end
        const peak = foldWhole(this.#sha256, hashes.slice(end - span, end))
        root = root === null ? peak : nodeHash(this.#sha256, peak, root)
        end -= span
      }
    }
    return root ?? emptyRoot(this.#sha256)
  }

  /** The partial tiles now, lowest level first; levels whose last tile is full have none. */
  partials(): readonly TileData[] {
    let count = this.#size
    return this.#levels.flatMap((hashes, level) => {
      const index = Math.floor(count / TILE_WIDTH)
      count = index
      return hashes.length === 0 ? [] : [{ level, index, width: hashes.length, bytes: joined(hashes) }]
    })
  }
}

function joined(hashes: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(hashes.length * HASH_BYTES)
  hashes.forEach((hash, k) => bytes.set(hash, k * HASH_BYTES))
  return bytes
}
