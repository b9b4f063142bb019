import type { Clock } from "../../hal/clock.ts"

/**
 * Resolves after `ms`, or at once when `signal` aborts, also if it has already. `wake` is given a function that ends the
 * pause early.
 */
export function pause(
  clock: Pick<Clock, "after">,
  ms: number,
  signal: AbortSignal,
  wake?: (ring: () => void) => void,
): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel()
      signal.removeEventListener("abort", done)
      resolve()
    }
    const cancel = clock.after(ms, done)
    signal.addEventListener("abort", done, { once: true })
    wake?.(done)
    if (signal.aborted) done()
  })
}
