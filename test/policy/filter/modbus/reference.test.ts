import { suite } from "uvu"
import * as assert from "uvu/assert"
import { compareModbus } from "../../../support/modbus-cases.ts"
import { STORM } from "../../../storm/figures.ts"

const test = suite("policy/filter/modbus against its reference")
const LONG = process.env["LOCKGATE_FILTER_CASES"]
const CASES = LONG === undefined ? (STORM ? 200_000 : 20_000) : Number(LONG)

test(`[CR 2.1] ${CASES.toLocaleString("en")} random requests are judged as the reference judges them`, () => {
  const { cases, reasons, differences } = compareModbus(CASES, STORM ? Date.now() : 1)
  assert.equal(differences, [])
  assert.ok(cases >= CASES)
  for (const reason of [
    "allowed",
    "no-rule",
    "bad-request",
    "deny-rule",
    "unit",
    "function",
    "address",
    "part-of-point",
    "value",
    "not-essential",
    "emergency",
    "hours",
    "when",
    "rate",
  ]) {
    assert.ok((reasons.get(reason) ?? 0) >= cases / 1000, `${reason}: ${reasons.get(reason) ?? 0}`)
  }
})

test.run()
