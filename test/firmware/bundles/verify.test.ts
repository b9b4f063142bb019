import { createHmac, ECDH, generateKeyPairSync } from "node:crypto"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import * as fc from "fast-check"
import { MAX_BUNDLE_LENGTH } from "../../../firmware/bundles/envelope.ts"
import { addSignature, readStatement, signBundle } from "../../../firmware/bundles/sign.ts"
import { readSigningKey, readTrustedSigner } from "../../../firmware/bundles/signer-key.ts"
import { createBundleVerifier } from "../../../firmware/bundles/verify.ts"
import { InputError } from "../../../policy/base/errors.ts"
import { encodeStatement, MAX_POLICY_LENGTH } from "../../../policy/bundle/statement.ts"
import { aStatement, makeSigner } from "../../support/bundles.ts"
import { bitFlips, truncations } from "../../support/hostile.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/bundles/verify")

const anna = await makeSigner("anna")
const bert = await makeSigner("bert", "EdDSA")
const carl = await makeSigner("carl")
const verify = createBundleVerifier([anna.trusted, bert.trusted])
const statement = aStatement({ version: 7 })
const byAnna = await signBundle(statement, anna.signing)
const byBoth = await addSignature(byAnna, bert.signing)

const b64 = (value: string | Uint8Array): string => Buffer.from(value).toString("base64url")
const refused = (text: string, code: string): Promise<void> => rejects(() => verify(text), code).then(() => undefined)
/** The bundle by Anna with her signature entry, or the whole, changed. */
const entry = (change: object): string => {
  const jws = JSON.parse(byAnna)
  return JSON.stringify({ ...jws, signatures: [{ ...jws.signatures[0], ...change }] })
}
const whole = (change: object): string => JSON.stringify({ ...JSON.parse(byAnna), ...change })
const header = (change: object): string =>
  entry({ protected: b64(JSON.stringify({ alg: "ES256", typ: "lockgate-policy+jws", kid: anna.trusted.thumbprint, ...change })) }) // prettier-ignore

test("[CR 3.4] names the trusted keys that signed, in both algorithms", async () => {
  assert.equal((await verify(byAnna)).signers, ["anna"])
  const both = await verify(byBoth)
  assert.equal(both.signers, ["anna", "bert"])
  assert.equal(both.statement, statement)
  assert.match(both.statementHash, /^[0-9a-f]{64}$/)
  assert.is(both.statementHash, (await verify(byAnna)).statementHash)
})

test("[CR 3.4] a signature by a key that is not trusted is ignored, alone or beside a good one", async () => {
  const byCarl = await signBundle(statement, carl.signing)
  await refused(byCarl, "ERR_BUNDLE_SIGNATURES")
  assert.equal((await verify(await addSignature(byCarl, anna.signing))).signers, ["anna"])
})

test("[CR 3.4] a bad signature is ignored beside a good one, and is not counted", async () => {
  const jws = JSON.parse(byBoth)
  jws.signatures[0].signature = b64(new Uint8Array(64).fill(1))
  assert.equal((await verify(JSON.stringify(jws))).signers, ["bert"])
})

test("[CR 3.4] several signatures by one key count once", async () => {
  const jws = JSON.parse(byAnna)
  const again = JSON.parse(await signBundle(statement, anna.signing))
  const many = { payload: jws.payload, signatures: [jws.signatures[0], jws.signatures[0], again.signatures[0]] }
  assert.equal((await verify(JSON.stringify(many))).signers, ["anna"])
})

test("[CR 3.4] one key trusted under two names counts once, in whichever encoding it stands there", async () => {
  const { x, y } = anna.trusted.key.export({ format: "jwk" })
  const point = Buffer.concat([Buffer.of(4), Buffer.from(x!, "base64url"), Buffer.from(y!, "base64url")])
  const compressed = ECDH.convertKey(point, "prime256v1", undefined, undefined, "compressed") as Buffer
  const der = Buffer.concat([Buffer.from("3039301306072a8648ce3d020106082a8648ce3d030107032200", "hex"), compressed])
  const pem = `-----BEGIN PUBLIC KEY-----\n${der.toString("base64")}\n-----END PUBLIC KEY-----\n`
  const twin = await readTrustedSigner("aaron", pem)
  const twice = createBundleVerifier([anna.trusted, twin, { ...anna.trusted, name: "zoe" }])
  assert.equal((await twice(byAnna)).signers, ["aaron"])
})

test("[CR 3.4] a signature over another statement does not count for this one", async () => {
  const other = JSON.parse(await signBundle(aStatement({ version: 8 }), anna.signing))
  await refused(whole({ payload: other.payload }), "ERR_BUNDLE_SIGNATURES")
})

