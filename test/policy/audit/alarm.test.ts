import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { createAlarmMatcher, MAX_OPEN_ALARMS, OTHER_ALARMS, type AlarmState } from "../../../policy/audit/alarm.ts"
import { DEFAULT_ALARMS, type AlarmRule } from "../../../policy/audit/alarm-rule.ts"
import { encodeEntry, parseEntry, type Entry } from "../../../policy/audit/entry.ts"
import { EVENTS, type AuditEvent, type EventId } from "../../../policy/audit/event.ts"
import type { EventKind } from "../../../policy/audit/event/kind.ts"

const test = suite("policy/audit/alarm")

let seq = 0
function entry(atMs: number, event: Partial<AuditEvent> = {}, boot = "b0"): Entry {
  const whole: AuditEvent = { id: "conduit.denied", outcome: "denied", source: "test", ...event }
  const time = { earliestAt: 0, latestAt: Infinity }
  return parseEntry(encodeEntry({ seq: seq++, wallAt: 1000, time, boot, monotonicMs: atMs, gateway: "gw", event: whole })) // prettier-ignore
}

function rule(more: Partial<AlarmRule> = {}): AlarmRule {
  return {
    id: "a",
    on: ["conduit.denied"],
    conduits: [],
    subjects: [],
    count: 1,
    withinMs: 15_000,
    text: null,
    ...more,
  }
}

test("[CR 6.2] the count within the time opens an alarm, by the entries' own counts; the rest counts on", () => {
  const alarms = createAlarmMatcher([rule({ count: 10, text: "look" })])
  assert.equal(alarms.take(entry(0, { count: 4 })), [])
  assert.equal(alarms.take(entry(14_000, { count: 5 })), [])
  const [opened] = alarms.take(entry(15_000))
  assert.equal([opened?.what, opened?.alarm.count, opened?.alarm.text], ["opened", 10, "look"])
  const [more] = alarms.take(entry(900_000, { count: 7 }))
  assert.equal([more?.what, more?.alarm.count], ["counted", 17])
  assert.equal(alarms.open, [more?.alarm])
  assert.is(more?.alarm.seq, seq - 1)
})

test("[CR 6.2] what is too slow opens none", () => {
  const alarms = createAlarmMatcher([rule({ count: 2 })])
  for (let k = 0; k < 50; k++) assert.equal(alarms.take(entry(k * 16_001)), [])
})

test("acknowledged, an alarm is closed and the counting begins anew", () => {
  const alarms = createAlarmMatcher([rule({ count: 2 })])
  alarms.take(entry(0))
  alarms.take(entry(1))
  assert.is(alarms.acknowledge("a")?.count, 2)
  assert.is(alarms.acknowledge("a"), null)
  assert.equal(alarms.take(entry(2)), [])
  assert.is(alarms.take(entry(3))[0]?.what, "opened")
})

test("conduit, subject and severity choose; what names none of them does not pass a filter", () => {
  const cases: readonly (readonly [Partial<AlarmRule>, Partial<AuditEvent>, boolean])[] = [
    [{ conduits: ["c"] }, { conduit: "c" }, true],
    [{ conduits: ["c"] }, { conduit: "d" }, false],
    [{ conduits: ["c"] }, {}, false],
    [{ subjects: ["s"] }, { subject: "s" }, true],
    [{ subjects: ["s"] }, { subject: null }, false],
    [{ on: ["warning"] }, {}, true],
    [{ on: ["alarm"] }, {}, false],
    [{ on: ["notice"] }, { id: "tamper.detected" }, true],
    [{ on: ["audit.lost", "conduit.denied"] }, {}, true],
    [{ on: ["info"] }, { id: "alarm.raised" }, false],
  ]
  for (const [more, event, opens] of cases) {
    assert.is(
      createAlarmMatcher([rule(more)]).take(entry(0, event)).length,
      opens ? 1 : 0,
      JSON.stringify([more, event]),
    )
  }
})

test("an event of a later release is as grave as its word says, and the gravest entry is the alarm's", () => {
  const alarms = createAlarmMatcher([rule({ on: ["warning"] })])
  alarms.take(entry(0))
  assert.is(alarms.open[0]?.severity, "warning")
  alarms.take({ ...entry(1), event: "later.event", type: "alarm" })
  alarms.take(entry(2))
  assert.equal([alarms.open[0]?.severity, alarms.open[0]?.count], ["alarm", 3])
  alarms.take({ ...entry(3), event: "later.event", type: "catastrophe" })
  assert.is(alarms.open[0]?.count, 4)
})

