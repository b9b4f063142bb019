import type { AuditEvent } from "../../../policy/audit/event.ts"
import type { Rate } from "../../../policy/language/policy.ts"
import type { Limits } from "../../config/gateway-config.ts"
import { AccountTable, createAccountMemory, type AccountMemory } from "./account-table.ts"
import { BUCKET_CELLS } from "./budget.ts"
import { FlowMeter, fullAccount, METER_CELLS, type Pace, type Payer } from "./flow-meter.ts"
import { GateKeeper } from "./gate-keeper.ts"

/** Everything that is counted across workers, as it travels to them. */
export interface LoadMemory {
  readonly workers: number
  readonly sources: AccountMemory
  readonly proven: AccountMemory
  readonly totals: AccountMemory
  readonly subjects: AccountMemory
  readonly conduits: AccountMemory
}

const SOURCES = 4_096
const PROVEN = 1_024
const CONDUITS = 64
/** Subjects that are remembered after they left, so that coming back does not refill a rate. */
const SUBJECTS_BESIDE = 4_096

/** Memory for the accounts of `workers` threads. */
export function createLoadMemory(limits: Pick<Limits, "maxConnections">, conduits: number, workers = 1): LoadMemory {
  const table = (accounts: number, cells: number): AccountMemory => createAccountMemory({ accounts, cells, workers })
  return {
    workers,
    sources: table(SOURCES, BUCKET_CELLS),
    proven: table(PROVEN, BUCKET_CELLS),
    totals: table(1, BUCKET_CELLS),
    subjects: table(Math.min(limits.maxConnections * conduits, 400_000) + SUBJECTS_BESIDE, METER_CELLS),
    conduits: table(CONDUITS, METER_CELLS),
  }
}

/** What each of `workers` threads bounds by itself: a share of what is not counted in shared memory. */
export function limitsOfOne(limits: Limits, workers: number): Limits {
  return {
    ...limits,
    maxHalfOpen: Math.ceil(limits.maxHalfOpen / workers),
    maxMemoryBytes: Math.floor(limits.maxMemoryBytes / workers),
  }
}

/** The places that a peer has taken, until they are given back. */
export interface Place {
  readonly meter: FlowMeter
  free(): void
}

/** Why somebody who is known gets no place. */
export type NoPlace = "too-many-connections" | "too-many-of-subject"

/** Who and what may take how much, for one worker; the counts are those of all. */
export class LoadControl {
  readonly keeper: GateKeeper
  readonly #limits: Limits
  readonly #subjects: AccountTable
  readonly #conduits: AccountTable
  readonly #subjectPace: Pace
  readonly #conduitPace: Pace
  readonly #nowMs: () => number
  readonly #tables: readonly AccountTable[]
  readonly #shed = new Map<string, { readonly event: AuditEvent; count: number }>()

  constructor(memory: LoadMemory, worker: number, limits: Limits, nowMs: () => number) {
    const { sourceHandshakes, handshakes } = limits
    this.#limits = limits
    this.#nowMs = nowMs
    const { subjectMessages, subjectRequests, conduitMessages } = limits
    this.#subjectPace = { messages: subjectMessages, requests: subjectRequests, bytes: byteRate(limits.subjectBytes) }
    this.#conduitPace = { messages: conduitMessages, requests: null, bytes: byteRate(limits.conduitBytes) }
    this.#subjects = new AccountTable(memory.subjects, worker, fullAccount(this.#subjectPace))
    this.#conduits = new AccountTable(memory.conduits, worker, fullAccount(this.#conduitPace))
    const tables = {
      sources: new AccountTable(memory.sources, worker, [sourceHandshakes.burst]),
      proven: new AccountTable(memory.proven, worker, [sourceHandshakes.burst]),
      totals: new AccountTable(memory.totals, worker, [handshakes.burst]),
    }
    this.#tables = [...Object.values(tables), this.#subjects, this.#conduits]
    this.keeper = new GateKeeper(tables, limits, nowMs)
  }

  /** Strike the connections of a worker that died. */
  forget(worker: number): void {
    for (const table of this.#tables) table.forget(worker)
  }

  /** Whether a conduit has as many connections as it may have. */
  isFull(conduit: string): boolean {
    return this.#conduits.holds(conduit) >= this.#limits.maxConnections
  }

  /** Places for a peer that was let in. `makeRoom` is asked to end another when the conduit is full; true if it did. */
  take(conduit: string, subject: string, essential: boolean, makeRoom: () => boolean): Place | NoPlace {
    if (this.#subjects.holds(subject) >= this.#limits.maxSubjectConnections) return "too-many-of-subject"
    if (this.isFull(conduit) && !(essential && makeRoom())) return "too-many-connections"
    const account = this.#subjects.hold(subject)
    if (account < 0) return "too-many-connections"
    const passage = this.#conduits.hold(conduit)
    const payers: readonly Payer[] = [
      { table: this.#subjects, account, pace: this.#subjectPace, waits: true },
      // Essential traffic is counted like any other and waits for none.
      { table: this.#conduits, account: passage, pace: this.#conduitPace, waits: !essential },
    ]
    const meter = new FlowMeter(payers, this.#nowMs)
    return {
      meter,
      free: () => {
        meter.end()
        this.#subjects.release(account)
        this.#conduits.release(passage)
      },
    }
  }

  /** Count something that was done because of load; written by `flush`, one entry a conduit and reason. */
  shed(conduit: string, reason: string, subject: string, essential: boolean): void {
    const key = `${conduit} ${reason} ${essential}`
    const known = this.#shed.get(key)
    if (known !== undefined) {
      known.count++
      return
    }
    const event: AuditEvent = {
      id: "conduit.load-shed",
      outcome: "failure",
      source: `conduit/${conduit}`,
      conduit,
      subject,
      reason,
      detail: { essential },
    }
    this.#shed.set(key, { event, count: 1 })
  }

  /** What was done since the last time. Call it about once a second. */
  flush(): readonly AuditEvent[] {
    const events = [...this.#shed.values()].map(({ event, count }) => ({ ...event, count }))
    this.#shed.clear()
    return events
  }
}

function byteRate(perSecond: number | null): Rate | null {
  return perSecond === null ? null : { perSecond, burst: perSecond }
}
