import type { EventKind } from "./kind.ts"

/** Inputs and outputs of the board, and the switch of its enclosure (`input.*`, `output.*`, `tamper.*`). */
export const BOARD_EVENTS = {
  "input.changed": {
    category: "control-system",
    text: "an input of the board changed its state",
    requirement: "CR 2.8",
    severity: "notice",
  },
  "input.lost": {
    category: "control-system",
    text: "the state of an input of the board is not known",
    requirement: "CR 2.8",
    severity: "alarm",
  },
  "output.changed": {
    category: "control-system",
    text: "an output of the board was switched",
    requirement: "CR 3.6",
    severity: "notice",
  },
  "output.lost": {
    category: "control-system",
    text: "an output of the board cannot be held",
    requirement: "CR 3.6",
    severity: "alarm",
  },
  "tamper.detected": {
    category: "control-system",
    text: "the enclosure was opened, or its switch says so",
    requirement: "NDR 3.11",
    severity: "alarm",
  },
  "tamper.cleared": {
    category: "configuration",
    text: "a tamper alarm was cleared",
    requirement: "NDR 3.11",
    severity: "warning",
  },
} as const satisfies Record<string, EventKind>
