import type { EventKind } from "./kind.ts"

/** Authorities, lists of revoked certificates, and the own certificates of the gateway (`trust.*`, `certificate.*`). */
export const TRUST_EVENTS = {
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
} as const satisfies Record<string, EventKind>
