import type { EventKind } from "./kind.ts"

/** Store-and-forward: messages held on the board while a broker is lost (`spool.*`). */
export const SPOOL_EVENTS = {
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
} as const satisfies Record<string, EventKind>