test("[CR 3.4] signing by one trusted key under the id of another does not count", () =>
  refused(header({ kid: bert.trusted.thumbprint }), "ERR_BUNDLE_SIGNATURES"))

test("[CR 3.4] a key is not used under another algorithm than its own", async () => {
  await refused(header({ alg: "EdDSA" }), "ERR_BUNDLE_SIGNATURES")
})

const CASES: readonly (readonly [what: string, text: string, code: string])[] = [
  ["alg none", header({ alg: "none" }), "ERR_BUNDLE_ALGORITHM"],
  ["RS256", header({ alg: "RS256" }), "ERR_BUNDLE_ALGORITHM"],
  ["no alg", header({ alg: undefined }), "ERR_BUNDLE_ALGORITHM"],
  ["a list of algorithms", header({ alg: ["ES256"] }), "ERR_BUNDLE_ALGORITHM"],
  ["another type", header({ typ: "JWT" }), "ERR_BUNDLE_HEADER"],
  ["no type", header({ typ: undefined }), "ERR_BUNDLE_HEADER"],
  ["crit", header({ crit: ["b64"], b64: true }), "ERR_BUNDLE_HEADER"],
  ["an empty crit", header({ crit: [] }), "ERR_BUNDLE_HEADER"],
  ["b64", header({ b64: false }), "ERR_BUNDLE_HEADER"],
  ["a key in the header", header({ jwk: {} }), "ERR_BUNDLE_HEADER"],
  ["an address of keys", header({ jku: "https://example.org" }), "ERR_BUNDLE_HEADER"],
  ["no key id", header({ kid: undefined }), "ERR_BUNDLE_HEADER"],
  ["a key id that is no thumbprint", header({ kid: "../../etc/passwd" }), "ERR_BUNDLE_HEADER"],
  ["an unknown key id", header({ kid: "A".repeat(43) }), "ERR_BUNDLE_SIGNATURES"],
  ["an unprotected header", entry({ header: { alg: "ES256" } }), "ERR_BUNDLE_MALFORMED"],
  ["no protected header", entry({ protected: undefined }), "ERR_BUNDLE_MALFORMED"],
  ["a protected header that is no object", entry({ protected: b64("[]") }), "ERR_BUNDLE_MALFORMED"],
  ["a huge protected header", entry({ protected: "A".repeat(2000) }), "ERR_BUNDLE_MALFORMED"],
  ["an empty signature", entry({ signature: "" }), "ERR_BUNDLE_MALFORMED"],
  ["a long signature", entry({ signature: b64(new Uint8Array(72)) }), "ERR_BUNDLE_MALFORMED"],
  ["a detached payload", whole({ payload: undefined }), "ERR_BUNDLE_MALFORMED"],
  ["an empty payload", whole({ payload: "" }), "ERR_BUNDLE_MALFORMED"],
  ["a payload in plain text", whole({ payload: "{}" }), "ERR_BUNDLE_MALFORMED"],
  ["padding", whole({ payload: "AAA=" }), "ERR_BUNDLE_MALFORMED"],
  ["spare bits that are not zero", whole({ payload: "AB" }), "ERR_BUNDLE_MALFORMED"],
  ["no signatures", whole({ signatures: [] }), "ERR_BUNDLE_MALFORMED"],
  ["signatures that are no list", whole({ signatures: {} }), "ERR_BUNDLE_MALFORMED"],
  ["a further member", whole({ protected: "AAAA" }), "ERR_BUNDLE_MALFORMED"],
  ["seventeen signatures", whole({ signatures: Array(17).fill(JSON.parse(byAnna).signatures[0]) }), "ERR_BUNDLE_SIZE"],
  ["more than 4 MiB", byAnna + " ".repeat(MAX_BUNDLE_LENGTH), "ERR_BUNDLE_SIZE"],
  ["a tower of brackets", "[".repeat(MAX_BUNDLE_LENGTH), "ERR_BUNDLE_MALFORMED"],
  ["the compact form", JSON.parse(byAnna).payload, "ERR_BUNDLE_MALFORMED"],
  ["nothing", "", "ERR_BUNDLE_MALFORMED"],
  ["null", "null", "ERR_BUNDLE_MALFORMED"],
]
for (const [what, text, code] of CASES) test(`[CR 3.4] refuses ${what} with ${code}`, () => refused(text, code))

test("[CR 3.4] a MAC made with the public key as secret is refused", async () => {
  for (const secret of [anna.publicPem, anna.trusted.key.export({ type: "spki", format: "der" })]) {
    const { payload } = JSON.parse(byAnna)
    const protect = b64(JSON.stringify({ alg: "HS256", typ: "lockgate-policy+jws", kid: anna.trusted.thumbprint }))
    const signature = createHmac("sha256", secret).update(`${protect}.${payload}`).digest("base64url")
    await refused(JSON.stringify({ payload, signatures: [{ protected: protect, signature }] }), "ERR_BUNDLE_ALGORITHM")
  }
})

