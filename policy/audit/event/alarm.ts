import type { EventKind } from "./kind.ts"

/** Alarms: what the rules of the policy make of entries (`alarm.*`). No rule looks at these themselves. */
export const ALARM_EVENTS = {
  "alarm.raised": {
    category: "control-system",
    text: "an alarm is open until somebody acknowledges it",
    requirement: "CR 6.2",
    severity: "notice",
  },
  "alarm.acknowledged": {
    category: "configuration",
    text: "an alarm was acknowledged",
    requirement: "CR 6.2",
    severity: "notice",
  },
} as const satisfies Record<string, EventKind>
