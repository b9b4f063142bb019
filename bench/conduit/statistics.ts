/** The few numbers that stand for many rounds. */
import { median } from "../harness.ts"

/** The `q`-quantile (0..1) of `values`, by linear interpolation; NaN of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const at = q * (sorted.length - 1)
  const low = sorted[Math.floor(at)] ?? NaN
  const high = sorted[Math.ceil(at)] ?? NaN
  return low + (high - low) * (at - Math.floor(at))
}

/** A value with the interval in which it lies with 95 % confidence. */
export interface Estimate {
  readonly value: number
  readonly low: number
  readonly high: number
}

const RESAMPLES = 2_000

/**
 * What `statistic` says of `rounds`, with its bootstrap interval (percentiles of 2,000 resamples of whole rounds, from a
 * fixed seed). What was measured in one round stays together, so that noise that both sides of a ratio share cancels.
 */
export function bootstrap<Round>(rounds: readonly Round[], statistic: (rounds: readonly Round[]) => number): Estimate {
  let state = 0x2545f491
  const index = (): number => {
    // xorshift32: enough to draw rounds with.
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % rounds.length
  }
  const resampled = Array.from({ length: RESAMPLES }, () => statistic(rounds.map(() => rounds[index()]!)))
  return { value: statistic(rounds), low: quantile(resampled, 0.025), high: quantile(resampled, 0.975) }
}

/** The median over the rounds of `value / base`, element by element, with its interval. */
export function ratio(values: readonly number[], base: readonly number[]): Estimate {
  const pairs = values.map((value, i) => value / base[i]!)
  return bootstrap(pairs, median)
}
