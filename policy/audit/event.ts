/**
 * The event vocabulary: everything that Lockgate ever writes into its audit log. The rows stand in `event/`, a file a
 * concern; this is the one place that joins them.
 */
import { ALARM_EVENTS } from "./event/alarm.ts"
import { AUDIT_EVENTS } from "./event/audit.ts"
import { BOARD_EVENTS } from "./event/board.ts"
import { BOUNDARY_EVENTS } from "./event/boundary.ts"
import { COMMAND_EVENTS } from "./event/command.ts"
import { CONDUIT_EVENTS } from "./event/conduit.ts"
import { GATEWAY_EVENTS } from "./event/gateway.ts"
import { LINE_EVENTS } from "./event/line.ts"
import { PEOPLE_EVENTS } from "./event/people.ts"
import { POLICY_EVENTS } from "./event/policy.ts"
import { POSTURE_EVENTS } from "./event/posture.ts"
import { SESSION_EVENTS } from "./event/session.ts"
import { SPOOL_EVENTS } from "./event/spool.ts"
import { TIME_EVENTS } from "./event/time.ts"
import { TRUST_EVENTS } from "./event/trust.ts"
import { WITNESS_EVENTS } from "./event/witness.ts"

/** How it ended. */
export type Outcome = "success" | "failure" | "denied"

/** Every event id. Ids are stable: collectors match on them. Add a row in `event/`, and a test that causes it. */
export const EVENTS = {
  ...GATEWAY_EVENTS,
  ...BOUNDARY_EVENTS,
  ...CONDUIT_EVENTS,
  ...SPOOL_EVENTS,
  ...LINE_EVENTS,
  ...BOARD_EVENTS,
  ...TIME_EVENTS,
  ...TRUST_EVENTS,
  ...POLICY_EVENTS,
  ...POSTURE_EVENTS,
  ...COMMAND_EVENTS,
  ...PEOPLE_EVENTS,
  ...SESSION_EVENTS,
  ...AUDIT_EVENTS,
  ...WITNESS_EVENTS,
  ...ALARM_EVENTS,
} as const

/** The id of an event: the key of its row. */
export type EventId = keyof typeof EVENTS

/** One event, before the log gives it sequence and time. Strings are cut to fit an entry of 1,024 bytes. */
export interface AuditEvent {
  readonly id: EventId
  readonly outcome: Outcome
  /** Part of the gateway that speaks, e.g. `conduit/sensors`, `management`, `audit`. */
  readonly source: string
  /** Who: subject's name, person, or `null` when nobody was authenticated. */
  readonly subject?: string | null
  readonly conduit?: string
  /** What it was about: topic, filter, command id, policy version. */
  readonly object?: string
  /** Id of the policy rule. */
  readonly rule?: string
  /** Stable word or code: a filter reason, a path reason, an error code. */
  readonly reason?: string
  /** How many alike; absent means one. */
  readonly count?: number
  /** SHA-256 of the person's request exactly as it was received, lower-case hex (CR 2.12). */
  readonly request?: string
  /** Further facts: fingerprint, issuer, old and new value. Never payload bytes or secrets. */
  readonly detail?: Readonly<Record<string, string | number | boolean>>
}
