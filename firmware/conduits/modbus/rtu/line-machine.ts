import { kindOf, READS } from "../../../../policy/filter/modbus/functions.ts"
import type { ModbusOutcome, ModbusRequest, NoAnswer } from "../upstream.ts"
import { AnswerReader } from "./answer-reader.ts"
import { FairQueue } from "./fair-queue.ts"
import { encodeFrame, MAX_FRAME_BYTES } from "./frame.ts"
import { lineTiming, type LineRate, type LineTiming } from "./line-timing.ts"

/** How one line is driven. */
export interface LineRules extends LineRate {
  /** From the end of the request to the first byte of the answer. */
  readonly timeoutMs: number
  /** After a broadcast, for the units to do it. */
  readonly turnaroundMs: number
  /** Further attempts when there was no answer. */
  readonly retries: number
  /** What may be sent again: a write may have been carried out although its answer got lost. */
  readonly repeat: "reads" | "all"
  /** Requests that wait, in all. */
  readonly queue: number
  /** What has waited this long is not sent any more: who asked has given up, and a value may be out of date. */
  readonly waitMs: number
  /** The line brings back our own bytes. */
  readonly echo: boolean
}

/** What the machine does to the world. */
export interface LineEffects {
  /** Put a frame onto the line. */
  send(frame: Uint8Array): void
  /** Our own bytes came back although the line is not said to do that; once for each time that the line was opened. */
  echoed(): void
}

interface Job extends ModbusRequest {
  /** What `ask` was given. */
  readonly request: ModbusRequest
  readonly settle: (outcome: ModbusOutcome) => void
  readonly sinceMs: number
  readonly attempts: number
}

interface OnWire {
  readonly job: Job
  readonly reader: AnswerReader
  readonly startMs: number
  /** The first byte of the answer must be there by then. */
  readonly answerByMs: number
  lastByteMs: number
  /** Nobody waits for the answer any more. */
  abandoned: boolean
}

/**
 * One serial line with several masters in front of it: one request at a time, and what its answer is.
 *
 *     idle -- a request's turn, and silence --> on the wire -- answer, or none --> idle
 *                                     (unit 0) -> turnaround ------------------> idle
 *
 * Time comes in with every call; `dueMs` says when `tick` has something to do. No answer of an earlier request is ever
 * taken for that of a later one: a unit that did not answer in time is left alone for as long again, and what it says
 * meanwhile is thrown away; the others are served.
 */
export class LineMachine {
  readonly timing: LineTiming
  readonly #rules: LineRules
  readonly #effects: LineEffects
  readonly #queue: FairQueue<Job>
  /** Units that may still answer an old request, and until when they are left alone. */
  readonly #late = new Map<number, number>()
  #open = false
  #closed = false
  #wire: OnWire | null = null
  #readyMs = 0
  #saidEcho = false

  constructor(rules: LineRules, effects: LineEffects) {
    this.timing = lineTiming(rules)
    this.#rules = rules
    this.#effects = effects
    this.#queue = new FairQueue(rules.queue)
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.#queue.size
  }

