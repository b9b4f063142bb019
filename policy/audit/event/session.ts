import type { EventKind } from "./kind.ts"

/** People who sign in, and how long they stay (`session.*`). */
export const SESSION_EVENTS = {
  "session.opened": {
    category: "access-control",
    text: "somebody signed in",
    requirement: "CR 1.1",
    severity: "notice",
  },
  "session.refused": {
    category: "access-control",
    text: "somebody could not sign in",
    requirement: "CR 1.11",
    severity: "warning",
  },
  "session.identity-uncertain": {
    category: "access-control",
    text: "a token of the identity provider may be past its end, which no clock can tell: it answers a number of today and is taken",
    requirement: "CR 1.1",
    severity: "warning",
  },
  "session.locked-out": {
    category: "access-control",
    text: "too many attempts to sign in failed: nobody is listened to for a time that grows with each further one",
    requirement: "CR 1.11",
    severity: "alarm",
  },
  "session.attempts-lost": {
    category: "control-system",
    text: "how often signing in had failed is not known any more: its file was damaged",
    requirement: "CR 1.11",
    severity: "warning",
  },
  "session.locked": {
    category: "access-control",
    text: "a session was locked: its person signs in again to go on",
    requirement: "CR 2.5",
    severity: "notice",
  },
  "session.unlocked": {
    category: "access-control",
    text: "the person of a locked session signed in again",
    requirement: "CR 2.5",
    severity: "notice",
  },
  "session.ended": {
    category: "access-control",
    text: "a session ended; its token is worth nothing any more",
    requirement: "CR 2.6",
    severity: "notice",
  },
} as const satisfies Record<string, EventKind>
