/**
 * The engine's side of store-and-forward: who is served by a stand-in now, and the senders that catch up.
 *
 * What is stored lies with the gateway (`firmware/spool`), asked by messages. For one subject of a conduit there is one sender
 * at a time, over all threads: only one thread sends.
 */
import type { Verdict } from "../../../policy/filter/verdict.ts"
import type { Buffering } from "../../../policy/language/policy.ts"
import type { FlowCache } from "../../../policy/filter/cache/flow.ts"
import type { SpoolRecord } from "../../spool/record.ts"
import type { Batch } from "../../spool/store.ts"
import type { Limits } from "../../config/gateway-config.ts"
import type { Dialled } from "../../tls/dial.ts"
import type { HeldSubject, SpoolAnswer, SpoolAsk } from "../messages.ts"
import type { Now } from "../protocol.ts"
import type { StoreOutcome } from "./buffer-broker.ts"
import { judgeStored } from "./judge-stored.ts"
import { agedPublish } from "./message-expiry.ts"
import { PacketScan } from "./packet-scan.ts"
import { type Sendable, SpoolSender } from "./spool-sender.ts"

const BATCH_BYTES = 1024 * 1024
const FIRST_RETRY_MS = 500
const LONGEST_RETRY_MS = 30_000
/** A broker that answers nothing for so long is lost. */
const SILENCE_MS = 30_000

/** What the desk stands on. */
export interface SpoolDeskDeps {
  readonly ask: (ask: SpoolAsk, answered: (answer: SpoolAnswer) => void) => void
  readonly flows: FlowCache
  readonly nowMs: () => number
  /** The wall clock, Unix milliseconds. */
  readonly wallMs: () => number
  /** Anything in 0..1. */
  readonly random: () => number
  readonly after: (delayMs: number, action: () => void) => () => void
}

/** What the desk must know of a conduit, and tells it. */
export interface SpoolRoute {
  readonly limits: Limits
  dial(): Dialled
  /** Null: closed. */
  now(): Now | null
  denied(subject: string, verdict: Verdict, record: SpoolRecord): void
  /** Messages that are not sent: expired, damaged, or refused by the broker with a code. */
  lost(subject: string, reason: string, count: number): void
  forwarded(subject: string, count: number): void
}

interface Sending {
  /** Ends it, whatever it does. */
  readonly stop: () => void
}

interface Waiting {
  retryMs: number
  cancel: () => void
}

/** The engine's desk of the spool. */
export class SpoolDesk {
  readonly #deps: SpoolDeskDeps
  readonly #routes = new Map<string, SpoolRoute>()
  #held = new Map<string, HeldSubject>()
  #sends = false
  readonly #sending = new Map<string, Sending>()
  readonly #waiting = new Map<string, Waiting>()
  /** The highest number that may have been sent, by subject; whatever is there at the start may have been. */
  readonly #sentThrough = new Map<string, number>()
  readonly #standIns = new Map<string, Set<() => void>>()

  constructor(deps: SpoolDeskDeps) {
    this.#deps = deps
  }

  /** A conduit's way to its broker; called once for each. */
  serve(conduit: string, route: SpoolRoute): void {
    this.#routes.set(conduit, route)
  }

  /** All subjects for whom messages wait, and whether this thread sends. Who is no longer among them goes back to the true broker. */
  take(held: readonly HeldSubject[], sends: boolean): void {
    this.#sends = sends
    const before = this.#held
    this.#held = new Map(held.map((one) => [keyOf(one.conduit, one.subject), one]))
    for (const key of before.keys()) {
      if (!this.#held.has(key)) for (const leave of [...(this.#standIns.get(key) ?? [])]) leave()
    }
    this.wake()
  }

  /** True while messages of this subject wait: what follows must wait behind them. */
  isHeld(conduit: string, subject: string): boolean {
    return this.#held.has(keyOf(conduit, subject))
  }

  /** A stand-in serves this subject until the returned function is called; `leave` is called when it need not any more. */
  standsIn(conduit: string, subject: string, leave: () => void): () => void {
    const key = keyOf(conduit, subject)
    const all = this.#standIns.get(key) ?? new Set()
    this.#standIns.set(key, all)
    all.add(leave)
    return () => {
      all.delete(leave)
      if (all.size === 0) this.#standIns.delete(key)
    }
  }

  put(
    conduit: string,
    subject: string,
    record: Omit<SpoolRecord, "storedAt">,
    buffer: Buffering,
    settled: (outcome: StoreOutcome) => void,
  ): void {
    const stamped = { ...record, storedAt: this.#deps.wallMs() }
    this.#deps.ask({ what: "put", conduit, subject, record: stamped, buffer }, ({ kind }) => {
      settled(kind === "stored" || kind === "full" ? kind : "failed")
    })
  }

