/**
 * How full the log may get, when it warns, and what makes room.
 *
 *     0            warn-at            full        limit
 *     |--------------|---------|---------|-----------|
 *      entries, tiles, requests  slack     reserve
 *
 * The limit is the capacity of the board file, or what the disk has if that is less. At `full` the oldest bundles go, a slack at once; if none
 * may go the log is *blocked*, normal flows close, and the reserve is for what must still be said.
 *
 * | when-full | oldest bundles | what is done | condition |
 * |---|---|---|---|
 * | overwrite | a collector has them | dropped | log-full |
 * | overwrite, overwrite-uncollected | nobody has them | dropped | log-full |
 * | overwrite | nobody has them | kept | log-full-uncollected |
 * | close | whoever has them | kept | log-full-uncollected |
 *
 * @see IEC 62443-4-2 CR 2.9, CR 2.9 RE(1), CR 2.10
 */
import type { AuditStorage } from "../language/policy.ts"
import { BUNDLE_ENTRIES } from "./entry-bundle.ts"
import type { EventId } from "./event.ts"

const KIB = 1024
const MIB = 1024 * KIB
/** The warning ends so far below the threshold, in parts of the limit, so that it does not come and go. */
const NEAR_BAND = 1 / 20
const FULL_BAND = 1 / 8

/** What was measured. All in bytes on the disk. */
export interface Measured {
  /** Everything in the folder of the log. */
  readonly usedBytes: number
  /** What the disk has left for us. */
  readonly freeBytes: number
  /** What one of the oldest bundles takes with its tile. */
  readonly bundleBytes: number
}

/** What is in the log. Numbers of entries. */
export interface Held {
  /** The first entry that is still there: a multiple of 256. */
  readonly firstSeq: number
  /** The first entry that is in no full bundle. */
  readonly tailSeq: number
  /** Entries below this one have been acknowledged by a collector. */
  readonly collected: number
}

/** Bounds that follow from capacity, disk and policy, in bytes. */
export interface Marks {
  readonly limit: number
  readonly warn: number
  readonly full: number
  readonly reserve: number
  readonly slack: number
  /** True if the disk, not the board file, is what bounds the log. */
  readonly byDisk: boolean
}

/** Where the log stands; carried from one decision to the next. */
export interface Fill {
  /** Above the threshold, and told so. */
  readonly near: boolean
  /** Without room for more than the reserve, and told so. */
  readonly full: boolean
  /** Full, and nothing may be dropped: normal flows close. */
  readonly blocked: boolean
}

/** A log with room. */
export const ROOMY: Fill = { near: false, full: false, blocked: false }

/** What is to be done now. */
export interface Decision {
  readonly fill: Fill
  readonly marks: Marks
  /** What has changed since the last decision, in the order in which it is told. */
  readonly tell: readonly ("near" | "full" | "blocked" | "unblocked" | "not-full" | "not-near")[]
  /** Entries below this one are to be dropped; null for none. */
  readonly dropBelow: number | null
  /** The condition for the posture table; null for none. */
  readonly condition: "log-full" | "log-full-uncollected" | null
}

/** The bounds under these circumstances. Always `warn <= full < limit`. */
export function marksOf(rules: Pick<AuditStorage, "warnAtPercent">, capacityBytes: number, measured: Measured): Marks {
  const there = measured.usedBytes + measured.freeBytes
  // A disk keeps room for the open bundle, which is written anew beside itself after a failure.
  const margin = clamp(Math.min(capacityBytes, there) / 64, 64 * KIB, 4 * MIB)
  const onDisk = there - Math.max(margin, Math.min(measured.bundleBytes, there / 4))
  const byDisk = onDisk < capacityBytes
  const limit = Math.max(256 * KIB, Math.floor(byDisk ? onDisk : capacityBytes))
  const reserve = Math.floor(clamp(limit / 16, 64 * KIB, MIB))
  const full = limit - reserve
  return {
    limit,
    warn: Math.min(full, Math.floor((limit * rules.warnAtPercent) / 100)),
    full,
    reserve,
    slack: Math.floor(Math.max(limit / 64, measured.bundleBytes)),
    byDisk,
  }
}

/** What is done with a log that stands so, by this policy. */
export function decideRetention(
  rules: AuditStorage,
  capacityBytes: number,
  measured: Measured,
  held: Held,
  before: Fill,
): Decision {
  const marks = marksOf(rules, capacityBytes, measured)
  const { usedBytes, bundleBytes } = measured
  const isFull = usedBytes >= marks.full
  // What is blocked stays so until a whole slack is free: a collector that brings one bundle opens nothing yet.
  const wants = isFull || (before.blocked && usedBytes > marks.full - marks.slack)
  const dropped = wants ? bundlesToDrop(rules, held, usedBytes - (marks.full - marks.slack), bundleBytes) : 0
  const left = usedBytes - dropped * bundleBytes
  const blocked = before.blocked ? left > marks.full - marks.slack : left >= marks.full
  const full = isFull || (before.full && usedBytes >= marks.full - Math.max(marks.limit * FULL_BAND, 3 * bundleBytes))
  const near = full || usedBytes >= marks.warn || (before.near && usedBytes >= marks.warn - marks.limit * NEAR_BAND)
  const fill = { near, full: full || blocked, blocked }
  return {
    fill,
    marks,
    tell: changes(before, fill),
    dropBelow: dropped === 0 ? null : held.firstSeq + dropped * BUNDLE_ENTRIES,
    condition: blocked ? "log-full-uncollected" : fill.full ? "log-full" : null,
  }
}

/** How many of the oldest bundles go: as many as are wanted and as policy gives up. The newest full one always stays. */
function bundlesToDrop(rules: AuditStorage, held: Held, wantedBytes: number, bundleBytes: number): number {
  if (rules.whenFull === "close") return 0
  const newest = held.tailSeq - BUNDLE_ENTRIES
  const end = rules.overwriteUncollected ? newest : Math.min(newest, held.collected)
  const may = Math.max(0, Math.floor((end - held.firstSeq) / BUNDLE_ENTRIES))
  return Math.min(may, Math.ceil(wantedBytes / Math.max(1, bundleBytes)))
}

function changes(before: Fill, now: Fill): Decision["tell"] {
  const told: Decision["tell"][number][] = []
  if (now.near && !before.near) told.push("near")
  if (now.full && !before.full) told.push("full")
  if (now.blocked !== before.blocked) told.push(now.blocked ? "blocked" : "unblocked")
  if (!now.full && before.full) told.push("not-full")
  if (!now.near && before.near) told.push("not-near")
  return told
}

/** First words of what peers cause, as often as they like. */
const OF_PEERS: ReadonlySet<string> = new Set(["conduit", "flow", "line", "lines", "spool"])

/**
 * Whether an entry is taken into the reserve of a blocked log, of which `leftBytes` are left.
 *
 * What peers cause has its first half, what people and the gateway itself do all but an eighth, and what the log says of itself the
 * whole: so the entry that says how it stands always fits, and nobody on a conduit can take the room of a command that mends it.
 */
export function takesFromReserve(id: EventId, leftBytes: number, reserveBytes: number): boolean {
  const concern = id.slice(0, id.indexOf("."))
  if (concern === "audit") return true
  return leftBytes > (OF_PEERS.has(concern) ? reserveBytes / 2 : reserveBytes / 8)
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value))
}
