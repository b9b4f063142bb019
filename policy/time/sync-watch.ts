/**
 * What is to be told of the board's time source: found, lost, or another one than before.
 *
 * @see IEC 62443-4-2 CR 2.11 RE(1), RE(2)
 */
import { STEP_MS } from "./step-watch.ts"

/** What of a time daemon's state is compared; whole states of `hal/time-sync.ts` fit. */
export interface SyncFacts {
  readonly daemon: string
  readonly synchronised: boolean
  readonly source: string | null
  readonly authentication: string
  /** How far the clock is ahead of the source, milliseconds; null if nobody says. */
  readonly offsetMs: number | null
}

/** What has happened between two answers of the daemon. */
export type SyncChange =
  | "synchronised"
  | "lost"
  /** It follows another source. */
  | "source-changed"
  /** It still follows one, and that one's answers are proved less well than those of the one before. */
  | "authentication-lost"
  /** The clock and its source are further apart than clocks get: one of them was set. */
  | "apart"

/** Proved by a key of its own, by a shared one, not at all. */
const STRENGTH: Readonly<Record<string, number>> = { nts: 2, "symmetric-key": 1 }

/** What to tell after `after` followed `before` (null: the first answer of this boot), in order. */
export function syncChanges(before: SyncFacts | null, after: SyncFacts): readonly SyncChange[] {
  const was = before?.synchronised === true ? before : null
  if (!after.synchronised) return was === null ? [] : ["lost"]
  const apart: readonly SyncChange[] = isApart(after) && (was === null || !isApart(was)) ? ["apart"] : []
  if (was === null) return ["synchronised", ...apart]
  if (strength(after) < strength(was)) return ["authentication-lost", ...apart]
  const same = was.daemon === after.daemon && was.source === after.source && was.authentication === after.authentication
  return same ? apart : ["source-changed", ...apart]
}

function isApart({ offsetMs }: SyncFacts): boolean {
  return offsetMs !== null && Math.abs(offsetMs) > STEP_MS
}

function strength({ authentication }: SyncFacts): number {
  return STRENGTH[authentication] ?? 0
}
