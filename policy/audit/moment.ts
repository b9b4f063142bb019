/** Moments as people write them for a log: `2h` ago, `2030-01-31`, `2030-01-31T12:00:00Z`. Times without a zone are UTC, as in the log. */

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }
const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?)?$/

/** How to write one, for faults. */
export const MOMENT_FORM = "30s, 10m, 2h, 7d, or a time such as 2030-01-31 or 2030-01-31T12:00:00Z"

/**
 * The moment in milliseconds since 1970, or null if `text` is none. Spans are counted back from `nowAt`. A day alone is its
 * first millisecond, or its last with `end`.
 */
export function parseMoment(text: string, nowAt: number, end = false): number | null {
  const ago = /^(\d{1,6})([smhdw])$/.exec(text)
  if (ago !== null) return nowAt - Number(ago[1]) * (UNIT_MS[ago[2] ?? ""] ?? 0)
  const found = TIME.exec(text)
  if (found === null) return null
  const [day = "", time, seconds = ":00", zone = "Z"] = found.slice(1)
  const dayAt = Date.parse(`${day}T00:00:00Z`)
  // A 31st of February would be taken for a day of March.
  if (Number.isNaN(dayAt) || new Date(dayAt).toISOString().slice(0, 10) !== day) return null
  if (time === undefined) return end ? dayAt + (UNIT_MS["d"] ?? 0) - 1 : dayAt
  const at = Date.parse(`${day}T${time}${seconds}${zone}`)
  return Number.isNaN(at) ? null : at
}
