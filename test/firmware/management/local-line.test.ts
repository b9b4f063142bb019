import { suite } from "uvu"
import * as assert from "uvu/assert"
import { InputError } from "../../../policy/base/errors.ts"
import { parseLocalLine, type LocalLine } from "../../../firmware/management/local-line.ts"
import { bitFlips, truncations } from "../../support/hostile.ts"

const test = suite("firmware/management/local-line")

/** What a line is; null for one that is refused as no line at all. */
function read(line: Uint8Array | string): LocalLine | null {
  try {
    return parseLocalLine(typeof line === "string" ? Buffer.from(line) : line)
  } catch (error) {
    assert.instance(error, InputError)
    assert.is((error as InputError).code, "ERR_COMMAND_MALFORMED")
    return null
  }
}

test("[CR 3.5] a line is a request, a session, a signed command, or asks for a number", () => {
  assert.equal(read('{"command":"status"}')?.kind, "request")
  assert.equal(read('{"session":"abc"}'), { kind: "session", token: "abc" })
  assert.equal(read('{"signed":"a.b.c"}'), { kind: "signed", jws: "a.b.c" })
  assert.equal(read(' { "nonce": "anna" }'), { kind: "nonce", account: "anna" })
})

test("[CR 3.5] everything else is refused by one code", () => {
  for (const text of [
    ...["", "null", "[]", "1", '"signed"', '{"signed":1}', '{"signed":""}', '{"session":{}}'],
    ...['{"nonce":"a","signed":"b"}', '{"signed":"a","command":"status"}', '{"signed":"a"', '{"token":"a"}'],
    `{"nonce":"${"a".repeat(65)}"}`,
    `{"session":"${"a".repeat(65)}"}`,
  ]) {
    assert.is(read(text), null, text)
  }
})

test("[CR 3.5] whatever is cut off is refused, and no flipped bit makes it throw anything else", () => {
  for (const text of ['{"signed":"a.b.c"}', '{"session":"abc"}', '{"nonce":"anna"}']) {
    const line = Buffer.from(text)
    for (const hostile of truncations(line)) assert.is(read(hostile), null)
    for (const hostile of bitFlips(line)) read(hostile)
  }
})

test.run()
