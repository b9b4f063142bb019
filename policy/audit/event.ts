/**
 * The event vocabulary: everything that Lockgate ever writes into its audit log, in one table.
 *
 * Categories cover IEC 62443-4-2 CR 2.8: access control, request errors, control system events, backup and restore,
 * configuration changes, audit log events; `firmware` and `communication` refine control system events.
 */
export type Category =
  "access-control" | "request-error" | "control-system" | "backup-restore" | "configuration" | "audit-log"

export type Outcome = "success" | "failure" | "denied"

interface EventKind {
  readonly category: Category
  /** One short sentence: what happened. */
  readonly text: string
  /** The requirement that the event answers for, e.g. `CR 2.8`. */
  readonly requirement: string
  readonly severity: "info" | "notice" | "warning" | "alarm"
}

/** Every event id. Ids are stable: collectors match on them. Add a row here, and a test that causes it. */
export const EVENTS = {
  "gateway.started": {
    category: "control-system",
    text: "the gateway started",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "gateway.stopped": {
    category: "control-system",
    text: "the gateway stopped",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "gateway.restarted-by-watchdog": {
    category: "control-system",
    text: "the board was reset by its watchdog",
    requirement: "CR 2.8",
    severity: "alarm",
  },
  "gateway.loop-stalled": {
    category: "control-system",
    text: "a loop of the gateway stalled; the watchdog is not fed",
    requirement: "CR 2.8",
    severity: "alarm",
  },
  "boundary.lost": {
    category: "control-system",
    text: "what keeps packets from going beside the gateway is not in force",
    requirement: "CR 5.1",
    severity: "alarm",
  },
  "boundary.restored": {
    category: "control-system",
    text: "what keeps packets from going beside the gateway is in force again",
    requirement: "CR 5.1",
    severity: "notice",
  },
  "boundary.forwarding": {
    category: "control-system",
    text: "the kernel was set to forward packets; the packet filter denies them all the same",
    requirement: "NDR 5.2",
    severity: "alarm",
  },
  "boundary.applied": {
    category: "configuration",
    text: "the packet filter was set for the policy in force",
    requirement: "CR 5.1",
    severity: "notice",
  },
  "radio.up": {
    category: "control-system",
    text: "a radio is up that the policy does not name",
    requirement: "CR 2.2",
    severity: "alarm",
  },
  "radio.down": {
    category: "control-system",
    text: "a radio that the policy does not name is no longer up",
    requirement: "CR 2.2",
    severity: "notice",
  },
  "radio.unknown": {
    category: "control-system",
    text: "the board cannot say which radios are up",
    requirement: "CR 2.2",
    severity: "alarm",
  },
  "spool.repaired": {
    category: "control-system",
    text: "the torn end of a buffer was cut off",
    requirement: "CR 3.4",
    severity: "notice",
  },
  "spool.dropped": {
    category: "control-system",
    text: "buffered messages were lost",
    requirement: "CR 7.2",
    severity: "alarm",
  },
  "spool.damaged": {
    category: "control-system",
    text: "a buffer, or a message in it, cannot be read",
    requirement: "CR 3.4",
    severity: "alarm",
  },
  "spool.holding": {
    category: "control-system",
    text: "messages are buffered while the broker is lost",
    requirement: "CR 7.1",
    severity: "warning",
  },
  "spool.forwarded": {
    category: "control-system",
    text: "buffered messages have gone to the broker",
    requirement: "CR 7.1",
    severity: "notice",
  },
  "gateway.posture": {
    category: "control-system",
    text: "the posture of the conduits changed",
    requirement: "NDR 5.2",
    severity: "warning",
  },
  "conduit.listening": {
    category: "control-system",
    text: "a conduit listens",
    requirement: "CR 7.7",
    severity: "notice",
  },
  "conduit.closed": {
    category: "control-system",
    text: "a conduit was closed",
    requirement: "NDR 5.2",
    severity: "warning",
  },
  "conduit.worker-died": {
    category: "control-system",
    text: "one of the threads that carry the conduits died, and its connections with it",
    requirement: "CR 7.1",
    severity: "warning",
  },
  "conduit.connected": {
    category: "access-control",
    text: "a subject connected",
    requirement: "CR 2.8",
    severity: "info",
  },
  "conduit.disconnected": {
    category: "access-control",
    text: "a subject disconnected",
    requirement: "CR 2.8",
    severity: "info",
  },
  "conduit.peer-distrusted": {
    category: "access-control",
    text: "a connected peer is no longer trusted and was cut off",
    requirement: "CR 1.9",
    severity: "warning",
  },
  "conduit.upstream-distrusted": {
    category: "access-control",
    text: "the certificate of a connected upstream was revoked; the connection was cut off",
    requirement: "CR 1.9",
    severity: "alarm",
  },
  "trust.reloaded": {
    category: "configuration",
    text: "credentials, authorities and lists of revoked certificates were read anew",
    requirement: "CR 1.8",
    severity: "notice",
  },
  "trust.crl-accepted": {
    category: "configuration",
    text: "a newer list of revoked certificates is in force",
    requirement: "CR 1.9",
    severity: "notice",
  },
  "trust.crl-refused": {
    category: "configuration",
    text: "a list of revoked certificates was refused; what was known before stays in force",
    requirement: "CR 1.9",
    severity: "alarm",
  },
  "trust.crl-stale": {
    category: "control-system",
    text: "a list of revoked certificates is past its next update; who it revokes stays refused",
    requirement: "CR 1.9",
    severity: "warning",
  },
  "trust.crl-damaged": {
    category: "control-system",
    text: "the stored lists of revoked certificates were found damaged",
    requirement: "CR 3.4",
    severity: "alarm",
  },
  "certificate.expiring": {
    category: "control-system",
    text: "a certificate of the gateway ends soon",
    requirement: "CR 1.8",
    severity: "alarm",
  },
  "certificate.expired": {
    category: "control-system",
    text: "a certificate of the gateway has expired; nothing is closed, but peers may refuse it",
    requirement: "CR 1.8",
    severity: "alarm",
  },
  "conduit.peer-refused": {
    category: "access-control",
    text: "a peer was refused before any byte of it was read",
    requirement: "CR 1.2",
    severity: "warning",
  },
  "conduit.connect-refused": {
    category: "access-control",
    text: "a connect request was refused",
    requirement: "CR 2.1",
    severity: "warning",
  },
  "conduit.load-shed": {
    category: "control-system",
    text: "connections were ended, or read more slowly, because of load",
    requirement: "CR 7.1",
    severity: "warning",
  },
  "conduit.denied": {
    category: "access-control",
    text: "messages were denied by policy",
    requirement: "NDR 5.2",
    severity: "warning",
  },
  "flow.allowed": {
    category: "access-control",
    text: "an action was allowed by a rule that wants it recorded",
    requirement: "CR 2.12 RE(1)",
    severity: "info",
  },
  "conduit.protocol-error": {
    category: "request-error",
    text: "a peer broke the protocol",
    requirement: "CR 3.5",
    severity: "warning",
  },
  "conduit.upstream-lost": {
    category: "control-system",
    text: "the upstream of a conduit cannot be reached or trusted",
    requirement: "CR 1.2",
    severity: "warning",
  },
  "conduit.upstream-restored": {
    category: "control-system",
    text: "the upstream of a conduit is back",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "line.opened": {
    category: "control-system",
    text: "a serial line is open",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "line.lost": {
    category: "control-system",
    text: "a serial line cannot be used: requests to its units are refused",
    requirement: "CR 2.8",
    severity: "alarm",
  },
  "line.echo": {
    category: "control-system",
    text: "a serial line brings back our own bytes, which the board file does not say",
    requirement: "CR 2.8",
    severity: "warning",
  },
  "line.refused": {
    category: "request-error",
    text: "a connection at the socket of the serial lines was ended for what it said",
    requirement: "CR 3.5",
    severity: "warning",
  },
  "lines.ended": {
    category: "control-system",
    text: "the process that has the serial lines ended and is started again",
    requirement: "CR 2.8",
    severity: "alarm",
  },
  "command.accepted": {
    category: "configuration",
    text: "a command that changes something is about to be executed",
    requirement: "CR 2.8",
    severity: "info",
  },
  "command.executed": {
    category: "configuration",
    text: "a command was executed",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "command.read": {
    category: "access-control",
    text: "a command that reads was answered",
    requirement: "CR 2.8",
    severity: "info",
  },
  "command.refused": {
    category: "request-error",
    text: "a command was refused",
    requirement: "CR 2.1",
    severity: "warning",
  },
  "policy.activated": {
    category: "configuration",
    text: "a policy is in force on trial",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "policy.fork": {
    category: "configuration",
    text: "a policy replaces another than the one it names as its predecessor",
    requirement: "CR 3.4",
    severity: "warning",
  },
  "policy.confirmed": {
    category: "configuration",
    text: "the policy on trial was confirmed",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "policy.rolled-back": {
    category: "configuration",
    text: "the policy on trial was rolled back",
    requirement: "CR 2.8",
    severity: "warning",
  },
  "policy.refused": {
    category: "configuration",
    text: "a policy bundle was refused",
    requirement: "CR 2.8",
    severity: "warning",
  },
  "policy.unfit": {
    category: "configuration",
    text: "the policy in force and this board do not go together",
    requirement: "CR 7.6",
    severity: "warning",
  },
  "policy.damaged": {
    category: "control-system",
    text: "a stored policy, or the record of which is in force, was found damaged",
    requirement: "CR 3.4",
    severity: "alarm",
  },
  "island.on": {
    category: "configuration",
    text: "island mode: all normal conduits are closed",
    requirement: "NDR 5.2",
    severity: "warning",
  },
  "island.off": { category: "configuration", text: "island mode ended", requirement: "NDR 5.2", severity: "notice" },
  "recording.started": {
    category: "control-system",
    text: "traffic is being recorded, without payloads",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "recording.ended": {
    category: "control-system",
    text: "a recording of traffic ended",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "override.started": {
    category: "configuration",
    text: "an override switched on an emergency of the policy",
    requirement: "CR 2.8",
    severity: "alarm",
  },
  "override.ended": {
    category: "configuration",
    text: "an override ended",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "input.changed": {
    category: "control-system",
    text: "an input of the board changed its state",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "input.lost": {
    category: "control-system",
    text: "the state of an input of the board is not known",
    requirement: "CR 2.8",
    severity: "alarm",
  },
  "output.changed": {
    category: "control-system",
    text: "an output of the board was switched",
    requirement: "CR 3.6",
    severity: "notice",
  },
  "output.lost": {
    category: "control-system",
    text: "an output of the board cannot be held",
    requirement: "CR 3.6",
    severity: "alarm",
  },
  "tamper.detected": {
    category: "control-system",
    text: "the enclosure was opened, or its switch says so",
    requirement: "NDR 3.11",
    severity: "alarm",
  },
  "tamper.cleared": {
    category: "configuration",
    text: "a tamper alarm was cleared",
    requirement: "NDR 3.11",
    severity: "warning",
  },
  "access.granted": {
    category: "configuration",
    text: "a way in from an untrusted zone was approved for a time",
    requirement: "NDR 1.13 RE(1)",
    severity: "alarm",
  },
  "access.ended": {
    category: "configuration",
    text: "an approval of a way in ended",
    requirement: "NDR 1.13 RE(1)",
    severity: "notice",
  },
  "conduit.failed": {
    category: "control-system",
    text: "a fault of the gateway itself closed a conduit; it stays closed until it is restored",
    requirement: "NDR 5.2 RE(3)",
    severity: "alarm",
  },
  "conduit.restored": {
    category: "configuration",
    text: "a conduit that a fault had closed was restored",
    requirement: "NDR 5.2 RE(3)",
    severity: "notice",
  },
  "audit.repaired": {
    category: "audit-log",
    text: "a torn tail of the audit log was repaired",
    requirement: "CR 2.8",
    severity: "warning",
  },
  "audit.damaged": {
    category: "audit-log",
    text: "a part of the audit log that was whole is missing or damaged",
    requirement: "CR 3.9",
    severity: "alarm",
  },
  "audit.lost": {
    category: "audit-log",
    text: "events could not be written into the audit log",
    requirement: "CR 2.10",
    severity: "alarm",
  },
  "audit.publish-lost": {
    category: "audit-log",
    text: "the log cannot be published",
    requirement: "CR 2.8",
    severity: "warning",
  },
  "audit.publish-restored": {
    category: "audit-log",
    text: "the log is published again",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "assess.run": { category: "access-control", text: "an assessment ran", requirement: "CR 2.8", severity: "info" },
} as const satisfies Record<string, EventKind>

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
  /** Further facts: fingerprint, issuer, old and new value. Never payload bytes or secrets. */
  readonly detail?: Readonly<Record<string, string | number | boolean>>
}
