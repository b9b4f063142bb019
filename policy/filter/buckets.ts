/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices come from the compiler */
import type { Buckets } from "./table.ts"

/** Looks at a lock that is taken, before it is passed over. */
const SPINS = 2_000

/**
 * The lock of buckets that threads share, or null for those of one thread.
 *
 * Shared buckets lie in a `SharedArrayBuffer`, and one word of 32 bits follows them:
 *
 *     Float64  fill, time of the last change | of each rule with a rate
 *     Int32    lock
 */
export function lockOf(buckets: Buckets): Int32Array | null {
  const { buffer } = buckets
  if (!(buffer instanceof SharedArrayBuffer)) return null
  return new Int32Array(buffer, buckets.byteOffset + buckets.byteLength, 1)
}

/**
 * Tokens in a bucket at `nowMs`; `numbers` holds tokens a millisecond and the most there can be. A clock that goes back adds
 * none.
 */
export function tokensIn(
  buckets: Buckets,
  lock: Int32Array | null,
  numbers: Float64Array,
  bucket: number,
  nowMs: number,
): number {
  if (lock === null) return count(buckets, numbers, bucket, nowMs)
  seize(lock)
  const tokens = count(buckets, numbers, bucket, nowMs)
  Atomics.store(lock, 0, 0)
  return tokens
}

/** Take one token; false, and nothing changed, if another thread was faster and there is none. */
export function takeToken(
  buckets: Buckets,
  lock: Int32Array | null,
  numbers: Float64Array,
  bucket: number,
  nowMs: number,
): boolean {
  if (lock === null) return take(buckets, numbers, bucket, nowMs)
  seize(lock)
  const taken = take(buckets, numbers, bucket, nowMs)
  Atomics.store(lock, 0, 0)
  return taken
}

function count(buckets: Buckets, numbers: Float64Array, bucket: number, nowMs: number): number {
  const elapsed = nowMs - buckets[bucket * 2 + 1]!
  const filled = buckets[bucket * 2]! + (elapsed > 0 ? elapsed * numbers[bucket * 2]! : 0)
  return filled < numbers[bucket * 2 + 1]! ? filled : numbers[bucket * 2 + 1]!
}

function take(buckets: Buckets, numbers: Float64Array, bucket: number, nowMs: number): boolean {
  const tokens = count(buckets, numbers, bucket, nowMs)
  if (tokens < 1) return false
  buckets[bucket * 2] = tokens - 1
  if (nowMs > buckets[bucket * 2 + 1]!) buckets[bucket * 2 + 1] = nowMs
  return true
}

/**
 * Held for some ten instructions. One that stays taken is of a thread that sleeps or has died in there: then it is passed
 * over, which costs one token of accuracy and holds up nobody.
 */
function seize(lock: Int32Array): void {
  for (let spin = 0; spin < SPINS; spin++) if (Atomics.compareExchange(lock, 0, 0, 1) === 0) return
}
