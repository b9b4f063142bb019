import type { EventKind } from "./kind.ts"

/** What people switch on or approve for a time: island, override, a way in (`island.*`, `override.*`, `access.*`). */
export const POSTURE_EVENTS = {
  "island.on": {
    category: "configuration",
    text: "island mode: all normal conduits are closed",
    requirement: "NDR 5.2",
    severity: "warning",
  },
  "island.off": { category: "configuration", text: "island mode ended", requirement: "NDR 5.2", severity: "notice" },
  "override.started": {
    category: "configuration",
    text: "an override switched on an emergency of the policy",
    requirement: "CR 2.8",
    severity: "alarm",
  },
  "override.ended": {
    category: "configuration",
    text: "an override ended",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "access.granted": {
    category: "configuration",
    text: "a way in from an untrusted zone was approved for a time",
    requirement: "NDR 1.13 RE(1)",
    severity: "alarm",
  },
  "access.ended": {
    category: "configuration",
    text: "an approval of a way in ended",
    requirement: "NDR 1.13 RE(1)",
    severity: "notice",
  },
} as const satisfies Record<string, EventKind>
