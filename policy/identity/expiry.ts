import type { TimeInterval } from "../time/interval.ts"

const DAY_MS = 86_400_000

/** How near the end of a certificate is, in the order in which it comes. */
export const EXPIRY_STAGES = ["good", "30-days", "7-days", "1-day", "expired"] as const
export type ExpiryStage = (typeof EXPIRY_STAGES)[number]

/**
 * How near the end of a certificate surely is. What an uncertain clock only allows does not count: a gateway that has lost
 * its time would else alarm for all of its certificates at once.
 *
 * @see IEC 62443-4-2 CR 1.8
 */
export function expiryStage(notAfterAt: number, now: TimeInterval): ExpiryStage {
  const leftMs = notAfterAt - now.earliestAt
  if (leftMs < 0) return "expired"
  if (leftMs <= DAY_MS) return "1-day"
  if (leftMs <= 7 * DAY_MS) return "7-days"
  return leftMs <= 30 * DAY_MS ? "30-days" : "good"
}
