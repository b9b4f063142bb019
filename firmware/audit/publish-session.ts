import { LockgateError } from "../../policy/base/errors.ts"
import { BUNDLE_ENTRIES } from "../../policy/audit/entry-bundle.ts"
import type { Clock } from "../../hal/clock.ts"
import type { LoggedEntry } from "./bundle-reader.ts"
import type { LineLimit } from "./line-limit.ts"
import type { AuditLog } from "./log.ts"
import { reasonOf, type MqttLink } from "./mqtt-link.ts"

/** Entries that may wait for the broker's acknowledgement. */
const WINDOW = 16
const ACK_TIMEOUT_MS = 30_000
/** How long an orderly stop waits for what is not yet acknowledged. */
const DRAIN_MS = 2_000

/** What a session over one link stands on. */
export interface SessionDeps {
  readonly link: MqttLink
  readonly log: Pick<AuditLog, "read" | "size" | "firstSeq" | "onGrowth">
  readonly clock: Clock
  readonly topic: string
  /** How large a line may be: the stream waits before a larger one, and the link stays for the rest. */
  readonly limit: LineLimit
  /** The first entry to publish. */
  readonly from: number
  readonly signal: AbortSignal
  /** Every entry below `next` is acknowledged or cannot be read. */
  readonly acknowledged: (next: number) => void
  /** A bundle that cannot be published, because it is missing or damaged. */
  readonly skipped: (error: LockgateError, from: number) => void
}

/** How a session ended. */
export interface SessionEnd {
  /** `stopped` for the signal. */
  readonly why: string
  /** The largest line that was not acknowledged then; 0: none. */
  readonly heaviest: number
}

/**
 * Publishes entries in order over one link until the link ends or the signal stops it; returns why.
 *
 * At most 16 wait for acknowledgement. The acknowledged part has no holes: what follows an unacknowledged entry is not
 * counted, so that the next session may repeat entries and never leaves one out. Stopping waits two seconds for the rest.
 */
export async function runPublishSession(deps: SessionDeps): Promise<SessionEnd> {
  const { link, log, clock, limit, signal } = deps
  const inFlight: { readonly next: number; readonly bytes: number; done: boolean }[] = []
  /** The line that waits, as it is too large for this broker; 0: none does. */
  let held = 0
  let cancelHold: () => void = () => undefined
  let next = deps.from
  const ended: { why: string | null } = { why: null }
  let ring: () => void = () => undefined
  let cancelTimer: () => void = () => undefined

  const end = (reason: string): void => {
    ended.why ??= reason
    ring()
  }
  const watch = (): void => {
    cancelTimer()
    if (inFlight.length > 0) cancelTimer = clock.after(ACK_TIMEOUT_MS, () => end("no-acknowledgement"))
  }
  const settle = (): void => {
    while (inFlight[0]?.done === true) {
      const first = inFlight.shift()
      if (first !== undefined) deps.acknowledged(first.next)
    }
    watch()
    ring()
  }
  const isHeld = (): boolean => held > limit.bytesFor(link)
  const hold = ({ seq, line }: LoggedEntry): void => {
    held = line.length
    const untilMs = limit.waits(link, seq, held)
    cancelHold()
    if (untilMs !== null) cancelHold = clock.after(Math.max(1, untilMs - clock.monotonicMs()), () => ring())
  }
  const send = ({ seq, line }: LoggedEntry): void => {
    const item = { next: seq + 1, bytes: line.length, done: false }
    inFlight.push(item)
    link.publish(deps.topic, line, false).then(
      () => {
        item.done = true
        limit.took(item.bytes)
        settle()
      },
      (error: unknown) => end(reasonOf(error)),
    )
  }
  const passOver = (to: number): void => {
    next = to
    inFlight.push({ next, bytes: 0, done: true })
    settle()
  }
  /** Read on; a bundle that cannot be read is passed over as if it were acknowledged, once. */
  const fill = async (): Promise<void> => {
    if (next < log.firstSeq) passOver(log.firstSeq)
    try {
      const entries = await log.read(next, WINDOW - inFlight.length)
      if (ended.why !== null) return
      const large = entries.findIndex(({ line }) => line.length > limit.bytesFor(link))
      const fitting = large < 0 ? entries : entries.slice(0, large)
      for (const entry of fitting) send(entry)
      next += fitting.length
      const waiting = entries[fitting.length]
      if (waiting !== undefined) hold(waiting)
      watch()
    } catch (error) {
      if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
      const fault = error as LockgateError
      if (fault.kind !== "integrity") {
        end(fault.code)
        return
      }
      // Dropped while it was being read: the entry that says so is on its way.
      if (next < log.firstSeq) return
      deps.skipped(fault, next)
      passOver((Math.floor(next / BUNDLE_ENTRIES) + 1) * BUNDLE_ENTRIES)
    }
  }

  let cancelDrain: () => void = () => undefined
  const stop = (): void => {
    cancelDrain = clock.after(DRAIN_MS, () => end("stopped"))
    ring()
  }
  link.onLost(end)
  const endGrowth = log.onGrowth(() => ring())
  if (signal.aborted) stop()
  else signal.addEventListener("abort", stop, { once: true })
  try {
    while (ended.why === null) {
      if (next < log.size && inFlight.length < WINDOW && !isHeld()) await fill()
      else if (signal.aborted && (next >= log.size || isHeld()) && inFlight.length === 0) end("stopped")
      else await new Promise<void>((resolve) => (ring = resolve))
    }
    return { why: ended.why, heaviest: inFlight.reduce((most, { bytes, done }) => Math.max(most, done ? 0 : bytes), 0) }
  } finally {
    cancelTimer()
    cancelHold()
    cancelDrain()
    endGrowth()
    signal.removeEventListener("abort", stop)
  }
}
