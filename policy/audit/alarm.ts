/**
 * Entries of the log turned into alarms, by the rules of the policy. Pure and bounded: time comes out of the entries.
 *
 * An alarm opens when its rule's `count` is reached within its time, stays open whatever follows, counts on, and closes only
 * when somebody acknowledges it; then the counting begins anew. A policy that no longer has the rule closes nothing.
 *
 * Time is the entries' monotonic time, put end to end over restarts: what the wall clock shows moves no window, and while the
 * power is off no time passes. A window is fifteen slots and the one that is being filled, so that it is never shorter than
 * the rule says and at most a fifteenth longer: none is missed.
 *
 * @see IEC 62443-4-2 CR 6.2
 */
import type { Entry } from "./entry.ts"
import { EVENTS } from "./event.ts"
import { canAlarm, SEVERITIES, type AlarmRule, type Severity } from "./alarm-rule.ts"

/** An alarm that nobody has acknowledged yet, as operators see it: `lockgate/<gateway>/alarm/<id>` holds just this. */
export interface OpenAlarm {
  readonly id: string
  /** What the clock showed in the entry that opened it. */
  readonly since: string
  /** And in the newest entry that it stands for. */
  readonly last: string
  /** What the entries that it stands for count together. */
  readonly count: number
  /** Number of the newest of them. */
  readonly seq: number
  /** Of the gravest of them. */
  readonly severity: Severity
  readonly text: string
}

/** Everything that must outlive a restart. Plain JSON. */
export interface AlarmState {
  readonly open: readonly OpenAlarm[]
  readonly windows: readonly AlarmWindow[]
  /** Virtual time of the newest entry, and of which boot it was. */
  readonly atMs: number
  readonly boot: string
}

/** What one rule has counted of late. */
interface AlarmWindow {
  readonly id: string
  /** Its rule, in words: another rule begins anew. */
  readonly rule: string
  /** Slot and count, the oldest first, at most sixteen. */
  readonly slots: readonly (readonly [slot: number, count: number])[]
}

/** What an entry, or a hand, did to the alarms. */
export interface AlarmChange {
  readonly what: "opened" | "counted"
  readonly alarm: OpenAlarm
}

/** Open alarms at most: those of rules that policies once had stay open. What is more is one alarm of this name. */
export const MAX_OPEN_ALARMS = 512
export const OTHER_ALARMS = "other-alarms"

const SLOTS = 15
/** No count grows beyond what JSON carries exactly. */
const MOST = Number.MAX_SAFE_INTEGER

/** No alarm, nothing counted. */
export const NO_ALARMS: AlarmState = { open: [], windows: [], atMs: 0, boot: "" }

/** The alarms of one gateway. */
export interface AlarmMatcher {
  /** What an entry does; entries in the order of the log, each once. */
  take(entry: Entry): readonly AlarmChange[]
  /** Open or count on an alarm that no entry can tell of. */
  raise(alarm: Omit<OpenAlarm, "count" | "last">): AlarmChange
  /** The alarm that was open and no longer is, or null. */
  acknowledge(id: string): OpenAlarm | null
  /** From now on these rules. */
  follow(rules: readonly AlarmRule[]): void
  /** The oldest first. */
  readonly open: readonly OpenAlarm[]
  readonly state: AlarmState
}

