import { InvariantError } from "../../base/errors.ts"
import { emptyRoot, HASH_BYTES, nodeHash, type Sha256 } from "./hash.ts"
import { TILE_WIDTH, type Tile } from "./tile.ts"

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
  readonly #levels: Level[]
  #size: number

  /** Of a tree of `size` entries whose partial tiles are `levels`, lowest first. @throws InvariantError `ERR_TLOG_EDGE` */
  constructor(sha256: Sha256, size = 0, levels: readonly (readonly Uint8Array[])[] = []) {
    this.#sha256 = sha256
    this.#size = size
    this.#levels = levels.map((hashes) => {
      const level = emptyLevel()
      for (const hash of hashes) push(sha256, level, hash)
      return level
    })
    let left = size
    for (const { length } of levels) {
      if (length !== left % TILE_WIDTH)
        throw new InvariantError("ERR_TLOG_EDGE", `${length} hashes at the edge of ${size}`)
      left = Math.floor(left / TILE_WIDTH)
    }
    if (left > 0) throw new InvariantError("ERR_TLOG_EDGE", `too few levels for ${size}`)
  }

  get size(): number {
    return this.#size
  }

  /** An edge that grows apart from this one. */
  copy(): TreeEdge {
    const copy = new TreeEdge(this.#sha256)
    copy.#size = this.#size
    copy.#levels.push(...this.#levels.map(({ hashes, peaks }) => ({ hashes: [...hashes], peaks: [...peaks] })))
    return copy
  }

  /** The hashes at the edge of one level: those of its partial tile, lowest first; empty if there is none. */
  hashes(level: number): readonly Uint8Array[] {
    return this.#levels[level]?.hashes ?? []
  }

  /** Add the hash of the next entry; returns the tiles that this has filled, lowest level first. */
  add(leaf: Uint8Array): readonly TileData[] {
    const filled: TileData[] = []
    this.#size++
    let hash = leaf
    for (let level = 0, count = this.#size; ; level++) {
      const { hashes, peaks } = push(this.#sha256, (this.#levels[level] ??= emptyLevel()), hash)
      if (hashes.length < TILE_WIDTH) return filled
      count = Math.floor(count / TILE_WIDTH)
      filled.push({ level, index: count - 1, width: TILE_WIDTH, bytes: joinedHashes(hashes) })
      hash = peaks[0] as Uint8Array
      this.#levels[level] = emptyLevel()
    }
  }

  /** The root now. */
  root(): Uint8Array {
    let root: Uint8Array | null = null
    for (const { peaks } of this.#levels)
      for (const peak of peaks.toReversed()) root = root === null ? peak : nodeHash(this.#sha256, peak, root)
    return root ?? emptyRoot(this.#sha256)
  }

  /** The partial tiles now, lowest level first; levels whose last tile is full have none. */
  partials(): readonly TileData[] {
    let count = this.#size
    return this.#levels.flatMap(({ hashes }, level) => {
      const index = Math.floor(count / TILE_WIDTH)
      count = index
      return hashes.length === 0 ? [] : [{ level, index, width: hashes.length, bytes: joinedHashes(hashes) }]
    })
  }
}

/** One level's partial tile, and the roots of the whole subtrees over it, widest first: one for each bit of its length. */
interface Level {
  readonly hashes: Uint8Array[]
  readonly peaks: Uint8Array[]
}

function emptyLevel(): Level {
  return { hashes: [], peaks: [] }
}

function push(sha256: Sha256, level: Level, hash: Uint8Array): Level {
  const { hashes, peaks } = level
  hashes.push(hash)
  let peak = hash
  // As in counting: each carry joins two subtrees of one width.
  for (let carry = hashes.length; carry % 2 === 0; carry /= 2) peak = nodeHash(sha256, peaks.pop() as Uint8Array, peak)
  peaks.push(peak)
  return level
}

/** Hashes one behind the other, as a tile has them. */
export function joinedHashes(hashes: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(hashes.length * HASH_BYTES)
  hashes.forEach((hash, k) => bytes.set(hash, k * HASH_BYTES))
  return bytes
}
