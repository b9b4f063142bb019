import type { Entry } from "./entry.ts"

/**
 * When an entry was written, as well as is known, in milliseconds since 1970: what the clock showed, held within what was known of the true
 * time. An entry of a board that woke in 1970, or in 2099, is thereby found where it belongs. NaN if the clock's time cannot be read.
 */
export function momentOf({ time, earliest, latest }: Pick<Entry, "time" | "earliest" | "latest">): number {
  return Math.min(Math.max(Date.parse(time), earliest), latest ?? Infinity)
}

/** The time of an entry for people. */
export interface ShownTime {
  readonly text: string
  /** Why it is not what the clock showed: that was surely wrong then. Null if it is. */
  readonly instead: string | null
}

/**
 * What to show as the time of an entry: its clock's, unless that lay outside of what was known of the true time; then the nearest bound,
 * and what the clock showed.
 *
 * @see IEC 62443-4-2 CR 2.8, CR 2.11
 */
export function shownTime(entry: Pick<Entry, "time" | "earliest" | "latest">): ShownTime {
  const [at, shown] = [momentOf(entry), Date.parse(entry.time)]
  // Beyond the last date there is.
  if (Number.isNaN(at) || at === shown || at > 8.64e15) return { text: entry.time, instead: null }
  const bound = at > shown ? "or later" : "or earlier"
  return { text: new Date(at).toISOString(), instead: `${bound}; the clock was wrong, it showed ${entry.time}` }
}
