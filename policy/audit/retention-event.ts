/** What the log says of its own room: each crossing of a mark, and what is dropped. */
import type { AuditStorage } from "../language/policy.ts"
import type { Entry } from "./entry.ts"
import type { AuditEvent } from "./event.ts"
import type { Decision, Fill, Marks, Measured } from "./retention.ts"
import { fromBase64, toBase64 } from "./tlog/base64.ts"
import { HASH_BYTES } from "./tlog/hash.ts"

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

/**
 * The entry of a drop of `first` to below `below`: which entries go, why, and whether a collector holds them all. `root` is that of the
 * first `below` entries: whoever kept them can show that it is these that went.
 */
export function droppingEvent(
  first: number,
  below: number,
  collected: number,
  root: Uint8Array,
  { byDisk }: Pick<Marks, "byDisk">,
): AuditEvent {
  return {
    id: below <= collected ? "audit.dropped" : "audit.overwritten",
    outcome: "success",
    source: "audit",
    reason: byDisk ? "disk" : "capacity",
    count: below - first,
    detail: { first, last: below - 1, collected, root: toBase64(root) },
  }
}

/** What an entry says of a drop. */
export interface SaidDrop {
  readonly seq: number
  /** Every entry below this one was given up. */
  readonly below: number
  /** Of the tree of the first `below` entries; null if the entry does not name it. */
  readonly root: Uint8Array | null
}

/** What an entry says was dropped; null for any other entry. */
export function droppedBelow({ seq, event, source, detail }: Entry): SaidDrop | null {
  if ((event !== "audit.dropped" && event !== "audit.overwritten") || source !== "audit") return null
  const [last, named] = [detail?.["last"], detail?.["root"]]
  // No log gives up the entry that says so.
  if (typeof last !== "number" || !Number.isSafeInteger(last) || last < 0 || last >= seq) return null
  const root = typeof named === "string" ? fromBase64(named) : null
  return { seq, below: last + 1, root: root?.length === HASH_BYTES ? root : null }
}
