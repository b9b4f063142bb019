import { generateKeyPairSync } from "node:crypto"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { isEncrypted, makePersonKey, readPersonKey } from "../../../firmware/cli/person-key.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/cli/person-key")

test("[CR 1.5] a key is its person's own: encrypted by a passphrase, and opened by no other", async () => {
  const { privatePem, publicPem } = makePersonKey("three blue boats")
  assert.is(isEncrypted(privatePem), true)
  assert.match(publicPem, /^-----BEGIN PUBLIC KEY-----/)
  const key = await readPersonKey(privatePem, "three blue boats")
  assert.equal([key.algorithm, key.thumbprint.length, (await key.sign(new Uint8Array(3))).length], ["ES256", 43, 64])
  await rejects(() => readPersonKey(privatePem, null), "ERR_KEY_PASSPHRASE")
  await rejects(() => readPersonKey(privatePem, "three blue boots"), "ERR_KEY_PASSPHRASE")
})

test("without a passphrase the file is plain; another kind of key, a public one and text are refused", async () => {
  const { privatePem, publicPem } = makePersonKey(null)
  assert.is(isEncrypted(privatePem), false)
  assert.is((await readPersonKey(privatePem, null)).thumbprint.length, 43)
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" })
  const other = privateKey.export({ type: "pkcs8", format: "pem" }).toString()
  await rejects(() => readPersonKey(other, null), "ERR_KEY_ALGORITHM")
  await rejects(() => readPersonKey(publicPem, null), "ERR_KEY_MALFORMED")
  await rejects(() => readPersonKey("", null), "ERR_KEY_MALFORMED")
  await rejects(() => readPersonKey(privatePem.replace(/M/g, "N"), null), "ERR_KEY_MALFORMED")
})

test.run()