  /** When `tick` must be called at the latest; Infinity for never. Earlier calls do nothing. */
  get dueMs(): number {
    let due = Infinity
    for (const { sinceMs } of this.#queue) due = Math.min(due, sinceMs + this.#rules.waitMs)
    if (this.#wire !== null) return Math.min(due, this.#silentAt(this.#wire), this.#overAt(this.#wire))
    if (this.#queue.size === 0 || !this.#open) return due
    let free = Infinity
    for (const { unit } of this.#queue) free = Math.min(free, this.#late.get(unit) ?? 0)
    return Math.min(due, Math.max(free, this.#readyMs))
  }

  /** A request; settled at once if the line is closed or lost, or there is no room. */
  ask(request: ModbusRequest, nowMs: number, settle: (outcome: ModbusOutcome) => void): void {
    const why: NoAnswer | null = this.#closed ? "closed" : this.#open ? null : "lost"
    if (why !== null) return settle(none(why))
    if (!this.#queue.add({ ...request, request, settle, sinceMs: nowMs, attempts: 0 })) return settle(none("busy"))
    this.tick(nowMs)
  }

  /** The line can be used. */
  opened(nowMs: number): void {
    this.#open = true
    this.#saidEcho = false
    // Whatever was going on before we came ends first.
    this.#readyMs = nowMs + this.timing.gapMs
    this.tick(nowMs)
  }

  /** The line cannot be used: everything under way and waiting is answered so. */
  lost(why: "lost" | "closed" = "lost"): void {
    this.#open = false
    if (why === "closed") this.#closed = true
    const wire = this.#wire
    this.#wire = null
    wire?.job.settle(none(why))
    for (const job of this.#queue.remove(() => true)) job.settle(none(why))
  }

  /** Who asked takes it back. What was on the wire once may have been carried out: it is not asked again, and says so. */
  recall(request: ModbusRequest): void {
    for (const job of this.#queue.remove((one) => one.request === request)) {
      job.settle(none(job.attempts === 0 ? "recalled" : "timeout"))
    }
  }

  /** A master is gone. What is on the wire is waited for: the line is not free before. */
  forget(master: number): void {
    if (this.#wire?.job.master === master) this.#wire.abandoned = true
    for (const job of this.#queue.forget(master)) job.settle(none("closed"))
  }

  received(bytes: Uint8Array, nowMs: number): void {
    const wire = this.#wire
    if (wire === null) {
      // Nobody was asked: a late answer, or noise. The line is not free before it is over.
      this.#readyMs = Math.max(this.#readyMs, nowMs + this.timing.silentMs)
      return
    }
    // Who answers a broadcast speaks out of turn.
    if (wire.job.unit === 0) return
    wire.lastByteMs = nowMs
    const answer = wire.reader.push(bytes)
    if (answer !== null) this.#answered(wire, answer, nowMs)
  }

  /** Time has passed. */
  tick(nowMs: number): void {
    for (const job of this.#queue.remove(({ sinceMs }) => nowMs - sinceMs >= this.#rules.waitMs)) {
      job.settle(none(job.attempts === 0 ? "busy" : "timeout"))
    }
    const wire = this.#wire
    if (wire !== null) this.#listen(wire, nowMs)
    if (this.#wire === null) this.#next(nowMs)
  }

  /** When what came is taken for all. */
  #silentAt(wire: OnWire): number {
    return wire.lastByteMs === -Infinity ? Infinity : wire.lastByteMs + this.timing.gapMs
  }

  /** When the answer is given up: bytes that still flow are heard out, but not for longer than the longest frame takes. */
  #overAt(wire: OnWire): number {
    const flowing = this.#silentAt(wire) > wire.answerByMs && wire.lastByteMs !== -Infinity
    return flowing ? wire.answerByMs + 2 * MAX_FRAME_BYTES * this.timing.byteMs + this.timing.gapMs : wire.answerByMs
  }

  #listen(wire: OnWire, nowMs: number): void {
    if (nowMs >= this.#silentAt(wire)) {
      const found = wire.reader.silence()
      wire.lastByteMs = -Infinity
      if (found instanceof Uint8Array) return this.#answered(wire, found, nowMs)
      // Damaged, but it was the answer: no other will come.
      if (found === "damaged") return this.#unanswered(wire, "garbled", nowMs, false)
    }
    if (nowMs >= this.#overAt(wire)) {
      if (wire.job.unit === 0) this.#finish(wire, { kind: "broadcast" }, nowMs, 0)
      else this.#unanswered(wire, wire.reader.heard ? "garbled" : "timeout", nowMs, true)
    }
  }

  #answered(wire: OnWire, pdu: Uint8Array, nowMs: number): void {
    this.#finish(wire, { kind: "answer", pdu }, nowMs, this.timing.silentMs)
  }

  #unanswered(wire: OnWire, why: NoAnswer, nowMs: number, mayComeLate: boolean): void {
    const { job } = wire
    if (mayComeLate) this.#late.set(job.unit, nowMs + this.#rules.timeoutMs)
    const more = job.attempts < this.#rules.retries && !wire.abandoned
    const again = more && (this.#rules.repeat === "all" || onlyReads(job.pdu))
    if (again) this.#queue.putBack({ ...job, attempts: job.attempts + 1 })
    this.#finish(wire, again ? null : none(why), nowMs, this.timing.gapMs)
  }

  #finish(wire: OnWire, outcome: ModbusOutcome | null, nowMs: number, quietMs: number): void {
    this.#wire = null
    this.#readyMs = nowMs + quietMs
    this.#queue.charge(wire.job.master, nowMs - wire.startMs)
    if (wire.reader.echoed && !this.#saidEcho) {
      this.#saidEcho = true
      this.#effects.echoed()
    }
    if (outcome !== null) wire.job.settle(outcome)
    this.#next(nowMs)
  }

  #next(nowMs: number): void {
    if (!this.#open || this.#wire !== null || nowMs < this.#readyMs) return
    for (const [unit, untilMs] of this.#late) if (nowMs >= untilMs) this.#late.delete(unit)
    const job = this.#queue.take((unit) => !this.#late.has(unit))
    if (job === null) return
    const { unit, pdu } = job
    const frame = encodeFrame(unit, pdu)
    const sentMs = nowMs + frame.length * this.timing.byteMs
    this.#wire = {
      job,
      reader: new AnswerReader({ unit, pdu, echo: this.#rules.echo }),
      startMs: nowMs,
      answerByMs: sentMs + (unit === 0 ? this.#rules.turnaroundMs : this.#rules.timeoutMs),
      lastByteMs: -Infinity,
      abandoned: false,
    }
    this.#effects.send(frame)
  }
}

function none(why: NoAnswer): ModbusOutcome {
  return { kind: "none", why }
}

function onlyReads(pdu: Uint8Array): boolean {
  const [code = 0, first = 0, second = 0] = pdu
  return kindOf(code, code === 8 ? first * 256 + second : first) === READS
}
