import fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { encodeLogRequest, parseLogRequest } from "../../../policy/audit/log-request.ts"
import { bitFlips, truncations } from "../../support/hostile.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/audit/log-request")
const REQUEST = { path: "tile/entries/x001/067", nonce: "abcdefghijklmnop" }

test("a request is read back as it was written; one that nobody would answer is not written", async () => {
  assert.equal(parseLogRequest(encodeLogRequest(REQUEST)), REQUEST)
  await rejects(() => encodeLogRequest({ ...REQUEST, path: "../etc/passwd" }), "ERR_TLOG_PATH")
  await rejects(() => encodeLogRequest({ ...REQUEST, nonce: "#" }), "ERR_LOG_NONCE")
})

test("[CR 3.5] whatever else comes is no request, and nothing throws", () => {
  const bytes = encodeLogRequest(REQUEST)
  for (const cut of truncations(bytes)) assert.is(parseLogRequest(cut), null)
  for (const flipped of bitFlips(bytes)) {
    const found = parseLogRequest(flipped)
    assert.ok(found === null || (/^tile\//.test(found.path) && /^[\w-]{16,64}$/.test(found.nonce)))
  }
  for (const text of [
    "null",
    "[]",
    "1",
    "{}",
    '{"format":1,"path":1,"answer":"abcdefghijklmnop"}',
    `"${"x".repeat(300)}"`,
  ])
    assert.is(parseLogRequest(Buffer.from(text)), null, text)
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (junk) => parseLogRequest(junk) === null))
})

test.run()
