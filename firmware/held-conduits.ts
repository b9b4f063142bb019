import type { Clock } from "../hal/clock.ts"
import type { Storage } from "../hal/storage.ts"
import type { AuditEvent } from "../policy/audit/event.ts"
import { openFailedConduits, type FailedConduits } from "./boundary/failed-conduits.ts"
import { survivable } from "./bundles/refusal.ts"
import { openAccess, type Access } from "./management/access.ts"
import { openOverrides, type Overrides } from "./management/overrides.ts"
import type { RunningConduits } from "./running-conduits.ts"

/** What stands beside policy and posture: conduits that have failed, ways in that somebody approved, emergencies that are on. */
export interface HeldConduits {
  readonly failures: FailedConduits
  readonly access: Access
  readonly overrides: Overrides
}

/** What they stand on. */
export interface HeldConduitsDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly audit: (event: AuditEvent) => Promise<number>
  readonly conduits: Pick<RunningConduits, "engine" | "nowListening">
}

/** Open all three, and tell the engine of each change; what ends them is added to `closers`. */
export async function openHeld(
  { storage, clock, audit, conduits }: HeldConduitsDeps,
  closers: (() => void | Promise<void>)[],
): Promise<HeldConduits> {
  const { engine } = conduits
  let granted: readonly string[] = []
  const hold = (failed: readonly string[]): void => {
    void engine
      .setHeld({ granted, failed })
      .then((now) => conduits.nowListening(now))
      .catch(survivable)
  }
  const failures = await openFailedConduits({
    storage,
    audit,
    hold,
    restore: async (conduit) => conduits.nowListening(await engine.restore(conduit)),
  })
  const access = await openAccess({
    storage,
    clock,
    audit,
    apply: (on) => {
      granted = on
      hold([...failures.failed.keys()])
    },
  })
  closers.push(() => access.stop())
  const overrides = await openOverrides({
    storage,
    clock,
    audit,
    apply: (emergencies) => engine.setOverrides(emergencies),
  })
  closers.push(() => overrides.stop())
  return { failures, access, overrides }
}
