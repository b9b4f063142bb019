/**
 * A log as a reader without trust puts it together from what a broker retains: every piece stands on the one above it, and
 * the topmost on a root that the gateway signed.
 *
 *     root  <- partial tiles of the edge <- full tiles, from the top level down <- bundles of entries
 */
import { InputError, StateError } from "../../../policy/base/errors.ts"
import { encodeBundle, parseBundle } from "../../../policy/audit/entry-bundle.ts"
import { levelsAbove, type ParsedEdge } from "../../../policy/audit/edge-message.ts"
import { TreeEdge } from "../../../policy/audit/tlog/edge.ts"
import { leafHash, sameHash, type Sha256 } from "../../../policy/audit/tlog/hash.ts"
import { parsePiecePath, piecePath, tileHashes, TILE_WIDTH, type Tile } from "../../../policy/audit/tlog/tile.ts"
import { foldWhole, nodesOfTiles, proveConsistency, proveInclusion } from "../../../policy/audit/tlog/tree.ts"
import { verifyConsistency } from "../../../policy/audit/tlog/verify.ts"
import type { Fault } from "./messages.ts"

/** A full tile or bundle: what it holds, and the one hash it comes to. */
interface Piece {
  readonly level: number | "entries"
  readonly index: number
  readonly hashes: readonly Uint8Array[]
  readonly lines: readonly Uint8Array[]
  readonly fold: Uint8Array
}

const EMPTY = new Uint8Array(0)

/** A size and root that somebody signed. */
export interface Seen {
  readonly size: number
  readonly root: Uint8Array
}

/** A tree with an edge whose signature the caller has verified. Pieces may come in any order, before or after it. */
export class LogTree {
  readonly #sha256: Sha256
  readonly #pieces = new Map<string, Piece>()
  /** Pieces that stand: their hash is in a tile that stands. */
  readonly #standing = new Set<string>()
  /** Pieces that came and do not fit, with what came. */
  readonly #bad = new Map<string, { readonly fault: Fault; readonly bytes: Uint8Array }>()
  #changes = 0
  #edge: ParsedEdge | null = null
  /** Hashes of the partial tiles, lowest level first. */
  #partials: readonly (readonly Uint8Array[])[] = []

  constructor(sha256: Sha256) {
    this.#sha256 = sha256
  }

  get edge(): ParsedEdge | null {
    return this.#edge
  }

