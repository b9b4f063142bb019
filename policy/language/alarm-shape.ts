import { ALARM_WORDS, type AlarmRule } from "../audit/alarm-rule.ts"
import { OTHER_ALARMS } from "../audit/alarm.ts"
import type { DocNode } from "./document.ts"
import type { Placed } from "./group-shapes.ts"
import type { Report } from "./report.ts"
import type { Shape } from "./shape.ts"
import { list, object, oneOrMore, optional, required } from "./group-shapes.ts"
import { declaredNames, faultAt } from "./locate.ts"
import { ALARM_BOUNDS } from "./policy-bounds.ts"
import { duration } from "./quantity-shapes.ts"
import { once, refer } from "./references.ts"
import { choice, integer, name, text } from "./shape.ts"

const word = choice(ALARM_WORDS, {
  expected: "the id of an event such as conduit.denied, or a severity (warning, alarm)",
})

/** One alarm: which entries of the log, how many of them in which time, and what the operator reads. */
export const alarmEntry = object("an alarm", {
  id: required(name("id of the alarm"), "Names the alarm: its topic, and what is acknowledged."),
  on: required(
    oneOrMore(word, ALARM_BOUNDS.words),
    "Ids of events, or severities: so grave or graver. Any one of them will do.",
  ),
  conduits: optional(
    list(name("name of a conduit"), { min: 1, max: ALARM_BOUNDS.conduits }),
    [],
    "Only what is about one of these conduits; absent: whatever it is about.",
  ),
  subjects: optional(
    list(name("name of a subject"), { min: 1, max: ALARM_BOUNDS.subjects }),
    [],
    "Only what one of these subjects did; absent: anybody, and nobody.",
  ),
  count: optional(integer(1, 1_000_000), 1, "How many of them, each by its own count.", 1),
  within: optional(duration(1000, 24 * 3_600_000), 60_000, "In which time so many of them.", "1min"),
  text: optional(
    text({ expected: "what the operator shall read", maxLength: 128 }),
    null,
    "What the operator reads; absent: the words of the event.",
  ),
})

/** An alarm as the document has it. */
export type AlarmEntry = typeof alarmEntry extends Shape<infer T> ? T : never

/** Adds what no single alarm shows: an id given twice, a conduit that there is not. */
export function checkAlarms(alarms: readonly Placed<AlarmEntry>[], root: DocNode, report: Report): void {
  const conduits = declaredNames(root, ["conduits"])
  const ids = new Map<string, Placed<unknown>>()
  for (const placed of alarms) {
    const { id, conduits: own } = placed.value
    once(ids, id, placed, ["id"], "alarm", report)
    if (id === OTHER_ALARMS) faultAt(report, placed, ["id"], `${id} is the gateway's own`, "choose another id")
    for (const [i, conduit] of own.entries()) refer(placed, "conduits", conduit, "conduit", conduits, report, i)
  }
}

/** The rule that an entry of the document means. */
export function buildAlarm({ value }: Placed<AlarmEntry>): AlarmRule {
  const { id, on, conduits, subjects, count, within, text: words } = value
  return { id, on, conduits, subjects, count, withinMs: within, text: words }
}
