import { InputError, LockgateError, StateError } from "../../policy/base/errors.ts"
import type { AuditEvent } from "../../policy/audit/event.ts"
import type { Policy } from "../../policy/language/policy.ts"
import type { Clock } from "../../hal/clock.ts"
import type { Storage } from "../../hal/storage.ts"
import { createQueue } from "../bundles/queue.ts"
import { survivable } from "../bundles/refusal.ts"

/** What overrides stand on. */
export interface OverridesDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly audit: (event: AuditEvent) => Promise<number>
  /** These emergencies are switched on from now on, and no other. */
  readonly apply: (emergencies: readonly string[]) => void
}

/** One emergency that the policy in force names. */
export interface EmergencyStatus {
  readonly emergency: string
  /** Null while it is off. */
  readonly on: {
    readonly remainingSeconds: number
    readonly by: string
    readonly reason: string
  } | null
}

/**
 * Overrides: a person switches on an emergency of the policy, for a bounded time, and says why.
 *
 * An override ends when its time is over by the monotonic clock, when somebody ends it, when a policy comes into force that
 * does not name the emergency, and when the gateway restarts: nobody can say then how long the power was off.
 */
export interface Overrides {
  /** Every emergency of the policy in force, by name. */
  status(): readonly EmergencyStatus[]
  /**
   * Written down first; from then on for `minutes`, also if it was on for longer. Resolves to the seconds that it had
   * left before, or null.
   * @throws StateError `ERR_OVERRIDE_UNKNOWN` if the policy in force has no such emergency
   * @throws InputError `ERR_OVERRIDE_REASON` if the reason says nothing
   */
  start(emergency: string, minutes: number, reason: string, by: string): Promise<number | null>
  /** Ended at once, and written down if that is possible. Resolves to the seconds that it had left, or null if it was off. */
  end(emergency: string, by: string): Promise<number | null>
  /** Another policy is in force. */
  policyChanged(policy: Policy | null): void
  stop(): void
}

interface Running {
  readonly untilMs: number
  readonly by: string
  readonly reason: string
}

/** Names of what was on, so that the next start can say that it no longer is. */
const FILE = "overrides.json"
/** A timer of a board that sleeps may come late: the clock is looked at this often. */
const LOOK_MS = 10_000

/**
 * Open the overrides: all off. What was on when the gateway stopped is written to the log as ended.
 *
 * @see IEC 62443-4-2 CR 2.1
 */
export async function openOverrides(deps: OverridesDeps): Promise<Overrides> {
  const { clock, audit } = deps
  const running = new Map<string, Running>()
  const inTurn = createQueue()
  let named: readonly string[] = []
  let cancel = (): void => undefined
  for (const emergency of await readNames(deps.storage)) await note("override.ended", emergency, { reason: "restart" })
  await keep()

  /** For what has happened anyway. */
  async function note(id: "override.ended", emergency: string, more: Partial<AuditEvent>): Promise<void> {
    const event: AuditEvent = {
      id,
      outcome: "success",
      source: "management",
      subject: null,
      object: emergency,
      ...more,
    }
    await audit(event).catch(survivable)
  }

  /** Write down what is on. If that fails, only the word of its end after a restart is lost. */
  function keep(): Promise<unknown> {
    const text = JSON.stringify({ format: 1, on: [...running.keys()] }) + "\n"
    return inTurn(() => deps.storage.write(FILE, new TextEncoder().encode(text))).catch(survivable)
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
    for (const [emergency, { by }] of over) {
      running.delete(emergency)
      void note("override.ended", emergency, { subject: by, reason: "expired" })
    }
    if (over.length > 0) changed()
    else lookLater()
  }

  return {
    status: () =>
      named.map((emergency) => {
        const own = running.get(emergency)
        const on = own === undefined ? null : { remainingSeconds: remaining(own), by: own.by, reason: own.reason }
        return { emergency, on }
      }),
    async start(emergency, minutes, reason, by) {
      if (!/\S/.test(reason)) throw new InputError("ERR_OVERRIDE_REASON", "an override needs a reason")
      refuseUnknown(emergency, named)
      const before = running.get(emergency)
      const left = before === undefined ? null : remaining(before)
      const detail = { minutes, why: reason, ...(left === null ? {} : { secondsLeft: left }) }
      await audit({
        id: "override.started",
        outcome: "success",
        source: "management",
        subject: by,
        object: emergency,
        detail,
      })
      // Another policy may have come into force meanwhile.
      try {
        refuseUnknown(emergency, named)
      } catch (error) {
        await note("override.ended", emergency, { subject: by, reason: "policy" })
        throw error
      }
      running.set(emergency, { untilMs: clock.monotonicMs() + minutes * 60_000, by, reason })
      changed()
      return left
    },
    async end(emergency, by) {
      const own = running.get(emergency)
      if (own === undefined) return null
      const left = remaining(own)
      running.delete(emergency)
      changed()
      await note("override.ended", emergency, { subject: by, reason: "command", detail: { secondsLeft: left } })
      return left
    },
    policyChanged(policy) {
      named = [
        ...new Set((policy?.rules ?? []).flatMap(({ emergency }) => (emergency === null ? [] : [emergency]))),
      ].sort()
      const gone = [...running.keys()].filter((emergency) => !named.includes(emergency))
      for (const emergency of gone) {
        running.delete(emergency)
        void note("override.ended", emergency, { reason: "policy" })
      }
      if (gone.length > 0) changed()
    },
    stop: () => cancel(),
  }
}

function refuseUnknown(emergency: string, named: readonly string[]): void {
  if (named.includes(emergency)) return
  const known = named.length === 0 ? "it names none" : `it names ${named.slice(0, 10).join(", ")}`
  throw new StateError("ERR_OVERRIDE_UNKNOWN", `the policy in force names no such emergency; ${known}`)
}

/** A file that cannot be read says nothing: all is off in any case. */
async function readNames(storage: Storage): Promise<readonly string[]> {
  try {
    const bytes = await storage.read(FILE)
    if (bytes === null || bytes.length > 65_536) return []
    const value = JSON.parse(new TextDecoder().decode(bytes)) as { readonly on?: unknown } | null
    const on = Array.isArray(value?.on) ? (value.on as unknown[]) : []
    return on.filter((name): name is string => typeof name === "string" && /^[\w.-]{1,64}$/.test(name))
  } catch (error) {
    if (error instanceof LockgateError) survivable(error)
    return []
  }
}
