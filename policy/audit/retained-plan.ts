/**
 * What of a log stands at the broker: whole bundles of entries, oldest given up first, and the tiles that prove them.
 *
 * A bundle comes with the tiles that it completes, and they leave with it. A full tile covers entries up to its end; proofs
 * for entries from M on, M a multiple of 256, and between sizes of at least M need only tiles that end after M, since what
 * lies left of M is in the tiles above. That is the rule of tlog-tiles for pruning with M as its minimum index.
 *
 * @see C2SP tlog-tiles, "Pruning"
 */
import { TILE_WIDTH, type LogPiece } from "./tlog/tile.ts"

/** What a bundle takes at the broker, with its tiles. */
export interface BundleCost {
  readonly bytes: number
  /** In how many messages the entries went: 1, or the number of parts. */
  readonly parts: number
}

/** The full pieces that bundle number `bundle` completes, in the order in which they are published: entries, then tiles upwards. */
export function piecesWith(bundle: number): readonly LogPiece[] {
  const pieces: LogPiece[] = [{ level: "entries", index: bundle, width: TILE_WIDTH }]
  for (let level = 0, index = bundle; ; level++) {
    pieces.push({ level, index, width: TILE_WIDTH })
    if ((index + 1) % TILE_WIDTH !== 0) return pieces
    index = (index + 1) / TILE_WIDTH - 1
  }
}

/** The bundle that a full piece comes and leaves with. */
export function bundleOf(piece: LogPiece): number {
  return piece.level === "entries" ? piece.index : (piece.index + 1) * TILE_WIDTH ** piece.level - 1
}

/**
 * How many of the oldest bundles leave so that the rest fits `maxBytes`: none while it fits; else a sixteenth more than must,
 * so that room is made rarely. The newest always stays.
 */
export function bundlesToLeave(costs: readonly BundleCost[], maxBytes: number): number {
  let bytes = costs.reduce((sum, cost) => sum + cost.bytes, 0)
  if (bytes <= maxBytes) return 0
  let count = 0
  for (const cost of costs.slice(0, -1)) {
    if (bytes <= maxBytes - maxBytes / 16) break
    bytes -= cost.bytes
    count++
  }
  return count
}

/** No bundle with its tile takes less: what lies so many bundles back would leave again before all is published. */
const LEAST_BUNDLE_BYTES = 8192 + 2048

/** The first bundle worth publishing when bundles up to `end` are to go into an empty window. */
export function firstWorthIt(end: number, maxBytes: number): number {
  return Math.max(0, end - Math.max(1, Math.ceil(maxBytes / LEAST_BUNDLE_BYTES)))
}
