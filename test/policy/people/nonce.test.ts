import { createHmac, randomBytes } from "node:crypto"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { issueNonce, NONCE_MS, useNonce, type Issued } from "../../../policy/people/nonce.ts"

const test = suite("policy/people/nonce")

const macOf = (key: Uint8Array) => (data: Uint8Array) => new Uint8Array(createHmac("sha256", key).update(data).digest())
const mac = macOf(randomBytes(32))

test("[CR 3.8] a number is good for its account, for two minutes, once", () => {
  const nonce = issueNonce("alice", { atMs: 5_000_000_000, count: 7 }, mac)
  assert.match(nonce, /^[A-Za-z0-9_-]{38}$/)
  const used = useNonce(nonce, "alice", 5_000_000_001, null, mac)
  assert.equal(used, { atMs: 5_000_000_000, count: 7 })
  assert.is(useNonce(nonce, "alice", 5_000_000_002, used as Issued, mac), "ERR_NONCE_USED")
  assert.is(useNonce(nonce, "bob", 5_000_000_002, null, mac), "ERR_NONCE_FOREIGN")
  assert.is(useNonce(nonce, "alice", 5_000_000_000 + NONCE_MS, null, mac), "ERR_NONCE_OVER")
  assert.is(useNonce(nonce, "alice", 4_999_999_999, null, mac), "ERR_NONCE_OVER")
})

test("[CR 3.8] another run of the gateway takes none of them", () => {
  const nonce = issueNonce("alice", { atMs: 1, count: 1 }, mac)
  assert.is(useNonce(nonce, "alice", 2, null, macOf(randomBytes(32))), "ERR_NONCE_FOREIGN")
})

test("[CR 3.8] commands cannot be brought in another order: a number makes those before it worthless", () => {
  const counts = fc.uniqueArray(fc.integer({ min: 0, max: 2 ** 40 }), { minLength: 2, maxLength: 8 })
  fc.assert(
    fc.property(counts, (order) => {
      let last: Issued | null = null
      for (const count of order) {
        const used = useNonce(issueNonce("alice", { atMs: 10, count }, mac), "alice", 11, last, mac)
        assert.is(typeof used === "string", last !== null && count <= last.count)
        if (typeof used !== "string") last = used
      }
    }),
  )
})

test("[CR 3.5] no truncation, no flipped bit and no other text is a number", () => {
  const nonce = issueNonce("alice", { atMs: 1, count: 1 }, mac)
  for (let end = 0; end < nonce.length; end++)
    assert.is(useNonce(nonce.slice(0, end), "alice", 2, null, mac), "ERR_NONCE_FOREIGN")
  const bytes = Buffer.from(nonce, "base64url")
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    assert.is(useNonce(flipped.toString("base64url"), "alice", 2, null, mac), "ERR_NONCE_FOREIGN", `${bit}`)
  }
  fc.assert(fc.property(fc.string(), (text) => assert.is(useNonce(text, "alice", 2, null, mac), "ERR_NONCE_FOREIGN")))
})

test.run()