/** A matcher that goes on from `state`. */
export function createAlarmMatcher(rules: readonly AlarmRule[], state: AlarmState = NO_ALARMS): AlarmMatcher {
  const open = new Map(state.open.map((alarm) => [alarm.id, alarm]))
  let windows = new Map(state.windows.map((one) => [one.id, one]))
  let { atMs, boot } = state
  /** Virtual less monotonic time of this boot; null until an entry of it was seen. */
  let offsetMs: number | null = null
  let own: readonly AlarmRule[] = []
  follow(rules)

  function follow(next: readonly AlarmRule[]): void {
    own = next
    const kept = next.flatMap((rule) => {
      const window = windows.get(rule.id)
      return window?.rule === wordsOf(rule) ? [[rule.id, window] as const] : []
    })
    windows = new Map(kept)
  }

  function pass({ boot: of, mono }: Entry): void {
    if (of !== boot || offsetMs === null) {
      boot = of
      offsetMs = atMs - mono
    }
    atMs = Math.max(atMs, offsetMs + mono)
  }

  /** What the rule has counted within its time, this included. */
  function counted(rule: AlarmRule, count: number): number {
    if (rule.count <= count) return count
    const slot = Math.floor(atMs / (rule.withinMs / SLOTS))
    const slots = (windows.get(rule.id)?.slots ?? []).filter(([at]) => at >= slot - SLOTS)
    const last = slots.at(-1)
    const next = last?.[0] === slot ? [...slots.slice(0, -1), [slot, add(last[1], count)] as const] : [...slots, [slot, count] as const] // prettier-ignore
    windows.set(rule.id, { id: rule.id, rule: wordsOf(rule), slots: next })
    return next.reduce((sum, [, of]) => add(sum, of), 0)
  }

  function put(alarm: OpenAlarm): AlarmChange {
    const before = open.get(alarm.id)
    if (before !== undefined) {
      const severity = graver(before.severity, alarm.severity)
      const next = { ...alarm, since: before.since, count: add(before.count, alarm.count), severity }
      open.set(alarm.id, next)
      return { what: "counted", alarm: next }
    }
    if (open.size >= MAX_OPEN_ALARMS && alarm.id !== OTHER_ALARMS) {
      return put({ ...alarm, id: OTHER_ALARMS, text: "more alarms than can be kept apart: acknowledge some" })
    }
    windows.delete(alarm.id)
    open.set(alarm.id, alarm)
    return { what: "opened", alarm }
  }

  return {
    take(entry) {
      pass(entry)
      if (!canAlarm(entry.event)) return []
      const changes: AlarmChange[] = []
      for (const rule of own) {
        if (!matches(rule, entry)) continue
        const count = Math.max(1, entry.count ?? 1)
        const all = open.has(rule.id) ? count : counted(rule, count)
        if (!open.has(rule.id) && all < rule.count) continue
        const { time: last, seq, event } = entry
        const text = rule.text ?? (Object.hasOwn(EVENTS, event) ? EVENTS[event as keyof typeof EVENTS].text : event)
        changes.push(put({ id: rule.id, since: last, last, count: all, seq, severity: severityOf(entry), text }))
      }
      return changes
    },
    raise: (alarm) => put({ ...alarm, last: alarm.since, count: 1 }),
    acknowledge(id) {
      const alarm = open.get(id) ?? null
      open.delete(id)
      return alarm
    },
    follow,
    get open() {
      return [...open.values()]
    },
    get state() {
      return { open: [...open.values()], windows: [...windows.values()], atMs, boot }
    },
  }
}

function matches({ on, conduits, subjects }: AlarmRule, entry: Entry): boolean {
  if (conduits.length > 0 && !(entry.conduit !== undefined && conduits.includes(entry.conduit))) return false
  if (subjects.length > 0 && !(entry.subject !== null && subjects.includes(entry.subject))) return false
  const grave = rank(entry.type)
  return on.some((word) => word === entry.event || (isSeverity(word) && grave >= rank(word)))
}

function wordsOf({ on, conduits, subjects, count, withinMs }: AlarmRule): string {
  return JSON.stringify([on, conduits, subjects, count, withinMs])
}

function isSeverity(word: string): word is Severity {
  return SEVERITIES.some((severity) => severity === word)
}

/** A word that this release does not know is as grave as can be. */
function severityOf({ type }: Entry): Severity {
  return isSeverity(type) ? type : "alarm"
}

function rank(word: string): number {
  return isSeverity(word) ? SEVERITIES.indexOf(word) : SEVERITIES.length
}

function graver(a: Severity, b: Severity): Severity {
  return rank(a) >= rank(b) ? a : b
}

function add(a: number, b: number): number {
  return Math.min(MOST, a + b)
}
