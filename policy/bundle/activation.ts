/**
 * Which policy is in force: the newest confirmed one, or for a time the one on trial.
 *
 * `highest` is the highest version that was ever on trial or confirmed. It never falls, so a version number is used
 * once: a bundle that was rolled back does not return, and neither does any older one.
 */
export interface ActivationState {
  /** The confirmed version; null before the first. */
  readonly active: number | null
  /** The version on trial; it is the one in force while it is there. */
  readonly trial: number | null
  /** 0 before the first. */
  readonly highest: number
}

export type ActivationEvent =
  | { readonly kind: "activate"; readonly version: number }
  | { readonly kind: "confirm"; readonly version: number }
  /** Somebody asked for it. */
  | { readonly kind: "rollback" }
  /** The trial ran out of time. */
  | { readonly kind: "expire" }
  /** The gateway starts, perhaps because the policy on trial brought it down. */
  | { readonly kind: "boot" }

export const NOTHING_ACTIVE: ActivationState = { active: null, trial: null, highest: 0 }

/**
 * The state after `event`, or null if the event is not legal now.
 *
 * | from          | activate v      | confirm v       | rollback  | expire    | boot      |
 * |---------------|-----------------|-----------------|-----------|-----------|-----------|
 * | no policy     | on trial v (1)  | -               | -         | -         | no policy |
 * | active a      | a, trial v (1)  | -               | -         | -         | active a  |
 * | on trial t    | -               | active t (2)    | no policy | no policy | no policy |
 * | a, trial t    | -               | active t (2)    | active a  | active a  | active a  |
 *
 * (1) only when v > highest; highest becomes v. (2) only when v = t.
 *
 * A second activation during a trial is refused, not queued: what would come back after it would not be plain. A trial
 * survives no restart: a policy that makes the gateway fall over is gone after the fall.
 *
 * @see IEC 62443-4-2 CR 7.4
 */
export function step(state: ActivationState, event: ActivationEvent): ActivationState | null {
  const { active, trial, highest } = state
  switch (event.kind) {
    case "activate":
      if (trial !== null || !(event.version > highest)) return null
      return { active, trial: event.version, highest: event.version }
    case "confirm":
      if (trial === null || event.version !== trial) return null
      return { active: trial, trial: null, highest }
    case "rollback":
    case "expire":
      return trial === null ? null : { active, trial: null, highest }
    case "boot":
      return { active, trial: null, highest }
  }
}

/** The version in force, or null if there is no policy. */
export function inForce(state: ActivationState): number | null {
  return state.trial ?? state.active
}

/** True for what `step` can lead to: a trial is newer than what is confirmed, and nothing is above the highest. */
export function isReachable(state: ActivationState): boolean {
  const { active, trial, highest } = state
  if (active !== null && !(active >= 1 && active <= highest)) return false
  if (trial !== null && !(trial === highest && trial >= 1 && trial > (active ?? 0))) return false
  return Number.isInteger(highest) && highest >= 0
}
