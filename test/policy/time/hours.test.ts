import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import type { Hours } from "../../../policy/language/policy.ts"
import { advance } from "../../../policy/time/advance.ts"
import { stretchAt, untilNextBorder, WEEK_MS, withinHours } from "../../../policy/time/hours.ts"
import type { Certainty } from "../../../policy/time/interval.ts"

const test = suite("policy/time/hours")

const MINUTE = 60_000
const hours = (over: Partial<Hours> = {}): Hours => ({
  days: [1, 2, 3, 4, 5],
  fromMinute: 6 * 60,
  toMinute: 22 * 60,
  utcOffsetMinutes: 0,
  ...over,
})
const night = hours({ days: [5, 7], fromMinute: 22 * 60, toMinute: 6 * 60 })
const always = hours({ days: [1, 2, 3, 4, 5, 6, 7], fromMinute: 0, toMinute: 1440 })
/** Any day from noon to noon: seven windows that meet. */
const meeting = hours({ days: [7, 1, 6, 2, 5, 3, 4], fromMinute: 720, toMinute: 720 })

/** 2026-11-23 is a Monday. */
const at = (day: number, time: string): number => Date.parse(`2026-11-${22 + day}T${time}Z`)

test("a moment lies in the hours from their begin up to, not with, their end", () => {
  const cases: readonly (readonly [string, Hours, number, boolean])[] = [
    ["before", hours(), at(1, "05:59:59.999"), false],
    ["at the begin", hours(), at(1, "06:00"), true],
    ["just before the end", hours(), at(1, "21:59:59.999"), true],
    ["at the end", hours(), at(1, "22:00"), false],
    ["at the weekend", hours(), at(6, "12:00"), false],
    ["over midnight, in the evening", night, at(5, "23:00"), true],
    ["over midnight, in the morning of a day that is not named", night, at(6, "05:59"), true],
    ["over midnight, its end", night, at(6, "06:00"), false],
    ["over midnight, the evening of a day that is not named", night, at(6, "23:00"), false],
    ["over the end of the week", night, at(7, "23:00"), true],
    ["over the end of the week, on Monday", night, at(1, "05:59"), true],
    ["to the end of the day", hours({ days: [3], fromMinute: 0, toMinute: 1440 }), at(3, "23:59:59.999"), true],
    ["after the end of the day", hours({ days: [3], fromMinute: 0, toMinute: 1440 }), at(4, "00:00"), false],
    ["from equals to: a whole day", hours({ days: [3], fromMinute: 480, toMinute: 480 }), at(4, "07:59"), true],
    ["from equals to, its end", hours({ days: [3], fromMinute: 480, toMinute: 480 }), at(4, "08:00"), false],
    ["an offset ahead of UTC", hours({ utcOffsetMinutes: 330 }), at(1, "00:30"), true],
    ["an offset ahead of UTC, before", hours({ utcOffsetMinutes: 330 }), at(1, "00:29"), false],
    ["an offset behind UTC", hours({ utcOffsetMinutes: -300 }), at(1, "11:00"), true],
    ["an offset behind UTC, before", hours({ utcOffsetMinutes: -300 }), at(1, "10:59"), false],
    ["an offset into another week", hours({ days: [1], utcOffsetMinutes: 600 }), at(7, "20:00"), true],
    ["before 1970", hours(), Date.parse("1969-12-29T06:00Z"), true],
    ["before 1970, at the weekend", hours(), Date.parse("1969-12-28T12:00Z"), false],
    ["no days", hours({ days: [] }), at(1, "12:00"), false],
  ]
  for (const [what, own, moment, expected] of cases) assert.is(stretchAt(own, moment).inside, expected, what)
})

test("the next border is known, and there is none where windows meet around the week", () => {
  const until = (own: Hours, moment: number): number => stretchAt(own, moment).untilAt
  assert.is(until(hours(), at(1, "05:00")), at(1, "06:00"))
  assert.is(until(hours(), at(1, "06:00")), at(1, "22:00"))
  assert.is(until(hours(), at(5, "22:00")), at(8, "06:00"))
  assert.is(until(night, at(7, "23:00")), at(8, "06:00"))
  // From Friday noon to Sunday noon without a gap.
  assert.is(until(hours({ days: [5, 6], fromMinute: 720, toMinute: 720 }), at(5, "13:00")), at(7, "12:00"))
  for (const own of [always, meeting]) assert.equal(stretchAt(own, at(3, "12:00")), { inside: true, untilAt: Infinity })
  assert.equal(stretchAt(hours({ days: [] }), 0), { inside: false, untilAt: Infinity })
})

