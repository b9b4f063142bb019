import { InputError, LockgateError, StateError } from "../../policy/base/errors.ts"
import {
  createAlarmMatcher,
  NO_ALARMS,
  type AlarmMatcher,
  type AlarmState,
  type OpenAlarm,
} from "../../policy/audit/alarm.ts"
import { DEFAULT_ALARMS, SEVERITIES, type AlarmRule } from "../../policy/audit/alarm-rule.ts"
import { BUNDLE_ENTRIES } from "../../policy/audit/entry-bundle.ts"
import { parseEntry } from "../../policy/audit/entry.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { Clock } from "../../hal/clock.ts"
import type { Storage } from "../../hal/storage.ts"
import { createQueue } from "../bundles/queue.ts"
import { survivable } from "../bundles/refusal.ts"
import type { AuditLog } from "./log.ts"

const FILE = "audit/alarms"
const MAX_FILE_BYTES = 2 * 1024 * 1024
/** Counts that only grow are written this often; an alarm that opens or closes is written at once. */
const SAVE_MS = 30_000
/** Entries read at a time. */
const BATCH = 64
/** Without a file of its own it looks back so far: repeating is safe, leaving out is not. */
const LOOK_BACK = 16 * BUNDLE_ENTRIES

/** What the alarms stand on. */
export interface AlarmsDeps {
  readonly log: Pick<AuditLog, "read" | "size" | "onGrowth" | "state" | "onState">
  readonly storage: Storage
  readonly clock: Clock
  readonly audit: (event: AuditEvent) => Promise<number>
}

/** What a link to the operators' broker needs of them. */
export interface AlarmSource {
  /** The alarm that is open under this id, or null. */
  get(id: string): OpenAlarm | null
  /** Everything that a broker must hear: what is open, and what was acknowledged and may still stand there. */
  told(): readonly string[]
  /** The broker has taken that this one is no longer open. */
  cleared(id: string): void
  /** Called with the id of each alarm that changed; the returned function ends that. */
  onChange(listener: (id: string) => void): () => void
}

/** The alarms of the gateway: open until somebody acknowledges them. */
export interface Alarms extends AlarmSource {
  /** Begin to read the log, from where the last run was; to be called once the policy is known. */
  start(): void
  /** How many are open. */
  readonly open: number
  list(): readonly OpenAlarm[]
  /** Number of the first entry that was not looked at yet. */
  readonly next: number
  /** These are the rules now; null: the usual ones. */
  follow(rules: readonly AlarmRule[] | null): void
  /**
   * Close an alarm; on disk before this resolves. Counting begins anew.
   * @throws StateError `ERR_ALARM_NOT_OPEN`
   * @throws HardwareError `ERR_IO`: then it stays open
   */
  acknowledge(id: string, by: string, note: string): Promise<OpenAlarm>
  /** Look at what is left, write down where, and end. */
  stop(): Promise<void>
}

interface Saved extends AlarmState {
  readonly next: number
  readonly cleared: readonly string[]
}

/**
 * Opens the alarms as they were when the gateway stopped.
 *
 * They are made of the log alone, each entry looked at once and in order: what was written before a kill or a power cut and
 * not looked at is looked at then, so that no alarm depends on the process living on. While the log itself is not written, which
 * no entry can tell of, the alarm `audit.failing` is open, in memory.
 *
 * @see IEC 62443-4-2 CR 6.2
 */
