import { LockgateError } from "../../policy/base/errors.ts"
import { encodeHeartbeat } from "../../policy/audit/heartbeat.ts"
import type { TimeInterval } from "../../policy/time/interval.ts"
import type { Clock } from "../../hal/clock.ts"
import type { AuditLog } from "./log.ts"

/** How often the gateway says that it lives. */
export const HEARTBEAT_SECONDS = 30

/** What a heartbeat says, and with which key. */
export interface HeartbeatDeps {
  readonly gateway: string
  readonly firmware: string
  readonly log: Pick<AuditLog, "signNote" | "checkpoint">
  readonly clock: Clock
  interval(): TimeInterval
  /** Version of the policy in force, or null. */
  policy(): number | null
  /** Alarms that nobody has acknowledged. */
  alarms(): number
}

/** The sign of life at this moment, signed by the key of the log that is in force; null while the key store does not sign. @see IEC 62443-4-2 CR 6.2 */
export async function makeHeartbeat(deps: HeartbeatDeps): Promise<Uint8Array | null> {
  const { log, clock } = deps
  const { earliestAt, latestAt } = deps.interval()
  const { size, root } = log.checkpoint
  const text = encodeHeartbeat({
    gateway: deps.gateway,
    at: Math.floor(clock.wall().at),
    earliest: Math.max(0, Math.floor(earliestAt)),
    latest: Number.isFinite(latestAt) ? Math.ceil(latestAt) : null,
    size,
    root,
    policy: deps.policy(),
    firmware: deps.firmware,
    alarms: deps.alarms(),
    intervalSeconds: HEARTBEAT_SECONDS,
  })
  try {
    return new TextEncoder().encode(await log.signNote(text))
  } catch (error) {
    if (!(error instanceof LockgateError) || error.kind === "invariant") throw error
    return null
  }
}
