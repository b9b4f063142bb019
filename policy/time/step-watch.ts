/**
 * Whether somebody has set the wall clock: its way is compared with that of the monotonic clock, which nobody can set.
 *
 * A time daemon that corrects a clock by slewing moves it by less than a tenth of a second each second, so that what is
 * told here is a step, or the sum of many small ones. The reference follows a clock's honest drift and no faster.
 *
 * @see IEC 62443-4-2 CR 2.11 RE(2)
 */
import { DRIFT } from "./floor.ts"

/** A wall clock that has gone this far beside the monotonic one was set. */
export const STEP_MS = 500
/** Steps within this time of one that was told are told together: whoever may set the clock must not fill the log. */
export const QUIET_MS = 10_000

/** What is watched, as a plain value. */
export interface StepWatch {
  /** Wall minus monotonic time, as of the last step that was told, moved on by drift. */
  readonly referenceMs: number
  readonly seenMs: number
  /** Monotonic time of the last step that was told; null before the first. */
  readonly toldMs: number | null
}

/** A step of the wall clock, or several. */
export interface WallStep {
  /** What the wall clock would show now if nobody had set it. */
  readonly beforeAt: number
  readonly afterAt: number
  /** Forwards is positive. */
  readonly byMs: number
}

/** Both clocks as they were read together. */
export interface ClockPair {
  readonly wallAt: number
  readonly monotonicMs: number
}

/** A watch that begins now. */
export function watchSteps({ wallAt, monotonicMs }: ClockPair): StepWatch {
  return { referenceMs: wallAt - monotonicMs, seenMs: monotonicMs, toldMs: null }
}

/** The watch after both clocks were read again, and the step to tell, or null. */
export function lookForStep(
  watch: StepWatch,
  now: ClockPair,
): { readonly watch: StepWatch; readonly step: WallStep | null } {
  const { wallAt, monotonicMs } = now
  const drift = DRIFT * Math.max(0, monotonicMs - watch.seenMs)
  const apart = wallAt - monotonicMs - watch.referenceMs
  const beyond = Number.isFinite(apart) && Math.abs(apart) > STEP_MS
  const quiet = watch.toldMs !== null && monotonicMs - watch.toldMs < QUIET_MS
  if (!beyond) {
    const follow = Number.isFinite(apart) ? Math.max(-drift, Math.min(drift, apart)) : 0
    return { watch: { ...watch, referenceMs: watch.referenceMs + follow, seenMs: monotonicMs }, step: null }
  }
  if (quiet) return { watch: { ...watch, seenMs: monotonicMs }, step: null }
  const step = { beforeAt: watch.referenceMs + monotonicMs, afterAt: wallAt, byMs: apart }
  return { watch: { referenceMs: wallAt - monotonicMs, seenMs: monotonicMs, toldMs: monotonicMs }, step }
}
