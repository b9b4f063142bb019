import type { EventKind } from "./kind.ts"

/** The clock and whom it follows (`time.*`). */
export const TIME_EVENTS = {
  "time.synchronised": {
    category: "control-system",
    text: "the board's clock follows a time source",
    requirement: "CR 2.11 RE(1)",
    severity: "notice",
  },
  "time.sync-lost": {
    category: "control-system",
    text: "the board's clock follows no time source any more",
    requirement: "CR 2.11 RE(2)",
    severity: "warning",
  },
  "time.source-changed": {
    category: "control-system",
    text: "the board's clock follows another time source, or one that is proved otherwise than before",
    requirement: "CR 2.11 RE(2)",
    severity: "warning",
  },
  "time.stepped": {
    category: "control-system",
    text: "the board's wall clock was set",
    requirement: "CR 2.11 RE(2)",
    severity: "warning",
  },
  "time.refused": {
    category: "control-system",
    text: "a clock or a signed time was not believed",
    requirement: "CR 2.11 RE(2)",
    severity: "warning",
  },
  "time.set": {
    category: "configuration",
    text: "a signed time was taken",
    requirement: "CR 2.11",
    severity: "notice",
  },
  "time.floor-lowered": {
    category: "configuration",
    text: "the earliest time that the gateway believes in was set back",
    requirement: "CR 2.11 RE(2)",
    severity: "alarm",
  },
} as const satisfies Record<string, EventKind>
