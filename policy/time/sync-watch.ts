/**
 * What is to be told of the board's time source: found, lost, or another one than before.
 *
 * @see IEC 62443-4-2 CR 2.11 RE(1), RE(2)
 */

/** What of a time daemon's state is compared; whole states of `hal/time-sync.ts` fit. */
export interface SyncFacts {
  readonly daemon: string
  readonly synchronised: boolean
  readonly source: string | null
  readonly authentication: string
}

/** What has happened between two answers of the daemon. */
export type SyncChange =
  | "synchronised"
  | "lost"
  /** It follows another source. */
  | "source-changed"
  /** It still follows one, and that one's answers are proved less well than those of the one before. */
  | "authentication-lost"

/** Proved by a key of its own, by a shared one, not at all. */
const STRENGTH: Readonly<Record<string, number>> = { nts: 2, "symmetric-key": 1 }

/** What to tell after `after` followed `before` (null: the first answer of this boot); null for nothing. */
export function syncChange(before: SyncFacts | null, after: SyncFacts): SyncChange | null {
  const was = before?.synchronised ?? false
  if (!was) return after.synchronised ? "synchronised" : null
  if (!after.synchronised) return "lost"
  if (before === null) return null
  if (strength(after) < strength(before)) return "authentication-lost"
  const same = before.daemon === after.daemon && before.source === after.source
  return same && before.authentication === after.authentication ? null : "source-changed"
}

function strength({ authentication }: SyncFacts): number {
  return STRENGTH[authentication] ?? 0
}
