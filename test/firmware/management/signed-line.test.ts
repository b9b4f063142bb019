import { suite } from "uvu"
import * as assert from "uvu/assert"
import { parseSignedLine } from "../../../firmware/management/signed-line.ts"
import { bitFlips, truncations } from "../../support/hostile.ts"

const test = suite("firmware/management/signed-line")
const read = (text: string) => parseSignedLine(Buffer.from(text))

test("[CR 3.5] a line is a signed command, or asks for a number, or is neither", () => {
  assert.equal(read('{"signed":"a.b.c"}'), { kind: "signed", jws: "a.b.c" })
  assert.equal(read(' { "nonce": "anna" }'), { kind: "nonce", account: "anna" })
  for (const text of [
    "",
    "null",
    "[]",
    '{"command":"status"}',
    '{"signed":1}',
    '{"nonce":"a","signed":"b"}',
    '{"signed":"a","command":"status"}',
    `{"nonce":"${"a".repeat(65)}"}`,
    '{"signed":"a"',
  ]) {
    assert.is(read(text), null, text)
  }
})

test("[CR 3.5] whatever is cut off is no such line, and no flipped bit makes it throw", () => {
  const line = Buffer.from('{"signed":"a.b.c"}')
  for (const hostile of truncations(line)) assert.is(parseSignedLine(hostile), null)
  for (const hostile of bitFlips(line)) parseSignedLine(hostile)
})

test.run()
