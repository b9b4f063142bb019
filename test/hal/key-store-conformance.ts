import { createPublicKey, diffieHellman, generateKeyPairSync, verify, X509Certificate } from "node:crypto"
import type { Test } from "uvu"
import * as assert from "uvu/assert"
import type { KeyStore } from "../../hal/key-store.ts"
import { selfSigned } from "../support/certificate.ts"
import { rejects } from "../support/rejects.ts"

const DATA = new Uint8Array(Buffer.from("what is signed"))

/** What every key store must do. `fresh` gives an empty one. */
export function keyStoreConformance(test: Test, fresh: () => Promise<KeyStore>): void {
  test("an empty slot has no key and no certificate, and does not sign", async () => {
    const keys = await fresh()
    assert.is(await keys.publicKey("gateway"), null)
    assert.is(await keys.certificate("gateway"), null)
    await rejects(() => keys.sign("gateway", DATA), "ERR_KEY_MISSING")
    await rejects(() => keys.tlsKey("gateway"), "ERR_KEY_MISSING")
  })

  test("[CR 4.3] ES256 signs over SHA-256 in 64 raw bytes, as a JWS has it", async () => {
    const keys = await fresh()
    const spki = await keys.generate("gateway", "ES256")
    const signature = await keys.sign("gateway", DATA)
    assert.is(signature.length, 64)
    const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" })
    assert.ok(verify("sha256", DATA, { key, dsaEncoding: "ieee-p1363" }, signature))
    assert.equal(await keys.publicKey("gateway"), spki)
  })

  test("[CR 4.3] Ed25519 signs in 64 bytes", async () => {
    const keys = await fresh()
    const spki = await keys.generate("log", "Ed25519")
    const signature = await keys.sign("log", DATA)
    assert.is(signature.length, 64)
    assert.ok(verify(null, DATA, createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" }), signature))
  })

  test("slots are apart, and a new key replaces the old one and its chain", async () => {
    const keys = await fresh()
    const first = await keys.generate("a", "ES256")
    const other = await keys.generate("b", "ES256")
    assert.not.equal(first, other)
    await keys.setCertificate("a", [await selfSigned(await keys.tlsKey("a"))])
    const second = await keys.generate("a", "ES256")
    assert.not.equal(second, first)
    assert.equal(await keys.publicKey("a"), second)
    assert.is(await keys.certificate("a"), null)
    assert.equal(await keys.publicKey("b"), other)
  })

  test("[CR 1.5] a chain is kept leaf first, and refused for another key", async () => {
    const keys = await fresh()
    await keys.generate("a", "ES256")
    await keys.generate("b", "ES256")
    const a = await selfSigned(await keys.tlsKey("a"), "CN=a")
    const b = await selfSigned(await keys.tlsKey("b"), "CN=b")
    await keys.setCertificate("a", [a, b])
    assert.equal(await keys.certificate("a"), [a, b])
    await rejects(() => keys.setCertificate("a", [b, a]), "ERR_KEY_MISMATCH")
    await rejects(() => keys.setCertificate("a", []), "ERR_KEY_MISMATCH")
    await rejects(() => keys.setCertificate("empty", [a]), "ERR_KEY_MISMATCH")
    await rejects(() => keys.setCertificate("a", [new Uint8Array([1, 2])]), "ERR_CERTIFICATE_DAMAGED")
    assert.equal(await keys.certificate("a"), [a, b])
  })

  test("the key for TLS is the slot's key", async () => {
    const keys = await fresh()
    const spki = await keys.generate("tls", "ES256")
    const certificate = new X509Certificate(await selfSigned(await keys.tlsKey("tls")))
    assert.equal(new Uint8Array(certificate.publicKey.export({ type: "spki", format: "der" })), spki)
  })

  test("[CR 3.9] what a slot remembers is apart from its key, is replaced whole, and is bounded", async () => {
    const keys = await fresh()
    assert.is(await keys.recall("log"), null)
    await keys.remember("log", DATA)
    const mine = new Uint8Array(4096).fill(7)
    await keys.remember("other", mine)
    mine.fill(0)
    assert.equal(new Uint8Array((await keys.recall("log")) ?? []), DATA)
    assert.equal(new Uint8Array((await keys.recall("other")) ?? []), new Uint8Array(4096).fill(7))
    assert.is(await keys.publicKey("log"), null)
    await keys.generate("log", "Ed25519")
    assert.equal(new Uint8Array((await keys.recall("log")) ?? []), DATA)
    await keys.remember("log", new Uint8Array([1]))
    assert.equal(new Uint8Array((await keys.recall("log")) ?? []), new Uint8Array([1]))
    await rejects(() => keys.remember("log", new Uint8Array(4097)), "ERR_KEY_MEMORY")
    await rejects(() => keys.remember("../a", DATA), "ERR_KEY_SLOT")
    await rejects(() => keys.recall("../a"), "ERR_KEY_SLOT")
  })

  test("[CR 4.3] a key agrees on 32 bytes with a key on P-256, and with no other", async () => {
    const keys = await fresh()
    const spki = await keys.generate("a", "ES256")
    const mine = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" })
    const peer = generateKeyPairSync("ec", { namedCurve: "P-256" })
    const der = (key: typeof mine): Uint8Array => new Uint8Array(key.export({ type: "spki", format: "der" }))
    const agreed = await keys.agree("a", der(peer.publicKey))
    assert.is(agreed.length, 32)
    const theirs = new Uint8Array(diffieHellman({ privateKey: peer.privateKey, publicKey: mine }))
    assert.equal(new Uint8Array(agreed), theirs)
    const offCurve = der(peer.publicKey)
    offCurve[offCurve.length - 1]! ^= 1
    const otherCurve = der(generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey)
    const x25519 = der(generateKeyPairSync("x25519").publicKey)
    for (const bad of [offCurve, otherCurve, x25519, new Uint8Array(), der(peer.publicKey).slice(0, -1)])
      await rejects(() => keys.agree("a", bad), "ERR_KEY_PEER")
    await keys.generate("log", "Ed25519")
    await rejects(() => keys.agree("log", der(peer.publicKey)), "ERR_KEY_ALGORITHM")
    await rejects(() => keys.agree("empty", der(peer.publicKey)), "ERR_KEY_MISSING")
  })

  test("[CR 4.1] a secret is 32 bytes of one slot, and stays", async () => {
    const keys = await fresh()
    const secret = new Uint8Array(await keys.secret("spool"))
    assert.is(secret.length, 32)
    assert.equal(new Uint8Array(await keys.secret("spool")), secret)
    assert.not.equal(new Uint8Array(await keys.secret("other")), secret)
  })

  test("[CR 4.2] what is erased is gone, alone, and its slot can be used anew", async () => {
    const keys = await fresh()
    assert.equal(await keys.slots(), [])
    const first = await keys.generate("b", "ES256")
    await keys.setCertificate("b", [await selfSigned(await keys.tlsKey("b"))])
    const secret = new Uint8Array(await keys.secret("b"))
    await keys.remember("b", DATA)
    await keys.remember("c", DATA)
    const other = await keys.generate("a", "Ed25519")
    assert.equal(await keys.slots(), ["a", "b", "c"])
    await keys.sign("b", DATA)
    await keys.erase("b")
    assert.equal(await keys.slots(), ["a", "c"])
    assert.is(await keys.publicKey("b"), null)
    assert.is(await keys.certificate("b"), null)
    assert.is(await keys.recall("b"), null)
    await rejects(() => keys.sign("b", DATA), "ERR_KEY_MISSING")
    await rejects(() => keys.tlsKey("b"), "ERR_KEY_MISSING")
    assert.not.equal(new Uint8Array(await keys.secret("b")), secret)
    assert.not.equal(await keys.generate("b", "ES256"), first)
    assert.is(await keys.certificate("b"), null)
    assert.equal(await keys.publicKey("a"), other)
    await keys.erase("never-used")
    await rejects(() => keys.erase("../a"), "ERR_KEY_SLOT")
  })

  test("[CR 4.2] all is erased at once, named, and a second time there is nothing", async () => {
    const keys = await fresh()
    await keys.generate("a", "Ed25519")
    await keys.secret("b")
    await keys.remember("c", DATA)
    assert.equal(await keys.eraseAll(), ["a", "b", "c"])
    assert.equal(await keys.slots(), [])
    assert.is(await keys.publicKey("a"), null)
    assert.is(await keys.recall("c"), null)
    assert.equal(await keys.eraseAll(), [])
    const spki = await keys.generate("a", "Ed25519")
    assert.equal(await keys.publicKey("a"), spki)
  })

  test("a slot's name cannot lead elsewhere", async () => {
    const keys = await fresh()
    for (const slot of ["", "../a", "A", "a.b", "a/b", "a".repeat(33)]) {
      await rejects(() => keys.generate(slot, "ES256"), "ERR_KEY_SLOT")
      await rejects(() => keys.publicKey(slot), "ERR_KEY_SLOT")
      await rejects(() => keys.certificate(slot), "ERR_KEY_SLOT")
      await rejects(() => keys.tlsKey(slot), "ERR_KEY_SLOT")
    }
  })
}
