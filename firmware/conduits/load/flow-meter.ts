import type { ByteSource } from "../byte-source.ts"
import type { Rate } from "../../../policy/language/policy.ts"
import type { AccountTable } from "./account-table.ts"
import { BUCKET_CELLS, charge, fillAt } from "./budget.ts"

/** What is metered, in the order in which an account holds a bucket for each. */
const METERED = ["messages", "requests", "bytes"] as const
type Metered = (typeof METERED)[number]

/** Cells of an account that is metered. */
export const METER_CELLS: number = METERED.length * BUCKET_CELLS

/** How fast the owner of an account may be; null: not limited. */
export type Pace = Readonly<Record<Metered, Rate | null>>

/** The cells of an account that owes nothing. */
export function fullAccount(pace: Pace): readonly number[] {
  return METERED.flatMap((what) => [pace[what]?.burst ?? 0, 0])
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
  /** Nothing is known of these accounts yet, or something was charged since they were last looked at. */
  #isDue = true
  #ended = false

  constructor(payers: readonly Payer[], nowMs: () => number) {
    this.#payers = payers
    this.#nowMs = nowMs
  }

  messages(count: number): void {
    this.#charge("messages", count)
  }

  /** Packets that no message explains. */
  requests(count: number): void {
    this.#charge("requests", count)
  }

  bytes(count: number): void {
    this.#charge("bytes", count)
  }

  /** Milliseconds until nothing is owed that this connection waits for; 0 as long as it causes nothing that costs. */
  waitMs(): number {
    if (!this.#isDue) return 0
    const nowMs = this.#nowMs()
    let longest = 0
    for (const { table, account, pace, waits } of this.#payers) {
      if (!waits) continue
      const owed = table.at(account, (cells, at) => owedMs(cells, at, pace, nowMs))
      if (owed > longest) longest = owed
    }
    this.#isDue = longest > 0
    return longest
  }

  /** The accounts are given back: nothing is charged any more, and nobody waits. */
  end(): void {
    this.#ended = true
    this.#isDue = false
  }

  #charge(what: Metered, count: number): void {
    if (this.#ended) return
    for (const { table, account, pace } of this.#payers) {
      const rate = pace[what]
      if (rate === null) continue
      this.#isDue = true
      const bucket = METERED.indexOf(what) * BUCKET_CELLS
      table.at(account, (cells, at) => charge(cells, at + bucket, rate, count, this.#nowMs()))
    }
  }
}

function owedMs(cells: Float64Array, at: number, pace: Pace, nowMs: number): number {
  let longest = 0
  for (const [k, what] of METERED.entries()) {
    const rate = pace[what]
    if (rate === null) continue
    const fill = fillAt(cells, at + k * BUCKET_CELLS, rate, nowMs)
    if (fill < 0) longest = Math.max(longest, (-fill / rate.perSecond) * 1000)
  }
  return longest
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
      // Who comes back has not paid by that. Not at once, for who opens this connection is not done yet; before the first chunk.
      process.nextTick(look)
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
