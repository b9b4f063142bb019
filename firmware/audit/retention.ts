/**
 * The room that the log takes, kept by `policy/audit/retention.ts`: this file measures, tells, drops, and says what closes.
 *
 *     audit/ballast    bytes of no meaning, given back to a disk that is full, so that the log can say so
 *
 * Whatever is done is an entry first: a drop says which entries go and why before the first of them does.
 */
import { randomBytes } from "node:crypto"
import type { Clock } from "../../hal/clock.ts"
import type { Storage } from "../../hal/storage.ts"
import { BUNDLE_ENTRIES } from "../../policy/audit/entry-bundle.ts"
import {
  decideRetention,
  marksOf,
  ROOMY,
  takesFromReserve,
  type Decision,
  type Fill,
  type Marks,
  type Measured,
} from "../../policy/audit/retention.ts"
import { crossingEvent, droppingEvent, isBad, told } from "../../policy/audit/retention-event.ts"
import { LockgateError, StateError } from "../../policy/base/errors.ts"
import { auditStorageOf, DEFAULT_AUDIT_STORAGE } from "../../policy/language/audit-shape.ts"
import type { AuditStorage, Policy } from "../../policy/language/policy.ts"
import { createQueue } from "../bundles/queue.ts"
import { bundleSpace, readCollected, writeCollected } from "./dropping.ts"
import type { AuditLog } from "./log.ts"

const FOLDER = "audit"
const BALLAST = "audit/ballast"
const BALLAST_BYTES = 64 * 1024
/** What others write, and what the disk has left, is looked at so often. */
const LOOK_MS = 300_000
const LOOK_IN_NEED_MS = 10_000
/** An entry with its share of the tree never takes more. */
const MOST_ENTRY_BYTES = 1200
/** Where no bundle is there yet to be measured. */
const USUAL_BUNDLE_BYTES = 160 * 1024
const MOST_ROUNDS = 8

/** What the keeper of the room stands on. */
export interface RetentionDeps {
  readonly log: Pick<
    AuditLog,
    "append" | "admit" | "drop" | "rootAt" | "size" | "firstSeq" | "state" | "onGrowth" | "onState"
  >
  readonly storage: Pick<Storage, "space" | "read" | "write" | "remove">
  readonly clock: Clock
  readonly capacityBytes: number
  /** The posture table's conditions; called when one begins or ends. */
  readonly condition: (condition: "log-full" | "log-full-uncollected", holds: boolean) => void | Promise<void>
  /** Entries below `firstSeq` have gone: what belongs to them may go. */
  readonly dropped?: (firstSeq: number) => Promise<void>
}

/** How full the log is, for `status`. */
export interface LogRoom {
  readonly level: "roomy" | "nearly full" | "full" | "blocked"
  readonly usedBytes: number
  /** What the log may take: the capacity of the board file, or what the disk has if that is less. */
  readonly limitBytes: number
  readonly capacityBytes: number
  readonly warnAtPercent: number
  /** The first entry that is still there. */
  readonly firstSeq: number
  /** Entries below this one have been acknowledged by a collector. */
  readonly collected: number
  /** Events that the log could not take since the start. */
  readonly lost: number
  readonly failing: boolean
}

/** Keeps the log within its room. */
export interface Retention {
  /** What this policy says holds from now on; resolves when the log and the posture have followed. Nothing is decided before the first call. */
  policyChanged(policy: Pick<Policy, "audit"> | null): Promise<void>
  /**
   * A collector holds every entry below `size`: on disk before this resolves, and room is made if there is need. Never goes back.
   * @throws StateError `ERR_AUDIT_COLLECTED` if the log has no such size
   * @throws HardwareError `ERR_IO`
   */
  collected(size: number): Promise<void>
  readonly status: LogRoom
  /** What would be done now, were so much used and had it stood so: nothing is. For probes. */
  rehearse(usedBytes: number, before: Fill): Decision
  /** Measure again now. @throws HardwareError `ERR_IO` */
  measure(): Promise<Measured>
  /** How the log stood when it was last decided. */
  readonly fill: Fill
  stop(): Promise<void>
}

/**
 * Measures the log and keeps it within its room from the first policy on.
 *
 * @throws HardwareError `ERR_IO`
 * @see IEC 62443-4-2 CR 2.9, CR 2.9 RE(1), CR 2.10
 */
