/** What the log says of its own room: each crossing of a mark, and what is dropped. */
import type { AuditStorage } from "../language/policy.ts"
import type { AuditEvent } from "./event.ts"
import type { Decision, Fill, Marks, Measured } from "./retention.ts"

/** A mark that was crossed, one way or the other. */
export type Crossing = Decision["tell"][number]

/** True for a mark that was crossed upwards. */
export function isBad(word: Crossing): boolean {
  return word === "near" || word === "full" || word === "blocked"
}

/** How the log stands once this has been told. */
export function told(fill: Fill, word: Crossing): Fill {
  switch (word) {
    case "near":
    case "not-near":
      return { ...fill, near: word === "near" }
    case "full":
    case "not-full":
      return { ...fill, full: word === "full" }
    case "blocked":
    case "unblocked":
      return { ...fill, blocked: word === "blocked" }
  }
}

const IDS = {
  near: "audit.nearly-full",
  "not-near": "audit.not-nearly-full",
  full: "audit.full",
  "not-full": "audit.not-full",
  blocked: "audit.blocked",
  unblocked: "audit.unblocked",
} as const satisfies Record<Crossing, AuditEvent["id"]>

/** The entry of a crossing: how full the log is and by what; from `full` on also what policy does about it. */
export function crossingEvent(
  word: Crossing,
  now: { rules: AuditStorage; measured: Measured; marks: Marks; firstSeq: number; collected: number },
): AuditEvent {
  const { rules, measured, marks, firstSeq, collected } = now
  const room = { usedBytes: measured.usedBytes, limitBytes: marks.limit, warnAtPercent: rules.warnAtPercent }
  const answer = { whenFull: rules.whenFull, overwriteUncollected: rules.overwriteUncollected, firstSeq, collected }
  return {
    id: IDS[word],
    outcome: isBad(word) ? "failure" : "success",
    source: "audit",
    reason: marks.byDisk ? "disk" : "capacity",
    detail: word === "near" || word === "not-near" ? room : { ...room, ...answer },
  }
}

/** The entry of a drop of `first` to below `below`: which entries go, why, and whether a collector holds them all. */
export function droppingEvent(
  first: number,
  below: number,
  collected: number,
  { byDisk }: Pick<Marks, "byDisk">,
): AuditEvent {
  return {
    id: below <= collected ? "audit.dropped" : "audit.overwritten",
    outcome: "success",
    source: "audit",
    reason: byDisk ? "disk" : "capacity",
    count: below - first,
    detail: { first, last: below - 1, collected },
  }
}
