import type { Hours } from "./policy.ts"
import type { Shape } from "./shape.ts"
import { choice, text } from "./shape.ts"
import { list, object, optional, required } from "./group-shapes.ts"

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const

const clock = (expected: string, pattern: RegExp): Shape<string> => text({ expected, pattern, maxLength: 5 })

/** The hours in which a rule is in force. */
export const hours = object("hours", {
  days: optional(list(choice(DAYS), { min: 1, max: 7 }), DAYS, "Days on which they begin; default all.", [...DAYS]),
  from: required(
    clock("a time 00:00..23:59, such as 06:00", /^([01][0-9]|2[0-3]):[0-5][0-9]$/),
    "When they begin, by the plant's clock.",
  ),
  to: required(
    clock("a time 00:00..24:00, such as 22:00", /^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$/),
    "When they end; at or before `from`: on the next day.",
  ),
  utc: optional(
    text({
      expected: 'an offset -14:00..+14:00, such as "+01:00"',
      pattern: /^[+-](0[0-9]:[0-5][0-9]|1[0-3]:[0-5][0-9]|14:00)$/,
      maxLength: 6,
    }),
    "+00:00",
    "The plant's clock against UTC; there is no daylight saving.",
    "+00:00",
  ),
})

type HoursEntry = typeof hours extends Shape<infer T> ? T : never

/** Hours as the policy holds them. */
export function hoursOf({ days, from, to, utc }: HoursEntry): Hours {
  const offset = minutes(utc.slice(1))
  // A day that ends at midnight ends at 24:00, whichever way it is written.
  return {
    days: days.map((day) => DAYS.indexOf(day) + 1).toSorted((a, b) => a - b),
    fromMinute: minutes(from),
    toMinute: minutes(to) === 0 ? 1440 : minutes(to),
    utcOffsetMinutes: utc.startsWith("-") ? 0 - offset : offset,
  }
}

/** Minutes of `hh:mm`. */
function minutes(written: string): number {
  const [hour = 0, minute = 0] = written.split(":").map(Number)
  return hour * 60 + minute
}
