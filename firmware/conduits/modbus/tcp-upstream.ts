/**
 * The way to units behind a TCP or TLS connection. One connection a conduit, whatever the number of masters: servers take
 * few. Every request gets a transaction number of ours, so that no answer can be taken for another's, whoever asked.
 */
import { LockgateError } from "../../../policy/base/errors.ts"
import type { Dialled } from "../../tls/dial.ts"
import { encodeMbap, MbapReader, type MbapFrame } from "./mbap.ts"
import { createTurns } from "./turns.ts"
import type { ModbusOutcome, ModbusRequest, ModbusUpstream, NoAnswer } from "./upstream.ts"

/** Requests on the wire at once; servers take 1..16. @see MODBUS Messaging on TCP/IP Implementation Guide 1.0b section 4.4.2 */
const MAX_IN_FLIGHT = 8
/** Between two attempts to connect, doubled from the first to the last, then spread by chance. */
const FIRST_BACK_OFF_MS = 100
const LAST_BACK_OFF_MS = 10_000
/** Transactions of this connection whose answer came too late to be wanted. */
const MAX_LATE = 1_024

/** What an upstream is made of. */
export interface TcpUpstreamDeps {
  readonly dial: () => Dialled
  readonly after: (delayMs: number, action: () => void) => () => void
  /** 0..1. */
  readonly random: () => number
  /** From `ask` to the answer. */
  readonly timeoutMs: number
  /** Whether this can be the answer to that; both are function and data. */
  readonly fits: (request: Uint8Array, answer: Uint8Array) => boolean
  /** The other end broke the protocol: the connection has been closed. A stable word says how. */
  readonly broken: (how: string) => void
}

interface Waiting {
  readonly request: ModbusRequest
  settle(outcome: ModbusOutcome): void
  cancel(): void
}

/**
 * Nothing is dialled before the first request. A request is sent once and never again, since it may have been carried out:
 * if the connection is lost after it was sent, its outcome is `timeout`; before, `lost`. While the next attempt to connect
 * is waited for, requests are `lost` at once.
 *
 * An answer to a transaction that is not waited for, of another unit, or that does not fit its request closes the
 * connection: whatever else would come over it could be as wrong.
 */
export function createTcpUpstream(deps: TcpUpstreamDeps): ModbusUpstream {
  const turns = createTurns<Waiting>()
  const inFlight = new Map<number, Waiting>()
  const late = new Set<number>()
  let reader = new MbapReader()
  let dialled: Dialled | null = null
  let isReady = false
  let isClosed = false
  let backOffMs = 0
  let cancelBackOff: (() => void) | null = null
  let transaction = 0

  function connect(): void {
    const own = deps.dial()
    dialled = own
    reader = new MbapReader()
    late.clear()
    own.trusted.then(
      () => {
        if (dialled !== own) return
        isReady = true
        own.socket.on("data", (chunk: Uint8Array) => receive(own, chunk))
        send()
      },
      (error: unknown) => {
        if (!(error instanceof LockgateError)) throw error
        lose(own, true)
      },
    )
    own.socket.on("close", () => lose(own, !isReady))
  }

  /** The connection is gone. After a failed attempt, or one that broke the protocol, the next one waits. */
  function lose(own: Dialled, wait: boolean): void {
    if (dialled !== own) return
    dialled = null
    isReady = false
    own.socket.destroy()
    if (wait && !isClosed) {
      backOffMs = Math.min(Math.max(backOffMs * 2, FIRST_BACK_OFF_MS), LAST_BACK_OFF_MS)
      cancelBackOff = deps.after(backOffMs * (0.5 + deps.random() / 2), () => (cancelBackOff = null))
    }
    for (const waiting of [...inFlight.values()]) finish(waiting, none("timeout"))
    inFlight.clear()
    for (const waiting of turns.drain()) finish(waiting, none("lost"))
  }

  function finish(waiting: Waiting, outcome: ModbusOutcome): void {
    waiting.cancel()
    waiting.settle(outcome)
  }

  function send(): void {
    while (isReady && dialled !== null && inFlight.size < MAX_IN_FLIGHT) {
      const waiting = turns.next()
      if (waiting === null) return
      do transaction = (transaction + 1) & 0xffff
      while (inFlight.has(transaction) || late.has(transaction))
      inFlight.set(transaction, waiting)
      const { unit, pdu } = waiting.request
      dialled.socket.write(encodeMbap(transaction, unit, pdu))
    }
  }

  function receive(own: Dialled, chunk: Uint8Array): void {
    reader.push(chunk)
    for (;;) {
      if (dialled !== own) return
      const frame = reader.next()
      if (frame === null) break
      const fault = typeof frame === "string" ? frame : answer(frame)
      if (fault === null) continue
      deps.broken(fault)
      // What is in flight cannot be told from it: a fault of the frame may be a fault of the one before.
      for (const waiting of [...inFlight.values()]) finish(waiting, none("garbled"))
      inFlight.clear()
      return lose(own, true)
    }
    send()
  }

  /** Give an answer to who waits for it; or what is wrong with it. */
  function answer({ transaction: number, adu }: MbapFrame): string | null {
    const waiting = inFlight.get(number)
    if (waiting === undefined) return late.delete(number) ? null : "transaction"
    const pdu = adu.subarray(1)
    if (adu[0] !== waiting.request.unit) return "unit"
    if (!deps.fits(waiting.request.pdu, pdu)) return "response"
    inFlight.delete(number)
    backOffMs = 0
    finish(waiting, { kind: "answer", pdu })
    return null
  }

  function timedOut(waiting: Waiting): void {
    for (const [number, one] of inFlight) {
      if (one !== waiting) continue
      inFlight.delete(number)
      late.add(number)
      // An end that answers nothing for so long is given up: it may have lost its place.
      if (late.size > MAX_LATE && dialled !== null) lose(dialled, true)
    }
    turns.remove((one) => one === waiting)
    finish(waiting, none("timeout"))
    send()
  }

  return {
    ask: (request) =>
      new Promise((resolve) => {
        if (isClosed) return resolve(none("closed"))
        if (cancelBackOff !== null) return resolve(none("lost"))
        const waiting: Waiting = {
          request,
          settle: resolve,
          cancel: deps.after(deps.timeoutMs, () => timedOut(waiting)),
        }
        if (!turns.add(waiting, request.master, request.priority)) return finish(waiting, none("busy"))
        if (dialled === null) connect()
        else send()
      }),
    recall(request) {
      for (const waiting of turns.remove((one) => one.request === request)) finish(waiting, none("recalled"))
    },
    forget(master) {
      for (const waiting of turns.remove(({ request }) => request.master === master)) finish(waiting, none("closed"))
    },
    close() {
      isClosed = true
      cancelBackOff?.()
      for (const waiting of [...inFlight.values(), ...turns.drain()]) finish(waiting, none("closed"))
      inFlight.clear()
      if (dialled !== null) lose(dialled, false)
    },
  }
}

function none(why: NoAnswer): ModbusOutcome {
  return { kind: "none", why }
}
