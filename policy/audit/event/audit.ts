import type { EventKind } from "./kind.ts"

/** What the audit log says of itself (`audit.*`). */
export const AUDIT_EVENTS = {
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
  "audit.nearly-full": {
    category: "audit-log",
    text: "the audit log has passed the threshold at which it warns",
    requirement: "CR 2.9 RE(1)",
    severity: "warning",
  },
  "audit.not-nearly-full": {
    category: "audit-log",
    text: "the audit log is below the threshold again",
    requirement: "CR 2.9 RE(1)",
    severity: "notice",
  },
  "audit.full": {
    category: "audit-log",
    text: "the audit log has no room left but its reserve",
    requirement: "CR 2.9",
    severity: "alarm",
  },
  "audit.not-full": {
    category: "audit-log",
    text: "the audit log has room again",
    requirement: "CR 2.9",
    severity: "notice",
  },
  "audit.blocked": {
    category: "audit-log",
    text: "the audit log is full and may drop nothing: normal flows close, essential ones go on",
    requirement: "CR 2.10",
    severity: "alarm",
  },
  "audit.unblocked": {
    category: "audit-log",
    text: "the audit log takes everything again",
    requirement: "CR 2.10",
    severity: "notice",
  },
  "audit.dropped": {
    category: "audit-log",
    text: "the oldest entries make room; a collector holds them",
    requirement: "CR 2.9",
    severity: "notice",
  },
  "audit.overwritten": {
    category: "audit-log",
    text: "the oldest entries make room; no collector holds all of them",
    requirement: "CR 2.9",
    severity: "warning",
  },
  "audit.tree-repaired": {
    category: "audit-log",
    text: "tiles or the checkpoint of the audit log were made again",
    requirement: "CR 3.9",
    severity: "notice",
  },
  "audit.rolled-back": {
    category: "audit-log",
    text: "the audit log is shorter than was signed, or another one",
    requirement: "CR 3.9",
    severity: "alarm",
  },
  "audit.key-made": {
    category: "audit-log",
    text: "the audit log has a new key; earlier checkpoints do not vouch for later ones",
    requirement: "CR 3.9",
    severity: "alarm",
  },
  "audit.key-changed": {
    category: "audit-log",
    text: "the audit log hands over to a new key; both sign this entry's checkpoint",
    requirement: "CR 3.9",
    severity: "notice",
  },
  "audit.unsigned": {
    category: "audit-log",
    text: "the checkpoint of the audit log cannot be signed",
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
  "audit.retained-altered": {
    category: "audit-log",
    text: "somebody else changed what the broker keeps of the log; it was put right",
    requirement: "CR 3.9",
    severity: "alarm",
  },
  "audit.retained-lost": {
    category: "audit-log",
    text: "the broker keeps nothing of the log any more, as if it had been set up anew; it is published again",
    requirement: "CR 6.1",
    severity: "warning",
  },
  "audit.retained-unseen": {
    category: "audit-log",
    text: "the broker does not show what it took of the log: see its access list",
    requirement: "CR 6.1",
    severity: "warning",
  },
  "audit.requests-dropped": {
    category: "audit-log",
    text: "kept requests of people were given up, the oldest first",
    requirement: "CR 2.12",
    severity: "notice",
  },
  "audit.requests-damaged": {
    category: "audit-log",
    text: "kept requests of people are missing",
    requirement: "CR 2.12",
    severity: "alarm",
  },
  "audit.probed": {
    category: "audit-log",
    text: "an assessment wrote this entry, to read it back",
    requirement: "CR 2.8",
    severity: "info",
  },
} as const satisfies Record<string, EventKind>
