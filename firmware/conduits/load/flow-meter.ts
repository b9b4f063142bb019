import type { ByteSource } from "../byte-source.ts"
import type { Rate } from "../../../policy/language/policy.ts"
import type { AccountTable } from "./account-table.ts"
import { BUCKET_CELLS, charge, fillAt } from "./budget.ts"

/** Cells of an account that is metered: messages, then bytes. */
export const METER_CELLS: number = 2 * BUCKET_CELLS
const MESSAGES = 0
const BYTES = BUCKET_CELLS

/** How fast the owner of an account may be; null: not limited. */
export interface Pace {
  readonly messages: Rate | null
  readonly bytes: Rate | null
}

/** An account that pays for what a connection says, and whether the connection waits when it is overdrawn. */
export interface Payer {
  readonly table: AccountTable
  /** Held for as long as the meter is used. */
  readonly account: number
  readonly pace: Pace
  readonly waits: boolean
}

/** What is charged for one connection, and how long it must wait for it. */
export class FlowMeter {
  readonly #payers: readonly Payer[]
  readonly #nowMs: () => number

  constructor(payers: readonly Payer[], nowMs: () => number) {
    this.#payers = payers
    this.#nowMs = nowMs
  }

  messages(count: number): void {
    for (const { table, account, pace } of this.#payers) {
      const { messages } = pace
      if (messages === null) continue
      table.at(account, (cells, at) => charge(cells, at + MESSAGES, messages, count, this.#nowMs()))
    }
  }

  bytes(count: number): void {
    for (const { table, account, pace } of this.#payers) {
      const { bytes } = pace
      if (bytes === null) continue
      table.at(account, (cells, at) => charge(cells, at + BYTES, bytes, count, this.#nowMs()))
    }
  }

  /** Milliseconds until nothing is owed that this connection waits for. */
  waitMs(): number {
    const nowMs = this.#nowMs()
    let longest = 0
    for (const { table, account, pace, waits } of this.#payers) {
      if (!waits) continue
      const owed = table.at(account, (cells, at) =>
        Math.max(owedMs(cells, at + MESSAGES, pace.messages, nowMs), owedMs(cells, at + BYTES, pace.bytes, nowMs)),
      )
      if (owed > longest) longest = owed
    }
    return longest
  }
}

function owedMs(cells: Float64Array, at: number, rate: Rate | null, nowMs: number): number {
  if (rate === null) return 0
  const fill = fillAt(cells, at, rate, nowMs)
  return fill >= 0 ? 0 : (-fill / rate.perSecond) * 1000
}

/** Longest time until a connection that waits is looked at again. */
const LONGEST_MS = 1_000

/** What a throttle needs of the world. */
export interface ThrottleDeps {
  readonly meter: FlowMeter
  readonly after: (delayMs: number, action: () => void) => () => void
  /** A connection began to wait. */
  readonly waits: () => void
}

/**
 * The same bytes, read no faster than the meter lets them: what is over its rate waits in the sender's own socket (TCP holds
 * it up there), nothing is dropped, and QoS 1 and 2 lose nothing. A chunk that was read is judged whole, so a connection
 * may be ahead of its rate by one chunk.
 *
 * @see IEC 62443-4-2 CR 7.1 RE(1)
 */
export function throttled(source: ByteSource, { meter, after, waits }: ThrottleDeps): ByteSource {
  let held = false
  let waiting = false

  function look(): void {
    const waitMs = meter.waitMs()
    if (waitMs > 0) {
      if (!waiting) {
        waiting = true
        waits()
        if (!held) source.pause()
      }
      after(Math.min(Math.ceil(waitMs), LONGEST_MS), look)
    } else if (waiting) {
      waiting = false
      if (!held) source.resume()
    }
  }

  return {
    start: (take, isWritten) => {
      source.start((chunk) => {
        meter.bytes(chunk.length)
        take(chunk)
        if (!waiting) look()
      }, isWritten)
    },
    pause: () => {
      held = true
      if (!waiting) source.pause()
    },
    resume: () => {
      held = false
      if (!waiting) source.resume()
    },
  }
}
