import type { EventKind } from "./kind.ts"

/** Witnesses: what this gateway sees of other logs, and what others say of its own (`witness.*`). */
export const WITNESS_EVENTS = {
  "witness.begun": {
    category: "audit-log",
    text: "this gateway witnesses a log from here on: it may only grow",
    requirement: "CR 3.9",
    severity: "notice",
  },
  "witness.refused": {
    category: "audit-log",
    text: "a log that this gateway witnesses was put back, or goes on in two ways; it is not cosigned",
    requirement: "CR 3.9",
    severity: "alarm",
  },
  "witness.held-up": {
    category: "audit-log",
    text: "a log that this gateway witnesses cannot be cosigned now; nothing is said against it",
    requirement: "CR 3.9",
    severity: "warning",
  },
  "witness.resumed": {
    category: "audit-log",
    text: "a log that this gateway witnesses is cosigned again",
    requirement: "CR 3.9",
    severity: "notice",
  },
  "witness.key-followed": {
    category: "audit-log",
    text: "a log that this gateway witnesses has handed over to its next key",
    requirement: "CR 3.9",
    severity: "notice",
  },
  "witness.clock-uncertain": {
    category: "audit-log",
    text: "this gateway does not know the time well enough to cosign",
    requirement: "CR 2.11",
    severity: "warning",
  },
  "witness.key-made": {
    category: "audit-log",
    text: "this gateway has a new key to cosign with; the board files of the others must name it",
    requirement: "CR 3.9",
    severity: "notice",
  },
  "witness.rolled-back": {
    category: "audit-log",
    text: "a witness has seen more of this log than there is, or another one: this gateway was put back or copied",
    requirement: "CR 3.9",
    severity: "alarm",
  },
  "witness.accused": {
    category: "audit-log",
    text: "a witness refuses this log: it was put back, or goes on in two ways",
    requirement: "CR 3.9",
    severity: "alarm",
  },
  "witness.objected": {
    category: "audit-log",
    text: "a witness cannot cosign this log now",
    requirement: "CR 3.9",
    severity: "warning",
  },
  "witness.invalid": {
    category: "audit-log",
    text: "what stands at the broker in the name of a witness is not by it",
    requirement: "CR 3.9",
    severity: "warning",
  },
  "witness.silent": {
    category: "audit-log",
    text: "a witness has not cosigned this log for too long",
    requirement: "CR 3.9",
    severity: "warning",
  },
  "witness.returned": {
    category: "audit-log",
    text: "a witness cosigns this log again",
    requirement: "CR 3.9",
    severity: "notice",
  },
} as const satisfies Record<string, EventKind>
