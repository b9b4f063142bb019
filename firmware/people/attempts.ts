import type { Clock } from "../../hal/clock.ts"
import type { Storage } from "../../hal/storage.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import {
  afterFailure,
  attemptKey,
  MAX_COUNTED,
  waitMs,
  type Failures,
  type Origin,
} from "../../policy/people/attempts.ts"
import type { AttemptRules } from "../../policy/people/rules.ts"
import { survivable } from "../bundles/refusal.ts"

/** Where the counts lie. */
export const ATTEMPTS_FILE = "people/attempts.json"
const MAX_BYTES = 64 * 1024
const KEY = /^(local|serial|mqtt) (\?|[a-z][a-z0-9._-]{0,31})$/

/** How often signing in failed, by account and by the way in. */
export interface Attempts {
  /** Milliseconds for which nobody is listened to on this way; 0: now. `account` is null for a name that nobody has. */
  waitMs(account: string | null, origin: Origin): number
  /** One more. Resolves when it is on disk, where it has to be; says how long it is to be waited now. */
  failed(account: string | null, origin: Origin): Promise<Failed>
  /** Somebody got in: that way is free again. */
  succeeded(account: string, origin: Origin): Promise<void>
  /** What the live rules make of somebody who guesses over one way: for the assessment. Nothing is counted or written. */
  rehearse(): AttemptRehearsal
}

/** What one more failure comes to. */
export interface Failed {
  readonly count: number
  readonly waitMs: number
  /** It is the first that costs something, or the first of those after a silence as long as the longest delay: to be told again. */
  readonly begins: boolean
}

/** What became of guesses that never were. */
export interface AttemptRehearsal {
  /** Failures before the first delay. */
  readonly free: number
  /** Delays after each of the next ones, milliseconds. */
  readonly delaysMs: readonly number[]
  /** The delay at the device after a thousand. */
  readonly atDeviceMs: number
  /** The delay on another way in, after all that. */
  readonly elsewhereMs: number
}

/** What they stand on. */
export interface AttemptsDeps {
  readonly storage: Pick<Storage, "read" | "write">
  readonly clock: Pick<Clock, "monotonicMs">
  readonly rules: () => AttemptRules
  readonly note: (event: AuditEvent) => void
}

/**
 * Counts of failures, with those beyond the free ones on disk: whoever pulls the plug begins where they were, with the whole delay
 * anew. A disk that fails costs nobody the right to sign in; the counts go on in memory.
 *
 * The file is no secret and seals nothing: who can write it holds the machine.
 *
 * @see IEC 62443-4-2 CR 1.11
 */
export async function openAttempts({ storage, clock, rules, note }: AttemptsDeps): Promise<Attempts> {
  const counted = new Map<string, Failures>()
  /** What the file says, so that it is only written when that changes. */
  let written = ""
  try {
    const bytes = await storage.read(ATTEMPTS_FILE)
    if (bytes !== null) {
      const counts = parse(bytes)
      if (counts === null) note({ id: "session.attempts-lost", outcome: "failure", source: "people" })
      for (const [key, count] of counts ?? []) {
        // One fewer, and once more now: the delay that goes with it begins at the start.
        const origin = key.slice(0, key.indexOf(" ")) as Origin
        counted.set(key, afterFailure({ count: count - 1, untilMs: 0 }, origin, clock.monotonicMs(), rules()))
      }
      written = encode(counted, rules().free)
    }
  } catch (error) {
    survivable(error)
  }
  const write = async (): Promise<void> => {
    const text = encode(counted, rules().free)
    if (text === written) return
    try {
      await storage.write(ATTEMPTS_FILE, new TextEncoder().encode(text))
      written = text
    } catch (error) {
      survivable(error)
    }
  }
  const wait = (account: string | null, origin: Origin): number =>
    waitMs(counted.get(attemptKey(account, origin)), clock.monotonicMs())

  return {
    waitMs: wait,
    async failed(account, origin) {
      const key = attemptKey(account, origin)
      const before = counted.get(key)
      const { free, longestMs } = rules()
      const next = afterFailure(before, origin, clock.monotonicMs(), rules())
      // Names of nobody share one count, which no success ends: without this the next guesser of names would raise no alarm.
      const isNew = before === undefined || before.count <= free || clock.monotonicMs() - before.untilMs >= longestMs
      counted.delete(key)
      if (counted.size >= MAX_COUNTED) forgetLeast(counted)
      counted.set(key, next)
      if (next.count > free) await write()
      return { count: next.count, waitMs: wait(account, origin), begins: next.count > free && isNew }
    },
    async succeeded(account, origin) {
      if (counted.delete(attemptKey(account, origin))) await write()
    },
    rehearse() {
      const r = rules()
      const nowMs = clock.monotonicMs()
      const delays = (origin: Origin, times: number): readonly number[] => {
        let failures: Failures | undefined
        return Array.from({ length: times }, () => {
          failures = afterFailure(failures, origin, nowMs, r)
          return waitMs(failures, nowMs)
        })
      }
      const far = delays("mqtt", r.free + 24)
      return {
        free: far.findIndex((ms) => ms > 0),
        delaysMs: far.slice(r.free),
        atDeviceMs: delays("serial", 1_000).at(-1) ?? Infinity,
        elsewhereMs: attemptKey("probe", "mqtt") === attemptKey("probe", "serial") ? Infinity : 0,
      }
    },
  }
}

/** Makes room: of those with the fewest failures the one that failed longest ago. */
function forgetLeast(counted: Map<string, Failures>): void {
  let least: string | null = null
  for (const [key, { count }] of counted) {
    if (least === null || count < (counted.get(least)?.count ?? 0)) least = key
  }
  if (least !== null) counted.delete(least)
}

function encode(counted: ReadonlyMap<string, Failures>, free: number): string {
  const counts = [...counted].filter(([, { count }]) => count > free).map(([key, { count }]) => [key, count])
  return JSON.stringify({ format: 1, counts: Object.fromEntries(counts) as Record<string, number> }) + "\n"
}

/** Null for what was not written here. */
function parse(bytes: Uint8Array): readonly (readonly [string, number])[] | null {
  if (bytes.length > MAX_BYTES) return null
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch {
    return null
  }
  if (typeof value !== "object" || value === null || !("format" in value) || value.format !== 1) return null
  const counts: unknown = "counts" in value ? value.counts : null
  if (typeof counts !== "object" || counts === null) return null
  const found = Object.entries(counts as Record<string, unknown>)
  if (found.length > MAX_COUNTED) return null
  const isCount = (one: [string, unknown]): one is [string, number] =>
    KEY.test(one[0]) && Number.isSafeInteger(one[1]) && (one[1] as number) > 0 && (one[1] as number) <= 1_000_000
  return found.every(isCount) ? found : null
}
