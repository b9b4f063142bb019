import { suite } from "uvu"
import * as assert from "uvu/assert"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { stormLines, type StormLine } from "./figures.ts"
import { recordStorms } from "./record.ts"

const test = suite("storm/record")
const line = (name: string, figures: Record<string, number>): StormLine => ({ kind: "process kill", name, figures })

test("figures are read out of what a test has printed", () => {
  const told = line("a", { kills: 3 })
  assert.equal(stormLines(`• •\nSTORM ${JSON.stringify(told)}\n  Total: 2\n`), [told])
  assert.equal(stormLines(" STORM is a word\n"), [])
})

test("of several runs the worst is kept, and lines of storms that did not run stay", () => {
  const folder = mkdtempSync(join(tmpdir(), "lockgate-storms-"))
  const file = join(folder, "STORMS.md")
  try {
    recordStorms([line("a", { kills: 3, entriesLost: 0 }), line("b", { kills: 1 })], file, new Date("2026-01-01"))
    const said = recordStorms(
      [line("a", { kills: 3, slowestRestartMs: 5, entriesLost: 1 }), line("a", { kills: 3, slowestRestartMs: 9 })],
      file,
      new Date("2026-02-02"),
    )
    const rows = readFileSync(file, "utf8")
      .split("\n")
      .filter((row) => row.startsWith("| process kill"))
    assert.is(rows.length, 2)
    assert.match(
      rows[0]!,
      /^\| process kill \| a \| kills 3, slowest restart 9 ms, entries lost 1 \| 2 \| 2026-02-02 \| /,
    )
    assert.match(rows[1]!, /^\| process kill \| b \| kills 1 \| 1 \| 2026-01-01 \| /)
    assert.is(said, rows[0])
    assert.is(recordStorms([], file), "no storm told any figures")
    assert.is(
      readFileSync(file, "utf8")
        .split("\n")
        .filter((row) => row.startsWith("| process kill")).length,
      2,
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test.run()
