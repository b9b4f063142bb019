import type { EventKind } from "./kind.ts"

/** Accounts of people (`account.*`). */
export const PEOPLE_EVENTS = {
  "account.first": {
    category: "configuration",
    text: "the first account was made: from now on everybody signs in, and who holds the machine is nobody any more",
    requirement: "CR 1.3",
    severity: "alarm",
  },
  "account.created": {
    category: "configuration",
    text: "an account was made",
    requirement: "CR 1.3",
    severity: "notice",
  },
  "account.changed": {
    category: "configuration",
    text: "roles, end or state of an account were changed",
    requirement: "CR 1.3",
    severity: "notice",
  },
  "account.removed": {
    category: "configuration",
    text: "an account was removed; its name is never given to another",
    requirement: "CR 1.4",
    severity: "notice",
  },
  "account.key-changed": {
    category: "configuration",
    text: "a key was given to an account, or taken from it",
    requirement: "CR 1.5",
    severity: "notice",
  },
  "account.password-set": {
    category: "configuration",
    text: "the password of an account was set",
    requirement: "CR 1.5",
    severity: "notice",
  },
  "account.time-uncertain": {
    category: "access-control",
    text: "an account or its password may be past its end, which no clock can tell: it is let in",
    requirement: "CR 1.3",
    severity: "warning",
  },
  "account.file-refused": {
    category: "control-system",
    text: "the file of accounts is not the one that the gateway wrote last: nobody may sign in",
    requirement: "CR 3.4",
    severity: "alarm",
  },
} as const satisfies Record<string, EventKind>
