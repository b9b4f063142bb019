import { suite } from "uvu"
import * as assert from "uvu/assert"
import { parseInventory } from "../../../policy/audit/collect-inventory.ts"
import { encodeNoteKey } from "../../../policy/audit/tlog/note.ts"
import { testCosigner } from "../../support/cosigners.ts"
import { rejects } from "../../support/rejects.ts"
import { sha256, testLogKey } from "../../support/signed-notes.ts"

const test = suite("policy/audit/collect-inventory")
const [one, next, other] = [testLogKey("gw-1"), testLogKey("gw-1"), testLogKey("gw.2")].map(({ key }) => key)
const lineOf = (key = one): string => encodeNoteKey(sha256, key!)

test("an inventory names gateways and the keys of their logs; a gateway may have several", () => {
  const lines = ["# plant north", "", `gw-1 = ${lineOf()}`, `  ${lineOf(next)}  `, `gw.2=${lineOf(other)}\r`]
  assert.equal([...parseInventory(sha256, lines)], [["gw-1", [one, next]], ["gw.2", [other]]]) // prettier-ignore
  assert.is(parseInventory(sha256, []).size, 0)
})

test("[CR 3.5] what is no such line is refused, and the line is named", async () => {
  const cosigner = encodeNoteKey(sha256, testCosigner("gw-1").key)
  const wrong = ["gw-1", "gw-1=", `gw-3=${lineOf()}`, `../gw-1=${lineOf()}`, `gw-1=${lineOf().slice(0, -2)}`, cosigner]
  const more = [lineOf({ ...one!, name: "other" }), lineOf({ ...one!, name: "lockgate/../log" }), `gw-1=${lineOf()} x`]
  for (const line of [...wrong, ...more]) {
    await rejects(() => parseInventory(sha256, ["# good", line]), "ERR_INVENTORY")
    assert.throws(() => parseInventory(sha256, ["# good", line]), /^line 2: |line 2: /)
  }
})

test.run()