  /** Something that kept senders back may be over: policy, posture, a broker. */
  wake(): void {
    if (!this.#sends) return
    for (const [key, held] of this.#held) {
      if (!this.#sending.has(key) && !this.#waiting.has(key)) this.#begin(key, held)
    }
  }

  /** End every sender; what they had not settled is sent again by the next. */
  stop(): void {
    for (const { cancel } of this.#waiting.values()) cancel()
    for (const { stop } of [...this.#sending.values()]) stop()
  }

  #begin(key: string, { conduit, subject }: HeldSubject): void {
    const route = this.#routes.get(conduit)
    // Without a conduit that is open it waits for one: `wake` is called then.
    if (route === undefined || route.now() === null) return
    let stopped = false
    this.#sending.set(key, { stop: () => (stopped = true) })
    this.#deps.ask({ what: "batch", conduit, subject, max: 1, maxBytes: BATCH_BYTES }, (answer) => {
      if (stopped) return this.#over(key, null)
      if (answer.kind !== "batch") return this.#over(key, "disk")
      this.#connect(key, { conduit, subject }, route, answer.batch)
    })
  }

  #connect(key: string, { conduit, subject }: HeldSubject, route: SpoolRoute, first: Batch): void {
    const deps = this.#deps
    const version = first.messages.find(({ record }) => record !== null)?.record?.version ?? 5
    const { socket, trusted } = route.dial()
    let ended = false
    let lastHeardMs = deps.nowMs()
    let forwarded = 0
    let cancelWatch = (): void => undefined

    const finish = (failure: string | null): void => {
      if (ended) return
      ended = true
      cancelWatch()
      this.#sentThrough.set(key, sender.sentThrough)
      if (failure === null) socket.end()
      else socket.destroy()
      if (forwarded > 0) route.forwarded(subject, forwarded)
      this.#over(key, failure)
    }

    // A broker delivers QoS 2 at the PUBREL, so messages of another QoS behind it could overtake it: one QoS a batch.
    const sendable = (batch: Batch): Sendable[] | "wait" => {
      const out: Sendable[] = []
      let qos: number | null = null
      for (const { seq, record } of batch.messages) {
        // The other version's turn: this connection has done what it can.
        if (record !== null && record.version !== version) return out
        const own: number | null = record === null ? qos : (record.packet[0] ?? 0) & 6
        if (qos !== null && own !== qos) return out
        const one = this.#prepare(route, subject, record)
        if (one === "wait") break
        if (one !== null) {
          forwarded++
          qos = own
        }
        out.push({ seq, packet: one })
      }
      return out.length === 0 && batch.messages.length > 0 ? "wait" : out
    }

    const sender = new SpoolSender(
      {
        toBroker: (bytes) => {
          if (socket.writable) socket.write(bytes)
        },
        fetch: (max) => {
          deps.ask({ what: "batch", conduit, subject, max, maxBytes: BATCH_BYTES }, (answer) => {
            if (ended) return
            if (answer.kind !== "batch") return finish("disk")
            const messages = sendable(answer.batch)
            if (messages === "wait") finish("posture")
            else sender.give(messages)
          })
        },
        settle: (done) => {
          deps.ask({ what: "settle", conduit, subject, done }, (answer) => {
            if (ended) return
            if (answer.kind === "settled") sender.settled()
            else finish("disk")
          })
        },
        refused: (_seq, code) => {
          forwarded--
          route.lost(subject, `broker ${code}`, 1)
        },
        finished: finish,
      },
      {
        version,
        clientId: clientIdOf(conduit, subject),
        progress: first.done,
        sentBefore: this.#sentThrough.get(key) ?? Infinity,
      },
      (accepted) => new PacketScan(accepted, false, route.limits),
    )
    this.#sending.set(key, { stop: () => finish("stopped") })

    const watch = (): void => {
      if (deps.nowMs() - lastHeardMs > SILENCE_MS || route.now() === null) return finish("silent")
      cancelWatch = deps.after(1_000, watch)
    }
    trusted.then(
      () => {
        if (ended) return
        lastHeardMs = deps.nowMs()
        watch()
        socket.on("data", (chunk: Buffer) => {
          lastHeardMs = deps.nowMs()
          sender.fromBroker(chunk)
        })
        socket.on("close", () => sender.brokerEnded())
        sender.start()
      },
      () => finish("unreachable"),
    )
  }

  /** What goes to the broker of a stored message; null: nothing, it is passed over. */
  #prepare(route: SpoolRoute, subject: string, record: SpoolRecord | null): Uint8Array | null | "wait" {
    const now = route.now()
    if (now === null) return "wait"
    if (record === null) {
      route.lost(subject, "damaged", 1)
      return null
    }
    const judged = judgeStored(now, subject, record, { flows: this.#deps.flows, nowMs: this.#deps.nowMs() })
    if (judged.kind === "wait") return "wait"
    if (judged.kind === "denied") {
      route.denied(subject, judged.verdict, record)
      return null
    }
    const aged = agedPublish(record.packet, record.version, this.#deps.wallMs() - record.storedAt)
    if (aged === null) route.lost(subject, "expired", 1)
    return aged
  }

  /** One sender is done. If messages still wait, the next follows: at once after good work, later after a failure. */
  #over(key: string, failure: string | null): void {
    this.#sending.delete(key)
    const held = this.#held.get(key)
    const before = this.#waiting.get(key)
    if (held === undefined) return void this.#waiting.delete(key)
    const lastMs = failure === null ? 0 : (before?.retryMs ?? 0)
    const retryMs = Math.min(LONGEST_RETRY_MS, Math.max(FIRST_RETRY_MS, lastMs * 2))
    const cancel = this.#deps.after(failure === null ? FIRST_RETRY_MS : retryMs * (0.5 + this.#deps.random()), () => {
      this.#begin(key, held)
      // Kept only for its pause, until the next outcome.
      const waiting = this.#waiting.get(key)
      if (waiting !== undefined) waiting.cancel = () => undefined
      if (!this.#sending.has(key)) this.#waiting.delete(key)
    })
    this.#waiting.set(key, { retryMs: failure === null ? 0 : retryMs, cancel })
  }
}

/** One of the gateway's own: no field client may bear an id that begins so. */
function clientIdOf(conduit: string, subject: string): string {
  return `lockgate-spool-${conduit}-${subject}`
}

function keyOf(conduit: string, subject: string): string {
  return `${conduit} ${subject}`
}
