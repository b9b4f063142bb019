import type { EventKind } from "./kind.ts"

/** Commands, and what they start: a recording, an assessment (`command.*`, `recording.*`, `assess.*`). */
export const COMMAND_EVENTS = {
  "command.accepted": {
    category: "configuration",
    text: "a command that changes something is about to be executed",
    requirement: "CR 2.8",
    severity: "info",
  },
  "command.executed": {
    category: "configuration",
    text: "a command was executed",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "command.read": {
    category: "access-control",
    text: "a command that reads was answered",
    requirement: "CR 2.8",
    severity: "info",
  },
  "command.refused": {
    category: "request-error",
    text: "a command was refused",
    requirement: "CR 2.1",
    severity: "warning",
  },
  "command.waiting": {
    category: "configuration",
    text: "a command waits for a second person",
    requirement: "CR 2.1 RE(4)",
    severity: "notice",
  },
  "command.approved": {
    category: "configuration",
    text: "a second person approved a command that waited",
    requirement: "CR 2.1 RE(4)",
    severity: "notice",
  },
  "command.withdrawn": {
    category: "configuration",
    text: "a command that waited for a second person was taken back",
    requirement: "CR 2.1 RE(4)",
    severity: "notice",
  },
  "command.lapsed": {
    category: "configuration",
    text: "nobody approved a command in its time: it will not be executed",
    requirement: "CR 2.1 RE(4)",
    severity: "notice",
  },
  "command.unheard": {
    category: "control-system",
    text: "the broker does not let the gateway hear commands: nobody can ask anything over it",
    requirement: "CR 1.1",
    severity: "warning",
  },
  "recording.started": {
    category: "control-system",
    text: "traffic is being recorded, without payloads",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "recording.ended": {
    category: "control-system",
    text: "a recording of traffic ended",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "assess.run": { category: "access-control", text: "an assessment ran", requirement: "CR 2.8", severity: "info" },
} as const satisfies Record<string, EventKind>
