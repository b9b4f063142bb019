import * as fc from "fast-check"
import type { Entry } from "../../../../policy/audit/entry.ts"
import { EVENTS } from "../../../../policy/audit/event.ts"

/** Characters that formats of lines, keys and values trip over. */
const character = fc.oneof(
  fc.constantFrom('"', "\\", "|", "=", " ", "\n", "\r", "\t", "]", "{", ",", "\u0000", "\u001b", "\u007f", "\u0085"),
  fc.constantFrom("\u2028", "\u202e", "\u009b", "\ud800", "\udfff", "ü", "\u{1f600}", "a", "cs1=", "CEF:0|", "\\n"),
  fc.string({ minLength: 1, maxLength: 1, unit: "binary" }),
)
const textOf = (maxLength: number): fc.Arbitrary<string> =>
  fc.array(character, { maxLength }).map((characters) => characters.join(""))
const text = fc.oneof({ weight: 9, arbitrary: textOf(40) }, { weight: 1, arbitrary: textOf(800) })
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER })

/** Entries that say anything in every field, as a log that somebody forged could. */
export const hostileEntry: fc.Arbitrary<Entry> = fc
  .record(
    {
      seq: count,
      time: fc.date({ min: new Date(0), max: new Date(253_402_300_799_999), noInvalidDate: true }).map((at) => at.toISOString()), // prettier-ignore
      earliest: count,
      latest: fc.option(count, { nil: null }),
      boot: text,
      mono: count,
      gateway: text,
      source: text,
      category: text,
      type: fc.oneof(fc.constantFrom("info", "notice", "warning", "alarm"), text),
      event: fc.oneof(fc.constantFrom(...Object.keys(EVENTS)), text),
      outcome: fc.oneof(fc.constantFrom("success", "failure", "denied"), text),
      subject: fc.option(text, { nil: null }),
      conduit: text,
      object: text,
      rule: text,
      reason: text,
      count,
      request: text,
      requirement: text,
      detail: fc.dictionary(text, fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean()), { maxKeys: 8 }), // prettier-ignore
    },
    {
      requiredKeys: [
        ...(["seq", "time", "earliest", "latest", "boot", "mono", "gateway", "source", "category", "type"] as const),
        ...(["event", "outcome", "subject", "requirement"] as const),
      ],
    },
  )
  .map((entry) => entry as Entry)
