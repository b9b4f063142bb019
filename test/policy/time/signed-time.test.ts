import { suite } from "uvu"
import * as assert from "uvu/assert"
import fc from "fast-check"
import { DRIFT, intervalNow, raise, startTime } from "../../../policy/time/floor.ts"
import {
  boundOf,
  encodeTimeStatement,
  parseTimeStatement,
  type TimeStatement,
} from "../../../policy/time/signed-time.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/time/signed-time")
const AT = Date.UTC(2026, 10, 23, 9, 30)
const statement: TimeStatement = {
  gateway: "gw",
  nonce: "AAAAAAAAAAAAAAAAAAAAAA",
  at: AT,
  withinMs: 2000,
  purpose: "set",
}
const text = encodeTimeStatement(statement)

test("a statement is read as it was written", () => {
  for (const purpose of ["set", "lower"] as const) {
    assert.equal(parseTimeStatement(encodeTimeStatement({ ...statement, purpose })), { ...statement, purpose })
  }
})

test("[CR 3.5] refuses what is no statement, naming the key", async () => {
  const read = JSON.parse(text)
  const wrong: readonly (readonly [change: Record<string, unknown>, key: string])[] = [
    [{ format: 2 }, "format"],
    [{ gateway: 7 }, "gateway"],
    [{ gateway: "x".repeat(65) }, "gateway"],
    [{ nonce: "short" }, "nonce"],
    [{ nonce: "+".repeat(22) }, "nonce"],
    [{ at: AT }, "at"],
    [{ at: "2026-11-23" }, "at"],
    [{ at: "2026-13-23T09:30:00Z" }, "at"],
    [{ at: "1900-01-01T00:00:00Z" }, "at"],
    [{ withinSeconds: -1 }, "withinSeconds"],
    [{ withinSeconds: "2" }, "withinSeconds"],
    [{ withinSeconds: 1e9 }, "withinSeconds"],
    [{ purpose: "raise" }, "purpose"],
    [{ more: 1 }, "form"],
  ]
  for (const [change, key] of wrong) {
    const error = await rejects(() => parseTimeStatement(JSON.stringify({ ...read, ...change })), "ERR_TIME_STATEMENT")
    assert.is((error as { detail?: { key?: string } }).detail?.key, key, JSON.stringify(change))
  }
  for (let length = 0; length < text.length; length++) {
    await rejects(() => parseTimeStatement(text.slice(0, length)), "ERR_TIME_STATEMENT")
  }
  for (const other of ["null", "[]", "7", `"x"`, `{}`, `{"format":1,"pad":"${"x".repeat(5000)}"}`]) {
    await rejects(() => parseTimeStatement(other), "ERR_TIME_STATEMENT")
  }
})

test("[CR 2.11] whenever it was signed between nonce and answer, the bound holds the true time", () => {
  const cases = fc.record({
    toSigner: fc.integer({ min: 0, max: 86_400_000 }),
    back: fc.integer({ min: 0, max: 86_400_000 }),
    error: fc.double({ min: -1, max: 1, noNaN: true }),
    drift: fc.double({ min: -DRIFT, max: DRIFT, noNaN: true }),
  })
  fc.assert(
    fc.property(cases, ({ toSigner, back, error, drift }) => {
      const trueAtSigning = AT + toSigner
      const signed = { ...statement, at: trueAtSigning + error * statement.withinMs }
      const elapsed = (toSigner + back) * (1 + drift)
      const { state, decision } = raise(startTime(null, AT - 1e9, 0), boundOf(signed, elapsed), elapsed)
      assert.is(decision, "accepted")
      const { earliestAt, latestAt } = intervalNow(state, elapsed)
      assert.ok(earliestAt <= AT + toSigner + back + 1 && AT + toSigner + back <= latestAt + 1)
    }),
    { numRuns: 300 },
  )
})

test.run()