test("[CR 3.4] a payload that is signed but is no statement is refused after its signature was good", async () => {
  const { FlattenedSign } = await import("jose")
  const protect = { alg: "ES256", typ: "lockgate-policy+jws", kid: anna.trusted.thumbprint }
  const jws = await new FlattenedSign(Buffer.from("{}")).setProtectedHeader(protect).sign(anna.signing.key)
  const text = JSON.stringify({
    payload: jws.payload,
    signatures: [{ protected: jws.protected, signature: jws.signature }],
  })
  await refused(text, "ERR_BUNDLE_FORMAT")
})

test("[CR 3.5] every truncation is refused, and no bit flip yields another statement", async () => {
  const bytes = Buffer.from(JSON.stringify(JSON.parse(byAnna)))
  for (const cut of truncations(bytes)) {
    await verify(Buffer.from(cut).toString("utf8")).then(
      () => assert.unreachable("a truncated bundle was accepted"),
      (error: unknown) => assert.ok(error instanceof InputError, String(error)),
    )
  }
  for (const flipped of bitFlips(bytes)) {
    const result = await verify(Buffer.from(flipped).toString("latin1")).catch((error: unknown) => {
      assert.ok(error instanceof InputError, String(error))
    })
    if (result !== undefined) assert.equal(result.statement, statement)
  }
})

test("[CR 3.5] random values raise nothing but an input error", () =>
  fc.assert(
    fc.asyncProperty(fc.jsonValue(), fc.string({ unit: "binary" }), async (value, text) => {
      for (const hostile of [
        JSON.stringify(value),
        text,
        whole({ signatures: [value] }),
        entry({ signature: value }),
      ]) {
        await verify(hostile).then(() => assert.unreachable(), (e: unknown) => assert.instance(e, InputError)) // prettier-ignore
      }
    }),
    { numRuns: 100 },
  ))

test("the largest policy there may be fits into a bundle with sixteen signatures", async () => {
  const big = aStatement({ policy: "x".repeat(MAX_POLICY_LENGTH) })
  let text = await signBundle(big, anna.signing)
  for (let n = 1; n < 16; n++) text = await addSignature(text, (await makeSigner("more", "EdDSA")).signing)
  assert.equal((await verify(text)).signers, ["anna"])
  await rejects(() => addSignature(text, bert.signing), "ERR_BUNDLE_FULL")
})

test("a second signature by the same key is refused, and a wrong statement is not signed", async () => {
  await rejects(() => addSignature(byBoth, anna.signing), "ERR_ALREADY_SIGNED")
  await rejects(() => signBundle(aStatement({ version: 0 }), anna.signing), "ERR_BUNDLE_STATEMENT")
  const odd = whole({ payload: b64("{}") })
  await rejects(() => addSignature(odd, bert.signing), "ERR_BUNDLE_FORMAT")
  assert.equal(readStatement(byBoth), statement)
  assert.is(JSON.parse(byBoth).payload, b64(encodeStatement(statement)))
})

test("[CR 4.3] keys are P-256 or Ed25519 and nothing else; a private key is not taken for trust", async () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 })
  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" })
  const ed448 = generateKeyPairSync("ed448")
  for (const pair of [rsa, p384, ed448]) {
    const spki = pair.publicKey.export({ type: "spki", format: "pem" }) as string
    const pkcs8 = pair.privateKey.export({ type: "pkcs8", format: "pem" }) as string
    await rejects(() => readTrustedSigner("x", spki), "ERR_KEY_ALGORITHM")
    await rejects(() => readSigningKey("x", pkcs8), "ERR_KEY_ALGORITHM")
  }
  await rejects(() => readTrustedSigner("x", anna.privatePem), "ERR_KEY_MALFORMED")
  await rejects(() => readSigningKey("x", anna.publicPem), "ERR_KEY_MALFORMED")
  for (const text of ["", "hello", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"]) {
    await rejects(() => readTrustedSigner("x", text), "ERR_KEY_MALFORMED")
  }
})

test("[CR 3.7] an error about a private key holds nothing of it", async () => {
  const torn = anna.privatePem.replace(/A/g, "B")
  const error = await readSigningKey("anna.pem", torn).catch((e: unknown) => e)
  const body = torn.split("\n")[1]!
  assert.not(JSON.stringify([String(error), (error as InputError).detail, (error as Error).cause]).includes(body))
})

test.run()
