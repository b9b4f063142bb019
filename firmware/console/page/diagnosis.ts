/** What is wrong with a log that does not fit, in the words of `verifyLog`: the same place is named here and by `lockgate audit verify`. */
import { encodeBundle } from "../../../policy/audit/entry-bundle.ts"
import type { ParsedEdge } from "../../../policy/audit/edge-message.ts"
import { HASH_BYTES, leafHash, type Sha256 } from "../../../policy/audit/tlog/hash.ts"
import { parsePiecePath, TILE_WIDTH, type LogPiece } from "../../../policy/audit/tlog/tile.ts"
import { verifyLog, type LogSource, type VerifyLogDeps } from "../../../policy/audit/tlog/verify-log.ts"
import type { LogTree, Seen } from "./log-tree.ts"
import type { Fault } from "./messages.ts"

/** What is not here is not wrong: it is said to be missing, until it comes. */
const MISSING: ReadonlySet<string> = new Set(["ERR_LOG_TILE_MISSING", "ERR_LOG_BUNDLE_MISSING"])

/** Everything that does not fit under `edge`, whose signature need not be verified yet. Costs the hashes of all that is here. */
export async function diagnose(
  deps: VerifyLogDeps,
  tree: LogTree,
  edge: ParsedEdge,
  seen: Seen | null,
): Promise<readonly Fault[]> {
  const known = seen === null ? {} : { known: { ...seen, origin: edge.said.origin } }
  const { faults } = await verifyLog(deps, sourceOf(deps.sha256, tree, edge), {
    from: edge.first,
    window: true,
    ...known,
  })
  return faults.filter(({ code }) => !MISSING.has(code))
}

function sourceOf(sha256: Sha256, tree: LogTree, edge: ParsedEdge): LogSource {
  return {
    checkpoint: async () => edge.checkpoint,
    async piece(path) {
      const piece = parsePiecePath(path)
      return piece.width === TILE_WIDTH ? tree.bytes(path) : partialOf(sha256, edge, piece)
    },
  }
}

/** A partial tile or bundle out of the edge; null if it is none of this size. */
function partialOf(sha256: Sha256, { said, levels, entries }: ParsedEdge, piece: LogPiece): Uint8Array | null {
  const { level, index, width } = piece
  const span = level === "entries" ? 1 : TILE_WIDTH ** level
  if (index !== Math.floor(said.size / span / TILE_WIDTH)) return null
  if (level === "entries") return width > entries.length ? null : encodeBundle(entries.slice(0, width))
  if (level > 0) return levels[level - 1]?.subarray(0, width * HASH_BYTES) ?? null
  const bytes = new Uint8Array(width * HASH_BYTES)
  for (const [at, entry] of entries.slice(0, width).entries()) bytes.set(leafHash(sha256, entry), at * HASH_BYTES)
  return bytes
}
