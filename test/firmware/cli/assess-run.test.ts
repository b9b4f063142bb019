import { suite } from "uvu"
import * as assert from "uvu/assert"
import { assess, type RowResult } from "../../../firmware/assess/run.ts"
import { renderPosture, renderRows } from "../../../firmware/cli/assess-run.ts"
import { CONDITIONS } from "../../../policy/posture.ts"

const test = suite("firmware/cli/assess-run")

const row = (requirement: string, change: Partial<RowResult>): RowResult => ({
  requirement,
  title: "a title",
  minLevel: 1,
  result: "not tested",
  claim: null,
  probes: [],
  ...change,
})

test("a row is shown with what each of its probes found; rows that nobody answers are listed by name", () => {
  const lines = renderRows([
    row("CR 2.1", {
      result: "not met",
      claim: "we do",
      probes: [
        { id: "a", result: { outcome: "passed", evidence: "seen to hold" } },
        { id: "b", result: { outcome: "failed", expected: "a refusal", seen: "it ran" } },
        { id: "c", result: { outcome: "not-tested", why: "nothing listens" } },
      ],
    }),
    row("CR 2.2", {}),
    row("CR 2.5", {}),
  ])
  assert.equal(lines, [
    "not met    CR 2.1        a title (from SL 1)",
    "           + a: seen to hold",
    "           - b: expected a refusal; seen: it ran",
    "           - c: nothing listens",
    "",
    "not tested:",
    "           CR 2.2, CR 2.5",
    "",
    "3 rows apply to a network component that is an embedded device: 0 met, 1 not met, 2 not tested",
  ])
})

test("without controls no row is met, and every row of a network component and an embedded device is listed once", async () => {
  const rows = await assess([], [], null as never)
  const text = renderRows(rows).join("\n")
  assert.match(
    text,
    /105 rows apply to a network component that is an embedded device: 0 met, 0 not met, 105 not tested$/,
  )
  const listed = text.match(/(CR|NDR|EDR) \d+\.\d+( RE\(\d\))?/g) ?? []
  assert.is(new Set(listed).size, 105)
  assert.ok(text.split("\n").every((line) => line.length <= 110))
})

test("[NDR 5.2] the posture table stands under the rows, one line a condition", () => {
  const lines = renderPosture()
  assert.is(lines.length, CONDITIONS.length + 2)
  assert.ok(CONDITIONS.every((condition) => lines.some((line) => line.includes(` ${condition} `))))
})

test.run()