test("[CR 2.11] an interval is in the hours surely, surely not, or perhaps", () => {
  const cases: readonly (readonly [string, Hours, number, number, Certainty])[] = [
    ["inside", hours(), at(1, "06:00"), at(1, "21:59"), "yes"],
    ["outside", hours(), at(1, "22:00"), at(2, "05:59"), "no"],
    ["spans the begin", hours(), at(1, "05:59"), at(1, "06:00"), "uncertain"],
    ["spans the end", hours(), at(1, "21:59"), at(1, "22:00"), "uncertain"],
    ["spans a night between two days", hours(), at(1, "21:00"), at(2, "07:00"), "uncertain"],
    ["spans a day between two nights", hours(), at(1, "05:00"), at(1, "23:00"), "uncertain"],
    ["nothing bounds the time", hours(), at(1, "12:00"), Infinity, "uncertain"],
    ["nothing bounds the time, and no hour is outside", always, at(1, "12:00"), Infinity, "yes"],
    ["nothing bounds the time, and no hour is inside", hours({ days: [] }), at(1, "12:00"), Infinity, "no"],
    ["nothing is known at all", hours(), -Infinity, Infinity, "uncertain"],
    ["longer than a week", always, at(1, "00:00"), at(1, "00:00") + 2 * WEEK_MS, "yes"],
  ]
  for (const [what, own, earliestAt, latestAt, expected] of cases)
    assert.is(withinHours(own, { earliestAt, latestAt }), expected, what)
})

const anyHours: fc.Arbitrary<Hours> = fc.record({
  days: fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { maxLength: 7 }),
  fromMinute: fc.integer({ min: 0, max: 47 }).map((k) => k * 30),
  toMinute: fc.integer({ min: 1, max: 48 }).map((k) => k * 30),
  utcOffsetMinutes: fc.integer({ min: -28, max: 28 }).map((k) => k * 30),
})

/** Minute by minute, by the calendar: is it, on the plant's clock, an hour of a named day, or the rest of one before? */
function slowly({ days, fromMinute, toMinute, utcOffsetMinutes }: Hours, moment: number): boolean {
  const local = new Date(moment + utcOffsetMinutes * MINUTE)
  const minute = local.getUTCHours() * 60 + local.getUTCMinutes()
  const today = ((local.getUTCDay() + 6) % 7) + 1
  const yesterday = today === 1 ? 7 : today - 1
  if (toMinute > fromMinute) return days.includes(today) && minute >= fromMinute && minute < toMinute
  return (days.includes(today) && minute >= fromMinute) || (days.includes(yesterday) && minute < toMinute)
}

test("[CR 2.11] random hours and intervals agree with looking at every half hour", () => {
  const half = 30 * MINUTE
  const seen = new Map<Certainty, number>()
  fc.assert(
    fc.property(
      anyHours,
      fc.integer({ min: -700, max: 200_000 }),
      fc.integer({ min: 0, max: 800 }),
      fc.integer({ min: 0, max: half - 1 }),
      (own, from, steps, within) => {
        const earliestAt = from * half + within
        const latestAt = earliestAt + steps * half
        const moments = Array.from({ length: steps + 1 }, (_, k) => slowly(own, earliestAt + k * half))
        const expected = moments.every(Boolean) ? "yes" : moments.some(Boolean) ? "uncertain" : "no"
        seen.set(expected, (seen.get(expected) ?? 0) + 1)
        assert.is(withinHours(own, { earliestAt, latestAt }), expected)
        // Nothing changes before the border that is told, and something does at it.
        const { inside, untilAt } = stretchAt(own, earliestAt)
        assert.is(inside, moments[0])
        if (untilAt === Infinity) return
        assert.is(slowly(own, untilAt - 1), inside)
        assert.is(slowly(own, untilAt), !inside)
      },
    ),
    { numRuns: 2000 },
  )
  for (const [certainty, count] of seen) assert.ok(count > 40, `${certainty} ${count}`)
  assert.is(seen.size, 3)
})

test("the answer stays what it is until the border that is told", () => {
  fc.assert(
    fc.property(
      anyHours,
      fc.integer({ min: 0, max: 1e12 }),
      fc.integer({ min: 0, max: 86_400_000 }),
      (own, from, length) => {
        const now = { earliestAt: from, latestAt: from + length }
        const until = untilNextBorder(own, now)
        assert.ok(until > 0)
        const later = (by: number) => ({ earliestAt: now.earliestAt + by, latestAt: now.latestAt + by })
        if (until !== Infinity) assert.is(withinHours(own, later(until - 1)), withinHours(own, now))
      },
    ),
    { numRuns: 1000 },
  )
  assert.is(untilNextBorder(hours(), { earliestAt: at(1, "05:00"), latestAt: at(1, "05:59") }), MINUTE)
  assert.is(untilNextBorder(hours(), { earliestAt: at(1, "05:00"), latestAt: Infinity }), 60 * MINUTE)
  assert.is(untilNextBorder(hours(), { earliestAt: -Infinity, latestAt: Infinity }), Infinity)
})

test("[CR 2.11] an interval that is carried on only widens", () => {
  const now = { earliestAt: 1000, latestAt: 2000 }
  assert.equal(advance(now, 0), now)
  assert.equal(advance(now, -5), now)
  const later = advance(now, 1_000_000)
  assert.ok(later.earliestAt > 1000 + 999_499 && later.earliestAt < 1000 + 1_000_000)
  assert.ok(later.latestAt < 2000 + 1_000_501 && later.latestAt > 2000 + 1_000_000)
  assert.is(advance({ earliestAt: 0, latestAt: Infinity }, 10).latestAt, Infinity)
})

test.run()