  /** What of the pieces that came does not fit; of those that the signed tree has, for of others nothing was signed. */
  get faults(): readonly Fault[] {
    const edge = this.#edge
    if (edge === null) return []
    return [...this.#bad].filter(([path]) => isOf(edge, path)).map(([, { fault }]) => fault)
  }

  /** Another number whenever something came that does not fit, or was mended. */
  get changes(): number {
    return this.#changes
  }

  /** What came last under a path, right or wrong; null if nothing did. */
  bytes(path: string): Uint8Array | null {
    const bad = this.#bad.get(path)
    if (bad !== undefined) return bad.bytes
    const piece = this.#pieces.get(path)
    if (piece === undefined) return null
    return piece.level === "entries" ? encodeBundle(piece.lines) : joined(piece.hashes)
  }

  /** Take an edge. Returns what is wrong with it, and then keeps the one before. */
  takeEdge(edge: ParsedEdge): Fault | null {
    const lowest = edge.entries.map((line) => leafHash(this.#sha256, line))
    const partials = edge.said.size === 0 ? [] : [lowest, ...edge.levels.map((bytes) => split(bytes))]
    const tree = new TreeEdge(this.#sha256, edge.said.size, partials)
    if (!sameHash(tree.root(), edge.said.root))
      return fault("checkpoint", "ERR_LOG_ROOT", "the newest entries do not make up the tree that was signed")
    this.#edge = edge
    this.#partials = partials
    return null
  }

  /** Take a full tile or bundle under its path; null clears it. One that cannot be read is a fault. Costs its hashes. */
  takePiece(path: string, bytes: Uint8Array | null): void {
    if (this.#bad.delete(path)) this.#changes++
    if (bytes === null) {
      this.#pieces.delete(path)
      this.#standing.delete(path)
      return
    }
    try {
      this.#keep(path, this.#read(path, bytes))
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      this.refuse(path, (error as InputError).code, `${nameOf(path)} cannot be read: ${error.message}`, bytes)
    }
  }

  /** What came under a path is no piece; one that stands there is not given up for it. */
  refuse(path: string, code: string, text: string, bytes: Uint8Array = EMPTY): void {
    this.#changes++
    this.#bad.set(path, { fault: fault(path, code, text), bytes })
  }

  /** Judge what came against the edge. Returns the bundles that stand since the last call, by index. */
  settle(): readonly number[] {
    const edge = this.#edge
    if (edge === null) return []
    const fresh: number[] = []
    const pieces = [...this.#pieces].sort(([, one], [, other]) => rank(other) - rank(one) || one.index - other.index)
    for (const [path, piece] of pieces) {
      const expected = this.#expected(piece)
      if (expected === null) continue
      if (!sameHash(expected, piece.fold)) {
        const bytes = this.#bad.get(path)?.bytes ?? this.bytes(path) ?? EMPTY
        this.#standing.delete(path)
        this.#pieces.delete(path)
        this.refuse(path, "ERR_LOG_PIECE", `${nameOf(path)} is not what was signed`, bytes)
      } else if (!this.#standing.has(path)) {
        this.#standing.add(path)
        if (piece.level === "entries") fresh.push(piece.index)
      }
    }
    return fresh
  }

  /** How many bundles there should be, and how many stand; and what is missing, tiles too: bundles first. */
  progress(): { readonly done: number; readonly of: number; readonly missing: readonly string[] } {
    const edge = this.#edge
    if (edge === null) return { done: 0, of: 0, missing: [] }
    const missing: string[] = []
    let [done, of] = [0, 0]
    const full = Math.floor(edge.said.size / TILE_WIDTH)
    for (let index = Math.floor(edge.first / TILE_WIDTH); index < full; index++) {
      of++
      const path = piecePath({ level: "entries", index, width: TILE_WIDTH })
      if (this.#standing.has(path)) done++
      else if (!this.#bad.has(path)) missing.push(path)
    }
    for (const path of this.wanted())
      if (!path.startsWith("tile/entries/") && !this.#standing.has(path) && !this.#bad.has(path)) missing.push(path)
    return { done, of, missing }
  }

  /** The full pieces that the broker should hold by the edge: tiles from the top down, then the newest entries first. */
  wanted(): readonly string[] {
    const edge = this.#edge
    if (edge === null) return []
    const paths: string[] = []
    const all = (level: number | "entries", span: number): void => {
      const [from, until] = [Math.floor(edge.first / span), Math.floor(edge.said.size / span)]
      for (let index = until - 1; index >= from; index--) paths.push(piecePath({ level, index, width: TILE_WIDTH }))
    }
    for (let level = levelsAbove(edge.said.size); level >= 1; level--) all(level, TILE_WIDTH ** (level + 1))
    all("entries", TILE_WIDTH)
    all(0, TILE_WIDTH)
    return paths
  }

  /** Whether a full piece has come, and its hash is in a tile that stands. */
  stands(path: string): boolean {
    return this.#standing.has(path)
  }

  /** What is to be had first for the piece at `path` to be judged: itself, or a tile above it. */
  firstNeeded(path: string): string {
    const { level, index } = parsePiecePath(path)
    const [above, at] = [level === "entries" ? 1 : level + 1, Math.floor(index / TILE_WIDTH)]
    if (above > levelsAbove(this.#edge?.said.size ?? 0) || this.#tile(above, at) !== null) return path
    return this.firstNeeded(piecePath({ level: above, index: at, width: TILE_WIDTH }))
  }

  /** The lines of a bundle that stands, or of the edge; null for others. */
  bundle(index: number): readonly Uint8Array[] | null {
    const path = piecePath({ level: "entries", index, width: TILE_WIDTH })
    if (this.#standing.has(path)) return this.#pieces.get(path)?.lines ?? null
    const edge = this.#edge
    return edge !== null && index === Math.floor(edge.said.size / TILE_WIDTH) ? edge.entries : null
  }

  /** The line of an entry that stands. */
  line(seq: number): Uint8Array | null {
    return this.bundle(Math.floor(seq / TILE_WIDTH))?.[seq % TILE_WIDTH] ?? null
  }

  /** Whether the tree begins with what was seen before; null if a piece is missing that would tell. Nothing that came is trusted for it. */
  async beginsWith(seen: Seen): Promise<boolean | null> {
    const edge = this.#edge
    if (edge === null) return null
    const { size, root } = edge.said
    if (seen.size > size) return false
    try {
      const proof = await proveConsistency(this.#sha256, seen.size, size, this.#nodes(size))
      const claim = { first: seen.size, second: size, firstRoot: seen.root, secondRoot: root, proof }
      return verifyConsistency(this.#sha256, claim)
    } catch (error) {
      if (error instanceof StateError) return null
      throw error
    }
  }

  /** The hashes beside the path of an entry. @throws StateError `ERR_LOG_MISSING` if a piece is missing that has them */
  async prove(seq: number): Promise<readonly Uint8Array[]> {
    const size = this.#edge?.said.size ?? 0
    return proveInclusion(this.#sha256, seq, size, this.#nodes(size))
  }

  #read(path: string, bytes: Uint8Array): Piece {
    const { level, index } = parsePiecePath(path)
    if (level !== "entries") {
      const hashes = tileHashes(bytes, TILE_WIDTH)
      return { level, index, hashes, lines: [], fold: this.#foldOf(level === 0 ? "entries" : null, index, hashes) }
    }
    const lines = parseBundle(bytes)
    if (lines.length !== TILE_WIDTH) throw new InputError("ERR_AUDIT_BUNDLE", `${lines.length} entries, not 256`)
    const hashes = lines.map((line) => leafHash(this.#sha256, line))
    return { level, index, hashes, lines, fold: this.#foldOf(0, index, hashes) }
  }

  /** The lowest tile and the bundle hold the same hashes, if all is right: then they are folded once. */
  #foldOf(twin: 0 | "entries" | null, index: number, hashes: readonly Uint8Array[]): Uint8Array {
    const other = twin === null ? undefined : this.#pieces.get(piecePath({ level: twin, index, width: TILE_WIDTH }))
    const isSame = other?.hashes.every((hash, k) => sameHash(hash, hashes[k] ?? EMPTY)) === true
    return other !== undefined && isSame ? other.fold : foldWhole(this.#sha256, hashes)
  }

  /** What stands is not given up for what does not fit. */
  #keep(path: string, piece: Piece): void {
    const old = this.#pieces.get(path)
    if (old !== undefined && this.#standing.has(path) && !sameHash(old.fold, piece.fold)) {
      const bytes = piece.level === "entries" ? encodeBundle(piece.lines) : joined(piece.hashes)
      this.refuse(path, "ERR_LOG_PIECE", `${nameOf(path)} was replaced by something else`, bytes)
      return
    }
    if (old === undefined || !this.#standing.has(path)) this.#pieces.set(path, piece)
  }

  /** The hash that the tile above has of a piece; null if that tile does not stand. */
  #expected({ level, index }: Piece): Uint8Array | null {
    const above = level === "entries" ? 1 : level + 1
    return this.#tile(above, Math.floor(index / TILE_WIDTH))?.[index % TILE_WIDTH] ?? null
  }

  /** The hashes of a tile that stands, full or at the edge. */
  #tile(level: number, index: number): readonly Uint8Array[] | null {
    const size = this.#edge?.said.size ?? 0
    if (index === Math.floor(size / TILE_WIDTH ** (level + 1))) return this.#partials[level] ?? null
    const path = piecePath({ level, index, width: TILE_WIDTH })
    if (this.#standing.has(path)) return this.#pieces.get(path)?.hashes ?? null
    // The lowest level can be had from the entries.
    const bundle = piecePath({ level: "entries", index, width: TILE_WIDTH })
    return level === 0 && this.#standing.has(bundle) ? (this.#pieces.get(bundle)?.hashes ?? null) : null
  }

  #nodes(size: number): ReturnType<typeof nodesOfTiles> {
    return nodesOfTiles(this.#sha256, size, async ({ level, index }: Tile) => {
      const hashes = this.#tile(level, index)
      if (hashes === null) throw new StateError("ERR_LOG_MISSING", `tile/${level}/${index} is not here`)
      return hashes
    })
  }
}

/** Whether a full piece is one of the tree under `edge`, and the broker says to hold it. */
function isOf({ first, said }: ParsedEdge, path: string): boolean {
  const { level, index } = parsePiecePath(path)
  const span = TILE_WIDTH ** (level === "entries" ? 1 : level + 1)
  return (index + 1) * span <= said.size && (index + 1) * span > first
}

/** Higher tiles are judged first. */
function rank({ level }: Piece): number {
  return level === "entries" ? -1 : level
}

/** A piece in words. */
export function nameOf(path: string): string {
  const { level, index } = parsePiecePath(path)
  const [from, span] = [index * TILE_WIDTH, TILE_WIDTH]
  if (level === "entries") return `the bundle of entries ${from} to ${from + span - 1}`
  const covers = TILE_WIDTH ** (level + 1)
  return `the tile of hashes over entries ${index * covers} to ${(index + 1) * covers - 1}`
}

function joined(hashes: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(hashes.length * 32)
  for (const [at, hash] of hashes.entries()) bytes.set(hash, at * 32)
  return bytes
}

function split(bytes: Uint8Array): readonly Uint8Array[] {
  return tileHashes(bytes, bytes.length / 32)
}

function fault(where: string, code: string, text: string): Fault {
  return { where, code, text }
}
