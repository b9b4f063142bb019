import type { EventKind } from "./kind.ts"

/** What keeps traffic from going beside the gateway: packet filter and radios (`boundary.*`, `radio.*`). */
export const BOUNDARY_EVENTS = {
  "boundary.lost": {
    category: "control-system",
    text: "what keeps packets from going beside the gateway is not in force",
    requirement: "CR 5.1",
    severity: "alarm",
  },
  "boundary.restored": {
    category: "control-system",
    text: "what keeps packets from going beside the gateway is in force again",
    requirement: "CR 5.1",
    severity: "notice",
  },
  "boundary.forwarding": {
    category: "control-system",
    text: "the kernel was set to forward packets; the packet filter denies them all the same",
    requirement: "NDR 5.2",
    severity: "alarm",
  },
  "boundary.applied": {
    category: "configuration",
    text: "the packet filter was set for the policy in force",
    requirement: "CR 5.1",
    severity: "notice",
  },
  "radio.up": {
    category: "control-system",
    text: "a radio is up that the policy does not name",
    requirement: "CR 2.2",
    severity: "alarm",
  },
  "radio.down": {
    category: "control-system",
    text: "a radio that the policy does not name is no longer up",
    requirement: "CR 2.2",
    severity: "notice",
  },
  "radio.unknown": {
    category: "control-system",
    text: "the board cannot say which radios are up",
    requirement: "CR 2.2",
    severity: "alarm",
  },
} as const satisfies Record<string, EventKind>
