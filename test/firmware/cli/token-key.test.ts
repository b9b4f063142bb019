/** Keys of people in tokens, as the command line uses them; the whole story with a gateway: test/system/tokens.test.ts. */
import { verify } from "node:crypto"
import { writeFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createBundleVerifier } from "../../../firmware/bundles/verify.ts"
import { readTrustedSigner } from "../../../firmware/bundles/signer-key.ts"
import type { CliInput } from "../../../firmware/cli/handler.ts"
import { parseTokenUri } from "../../../firmware/cli/pkcs11-uri.ts"
import { policyApprove } from "../../../firmware/cli/policy-approve.ts"
import { policySign } from "../../../firmware/cli/policy-sign.ts"
import { openTokenKey } from "../../../firmware/cli/token-key.ts"
import { openPkcs11Token } from "../../../hal/linux/pkcs11-tool.ts"
import { captureIo, type Ran } from "../../support/cli-io.ts"
import { rejects } from "../../support/rejects.ts"
import { pkcs11Tool } from "../../peers/opensc.ts"
import { makeSoftToken } from "../../peers/softhsm2.ts"
import { POLICY } from "../../support/rig.ts"

const test = suite("firmware/cli/token-key")
const soft = makeSoftToken("plant tokens")
const pinFile = join(soft.folder, "pin")
const wrongFile = join(soft.folder, "wrong")
const uri = (object: string): string => `pkcs11:token=plant%20tokens;object=${object}?module-path=${soft.module}`
test.before(async () => {
  const token = openPkcs11Token({ ...soft, tool: pkcs11Tool(), pin: () => Promise.resolve(soft.pin) })
  await token.generate("01", "anna")
  await token.generate("02", "ben")
  writeFileSync(pinFile, `${soft.pin}\n`, { mode: 0o600 })
  writeFileSync(wrongFile, "not-the-pin\n", { mode: 0o600 })
})
test.after(() => soft.remove())

const DATA = Buffer.from("what is signed")

test("[CR 1.1 RE(2)] a key in a token signs with its PIN: from a file, the environment, or typed once", async () => {
  let asked = 0
  const askHidden = (prompt: string): Promise<string | null> => {
    asked++
    assert.is(prompt, "PIN of the token plant tokens: ")
    return Promise.resolve(soft.pin)
  }
  const input: CliInput = { isTTY: true, ask: askHidden, askHidden, readAll: () => Promise.resolve("") }
  const { env } = soft
  const ways = [{ env, pinFile }, { env: { ...env, LOCKGATE_TOKEN_PIN: soft.pin } }, { env, input }, { env, input }]
  for (const way of ways) {
    const key = await openTokenKey(uri("anna"), way)
    const signature = await key.sign(DATA)
    assert.ok(verify("sha256", DATA, { key: key.publicKey, dsaEncoding: "ieee-p1363" }, signature))
  }
  assert.is(asked, 1)
  const source = await openTokenKey(`${uri("anna")}&pin-source=file:${pinFile}`, { env })
  assert.is((await source.sign(DATA)).length, 64)
})

test("[CR 1.1 RE(2)] with a wrong PIN, and with none, nothing is signed", async () => {
  const wrong = await openTokenKey(uri("anna"), { env: soft.env, pinFile: wrongFile })
  await rejects(() => wrong.sign(DATA), "ERR_TOKEN_PIN")
  const none = await openTokenKey(uri("anna"), { env: soft.env })
  await rejects(() => none.sign(DATA), "ERR_TOKEN_PIN")
  const lost = await openTokenKey(uri("anna"), { env: soft.env, pinFile: "/nonexistent/pin" })
  await rejects(() => lost.sign(DATA), "ERR_FILE")
})

test("the key that is meant is the one that is named, never the first of several", async () => {
  const { env } = soft
  const [anna, ben] = [await openTokenKey(uri("anna"), { env }), await openTokenKey(uri("ben"), { env })]
  assert.not.equal(anna.thumbprint, ben.thumbprint)
  const byId = await openTokenKey(`pkcs11:token=plant%20tokens;id=%02?module-path=${soft.module}`, { env })
  assert.is(byId.thumbprint, ben.thumbprint)
  const several = await rejects(() => openTokenKey(`pkcs11:token=plant%20tokens?module-path=${soft.module}`, { env }), "ERR_TOKEN_KEY") // prettier-ignore
  assert.match(several.message, /anna/)
  await rejects(() => openTokenKey(uri("carl"), { env }), "ERR_TOKEN_KEY")
  await rejects(() => openTokenKey("pkcs11:token=plant%20tokens;object=anna", { env }), "ERR_TOKEN_URI")
  const byModule = { ...env, LOCKGATE_PKCS11_MODULE: soft.module }
  assert.is(
    (await openTokenKey("pkcs11:token=plant%20tokens;object=anna", { env: byModule })).thumbprint,
    anna.thumbprint,
  )
})

test("[CR 3.4] a policy is signed by one token and approved by a second key in it; the gateway's verifier counts two", async () => {
  const policy = join(soft.folder, "policy.yaml")
  const bundle = join(soft.folder, "policy.jws")
  writeFileSync(policy, POLICY)
  const run = async (handler: typeof policySign | typeof policyApprove, ...args: string[]): Promise<Ran> => {
    const io = { ...captureIo(), env: soft.env }
    return { code: await handler(args, io), out: io.text(), err: io.errors() }
  }
  const by = (name: string): string[] => ["--key", uri(name), "--pin-file", pinFile]
  const refused = await run(policySign, policy, "--version", "7", "--key", uri("anna"), "--pin-file", wrongFile, "--out", bundle) // prettier-ignore
  assert.equal([refused.code, /ERR_TOKEN_PIN/.test(refused.err)], [2, true])
  const signed = await run(policySign, policy, "--version", "7", ...by("anna"), "--out", bundle)
  assert.is(signed.code, 0, signed.err)
  const approved = await run(policyApprove, bundle, ...by("ben"), "--out", bundle)
  assert.is(approved.code, 0, approved.err)
  assert.match((await run(policyApprove, bundle, ...by("ben"))).err, "ERR_ALREADY_SIGNED")
  const signers = []
  for (const name of ["anna", "ben"]) {
    const { publicKey } = await openTokenKey(uri(name), { env: soft.env })
    signers.push(await readTrustedSigner(name, publicKey.export({ type: "spki", format: "pem" }).toString()))
  }
  const verified = await createBundleVerifier(signers)(await readFile(bundle, "utf8"))
  assert.equal(verified.signers, ["anna", "ben"])
})

test("[CR 1.5] a URI holds no PIN, and nothing in it becomes an option of the tool", () => {
  assert.equal(parseTokenUri("pkcs11:token=a%20b;object=s;id=%01%ab?module-path=/m.so&pin-source=file:/run/pin"), {
    ...{ token: "a b", object: "s", id: "01ab", module: "/m.so", pinFile: "/run/pin" },
  })
  assert.is(parseTokenUri("pkcs11:token=a?pin-source=file:///run/pin").pinFile, "/run/pin")
  const wrong = ["token=a?pin-value=1234", "token=a;pin-value=1234", "object=s", "token=", "token=a;token=b", "token=a;x=1", "token=--so-pin", "token=%0a", "token=%zz", "token=%ff", "token=a?module-path=-x", "token=a?b?c", "token=a;type=cert", "token"] // prettier-ignore
  for (const one of wrong) assert.throws(() => parseTokenUri(`pkcs11:${one}`), (e: { code?: string }) => e.code === "ERR_TOKEN_URI", one) // prettier-ignore
})

test.run()
