import type { Level } from "../../hal/gpio.ts"

/** A contact on its way to rest. */
export interface Contact {
  /** The level that counts; null until the first one was heard, and after a loss. */
  readonly settled: Level | null
  /** The level heard last, and since when it has been that. */
  readonly level: Level | null
  readonly sinceMs: number
}

/** Nothing was heard yet, or the line was lost. */
export const UNKNOWN_CONTACT: Contact = { settled: null, level: null, sinceMs: 0 }

/** The contact after a level was heard: the first one counts at once, any other when it has lasted. */
export function heard(before: Contact, level: Level, nowMs: number): Contact {
  if (before.settled === null) return { settled: level, level, sinceMs: nowMs }
  return before.level === level ? before : { ...before, level, sinceMs: nowMs }
}

/** The contact at `nowMs`: what has lasted `debounceMs` counts. */
export function rested(before: Contact, nowMs: number, debounceMs: number): Contact {
  if (before.level === before.settled || nowMs - before.sinceMs < debounceMs) return before
  return { ...before, settled: before.level }
}
