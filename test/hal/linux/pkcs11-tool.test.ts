import { createECDH, diffieHellman, generateKeyPairSync, verify } from "node:crypto"
import { chmodSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { openPkcs11Token, type Pkcs11Token } from "../../../hal/linux/pkcs11-tool.ts"
import { faultOf, parseDerived, parseObjects } from "../../../hal/linux/pkcs11-words.ts"
import { pkcs11Tool } from "../../peers/opensc.ts"
import { makeSoftToken } from "../../peers/softhsm2.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("hal/linux/pkcs11-tool")
const soft = makeSoftToken()
test.after(() => soft.remove())

const DATA = new Uint8Array(Buffer.from("what is signed"))
function open(pin: string | null = soft.pin, more: object = {}): Pkcs11Token {
  return openPkcs11Token({ ...soft, tool: pkcs11Tool(), pin: () => Promise.resolve(pin), ...more })
}

test("[CR 1.5 RE(1)] a key is made in the token, signs there, and is found again by its id alone", async () => {
  const token = open()
  const first = await token.generate("0a01", "first")
  const second = await token.generate("0a02", "second")
  // The tool takes the first key it finds for any label: each id must sign with its own.
  for (const [id, key] of [
    ["0a01", first],
    ["0a02", second],
  ] as const) {
    // prettier-ignore
    const signature = await token.sign(id, DATA, key)
    assert.ok(verify("sha256", DATA, { key, dsaEncoding: "ieee-p1363" }, signature))
  }
  await rejects(() => token.sign("0a01", DATA, second), "ERR_KEY_DAMAGED")
  await rejects(() => token.sign("0bad", DATA, first), "ERR_KEY_MISSING")
  assert.is(await token.publicKey("0bad"), null)
  const labels = (await token.publicKeys()).map(({ label, id }) => `${id} ${label}`)
  assert.equal(labels.sort(), ["0a01 first", "0a02 second"])
  assert.ok(await token.destroy("0a01"))
  assert.not(await token.destroy("0a01"))
  assert.is(await token.publicKey("0a01"), null)
  await rejects(() => token.sign("0a01", DATA, first), "ERR_KEY_MISSING")
})

test("a secret is agreed on with a key that stays in the token", async () => {
  const token = open()
  const mine = await token.generate("0c", "agree")
  const peer = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const spki = peer.publicKey.export({ type: "spki", format: "der" })
  const shared = await token.agree("0c", spki)
  assert.equal(Buffer.from(shared), diffieHellman({ privateKey: peer.privateKey, publicKey: mine }))
  await token.destroy("0c")
})

test("[CR 1.1 RE(2)] without the PIN, and with a wrong one, nothing is signed; what is public is shown", async () => {
  const key = await open().generate("0d", "guarded")
  for (const pin of ["wrong-pin", "", null, `${soft.pin}x`])
    await rejects(() => open(pin).sign("0d", DATA, key), "ERR_TOKEN_PIN")
  assert.ok((await open(null).publicKey("0d"))?.equals(key))
})

test("what is missing is named: tool, module, token", async () => {
  await rejects(() => open(null, { tool: "/nonexistent/pkcs11-tool" }).publicKey("01"), "ERR_TOKEN_TOOL")
  await rejects(() => open(null, { module: "/nonexistent.so" }).publicKey("01"), "ERR_TOKEN_MODULE")
  await rejects(() => open(null, { token: "nobodys" }).publicKey("01"), "ERR_TOKEN_MISSING")
})

test("[CR 4.1] the PIN is in no argument, and nothing else of our environment reaches the token's module", async () => {
  const spy = join(soft.folder, "spy")
  const told = join(soft.folder, "told")
  writeFileSync(spy, `#!/bin/sh\n{ echo "$@"; echo ====; env; } > ${told}\nexit 1\n`)
  chmodSync(spy, 0o755)
  const env = { ...soft.env, LOCKGATE_KEY_PASSPHRASE: "of another key", LD_PRELOAD: "x" }
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  await rejects(() => open("a-pin-4711", { tool: spy, env }).sign("01", DATA, publicKey), "ERR_TOKEN")
  const [args = "", environment = ""] = readFileSync(told, "utf8").split("====")
  assert.not.match(args, "a-pin-4711")
  assert.match(environment, "LOCKGATE_TOKEN_PIN=a-pin-4711")
  assert.not.match(environment, /of another key|LD_PRELOAD/)
})

test("a tool that floods is stopped, and what it says is not repeated", async () => {
  const flood = join(soft.folder, "flood")
  writeFileSync(flood, "#!/bin/sh\nexec yes secretsecretsecret\n")
  chmodSync(flood, 0o755)
  const error = await rejects(() => open(null, { tool: flood }).publicKey("01"), "ERR_TOKEN")
  assert.not.match(error.message, "secret")
  const said = faultOf("error: PKCS11 function C_X failed: rv = CKR_DEVICE_ERROR (0x30) secret", soft)
  assert.equal([said.code, /secret/.test(said.message)], ["ERR_TOKEN", false])
  assert.is(faultOf("rv = CKR_PIN_LOCKED (0xa4)", soft).code, "ERR_TOKEN_LOCKED")
})

test("a shared secret is told from what the tool says beside it, before it or after", () => {
  const secret = createECDH("prime256v1").generateKeys().subarray(1, 33)
  const words = Buffer.from("Using derive algorithm 0x00001050 ECDH1-DERIVE\n")
  for (const output of [secret, Buffer.concat([secret, words]), Buffer.concat([words, secret])])
    assert.equal(Buffer.from(parseDerived(output) ?? []), secret)
  for (const output of [secret.subarray(1), Buffer.concat([secret, secret]), words, Buffer.alloc(0)])
    assert.is(parseDerived(output), null)
})

test("objects are read from the tool's list; what has no name and no id is none", () => {
  const list =
    "Public Key Object; EC  EC_POINT 256 bits\n  EC_POINT:   0441\n  label:      Anna's key\n  ID:         0a\nData object 1\n"
  assert.equal(parseObjects(list), [{ label: "Anna's key", id: "0a" }])
  assert.equal(parseObjects(""), [])
})

test.run()
