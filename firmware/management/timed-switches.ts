import { InputError, LockgateError, StateError } from "../../policy/base/errors.ts"
import type { AuditEvent, EventId } from "../../policy/audit/event.ts"
import type { Clock } from "../../hal/clock.ts"
import type { Storage } from "../../hal/storage.ts"
import { createQueue } from "../bundles/queue.ts"
import { survivable } from "../bundles/refusal.ts"

/** What one kind of switch is called in the log, in answers and on disk. */
export interface SwitchWords {
  /** State file with the names of what is on, so that the next start can say that it no longer is. */
  readonly file: string
  readonly started: EventId
  readonly ended: EventId
  readonly unknownCode: string
  /** Of a name that is not there, such as `emergency`. */
  readonly thing: string
  readonly reasonCode: string
}

/** What switches stand on. */
export interface SwitchDeps {
  readonly storage: Pick<Storage, "read" | "write">
  readonly clock: Clock
  readonly audit: (event: AuditEvent) => Promise<number>
  /** These are on from now on, and no other. */
  readonly apply: (on: readonly string[]) => void
}

/** How one that is on came to be so, and for how long it still is. */
export interface SwitchedOn {
  readonly remainingSeconds: number
  readonly by: string
  readonly reason: string
}

/**
 * Switches that a person throws for a bounded time, saying why.
 *
 * Each goes off when its time is over by the monotonic clock, when somebody ends it, when a policy comes into force that
 * does not have it, and when the gateway restarts: nobody can say then how long the power was off.
 */
export interface TimedSwitches {
  /** Every name of the policy in force, in order, with what is on. */
  status(): readonly { readonly name: string; readonly on: SwitchedOn | null }[]
  /**
   * Written down first; from then on for `minutes`, also if it was on for longer. Resolves to the seconds that it had
   * left before, or null.
   * @throws StateError `unknownCode` if the policy in force has no such name
   * @throws InputError `reasonCode` if the reason says nothing
   */
  start(name: string, minutes: number, reason: string, by: string): Promise<number | null>
  /** Ended at once, and written down if that is possible. Resolves to the seconds that it had left, or null if it was off. */
  end(name: string, by: string): Promise<number | null>
  /** All that is on, ended at once; resolves to their names. */
  endAll(by: string): Promise<readonly string[]>
  /** These are the names there are now. */
  rename(names: readonly string[]): void
  stop(): void
}

interface Running {
  readonly untilMs: number
  readonly by: string
  readonly reason: string
}

/** A timer of a board that sleeps may come late: the clock is looked at this often. */
const LOOK_MS = 10_000

/** Open the switches: all off. What was on when the gateway stopped is written to the log as ended. */
export async function openTimedSwitches(words: SwitchWords, deps: SwitchDeps): Promise<TimedSwitches> {
  const { clock, audit } = deps
  const running = new Map<string, Running>()
  const inTurn = createQueue()
  let named: readonly string[] = []
  let cancel = (): void => undefined
  for (const name of await readNames(deps.storage, words.file)) await note(name, { reason: "restart" })
  await keep()

  /** For what has happened anyway. */
  async function note(name: string, more: Partial<AuditEvent>): Promise<void> {
    const event: AuditEvent = {
      id: words.ended,
      outcome: "success",
      source: "management",
      subject: null,
      object: name,
      ...more,
    }
    await audit(event).catch(survivable)
  }

  /** Write down what is on. If that fails, only the word of its end after a restart is lost. */
  function keep(): Promise<unknown> {
    const text = JSON.stringify({ format: 1, on: [...running.keys()] }) + "\n"
    return inTurn(() => deps.storage.write(words.file, new TextEncoder().encode(text))).catch(survivable)
  }

  const remaining = ({ untilMs }: Running): number => Math.ceil((untilMs - clock.monotonicMs()) / 1000)

  function changed(): void {
    deps.apply([...running.keys()])
    void keep()
    lookLater()
  }

  function lookLater(): void {
    cancel()
    if (running.size === 0) return
    const next = Math.min(...[...running.values()].map(({ untilMs }) => untilMs)) - clock.monotonicMs()
    cancel = clock.after(Math.min(Math.max(next, 0), LOOK_MS), endWhatIsOver)
  }

  function endWhatIsOver(): void {
    const over = [...running].filter(([, { untilMs }]) => clock.monotonicMs() >= untilMs)
    for (const [name, { by }] of over) {
      running.delete(name)
      void note(name, { subject: by, reason: "expired" })
    }
    if (over.length > 0) changed()
    else lookLater()
  }

  async function end(name: string, by: string): Promise<number | null> {
    const own = running.get(name)
    if (own === undefined) return null
    const left = remaining(own)
    running.delete(name)
    changed()
    await note(name, { subject: by, reason: "command", detail: { secondsLeft: left } })
    return left
  }

  return {
    status: () =>
      named.map((name) => {
        const own = running.get(name)
        const on = own === undefined ? null : { remainingSeconds: remaining(own), by: own.by, reason: own.reason }
        return { name, on }
      }),
    async start(name, minutes, reason, by) {
      if (!/\S/.test(reason)) throw new InputError(words.reasonCode, "a reason is needed")
      refuseUnknown(words, name, named)
      const before = running.get(name)
      const left = before === undefined ? null : remaining(before)
      const detail = { minutes, why: reason, ...(left === null ? {} : { secondsLeft: left }) }
      await audit({
        id: words.started,
        outcome: "success",
        source: "management",
        subject: by,
        object: name,
        detail,
      })
      // Another policy may have come into force meanwhile.
      try {
        refuseUnknown(words, name, named)
      } catch (error) {
        await note(name, { subject: by, reason: "policy" })
        throw error
      }
      running.set(name, { untilMs: clock.monotonicMs() + minutes * 60_000, by, reason })
      changed()
      return left
    },
    end,
    async endAll(by) {
      const names = [...running.keys()]
      await Promise.all(names.map((name) => end(name, by)))
      return names
    },
    rename(names) {
      named = names
      const gone = [...running.keys()].filter((name) => !named.includes(name))
      for (const name of gone) {
        running.delete(name)
        void note(name, { reason: "policy" })
      }
      if (gone.length > 0) changed()
    },
    stop: () => cancel(),
  }
}

function refuseUnknown(words: SwitchWords, name: string, named: readonly string[]): void {
  if (named.includes(name)) return
  const known = named.length === 0 ? "it names none" : `it names ${named.slice(0, 10).join(", ")}`
  throw new StateError(words.unknownCode, `the policy in force names no such ${words.thing}; ${known}`)
}

/** A file that cannot be read says nothing: all is off in any case. */
async function readNames(storage: Pick<Storage, "read">, file: string): Promise<readonly string[]> {
  try {
    const bytes = await storage.read(file)
    if (bytes === null || bytes.length > 65_536) return []
    const value = JSON.parse(new TextDecoder().decode(bytes)) as { readonly on?: unknown } | null
    const on = Array.isArray(value?.on) ? (value.on as unknown[]) : []
    return on.filter((name): name is string => typeof name === "string" && /^[\w.-]{1,64}$/.test(name))
  } catch (error) {
    if (error instanceof LockgateError) survivable(error)
    return []
  }
}
