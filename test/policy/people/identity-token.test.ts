import fc from "fast-check"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { judgeIdentity, type IdentityVerdict } from "../../../policy/people/identity-token.ts"
import type { TimeInterval } from "../../../policy/time/interval.ts"

const test = suite("policy/people/identity-token")

const PROVIDER = { issuer: "https://id.plant.example", audience: "gw", claim: "preferred_username" }
const AT = Date.UTC(2026, 5, 1) / 1000
const NOW: TimeInterval = { earliestAt: AT * 1000, latestAt: AT * 1000 + 2_000 }
const GOOD = { iss: PROVIDER.issuer, aud: "gw", preferred_username: "anna", nonce: "n", iat: AT - 10, exp: AT + 300 }
const judge = (claims: unknown, now = NOW): IdentityVerdict => judgeIdentity(claims, PROVIDER, "anna", now)

test("[CR 1.1] a token for this gateway, of this person, with a number, in its time says who its bearer is", () => {
  assert.equal(judge(GOOD), { ok: true, nonce: "n", isCertain: true })
  assert.equal(judge({ ...GOOD, aud: ["gw"] }).ok, true)
  assert.equal(judge({ ...GOOD, aud: ["gw", "other"], azp: "gw" }).ok, true)
  // The provider's clock is a little ahead.
  assert.equal(judge({ ...GOOD, iat: AT + 30 }), { ok: true, nonce: "n", isCertain: true })
})

test("[CR 1.1] everything else says nothing, and why", () => {
  const cases: readonly (readonly [object, string])[] = [
    [{ iss: `${PROVIDER.issuer}/` }, "issuer"],
    [{ iss: undefined }, "issuer"],
    [{ aud: "other" }, "audience"],
    [{ aud: [] }, "audience"],
    [{ aud: ["gw", "other"] }, "audience"],
    [{ aud: ["gw", "other"], azp: "other" }, "audience"],
    [{ azp: "other" }, "audience"],
    [{ preferred_username: "Anna" }, "account"],
    [{ preferred_username: ["anna"] }, "account"],
    [{ nonce: undefined }, "number"],
    [{ nonce: "" }, "number"],
    [{ nonce: 7 }, "number"],
    [{ exp: undefined }, "form"],
    [{ exp: "tomorrow" }, "form"],
    [{ exp: Infinity }, "form"],
    [{ iat: undefined }, "form"],
    [{ nbf: null }, "form"],
    [{ exp: AT - 1 }, "over"],
    [{ iat: AT + 90 }, "early"],
    [{ nbf: AT + 90 }, "early"],
  ]
  for (const [change, reason] of cases) {
    assert.equal(judge({ ...GOOD, ...change }), { ok: false, reason }, JSON.stringify(change))
  }
  for (const none of [null, undefined, 3, "x", [GOOD]]) assert.equal(judge(none), { ok: false, reason: "form" })
  // What a prototype has is nothing that the provider said.
  assert.not.ok(judgeIdentity({ ...GOOD, sub: undefined }, { ...PROVIDER, claim: "constructor" }, "anna", NOW).ok)
})

test("[CR 2.11] where no clock can tell whether its time is over it is taken, and said to be uncertain", () => {
  assert.equal(judge(GOOD, { earliestAt: 0, latestAt: Infinity }), { ok: true, nonce: "n", isCertain: false })
  assert.equal(judge(GOOD, { earliestAt: (AT + 301) * 1000, latestAt: Infinity }), { ok: false, reason: "over" })
})

test("[CR 3.5] whatever the claims are, a token is believed only for its issuer, audience and person", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(GOOD)), (value, key) => {
      const claims = { ...GOOD, [key]: value }
      if (judge(claims).ok) assert.equal([claims.iss, claims.preferred_username], [GOOD.iss, "anna"])
      assert.not.ok(judge(value).ok)
    }),
    { numRuns: 300 },
  )
})

test.run()
