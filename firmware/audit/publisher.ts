import { LockgateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { Clock } from "../../hal/clock.ts"
import type { Storage } from "../../hal/storage.ts"
import type { AuditLog } from "./log.ts"
import { createLineLimit } from "./line-limit.ts"
import { linkError, reasonOf, type MqttLink } from "./mqtt-link.ts"
import { createPartLimit } from "./part-limit.ts"
import { pause } from "./pause.ts"
import { runPublishSession } from "./publish-session.ts"
import type { RetainedLog } from "./retained-log.ts"
import { runRetainedSession, type RetainedOptions, type RetainedSession } from "./retained-session.ts"
import { openRetainedWindow, type RetainedWindow } from "./retained-window.ts"
import { gatewayTopic } from "../../policy/audit/topics.ts"

const CURSOR = "audit/published"
const SAVE_MS = 5_000
const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 60_000
/** A link that held so long makes the next retry a quick one again. */
const STABLE_MS = 30_000
/** So many links in a row that did not hold although nothing but heartbeats and alarms went over them, and those are too large, too. */
const FUTILE_LINKS = 3
const FUTILE_RETRY_MS = 600_000
/** How long an orderly stop waits for the last edge. */
const DRAIN_MS = 2_000

/** What the publisher stands on. */
export interface AuditPublisherDeps {
  readonly log: Pick<AuditLog, "read" | "size" | "firstSeq" | "onGrowth">
  /** Dial the broker once. @throws HardwareError `ERR_LINK` */
  readonly connect: () => Promise<MqttLink>
  readonly storage: Storage
  readonly clock: Clock
  readonly gateway: string
  /** The broker as the operator knows it, for what is told about it. */
  readonly broker?: string
  /** Facts for the log: the broker lost and back (once per change), entries that cannot be published. */
  readonly report: (event: AuditEvent) => void
  /** What is told over the same link beside the log, such as alarms; ends when the signal comes or the link ends. */
  readonly beside?: (link: MqttLink, signal: AbortSignal) => Promise<void>
  /** What is kept at the broker for those who come later; absent: nothing is. */
  readonly retained?: RetainedOptions & { readonly log: RetainedLog }
  /** The sign of life: how often, and what to say; null when nothing can be signed now. Absent: there is none. */
  readonly heartbeat?: { readonly everyMs: number; readonly make: () => Promise<Uint8Array | null> }
  /** [0, 1), for the spread of retries. */
  readonly random?: () => number
}

/**
 * How the log is kept at the broker: in messages as large as they are, in small parts, or not at all; `live-waits`: it does not even take live
 * entries, which wait.
 */
export type KeptState = "whole" | "small-parts" | "nothing" | "live-waits"

/** Publishes the log; a long-running part. */
export interface AuditPublisher {
  /** Runs until the signal; resolves after the orderly end: `offline` published, position saved. */
  start(signal: AbortSignal): Promise<void>
  /** Whether the broker has us, and the first entry that it has not acknowledged. */
  readonly status: {
    readonly online: boolean
    readonly next: number
    readonly retained: KeptState
  }
  /** Whether the broker, asked just now, shows the edge of the log as it was published. False while there is none or no link. */
  readBack(): Promise<boolean>
}

/**
 * Publishes every entry of the log, each line as one message, QoS 1, in order, to `lockgate/<gateway>/audit/live`.
 *
 * What the broker has acknowledged is remembered in `audit/published`, every five seconds; after a loss of link, power or that
 * file, entries are repeated and none is left out. `lockgate/<gateway>/online` says `online` or, by will, `offline`, retained.
 *
 * @see IEC 62443-4-2 CR 6.1
 */
export function createAuditPublisher(deps: AuditPublisherDeps): AuditPublisher {
  const { log, storage, clock } = deps
  const random = deps.random ?? Math.random
  let next = 0
  let savedNext = -1
  let online = false
  let lostTold = false
  let retryMs = FIRST_RETRY_MS
  let window: RetainedWindow | null = null
  let retained: RetainedSession | null = null
  const mostBytes = deps.retained?.partBytes === undefined ? {} : { mostBytes: deps.retained.partBytes }
  const broker = deps.broker === undefined ? {} : { broker: deps.broker }
  const limit = createPartLimit({ clock, report: deps.report, ...broker, ...mostBytes })

  const live = gatewayTopic(deps.gateway, "audit/live")
  const lines = createLineLimit({ clock, report: deps.report, topic: live, ...broker })

  async function save(): Promise<void> {
    await window?.save()
    if (savedNext === next) return
    const saving = next
    try {
      await storage.write(CURSOR, new TextEncoder().encode(JSON.stringify({ format: 1, next: saving })))
      savedNext = saving
    } catch (error) {
      // A position not saved only repeats entries after a restart.
      if (!(error instanceof LockgateError) || error.kind !== "hardware") throw error
    }
  }

  function tellLost(reason: string): void {
    if (lostTold) return
    lostTold = true
    deps.report({ id: "audit.publish-lost", outcome: "failure", source: "audit", reason })
  }

  function tellRestored(): void {
    if (!lostTold) return
    lostTold = false
    const detail = { waiting: log.size - next }
    deps.report({ id: "audit.publish-restored", outcome: "success", source: "audit", detail })
  }

  async function session(link: MqttLink, signal: AbortSignal): Promise<string> {
    const presence = gatewayTopic(deps.gateway, "online")
    await bounded(clock, link.publish(presence, new TextEncoder().encode("online"), true))
    online = true
    tellRestored()
    const ending = new AbortController()
    void deps.beside?.(link, ending.signal)
    const endBeats = beat(link)
    retained = startRetained(link, signal)
    const { why, heaviest } = await runPublishSession({
      link,
      log,
      clock,
      topic: live,
      limit: lines,
      from: next,
      signal,
      acknowledged: (upTo) => (next = Math.max(next, upTo)),
      skipped: (error, from) =>
        deps.report({
          id: "audit.damaged",
          outcome: "failure",
          source: "audit",
          reason: error.code,
          object: "not published",
          detail: { from },
        }),
    })
    // With a larger part on its way it was rather that one; what did not get through is known once that session has ended, too.
    if (why !== "stopped") await atMost(clock, DRAIN_MS, retained?.ended)
    if (heaviest >= (retained?.heaviest ?? 0) && lines.ended(why, heaviest)) retryMs = FIRST_RETRY_MS
    ending.abort()
    await endBeats()
    if (why === "stopped") {
      await atMost(clock, DRAIN_MS, retained?.ended)
      // If this fails, the will says the same.
      await bounded(clock, link.publish(presence, new TextEncoder().encode("offline"), true))
      await bounded(clock, link.close())
    }
    return why
  }

  function startRetained(link: MqttLink, signal: AbortSignal): RetainedSession | null {
    if (deps.retained === undefined || window === null || limit.bytesFor(link) === null) return null
    const { gateway, report } = deps
    const session = runRetainedSession({ ...deps.retained, limit, link, window, clock, gateway, signal, report })
    void session.ended.then((reason) => {
      if (reason === "stopped") return
      const verdict = limit.ended(reason, session.heaviest)
      if (verdict !== "other") retryMs = FIRST_RETRY_MS
      if (!online) return
      // What another link does not mend must not cost the live lines theirs.
      if (reason === "refused") report({ id: "audit.retained-unseen", outcome: "failure", source: "audit", reason })
      else if (verdict !== "nothing") link.destroy()
    })
    return session
  }

  /** The sign of life at once and at its interval; the returned function ends that. */
  function beat(link: MqttLink): () => Promise<void> {
    if (deps.heartbeat === undefined) return () => Promise.resolve()
    const { everyMs, make } = deps.heartbeat
    const once = async (): Promise<void> => {
      const payload = await make()
      // One that is not acknowledged is followed by another.
      if (payload !== null) link.publish(gatewayTopic(deps.gateway, "heartbeat"), payload, true).catch(() => undefined)
    }
    const first = once()
    const end = every(clock, everyMs, once)
    return async () => {
      await first
      await end()
    }
  }

  /** Dial and publish, once; returns why it ended. */
  async function attempt(signal: AbortSignal): Promise<string> {
    try {
      const link = await unlessAborted(deps.connect(), signal)
      if (link === null) return "stopped"
      try {
        return await session(link, signal)
      } finally {
        online = false
        retained = null
        link.destroy()
      }
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
      return reasonOf(error)
    }
  }

  return {
    get status() {
      const retained: KeptState = lines.isWaiting ? "live-waits" : limit.state
      return { online, next, retained }
    },
    readBack: () => retained?.readBack() ?? Promise.resolve(false),
    async start(signal) {
      if (deps.retained !== undefined) window = await openRetainedWindow(storage)
      next = await loadCursor(storage, log.size)
      savedNext = next
      const endSaving = every(clock, SAVE_MS, save)
      const stopped = (): boolean => signal.aborted
      let futile = 0
      while (!stopped()) {
        const [startedMs, waited] = [clock.monotonicMs(), lines.isWaiting]
        const why = await attempt(signal)
        if (stopped()) break
        tellLost(why)
        const isStable = clock.monotonicMs() - startedMs >= STABLE_MS
        if (isStable) retryMs = FIRST_RETRY_MS
        futile = waited && !isStable ? futile + 1 : 0
        const pauseMs = futile >= FUTILE_LINKS ? FUTILE_RETRY_MS : retryMs
        await pause(clock, pauseMs * (0.5 + random() / 2), signal)
        retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2)
      }
      await endSaving()
      await save()
    },
  }
}