export async function openRetention(deps: RetentionDeps): Promise<Retention> {
  const { log, storage, clock, capacityBytes } = deps
  const inTurn = createQueue()
  let rules: AuditStorage = DEFAULT_AUDIT_STORAGE
  let decides = false
  let fill = ROOMY
  let holds: Decision["condition"] = null
  const kept = await readCollected(storage)
  // More than there is: the log is not the one that was collected.
  let collected = kept <= log.size ? kept : 0
  let measuredSize = log.size
  let measured = await measure()
  let marks: Marks = marksOf(rules, capacityBytes, measured)
  let isLookDue = false
  /** A drop that failed half way: what was given up is still on the disk. */
  let hasLeftovers = false
  let stopped = false
  let cancel = (): void => undefined

  async function measure(): Promise<Measured> {
    const { usedBytes, freeBytes } = await storage.space(FOLDER)
    const hasBundle = tailSeq() > log.firstSeq
    const bundleBytes = hasBundle ? await bundleSpace(storage, log.firstSeq / BUNDLE_ENTRIES) : 0
    return { usedBytes, freeBytes, bundleBytes: bundleBytes === 0 ? USUAL_BUNDLE_BYTES : bundleBytes }
  }

  function tailSeq(): number {
    return log.size - (log.size % BUNDLE_ENTRIES)
  }

  const decide = (now: Measured, before: Fill): Decision =>
    decideRetention(rules, capacityBytes, now, { firstSeq: log.firstSeq, tailSeq: tailSeq(), collected }, before)

  async function measureNow(): Promise<void> {
    // What is written meanwhile counts twice rather than not at all.
    const size = log.size
    measured = await measure()
    measuredSize = size
  }

  /** Measure, tell, drop, until nothing more is to be done. A disk or log that fails ends it: the next look goes on. */
  async function look(): Promise<void> {
    isLookDue = false
    try {
      await measureNow()
      for (let round = 0; decides && round < MOST_ROUNDS; round++) {
        const decision = decide(measured, fill)
        ;({ marks } = decision)
        // What closes comes before the words about it, what opens after them, and after the room is there.
        if (decision.fill.blocked) await follow(decision.condition)
        for (const word of decision.tell) if (isBad(word)) await tell(word)
        if (decision.dropBelow !== null || hasLeftovers) await drop(decision.dropBelow)
        for (const word of decision.tell) if (!isBad(word)) await tell(word)
        await follow(decision.condition)
        if (decision.dropBelow === null) break
      }
      if (!fill.full && measured.freeBytes > 8 * BALLAST_BYTES) await takeBallast()
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    }
    arm()
  }

  async function follow(condition: Decision["condition"]): Promise<void> {
    const before = holds
    if (condition === before) return
    holds = condition
    // The new one first: between them nothing opens that was closed.
    if (condition !== null) await deps.condition(condition, true)
    if (before !== null) await deps.condition(before, false)
  }

  async function tell(word: Decision["tell"][number]): Promise<void> {
    // Taken again before the entry, so that what was refused is told right behind it.
    if (word === "unblocked") log.admit(null)
    await log.append(crossingEvent(word, { rules, measured, marks, firstSeq: log.firstSeq, collected }))
    if (word === "blocked") log.admit((id) => takesFromReserve(id, leftBytes(), marks.reserve))
    fill = told(fill, word)
  }

  async function drop(below: number | null): Promise<void> {
    let said: number | undefined
    if (below !== null)
      said = await log.append(droppingEvent(log.firstSeq, below, collected, await log.rootAt(below), marks))
    hasLeftovers = true
    await log.drop(below ?? log.firstSeq, said)
    await deps.dropped?.(log.firstSeq)
    hasLeftovers = false
    await measureNow()
  }

  /** Room up to the limit, with what was written since it was measured. */
  function leftBytes(): number {
    return marks.limit - measured.usedBytes - ((log.size - measuredSize) * measured.bundleBytes) / BUNDLE_ENTRIES
  }

  function lookSoon(): void {
    if (isLookDue || stopped) return
    isLookDue = true
    void inTurn(look)
  }

  async function takeBallast(): Promise<void> {
    if ((await storage.space(BALLAST)).usedBytes >= BALLAST_BYTES) return
    // Random, so that no file system makes less of it.
    await storage.write(BALLAST, randomBytes(BALLAST_BYTES))
  }

  async function giveBallast(): Promise<void> {
    try {
      const { freeBytes } = await storage.space(FOLDER)
      if (freeBytes < BALLAST_BYTES) await storage.remove(BALLAST)
    } catch (error) {
      // A disk that cannot even do that has other troubles than room.
      if (!(error instanceof LockgateError) || error.kind !== "hardware") throw error
    }
  }

  /** Entries since the last measurement may have brought the log to the next mark, or nearer to the end of its reserve. */
  const endGrowth = log.onGrowth(() => {
    const grown = log.size - measuredSize
    if (grown < (fill.blocked ? 32 : BUNDLE_ENTRIES)) return
    const most = measured.usedBytes + grown * MOST_ENTRY_BYTES
    const next = !fill.near ? marks.warn : marks.full
    if (fill.blocked || most >= next) lookSoon()
  })
  const endState = log.onState((state) => {
    if (state.condition === "failing") void inTurn(giveBallast)
    else if (state.condition === "writing") lookSoon()
  })
  function arm(): void {
    cancel()
    if (!stopped) cancel = clock.after(fill.blocked || marks.byDisk ? LOOK_IN_NEED_MS : LOOK_MS, lookSoon)
  }
  await takeBallast().catch(() => undefined)
  arm()

  return {
    policyChanged: (policy) =>
      inTurn(async () => {
        rules = auditStorageOf(policy)
        decides = true
        await look()
      }),
    collected: (size) =>
      inTurn(async () => {
        if (!Number.isSafeInteger(size) || size < 0 || size > log.size) {
          throw new StateError("ERR_AUDIT_COLLECTED", `the log has ${log.size} entries`, { detail: { size: log.size } })
        }
        if (size <= collected) return
        await writeCollected(storage, size)
        collected = size
        await look()
      }),
    get status(): LogRoom {
      const { near, full, blocked } = fill
      return {
        level: blocked ? "blocked" : full ? "full" : near ? "nearly full" : "roomy",
        usedBytes: measured.usedBytes,
        limitBytes: marks.limit,
        capacityBytes,
        warnAtPercent: rules.warnAtPercent,
        firstSeq: log.firstSeq,
        collected,
        lost: log.state.lost,
        failing: log.state.condition === "failing",
      }
    },
    get fill() {
      return fill
    },
    rehearse: (usedBytes, before) => decide({ ...measured, usedBytes, freeBytes: Infinity }, before),
    measure: () => inTurn(measure),
    async stop() {
      stopped = true
      cancel()
      endGrowth()
      endState()
      await inTurn(() => Promise.resolve())
    },
  }
}
