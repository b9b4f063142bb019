import * as fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import {
  filterTerms,
  FILTER_FIELDS,
  formatFilterFault,
  parseEntryFilter,
  type EntryFilter,
} from "../../../policy/audit/entry-filter.ts"
import { momentOf } from "../../../policy/audit/entry-moment.ts"
import type { Entry } from "../../../policy/audit/entry.ts"

const test = suite("policy/audit/entry-filter")

const NOW = Date.UTC(2030, 0, 31, 12)
const ENTRY: Entry = {
  ...{ seq: 17, time: "2030-01-31T11:00:00.000Z", earliest: 0, latest: null, boot: "b0", mono: 5, gateway: "gw-7" },
  ...{ source: "conduit/field", category: "access-control", type: "warning", event: "conduit.denied" },
  ...{ outcome: "denied", subject: "pump-1", conduit: "field", object: "plant/a,b", rule: "r1", reason: "deny-rule" },
  ...{ requirement: "CR 2.12 RE(1)", detail: { text: "Pressure 7" } },
}

function filterOf(text: string): EntryFilter {
  const parsed = parseEntryFilter(filterTerms(text, "filter"), NOW)
  if (!parsed.ok) assert.unreachable(parsed.faults.map(formatFilterFault).join("\n"))
  return (parsed as { value: EntryFilter }).value
}

function faultsOf(text: string): string[] {
  const parsed = parseEntryFilter(filterTerms(text, "--where"), NOW)
  return parsed.ok ? [] : parsed.faults.map(formatFilterFault)
}

const picks = (text: string, more: Partial<Entry> = {}): boolean => filterOf(text).matches({ ...ENTRY, ...more })

/** What a filter says to the entry above. */
const CASES: readonly (readonly [text: string, matches: boolean])[] = [
  ["", true],
  ["event=conduit.denied", true],
  ["event=conduit.*", true],
  ["event=*.denied", true],
  ["event=c*d*t.d*d", true],
  ["event=*", true],
  ["event=policy.*", false],
  ["event=policy.*,conduit.*", true],
  ["event=conduit.*,!conduit.denied", false],
  ["event=!conduit.connected", true],
  ["event=!conduit.*", false],
  ["subject=pump-1", true],
  ["subject=pump", false],
  ["subject=PUMP-1", false],
  ["subject=-", false],
  ["subject=!-", true],
  ["subject=pump-?", false],
  ["object=plant/a\\,b", true],
  ["object=plant/a,plant/b", false],
  ["object=plant/*", true],
  ["rule=r1 reason=deny-*", true],
  ["rule=r1 reason=other", false],
  ["outcome=denied,failure", true],
  ["outcome=success", false],
  ["type=warning", true],
  ["type=alarm", false],
  ["severity=info", true],
  ["severity=warning", true],
  ["severity=alarm", false],
  ["category=access-control", true],
  ['"requirement=CR 2.12"', true],
  ['requirement="CR 2.12 RE(1)"', true],
  ["requirement=cr2.12re(1)", true],
  ["requirement=CR2.12RE(2)", false],
  ["requirement=CR2.1", false],
  ["requirement=CR*", true],
  ["requirement=!CR2.12", false],
  ["requirement=CR2.12,!CR2.12RE(1)", false],
  ["source=conduit/* boot=b0 gateway=gw-7", true],
  ["seq=17", true],
  ["seq=16..17", true],
  ["seq=18..", false],
  ["seq=..16", false],
  ["seq=..17", true],
  ["since=2h", true],
  ["since=3600s", true],
  ["since=59m", false],
  ["since=2030-01-31", true],
  ["from=2030-01-31T11:00:00Z", true],
  ["from=2030-01-31T12:00:00+01:00", true],
  ["from=2030-01-31T11:00:00.001Z", false],
  ["from=2030-01-31T11:00", true],
  ['"from=2030-01-31 11:01"', false],
  ["to=2030-01-31", true],
  ["to=2030-01-30", false],
  ["from=1d to=2h", false],
  ["from=2h to=30m", true],
  ["pressure", true],
  ["text=pressure", true],
  ["PRESSURE denied field", true],
  ["pressure temperature", false],
  ['"pressure 7"', true],
  ["policy", true],
]

for (const [text, expected] of CASES)
  test(`[CR 6.1] ${text === "" ? "no word at all" : text} ${expected ? "picks" : "does not pick"} the entry`, () => {
    assert.is(picks(text), expected)
  })

