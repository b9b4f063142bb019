/**
 * Which class of the Open Cybersecurity Schema Framework an event becomes: one row for each event id.
 *
 * An event that no class describes is a base event: the schema has no class for the health of a board. A test holds this table
 * against `event/`.
 *
 * @see OCSF 1.3.0: base event 0, Detection Finding 2004, Authentication 3002, Network Activity 4001, Device Config State Change
 *   5019, Application Lifecycle 6002, API Activity 6003
 */

/** A class with one of its activities. */
export interface OcsfKind {
  readonly classUid: 0 | 2004 | 3002 | 4001 | 5019 | 6002 | 6003
  readonly activityId: number
}

const kind = (classUid: OcsfKind["classUid"], activityId: number): OcsfKind => ({ classUid, activityId })

/** Something happened that no class describes. */
export const OTHER = kind(0, 99)
const FOUND = kind(2004, 1)
const RESOLVED = kind(2004, 3)
const LOGON = kind(3002, 1)
const LOGOFF = kind(3002, 2)
const OPENED = kind(4001, 1)
const CLOSED = kind(4001, 2)
const CUT_OFF = kind(4001, 3)
const UNREACHED = kind(4001, 4)
const REFUSED = kind(4001, 5)
const TRAFFIC = kind(4001, 6)
/** Settings, or a state that the security of the gateway rests on, changed. */
const CHANGED = kind(5019, 1)
const STARTED = kind(6002, 3)
const STOPPED = kind(6002, 4)
const READ = kind(6003, 2)
const UPDATED = kind(6003, 3)

/** By event id. */
export const OCSF_KINDS: Readonly<Record<string, OcsfKind>> = {
  "gateway.started": STARTED,
  "gateway.stopped": STOPPED,
  "gateway.restarted-by-watchdog": STARTED,
  "gateway.loop-stalled": OTHER,
  "gateway.posture": CHANGED,

  "boundary.lost": FOUND,
  "boundary.restored": CHANGED,
  "boundary.forwarding": FOUND,
  "boundary.applied": CHANGED,
  "radio.up": FOUND,
  "radio.down": CHANGED,
  "radio.unknown": OTHER,

  "conduit.listening": STARTED,
  "conduit.closed": CLOSED,
  "conduit.worker-died": OTHER,
  "conduit.connected": LOGON,
  "conduit.disconnected": LOGOFF,
  "conduit.peer-distrusted": LOGOFF,
  "conduit.upstream-distrusted": CUT_OFF,
  "conduit.peer-refused": LOGON,
  "conduit.connect-refused": LOGON,
  "conduit.load-shed": CUT_OFF,
  "conduit.denied": REFUSED,
  "conduit.protocol-error": CUT_OFF,
  "conduit.upstream-lost": UNREACHED,
  "conduit.upstream-restored": OPENED,
  "conduit.failed": CLOSED,
  "conduit.restored": OPENED,
  "flow.allowed": TRAFFIC,

  "spool.repaired": OTHER,
  "spool.dropped": OTHER,
  "spool.damaged": FOUND,
  "spool.holding": OTHER,
  "spool.forwarded": OTHER,

  "line.opened": OPENED,
  "line.lost": UNREACHED,
  "line.echo": OTHER,
  "line.refused": REFUSED,
  "lines.ended": STOPPED,

  "input.changed": OTHER,
  "input.lost": OTHER,
  "output.changed": OTHER,
  "output.lost": OTHER,
  "tamper.detected": FOUND,
  "tamper.cleared": CHANGED,

  "time.synchronised": CHANGED,
  "time.sync-lost": CHANGED,
  "time.source-changed": CHANGED,
  "time.apart": CHANGED,
  "time.stepped": CHANGED,
  "time.refused": FOUND,
  "time.set": CHANGED,
  "time.floor-lowered": CHANGED,

  "trust.reloaded": CHANGED,
  "trust.crl-accepted": CHANGED,
  "trust.crl-refused": FOUND,
  "trust.crl-stale": OTHER,
  "trust.crl-damaged": FOUND,
  "certificate.expiring": OTHER,
  "certificate.expired": OTHER,

  "policy.activated": CHANGED,
  "policy.fork": CHANGED,
  "policy.confirmed": CHANGED,
  "policy.rolled-back": CHANGED,
  "policy.refused": CHANGED,
  "policy.unfit": OTHER,
  "policy.damaged": FOUND,

  "island.on": CHANGED,
  "island.off": CHANGED,
  "override.started": CHANGED,
  "override.ended": CHANGED,
  "access.granted": CHANGED,
  "access.ended": CHANGED,

  "command.accepted": UPDATED,
  "command.executed": UPDATED,
  "command.read": READ,
  "command.refused": kind(6003, 99),
  "command.waiting": kind(6003, 99),
  "command.approved": kind(6003, 99),
  "command.withdrawn": kind(6003, 99),
  "command.lapsed": kind(6003, 99),
  "command.unheard": OTHER,
  "account.first": CHANGED,
  "account.created": CHANGED,
  "account.changed": CHANGED,
  "account.removed": CHANGED,
  "account.key-changed": CHANGED,
  "account.password-set": CHANGED,
  "account.time-uncertain": OTHER,
  "account.file-refused": FOUND,
  "session.opened": LOGON,
  "session.identity-uncertain": LOGON,
  "session.refused": LOGON,
  "session.locked-out": LOGON,
  "session.attempts-lost": FOUND,
  "session.locked": OTHER,
  "session.unlocked": LOGON,
  "session.ended": LOGOFF,
  "recording.started": OTHER,
  "recording.ended": OTHER,
  "assess.run": READ,

  "audit.repaired": OTHER,
  "audit.damaged": FOUND,
  "audit.nearly-full": OTHER,
  "audit.not-nearly-full": OTHER,
  "audit.full": OTHER,
  "audit.not-full": OTHER,
  "audit.blocked": CHANGED,
  "audit.unblocked": CHANGED,
  "audit.dropped": OTHER,
  "audit.overwritten": OTHER,
  "audit.tree-repaired": OTHER,
  "audit.rolled-back": FOUND,
  "audit.key-made": CHANGED,
  "audit.key-changed": CHANGED,
  "audit.unsigned": OTHER,
  "audit.lost": OTHER,
  "audit.publish-lost": OTHER,
  "audit.publish-restored": OTHER,
  "audit.retained-altered": FOUND,
  "audit.retained-lost": OTHER,
  "audit.retained-unseen": OTHER,
  "audit.broker-limit": OTHER,
  "audit.broker-too-small": OTHER,
  "audit.broker-refuses-entries": OTHER,
  "audit.requests-dropped": OTHER,
  "audit.requests-damaged": FOUND,
  "audit.probed": OTHER,

  "audit.alarm-altered": FOUND,

  "witness.begun": CHANGED,
  "witness.refused": FOUND,
  "witness.held-up": OTHER,
  "witness.resumed": OTHER,
  "witness.key-followed": CHANGED,
  "witness.clock-uncertain": OTHER,
  "witness.key-made": CHANGED,
  "witness.rolled-back": FOUND,
  "witness.accused": FOUND,
  "witness.objected": FOUND,
  "witness.invalid": FOUND,
  "witness.silent": OTHER,
  "witness.returned": OTHER,

  "alarm.raised": FOUND,
  "alarm.acknowledged": RESOLVED,
}
