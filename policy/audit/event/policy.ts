import type { EventKind } from "./kind.ts"

/** The life of a policy: on trial, confirmed, rolled back, refused, damaged (`policy.*`). */
export const POLICY_EVENTS = {
  "policy.activated": {
    category: "configuration",
    text: "a policy is in force on trial",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "policy.fork": {
    category: "configuration",
    text: "a policy replaces another than the one it names as its predecessor",
    requirement: "CR 3.4",
    severity: "warning",
  },
  "policy.confirmed": {
    category: "configuration",
    text: "the policy on trial was confirmed",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "policy.rolled-back": {
    category: "configuration",
    text: "the policy on trial was rolled back",
    requirement: "CR 2.8",
    severity: "warning",
  },
  "policy.refused": {
    category: "configuration",
    text: "a policy bundle was refused",
    requirement: "CR 2.8",
    severity: "warning",
  },
  "policy.unfit": {
    category: "configuration",
    text: "the policy in force and this board do not go together",
    requirement: "CR 7.6",
    severity: "warning",
  },
  "policy.damaged": {
    category: "control-system",
    text: "a stored policy, or the record of which is in force, was found damaged",
    requirement: "CR 3.4",
    severity: "alarm",
  },
} as const satisfies Record<string, EventKind>
