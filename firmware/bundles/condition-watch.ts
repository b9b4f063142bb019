import type { Clock } from "../../hal/clock.ts"

const CHECK_MS = 10_000

/**
 * Tells when a set of conditions changes: compared at every `look` and every ten seconds, because time alone can change
 * them. The first `look` always tells.
 */
export function createConditionWatch<Condition extends string>(
  clock: Clock,
  read: () => ReadonlySet<Condition>,
  changed: (conditions: ReadonlySet<Condition>) => void,
): { readonly look: () => void; readonly stop: () => void } {
  let told: string | null = null
  let cancel: () => void = () => undefined
  const look = (): void => {
    cancel()
    cancel = clock.after(CHECK_MS, look)
    const now = read()
    const text = [...now].sort().join(" ")
    if (text === told) return
    told = text
    changed(now)
  }
  return { look, stop: () => cancel() }
}
