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
} as const satisfies Record<string, EventKind>
