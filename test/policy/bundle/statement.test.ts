import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { InputError } from "../../../policy/base/errors.ts"
import {
  encodeStatement,
  MAX_CASES_LENGTH,
  MAX_POLICY_LENGTH,
  MAX_STATEMENT_BYTES,
  MAX_VERSION,
  parseStatement,
} from "../../../policy/bundle/statement.ts"
import { aStatement } from "../../support/bundles.ts"
import { bitFlips, truncations } from "../../support/hostile.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("policy/bundle/statement")
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const PLAIN = {
  format: "lockgate-policy-bundle/2",
  version: 7,
  issuedAt: "2026-01-31T09:00:00.000Z",
  notBefore: null as unknown,
  notAfter: "2027-01-31T09:00:00.000Z" as unknown,
  gateways: ["press-hall"] as unknown,
  predecessor: null as unknown,
  policy: "format: 1\n",
  cases: "cases: []\n" as unknown,
}
/** The same as it was written before there were cases. */
const FORMER = Object.fromEntries(
  Object.entries({ ...PLAIN, format: "lockgate-policy-bundle/1" }).filter(([name]) => name !== "cases"),
)
const parse = (change: object): unknown => parseStatement(bytes(JSON.stringify({ ...PLAIN, ...change })))

test("reads a statement as it is written in the documentation", () => {
  assert.equal(parseStatement(bytes(JSON.stringify(PLAIN))), {
    version: 7,
    issuedAt: Date.UTC(2026, 0, 31, 9),
    notBeforeAt: null,
    notAfterAt: Date.UTC(2027, 0, 31, 9),
    gateways: ["press-hall"],
    predecessor: null,
    policy: "format: 1\n",
    cases: "cases: []\n",
  })
})

test("reads the format before, which has no cases, and writes the present one", async () => {
  const former = parseStatement(bytes(JSON.stringify(FORMER)))
  assert.equal([former.version, former.policy, former.cases], [7, "format: 1\n", null])
  const written = new TextDecoder().decode(encodeStatement(former))
  assert.match(written, /^\{"format":"lockgate-policy-bundle\/2",.*"cases":null\}$/)
  for (const cases of [null, "cases: []"]) {
    await rejects(() => parseStatement(bytes(JSON.stringify({ ...FORMER, cases }))), "ERR_BUNDLE_STATEMENT")
  }
})

test("what is encoded reads back the same, whatever the values", () => {
  const time = fc.integer({ min: 0, max: 4e12 })
  const name = fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/)
  fc.assert(
    fc.property(
      fc.record({
        version: fc.integer({ min: 1, max: MAX_VERSION }),
        issuedAt: time,
        notBeforeAt: fc.option(fc.integer({ min: 0, max: 1e12 })),
        notAfterAt: fc.option(fc.integer({ min: 1e12 + 1, max: 4e12 })),
        gateways: fc.oneof(fc.constant(["*"]), fc.uniqueArray(name, { minLength: 1, maxLength: 5 })),
        predecessor: fc.option(fc.stringMatching(/^[0-9a-f]{64}$/)),
        policy: fc.string({ unit: "binary" }),
        cases: fc.option(fc.string({ unit: "binary" })),
      }),
      (statement) => assert.equal(parseStatement(encodeStatement(statement)), { ...statement }),
    ),
    { numRuns: 200 },
  )
})

