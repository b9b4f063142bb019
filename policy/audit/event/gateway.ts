import type { EventKind } from "./kind.ts"

/** What the gateway says of itself as a whole: start, stop, watchdog, posture (`gateway.*`). */
export const GATEWAY_EVENTS = {
  "gateway.started": {
    category: "control-system",
    text: "the gateway started",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "gateway.stopped": {
    category: "control-system",
    text: "the gateway stopped",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "gateway.restarted-by-watchdog": {
    category: "control-system",
    text: "the board was reset by its watchdog",
    requirement: "CR 2.8",
    severity: "alarm",
  },
  "gateway.loop-stalled": {
    category: "control-system",
    text: "a loop of the gateway stalled; the watchdog is not fed",
    requirement: "CR 2.8",
    severity: "alarm",
  },
  "gateway.posture": {
    category: "control-system",
    text: "the posture of the conduits changed",
    requirement: "NDR 5.2",
    severity: "warning",
  },
} as const satisfies Record<string, EventKind>
