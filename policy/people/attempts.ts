/**
 * Attempts to sign in that fail, counted by account and by the way that they came.
 *
 * Each failure after the free ones doubles the time in which nobody is listened to. Whoever guesses over the network locks the
 * network out, not the person at the serial port; and there the delay stays so short that somebody who stands before
 * the device can always wait for it.
 *
 * @see IEC 62443-4-2 CR 1.11
 */
import type { AttemptRules } from "./rules.ts"

/** How somebody comes in. */
export type Origin = "local" | "serial" | "mqtt"

/** What is known of failures under one key. */
export interface Failures {
  readonly count: number
  /** On the monotonic clock, milliseconds: until then nobody is listened to. */
  readonly untilMs: number
}

/** The longest delay for somebody at the device. */
export const LONGEST_AT_DEVICE_MS = 30_000
/** Different names that are counted for each origin; names that no account has share one count. */
export const MAX_COUNTED = 512

/** Under what a failure is counted. */
export function attemptKey(account: string | null, origin: Origin): string {
  return `${origin} ${account ?? "?"}`
}

/** Milliseconds until an attempt is listened to; 0: now. */
export function waitMs(failures: Failures | undefined, nowMs: number): number {
  return failures === undefined ? 0 : Math.max(0, failures.untilMs - nowMs)
}

/** After one more. */
export function afterFailure(
  before: Failures | undefined,
  origin: Origin,
  nowMs: number,
  { free, longestMs }: AttemptRules,
): Failures {
  const count = Math.min((before?.count ?? 0) + 1, 1_000_000)
  const over = count - free
  if (over <= 0) return { count, untilMs: nowMs }
  const longest = origin === "mqtt" ? longestMs : Math.min(longestMs, LONGEST_AT_DEVICE_MS)
  return { count, untilMs: nowMs + Math.min(longest, 1000 * 2 ** Math.min(over - 1, 40)) }
}