test("nobody and nothing are written as a dash, and a dash by name with a backslash", () => {
  assert.ok(picks("subject=-", { subject: null }))
  assert.not.ok(picks("subject=*", { subject: null }))
  assert.ok(picks("subject=-,pump-1", { subject: null }))
  assert.ok(picks("subject=\\-", { subject: "-" }))
  assert.not.ok(picks("subject=\\-", { subject: null }))
  assert.ok(picks("reason=\\!x", { reason: "!x" }))
  assert.ok(picks("reason=a\\*", { reason: "a*" }))
  assert.not.ok(picks("reason=a\\*", { reason: "ab" }))
})

test("[CR 2.11] an entry is found at the time it was written, not at that which a wrong clock showed", () => {
  const known = { earliest: Date.UTC(2030, 0, 31, 10), latest: Date.UTC(2030, 0, 31, 11, 30) }
  assert.ok(picks("since=3h", { time: "1970-01-01T00:00:00.000Z", ...known }))
  assert.ok(picks("since=3h to=1m", { time: "2099-01-01T00:00:00.000Z", ...known }))
  assert.is(momentOf({ ...ENTRY, ...known }), Date.UTC(2030, 0, 31, 11))
  assert.ok(picks("to=2030-01-01", { time: "1970-01-01T00:00:00.000Z" }))
})

test("a filter says which numbers it can match at all", () => {
  const { firstSeq, lastSeq } = filterOf("seq=10.. seq=..20 seq=5..15")
  assert.equal([firstSeq, lastSeq], [10, 15])
  assert.equal([filterOf("").firstSeq, filterOf("").lastSeq], [0, Infinity])
})

test("what an entry of a newer release says is found by a star, and never by the names that objects have", () => {
  assert.ok(picks("event=later.*", { event: "later.event" }))
  assert.not.ok(picks("native", { event: "constructor" }))
  assert.not.ok(picks("severity=info", { type: "dire" }))
})

/** Filter, and what is said of it. */
const FAULTS: readonly (readonly [text: string, ...said: RegExp[]])[] = [
  [
    "event=conduit.denid",
    /^--where, character 1: no event is called "conduit.denid" \(did you mean "conduit.denied"\?\)$/,
  ],
  ["seq=1 sverity=warning", /^--where, character 7: no field is called "sverity" \(did you mean "severity"\?\)$/],
  ["severity=loud", /least severity, info, notice, warning, alarm, not "loud"/],
  ["severity=warnin", /did you mean "warning"/],
  ["outcome=", /empty word/],
  ["outcome=denied,", /empty word/],
  ["subject=!", /empty word/],
  ["outcome=dennied", /did you mean "denied"/],
  ["since=yesterday", /takes 30s, 10m, 2h, 7d, or a time .* not "yesterday"/],
  ["since=2030-02-31", /takes/],
  ["since=2030-13-01", /takes/],
  ["from=2030-01-31T25:00:00Z", /takes/],
  ["seq=x", /takes a number/],
  ["seq=..", /takes a number/],
  ["seq=1234567890123456", /takes a number/],
  ["from=1h to=2h", /ends before it begins/],
  ["seq=5 seq=6", /ends before it begins/],
  ["seq=x event=no.event", /character 1: takes/, /character 7: no event/],
  [`subject=${"x".repeat(1100)}`, /longer than 1024/],
  ["x ".repeat(65), /more than 64/],
  ["category=\u001b[2J", /\\u001b/],
]

for (const [text, ...said] of FAULTS)
  test(`[CR 3.5] ${JSON.stringify(text.slice(0, 30))} is refused with a reason`, () => {
    const faults = faultsOf(text)
    assert.is(faults.length, said.length, faults.join("\n"))
    said.forEach((pattern, k) => assert.match(faults[k] ?? "", pattern))
    // eslint-disable-next-line no-control-regex
    for (const fault of faults) assert.not.match(fault, /[\x00-\x1f]/)
  })

test("any text is a filter or has faults; none is lost and none hangs", () => {
  const piece = fc.oneof(fc.constantFrom(...FILTER_FIELDS.map((field) => `${field}=`), "*", "!", ",", "\\", '"', " ", "-", ".."), fc.string()) // prettier-ignore
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const parsed = parseEntryFilter(filterTerms(pieces.join(""), "filter"), NOW)
      if (parsed.ok) assert.type(parsed.value.matches(ENTRY), "boolean")
      else assert.ok(parsed.faults.length > 0)
    }),
    { numRuns: 500 },
  )
  const slow = `object=${"*a".repeat(500)}b`
  assert.not.ok(picks(slow, { object: "a".repeat(1000) }))
})

test("stars mean what a regular expression means by them", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "*"), minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(letters, letters, (pattern, value) => {
      const expected = new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(value)
      assert.is(picks(`object=${pattern}`, { object: value }), expected)
    }),
    { numRuns: 500 },
  )
})

test.run()