/** Where to go on; from the start if the file is missing, damaged or beyond the log: repeating is safe, leaving out is not. */
async function loadCursor(storage: Storage, size: number): Promise<number> {
  const bytes = await storage.read(CURSOR)
  const text = bytes === null ? "" : new TextDecoder().decode(bytes)
  const next = Number(/^\{"format":1,"next":(\d{1,15})\}$/.exec(text)?.[1] ?? 0)
  return next <= size ? next : 0
}

/** Do `action` every `periodMs`, never twice at once; the returned function ends that and waits for the last. */
function every(clock: Clock, periodMs: number, action: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> = Promise.resolve()
  let cancel: () => void = () => undefined
  let ended = false
  const wait = (): void => {
    cancel = clock.after(periodMs, () => {
      running = action().then(() => {
        if (!ended) wait()
      })
    })
  }
  wait()
  return async () => {
    ended = true
    cancel()
    await running
  }
}

/** When `work` has ended, or after `ms`. */
function atMost(clock: Clock, ms: number, work: Promise<unknown> = Promise.resolve()): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(ms, resolve)
    void work.finally(() => {
      cancel()
      resolve()
    })
  })
}

/** `work`, or HardwareError `ERR_LINK` after ten seconds: what comes of it later is nobody's business. */
function bounded(clock: Clock, work: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(10_000, () => reject(linkError("no-acknowledgement")))
    work.then(resolve, reject).finally(cancel)
  })
}

/** The link, or null if the signal comes first; a link that comes later is ended. */
function unlessAborted(dialled: Promise<MqttLink>, signal: AbortSignal): Promise<MqttLink | null> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => resolve(null)
    signal.addEventListener("abort", aborted, { once: true })
    dialled.then((link) => {
      signal.removeEventListener("abort", aborted)
      if (signal.aborted) link.destroy()
      else resolve(link)
    }, reject)
  })
}
