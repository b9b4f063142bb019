import type { Policy } from "../../policy/language/policy.ts"
import { openTimedSwitches, type SwitchDeps, type SwitchedOn, type SwitchWords } from "./timed-switches.ts"

/** What overrides stand on; `apply` is told the emergencies that are switched on. */
export type OverridesDeps = SwitchDeps

/** One emergency that the policy in force names. */
export interface EmergencyStatus {
  readonly emergency: string
  /** Null while it is off. */
  readonly on: SwitchedOn | null
}

/**
 * Overrides: a person switches on an emergency of the policy, for a bounded time, and says why. There is no other way past a rule.
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

/** What overrides are called. */
export const OVERRIDE_WORDS: SwitchWords = {
  file: "overrides.json",
  started: "override.started",
  ended: "override.ended",
  unknownCode: "ERR_OVERRIDE_UNKNOWN",
  thing: "emergency",
  reasonCode: "ERR_OVERRIDE_REASON",
}

/**
 * Open the overrides: all off. What was on when the gateway stopped is written to the log as ended.
 *
 * @see IEC 62443-4-2 CR 2.1 RE(3)
 */
export async function openOverrides(deps: OverridesDeps): Promise<Overrides> {
  const switches = await openTimedSwitches(OVERRIDE_WORDS, deps)
  return {
    status: () => switches.status().map(({ name, on }) => ({ emergency: name, on })),
    start: (...given) => switches.start(...given),
    end: (...given) => switches.end(...given),
    policyChanged: (policy) => {
      const names = (policy?.rules ?? []).flatMap(({ emergency }) => (emergency === null ? [] : [emergency]))
      switches.rename([...new Set(names)].sort())
    },
    stop: () => switches.stop(),
  }
}