const REFUSED: readonly (readonly [what: string, change: object, code: string])[] = [
  ["an unknown member", { comment: "hello" }, "ERR_BUNDLE_STATEMENT"],
  ["a later format", { format: "lockgate-policy-bundle/3" }, "ERR_BUNDLE_FORMAT"],
  ["another format", { format: "voucher" }, "ERR_BUNDLE_FORMAT"],
  ["version 0", { version: 0 }, "ERR_BUNDLE_STATEMENT"],
  ["a version in words", { version: "7" }, "ERR_BUNDLE_STATEMENT"],
  ["half a version", { version: 7.5 }, "ERR_BUNDLE_STATEMENT"],
  ["a version above all", { version: MAX_VERSION + 1 }, "ERR_BUNDLE_STATEMENT"],
  ["a time without zone", { notAfter: "2027-01-31T09:00:00.000" }, "ERR_BUNDLE_STATEMENT"],
  ["a time in another zone", { notAfter: "2027-01-31T09:00:00.000+01:00" }, "ERR_BUNDLE_STATEMENT"],
  ["30 February", { notAfter: "2027-02-30T09:00:00.000Z" }, "ERR_BUNDLE_STATEMENT"],
  ["an hour 25", { issuedAt: "2027-02-20T25:00:00.000Z" }, "ERR_BUNDLE_STATEMENT"],
  ["no time of issue", { issuedAt: null }, "ERR_BUNDLE_STATEMENT"],
  ["a time as a number", { notBefore: 0 }, "ERR_BUNDLE_STATEMENT"],
  ["an end before the begin", { notBefore: "2028-01-31T09:00:00.000Z" }, "ERR_BUNDLE_STATEMENT"],
  ["no gateways", { gateways: [] }, "ERR_BUNDLE_STATEMENT"],
  ["a sole name outside a list", { gateways: "*" }, "ERR_BUNDLE_STATEMENT"],
  ["all gateways and one", { gateways: ["*", "press-hall"] }, "ERR_BUNDLE_STATEMENT"],
  ["a gateway twice", { gateways: ["a", "a"] }, "ERR_BUNDLE_STATEMENT"],
  ["a pattern as gateway", { gateways: ["press-*"] }, "ERR_BUNDLE_STATEMENT"],
  ["too many gateways", { gateways: Array.from({ length: 1001 }, (_, i) => `g${i}`) }, "ERR_BUNDLE_STATEMENT"],
  ["a predecessor in capitals", { predecessor: "A".repeat(64) }, "ERR_BUNDLE_STATEMENT"],
  ["a short predecessor", { predecessor: "ab" }, "ERR_BUNDLE_STATEMENT"],
  ["a policy that is no text", { policy: { format: 1 } }, "ERR_BUNDLE_STATEMENT"],
  ["cases that are no text", { cases: [] }, "ERR_BUNDLE_STATEMENT"],
  ["giant cases", { cases: "x".repeat(MAX_CASES_LENGTH + 1) }, "ERR_BUNDLE_SIZE"],
  ["a giant policy", { policy: "x".repeat(MAX_POLICY_LENGTH + 1) }, "ERR_BUNDLE_SIZE"],
]
for (const [what, change, code] of REFUSED) {
  test(`[CR 3.4] refuses ${what} with ${code}`, () => rejects(() => parse(change), code).then(() => undefined))
}

for (const member of Object.keys(PLAIN)) {
  test(`[CR 3.4] refuses a statement without ${member}`, () => {
    const text = JSON.stringify(Object.fromEntries(Object.entries(PLAIN).filter(([name]) => name !== member)))
    assert.throws(() => parseStatement(bytes(text)), (error: InputError) => error.kind === "input") // prettier-ignore
  })
}

test("[CR 3.4] refuses every second encoding: a repeated member, white space, another order, escapes, a mark", async () => {
  const text = JSON.stringify(PLAIN)
  const others = [
    text.replace(`"version":7`, `"version":6,"version":7`),
    text.replace(`"version":7`, `"version": 7`),
    text.replace(`"version":7`, `"version":7.0`),
    text + "\n",
    text.replace("press-hall", "press\\u002dhall"),
    JSON.stringify(Object.fromEntries(Object.entries(PLAIN).reverse())),
  ]
  for (const other of others) await rejects(() => parseStatement(bytes(other)), "ERR_BUNDLE_STATEMENT")
  await rejects(() => parseStatement(bytes("\uFEFF" + text)), "ERR_BUNDLE_STATEMENT")
})

test("[CR 3.4] refuses too many bytes before it looks at them", () =>
  rejects(() => parseStatement(new Uint8Array(MAX_STATEMENT_BYTES + 1)), "ERR_BUNDLE_SIZE").then(() => undefined))

test("[CR 3.5] truncations are refused; a bit flip is refused or changes a value, and raises nothing else", () => {
  const good = encodeStatement(aStatement({ gateways: ["a", "b"], predecessor: "0".repeat(64) }))
  for (const cut of truncations(good)) assert.throws(() => parseStatement(cut), (e: InputError) => e.kind === "input") // prettier-ignore
  const before = JSON.stringify(parseStatement(good))
  for (const flipped of bitFlips(good)) {
    try {
      assert.is.not(JSON.stringify(parseStatement(flipped)), before)
    } catch (error) {
      assert.ok(error instanceof InputError, String(error))
    }
  }
})

test("does not encode what it would not read", async () => {
  await rejects(() => encodeStatement(aStatement({ version: 0 })), "ERR_BUNDLE_STATEMENT")
  await rejects(() => encodeStatement(aStatement({ issuedAt: NaN })), "ERR_BUNDLE_STATEMENT")
  await rejects(() => encodeStatement(aStatement({ gateways: ["*", "a"] })), "ERR_BUNDLE_STATEMENT")
})

test.run()
