import { createPublicKey, diffieHellman, generateKeyPairSync, verify, X509Certificate } from "node:crypto"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { createFileKeyStore } from "../../../hal/linux/key-store.ts"
import { createPkcs11KeyStore } from "../../../hal/linux/pkcs11-key-store.ts"
import { openPkcs11Token } from "../../../hal/linux/pkcs11-tool.ts"
import type { KeyStore } from "../../../hal/key-store.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { pkcs11Tool } from "../../peers/opensc.ts"
import { makeSoftToken } from "../../peers/softhsm2.ts"
import { selfSigned } from "../../support/certificate.ts"
import { rejects } from "../../support/rejects.ts"
import { keyStoreConformance } from "../key-store-conformance.ts"

const test = suite("hal/linux/pkcs11-key-store")
const soft = makeSoftToken("board")
test.after(() => soft.remove())

const DATA = new Uint8Array(Buffer.from("what is signed"))
const token = openPkcs11Token({ ...soft, tool: pkcs11Tool(), pin: () => Promise.resolve(soft.pin) })
function open(inToken: (slot: string) => boolean, storage = new MemoryStorage()): KeyStore {
  return createPkcs11KeyStore({ token, storage, beside: createFileKeyStore(storage), inToken })
}

// Everything that the contract says of slots with a key that can be exported holds beside a token, too.
keyStoreConformance(test, async () => open(() => false))

test("[CR 1.5 RE(1), CR 1.9 RE(1)] a key in the token signs as ES256, agrees, and is never handed out", async () => {
  const storage = new MemoryStorage()
  const keys = open((slot) => slot === "board", storage)
  await rejects(() => keys.sign("board", DATA), "ERR_KEY_MISSING")
  const spki = await keys.generate("board", "ES256")
  const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" })
  const signature = await keys.sign("board", DATA)
  assert.ok(verify("sha256", DATA, { key, dsaEncoding: "ieee-p1363" }, signature))
  await rejects(() => keys.tlsKey("board"), "ERR_KEY_NOT_EXPORTABLE")
  const peer = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const shared = await keys.agree("board", peer.publicKey.export({ type: "spki", format: "der" }))
  assert.equal(Buffer.from(shared), diffieHellman({ privateKey: peer.privateKey, publicKey: key }))
  // What is on the disk has no private key in it.
  for (const name of await storage.list("identity/token"))
    assert.not.match(Buffer.from((await storage.read(`identity/token/${name}`)) ?? []).toString(), "PRIVATE")
  assert.equal(await storage.list("identity/keys"), [])

  assert.equal(await keys.slots(), ["board"])
  const tls = await keys.generate("tls", "ES256")
  assert.equal(new Uint8Array(new X509Certificate(await selfSigned(await keys.tlsKey("tls"))).publicKey.export({ type: "spki", format: "der" })), tls) // prettier-ignore
  assert.is((await keys.agree("tls", spki)).length, 32)
  const other = generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey.export({ type: "spki", format: "der" })
  for (const bad of [other, new Uint8Array(), spki.slice(1)])
    await rejects(() => keys.agree("board", bad), "ERR_KEY_PEER")
  await rejects(() => keys.setCertificate("board", []), "ERR_KEY_MISMATCH")
  assert.equal(await open((slot) => slot === "board", storage.powerCut("lost")).publicKey("board"), spki)
})

test("a new key takes the old one's place, in the token too; a slot that says another key is not believed", async () => {
  const storage = new MemoryStorage()
  const keys = open(() => true, storage)
  await keys.eraseAll()
  const first = await keys.generate("a", "ES256")
  const second = await keys.generate("a", "ES256")
  assert.not.equal(first, second)
  assert.is((await token.publicKeys()).filter(({ label }) => label === "lockgate-a").length, 1)
  await keys.generate("b", "ES256")
  const a = Buffer.from((await storage.read("identity/token/a")) ?? [])
  for (let at = 0; at < a.length; at += 7) {
    const bent = Buffer.from(a)
    bent[at] = (bent[at] ?? 0) ^ 1
    await storage.write("identity/token/a", bent)
    await rejects(() => keys.sign("a", DATA), "ERR_KEY_DAMAGED")
  }
  await storage.write("identity/token/a", a)
  assert.is((await keys.sign("a", DATA)).length, 64)
})

test("[CR 4.2] what is erased is gone from the token, keys without a slot included; others' keys stay", async () => {
  const storage = new MemoryStorage()
  const keys = open(() => true, storage)
  await keys.eraseAll()
  await keys.generate("a", "ES256")
  await keys.generate("b", "ES256")
  await token.generate("77", "somebody else's")
  await storage.remove("identity/token/b")
  await keys.erase("a")
  await rejects(() => keys.sign("a", DATA), "ERR_KEY_MISSING")
  assert.is(await keys.publicKey("a"), null)
  assert.ok((await token.publicKeys()).some(({ label }) => label === "lockgate-b"))
  assert.equal(await keys.eraseAll(), [])
  assert.equal((await token.publicKeys()).map(({ label }) => label), ["somebody else's"]) // prettier-ignore
})

test.run()
