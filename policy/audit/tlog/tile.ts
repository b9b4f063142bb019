/**
 * Tiles: a Merkle tree cut into pieces of 256 hashes, eight levels of the tree each.
 *
 *     tile L, N holds the hashes of height 8L with the numbers 256N .. 256N+255, 32 bytes each
 *     path      tile/<L>/<N>        N in groups of three digits, all but the last with an x in front: 1234067 = x001/x234/067
 *     partial   tile/<L>/<N>.p/<W>  the first W hashes, W in 1..255
 *
 * @see C2SP tlog-tiles, "Merkle Tree"
 */
import { InputError, InvariantError } from "../../base/errors.ts"
import { HASH_BYTES } from "./hash.ts"

/** Hashes in a full tile, and entries in a full bundle. */
export const TILE_WIDTH = 256
/** Levels of the tree in one tile. */
export const TILE_HEIGHT = 8
/** More entries than 2^48 no log of a gateway ever has: six levels of tiles. */
const MAX_TILE_LEVEL = 5
const MAX_INDEX = 2 ** 48

/** One tile, whole if `width` is 256. */
export interface Tile {
  readonly level: number
  readonly index: number
  readonly width: number
}

/** A piece of the log as tlog-tiles names it: a tile of hashes, or a bundle of entries. */
export type LogPiece = Tile | { readonly level: "entries"; readonly index: number; readonly width: number }

/** `index` in groups of three digits, as paths have it. @throws InvariantError `ERR_TLOG_INDEX` */
export function groupedIndex(index: number): string {
  if (!Number.isSafeInteger(index) || index < 0 || index >= MAX_INDEX) {
    throw new InvariantError("ERR_TLOG_INDEX", `no tile ${index}`)
  }
  const groups = [String(index % 1000).padStart(3, "0")]
  for (let left = Math.floor(index / 1000); left > 0; left = Math.floor(left / 1000)) {
    groups.unshift(`x${String(left % 1000).padStart(3, "0")}`)
  }
  return groups.join("/")
}

/** Path of a tile or a bundle, below the folder or topic of its log. @throws InvariantError `ERR_TLOG_INDEX` */
export function piecePath({ level, index, width }: LogPiece): string {
  if (width < 1 || width > TILE_WIDTH) throw new InvariantError("ERR_TLOG_INDEX", `no tile of ${width}`)
  return `tile/${level}/${groupedIndex(index)}${width === TILE_WIDTH ? "" : `.p/${width}`}`
}

/** The piece that a path names; only the one way to write it is taken. @throws InputError `ERR_TLOG_PATH` */
export function parsePiecePath(path: string): LogPiece {
  const found = /^tile\/(entries|[0-9]|[1-9][0-9])\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/.exec(
    path,
  )
  const index = Number((found?.[2] ?? "").replace(/[x/]/g, ""))
  const width = found?.[3] === undefined ? TILE_WIDTH : Number(found[3])
  const level = found?.[1] === "entries" ? "entries" : Number(found?.[1])
  const piece = { level, index, width } as LogPiece
  const isKnown =
    found !== null && width <= TILE_WIDTH && index < MAX_INDEX && (level === "entries" || level <= MAX_TILE_LEVEL)
  if (!isKnown || piecePath(piece) !== path)
    throw new InputError("ERR_TLOG_PATH", "not the path of a tile", { detail: { path: path.slice(0, 80) } })
  return piece
}

/** The tiles of a tree of `size` entries that a tree of `from` entries has not, or not as wide; lowest level first. */
export function tilesOf(size: number, from = 0): readonly Tile[] {
  const tiles: Tile[] = []
  for (let level = 0, [have, had] = [size, from]; have > 0; level++) {
    const [full, width] = [Math.floor(have / TILE_WIDTH), have % TILE_WIDTH]
    for (let index = Math.floor(had / TILE_WIDTH); index < full; index++)
      tiles.push({ level, index, width: TILE_WIDTH })
    if (width > 0 && (full !== Math.floor(had / TILE_WIDTH) || width !== had % TILE_WIDTH))
      tiles.push({ level, index: full, width })
    ;[have, had] = [full, Math.floor(had / TILE_WIDTH)]
  }
  return tiles
}

/** The hashes of a tile. @throws InputError `ERR_TLOG_TILE` if it is not `width` hashes long */
export function tileHashes(bytes: Uint8Array, width: number): readonly Uint8Array[] {
  if (bytes.length !== width * HASH_BYTES) {
    throw new InputError("ERR_TLOG_TILE", "a tile of another length", {
      detail: { bytes: bytes.length, hashes: width },
    })
  }
  return Array.from({ length: width }, (_, k) => bytes.subarray(k * HASH_BYTES, (k + 1) * HASH_BYTES))
}
