import { suite } from "uvu"
import * as assert from "uvu/assert"
import { entrySheet } from "../../../firmware/cli/entry-sheet.ts"
import { entryText } from "../../../firmware/cli/entry-text.ts"
import { rowOf } from "../../../firmware/console/page/rows.ts"
import { encodeEntry, parseEntry, type Entry } from "../../../policy/audit/entry.ts"
import { shownTime } from "../../../policy/audit/entry-moment.ts"

const test = suite("policy/audit/entry-moment")

const [FROM, TO] = [Date.UTC(2026, 10, 23, 12), Date.UTC(2026, 10, 23, 13)]

function entryAt(wallAt: number, latestAt: number | null = TO): Entry {
  const time = { earliestAt: FROM, latestAt: latestAt ?? Infinity }
  const event = { id: "gateway.stopped", outcome: "success", source: "gateway" } as const
  return parseEntry(encodeEntry({ seq: 1, event, boot: "b", gateway: "gw", wallAt, monotonicMs: 5, time }))
}

test("[CR 2.8] a clock within what is known is shown as it is", () => {
  for (const at of [FROM, FROM + 1, TO - 1, TO])
    assert.equal(shownTime(entryAt(at)), { text: new Date(at).toISOString(), instead: null })
  assert.is(shownTime(entryAt(TO + 1, null)).instead, null)
})

test("[CR 2.8] [CR 2.11] a clock in 1970 or 2099 gives way to the bound that is known, and that is said everywhere", () => {
  for (const [wallAt, bound, words] of [
    [1000, FROM, "or later"],
    [Date.UTC(2099, 0), TO, "or earlier"],
  ] as const) {
    const entry = entryAt(wallAt)
    const [shown, wall] = [new Date(bound).toISOString(), new Date(wallAt).toISOString()]
    const instead = `${words}; the clock was wrong, it showed ${wall}`
    assert.equal(shownTime(entry), { text: shown, instead })
    assert.ok(entryText(entry, false).startsWith(`${shown}  `), entryText(entry, false))
    assert.ok(entryText(entry, false).endsWith(`[${instead}]`), entryText(entry, false))
    assert.ok(entrySheet(entry).some((line) => line.endsWith(`${shown} ${instead}`)))
    const row = rowOf(1, entry, true)
    assert.is(row.at, bound)
    assert.ok(row.about.endsWith(instead), row.about)
  }
})

test.run()
