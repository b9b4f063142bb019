/**
 * What an event is about, in the words of IEC 62443-4-2 CR 2.8: access control, request errors, control system events,
 * backup and restore, configuration changes, audit log events.
 */
export type Category =
  "access-control" | "request-error" | "control-system" | "backup-restore" | "configuration" | "audit-log"

/** What is the same each time an event of one id is written. */
export interface EventKind {
  readonly category: Category
  /** One short sentence: what happened. */
  readonly text: string
  /** The requirement that the event answers for, e.g. `CR 2.8`. */
  readonly requirement: string
  readonly severity: "info" | "notice" | "warning" | "alarm"
}
