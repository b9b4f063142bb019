import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeCursor, parseCursor } from "../../../../policy/audit/export/cursor.ts"
import { rejects } from "../../../support/rejects.ts"

const test = suite("policy/audit/export/cursor")

const HASH = "0f".repeat(32)
const text = encodeCursor({ gateway: "gw", next: 12, last: HASH })

test("a cursor reads back as it was written", () => {
  assert.equal(parseCursor(text), { gateway: "gw", next: 12, last: HASH })
  assert.equal(parseCursor(encodeCursor({ gateway: "", next: 0, last: null })), { gateway: "", next: 0, last: null })
})

test("[CR 3.5] what is no cursor is refused", async () => {
  const wrong = [
    "",
    "null",
    "[]",
    "7",
    "{}",
    text.replace("12", "-1"),
    text.replace("12", "1.5"),
    text.replace("12", '"12"'),
  ]
  const more = [text.replace(":1,", ":2,"), text.replace(HASH, HASH.slice(1)), text.replace(`"${HASH}"`, "null")]
  for (const one of [...wrong, ...more]) await rejects(() => parseCursor(one), "ERR_CURSOR")
  for (let end = 0; end < text.length - 2; end++) await rejects(() => parseCursor(text.slice(0, end)), "ERR_CURSOR")
})

test.run()
