import type { EventKind } from "./kind.ts"

/** Serial lines and the process that has them (`line.*`, `lines.*`). */
export const LINE_EVENTS = {
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
} as const satisfies Record<string, EventKind>