export async function openAlarms(deps: AlarmsDeps): Promise<Alarms> {
  const { log, storage, clock } = deps
  const saved = await load(storage, log.size)
  const matcher: AlarmMatcher = createAlarmMatcher(DEFAULT_ALARMS, saved)
  const cleared = new Set(saved.cleared)
  const listeners = new Set<(id: string) => void>()
  const inTurn = createQueue()
  let { next } = saved
  let [dirty, started, stopped, reading, again] = [false, false, false, false, false]
  let cancelSaving: (() => void) | null = null
  let work: Promise<void> = Promise.resolve()

  const changed = (id: string): void => {
    for (const listener of listeners) listener(id)
  }

  /** On disk, or a hardware error. */
  const write = (): Promise<void> =>
    inTurn(async () => {
      const state: Saved = { ...matcher.state, next, cleared: [...cleared] }
      dirty = false
      try {
        await storage.write(FILE, new TextEncoder().encode(JSON.stringify({ format: 1, ...state }) + "\n"))
      } catch (error) {
        dirty = true
        throw error
      }
    })

  function saveLater(): void {
    dirty = true
    if (stopped) return
    cancelSaving ??= clock.after(SAVE_MS, () => {
      cancelSaving = null
      if (dirty) write().catch(later)
    })
  }

  function later(error: unknown): void {
    survivable(error)
    saveLater()
  }

  async function look(): Promise<void> {
    while (next < log.size) {
      const opened: OpenAlarm[] = []
      const touched = new Set<string>()
      try {
        const entries = await log.read(next, BATCH)
        for (const { seq, line } of entries) {
          for (const { what, alarm } of matcher.take(parseEntry(line))) {
            touched.add(alarm.id)
            if (what === "opened") opened.push(alarm)
          }
          next = seq + 1
        }
        if (entries.length === 0) return
      } catch (error) {
        const { kind } = survivable(error)
        // The disk: looked at again when the log has grown.
        if (kind === "hardware") return
        // A bundle that is damaged is an entry of its own; what follows it is looked at.
        next = Math.min(log.size, (Math.floor(next / BUNDLE_ENTRIES) + 1) * BUNDLE_ENTRIES)
      }
      for (const { id } of opened) cleared.delete(id)
      if (opened.length > 0) await write().catch(later)
      else saveLater()
      for (const id of touched) changed(id)
      for (const alarm of opened) tell("alarm.raised", alarm, null).catch(survivable)
    }
  }

  function pump(): void {
    again = reading
    if (!started || stopped || reading) return
    reading = true
    work = look().finally(() => {
      reading = false
      if (again) pump()
    })
  }

  function tell(
    id: "alarm.raised" | "alarm.acknowledged",
    alarm: OpenAlarm,
    subject: string | null,
    note = "",
  ): Promise<number> {
    const { seq, count, since, severity } = alarm
    const detail = { entry: seq, count, since, severity, ...(note === "" ? {} : { note }) }
    return deps.audit({ id, outcome: "success", source: "audit", subject, object: alarm.id, detail })
  }

  function failing(): void {
    if (log.state.condition !== "failing") return
    const since = new Date(clock.wall().at).toISOString()
    const text = "the audit log cannot be written"
    matcher.raise({ id: "audit.failing", since, seq: log.size, severity: "alarm", text })
    saveLater()
    changed("audit.failing")
  }

  const endGrowth = log.onGrowth(pump)
  const endState = log.onState(failing)
  const find = (id: string): OpenAlarm | null => matcher.open.find((alarm) => alarm.id === id) ?? null
  return {
    start() {
      started = true
      failing()
      pump()
    },
    get open() {
      return matcher.open.length
    },
    get next() {
      return next
    },
    list: () => matcher.open,
    get: find,
    follow: (rules) => matcher.follow(rules ?? DEFAULT_ALARMS),
    async acknowledge(id, by, note) {
      if (note !== "" && !/\S/.test(note)) throw new InputError("ERR_ALARM_NOTE", "the note says nothing")
      const alarm = matcher.acknowledge(id)
      if (alarm === null) throw new StateError("ERR_ALARM_NOT_OPEN", "there is no such alarm, or it was acknowledged")
      cleared.add(id)
      try {
        await write()
      } catch (error) {
        cleared.delete(id)
        matcher.restore(alarm)
        throw error
      }
      changed(id)
      await tell("alarm.acknowledged", alarm, by, note)
      return alarm
    },
    told: () => [...new Set([...cleared, ...matcher.open.map(({ id }) => id)])],
    cleared(id) {
      if (find(id) === null && cleared.delete(id)) saveLater()
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async stop() {
      await work
      stopped = true
      endGrowth()
      endState()
      cancelSaving?.()
      await write().catch(survivable)
    },
  }
}

/** What the last run wrote; without it, or if it cannot be understood, the newest entries are looked at again. */
async function load(storage: Storage, size: number): Promise<Saved> {
  const none: Saved = { ...NO_ALARMS, next: Math.max(0, size - LOOK_BACK), cleared: [] }
  const bytes = await storage.read(FILE)
  if (bytes === null || bytes.length > MAX_FILE_BYTES) return none
  try {
    return readSaved(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)), size) ?? none
  } catch (error) {
    if (error instanceof LockgateError) throw error
    return none
  }
}

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** The state in that value, or null if any of it is not as we write it. */
function readSaved(value: unknown, size: number): Saved | null {
  if (!isRecord(value) || value["format"] !== 1) return null
  const { next, cleared, open, windows, atMs, boot } = value
  if (!isWhole(next) || next > size || typeof atMs !== "number" || !(atMs >= 0) || typeof boot !== "string") return null
  if (!Array.isArray(cleared) || !cleared.every(isId) || !Array.isArray(open) || !open.every(isOpen)) return null
  if (!Array.isArray(windows) || !windows.every(isWindow)) return null
  return { next, cleared, open, windows, atMs, boot }
}

function isOpen(value: unknown): value is OpenAlarm {
  if (!isRecord(value)) return false
  const { id, since, last, count, seq, severity, text } = value
  const texts = [since, last, text].every((one) => typeof one === "string")
  return isId(id) && texts && isWhole(count) && isWhole(seq) && SEVERITIES.some((one) => one === severity)
}

function isWindow(value: unknown): value is AlarmState["windows"][number] {
  if (!isRecord(value) || !isId(value["id"]) || typeof value["rule"] !== "string") return false
  const { slots } = value
  return Array.isArray(slots) && slots.length <= 16 && slots.every((one) => Array.isArray(one) && one.length === 2 && one.every(isWhole)) // prettier-ignore
}

function isId(value: unknown): value is string {
  return typeof value === "string" && ID.test(value)
}

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