test("[CR 6.2] without rules in the policy every event of severity alarm raises one under its own id, and no other does", () => {
  const alarms = createAlarmMatcher(DEFAULT_ALARMS)
  for (const id of Object.keys(EVENTS) as EventId[]) alarms.take(entry(0, { id }))
  const grave = Object.entries<EventKind>(EVENTS).filter(([, { severity }]) => severity === "alarm")
  assert.equal(alarms.open.map(({ id, text }) => [id, text]), grave.map(([id, { text }]) => [id, text])) // prettier-ignore
  assert.ok(grave.length > 5)
})

test("[CR 6.2] a restart changes nothing: what was open stays, what was counted counts, and off-time is no time", () => {
  const rules = [rule({ count: 3 })]
  const first = createAlarmMatcher(rules)
  first.take(entry(1_000_000))
  const kept = (state: AlarmState): AlarmState => JSON.parse(JSON.stringify(state)) as AlarmState
  const second = createAlarmMatcher(rules, kept(first.state))
  assert.equal(second.take(entry(5, {}, "b1")), [])
  const third = createAlarmMatcher(rules, kept(second.state))
  assert.is(third.take(entry(9_000_000, {}, "b2"))[0]?.what, "opened")
  const fourth = createAlarmMatcher([], kept(third.state))
  assert.is(fourth.open[0]?.count, 3, "a policy without the rule closes nothing")
  // The same process goes on with the same boot: time that passed has passed.
  const slow = createAlarmMatcher([rule({ count: 2 })])
  slow.take(entry(0))
  assert.equal(slow.take(entry(17_000)), [])
})

test("a rule that is another now begins anew; one that is the same goes on", () => {
  const alarms = createAlarmMatcher([rule({ count: 3 })])
  alarms.take(entry(0))
  alarms.take(entry(1))
  alarms.follow([rule({ count: 3, text: "other words" })])
  assert.is(alarms.take(entry(2)).length, 1)
  alarms.acknowledge("a")
  alarms.take(entry(3))
  alarms.follow([rule({ count: 2 })])
  assert.is(alarms.take(entry(4)).length, 0)
})

test("[CR 7.1] open alarms are bounded, whatever policies come; what is more is one alarm", () => {
  const alarms = createAlarmMatcher([])
  for (let k = 0; k < MAX_OPEN_ALARMS + 300; k++) {
    alarms.follow([rule({ id: `a${k}` })])
    alarms.take(entry(k))
  }
  assert.is(alarms.open.length, MAX_OPEN_ALARMS + 1)
  assert.is(alarms.open.at(-1)?.id, OTHER_ALARMS)
  assert.is(alarms.open.at(-1)?.count, 300)
})

test("an alarm of which no entry can tell is raised by hand", () => {
  const alarms = createAlarmMatcher([])
  const raised = { id: "audit.failing", since: "t", seq: 4, severity: "alarm", text: "the log is not written" } as const
  assert.is(alarms.raise(raised).what, "opened")
  assert.equal([alarms.raise(raised).what, alarms.open[0]?.count], ["counted", 2])
})

test("[CR 6.2] against every entry remembered: none is missed, and none opens that a window of a fifteenth more does not hold", () => {
  const steps = fc.array(fc.tuple(fc.nat(9_000), fc.integer({ min: 1, max: 6 })), { maxLength: 40 })
  fc.assert(
    fc.property(steps, fc.integer({ min: 2, max: 12 }), (made, count) => {
      const alarms = createAlarmMatcher([rule({ count })])
      let atMs = 0
      let seen: { readonly at: number; readonly of: number }[] = []
      for (const [pause, of] of made) {
        atMs += pause
        const opened = alarms.take(entry(atMs, { count: of })).length > 0
        seen.push({ at: atMs, of })
        const within = (ms: number): number =>
          seen.filter(({ at }) => at > atMs - ms).reduce((sum, one) => sum + one.of, 0)
        if (within(15_000) >= count) assert.ok(opened, "missed")
        if (opened) {
          assert.ok(within(16_001) >= count, "too early")
          alarms.acknowledge("a")
          seen = []
        }
        assert.ok(alarms.state.windows.every(({ slots }) => slots.length <= 16))
      }
    }),
    { numRuns: 300 },
  )
})

test.run()
