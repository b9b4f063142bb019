import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { nodeKeyFunctions } from "../../../hal/linux/key-functions.ts"
import { createFileKeyStore } from "../../../hal/linux/key-store.ts"
import { pemOfCertificates } from "../../../hal/linux/pem.ts"
import { MemoryStorage } from "../../../hal/memory/storage.ts"
import { selfSigned } from "../../support/certificate.ts"
import { rejects } from "../../support/rejects.ts"
import { keyStoreConformance } from "../key-store-conformance.ts"

const test = suite("hal/linux/key-store")
const folder = mkdtempSync(join(tmpdir(), "lockgate-keys-"))
test.after(() => rmSync(folder, { recursive: true }))

keyStoreConformance(test, async () => createFileKeyStore(new MemoryStorage()))

test("a key is on disk when it is made: it survives a power cut", async () => {
  const storage = new MemoryStorage()
  const keys = createFileKeyStore(storage)
  const spki = await keys.generate("gateway", "ES256")
  const chain = [await selfSigned(await keys.tlsKey("gateway"))]
  await keys.setCertificate("gateway", chain)
  const after = createFileKeyStore(storage.powerCut("lost"))
  assert.equal(await after.publicKey("gateway"), spki)
  assert.equal(await after.certificate("gateway"), chain)
})

test("power lost anywhere in a change of key leaves no chain for another key", async () => {
  for (let cut = 1; cut <= 8; cut++) {
    const storage = new MemoryStorage()
    const keys = createFileKeyStore(storage)
    await keys.generate("gateway", "ES256")
    await keys.setCertificate("gateway", [await selfSigned(await keys.tlsKey("gateway"))])
    const old = await keys.publicKey("gateway")
    storage.plan = { cutAt: storage.steps + cut, landed: "all", unsynced: "kept" }
    await keys.generate("gateway", "ES256").catch(() => null)
    const after = createFileKeyStore(storage.powerCut())
    const isOld = Buffer.from((await after.publicKey("gateway")) ?? []).equals(Buffer.from(old ?? []))
    assert.is((await after.certificate("gateway")) !== null, isOld, `cut ${cut}`)
  }
})

test("[CR 3.7] a damaged key is an integrity error that does not quote it", async () => {
  const storage = new MemoryStorage()
  const keys = createFileKeyStore(storage)
  await keys.generate("gateway", "ES256")
  const pem = Buffer.from((await storage.read("identity/keys/gateway.pem")) ?? []).toString()
  await storage.write("identity/keys/gateway.pem", Buffer.from(pem.slice(0, 100)))
  for (const action of [
    () => keys.publicKey("gateway"),
    () => keys.sign("gateway", new Uint8Array(1)),
    () => keys.tlsKey("gateway"),
  ]) {
    const error = await rejects(action, "ERR_KEY_DAMAGED")
    assert.is(error.cause, undefined)
    assert.not.match(JSON.stringify([error.message, error.detail]), pem.slice(30, 60))
  }
})

test("keys of another curve are refused", async () => {
  const { generateKeyPairSync } = await import("node:crypto")
  const storage = new MemoryStorage()
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" })
  await storage.write("identity/keys/a.pem", Buffer.from(privateKey.export({ type: "pkcs8", format: "pem" })))
  await rejects(() => createFileKeyStore(storage).publicKey("a"), "ERR_KEY_DAMAGED")
})

test("a fixed slot is read from its own files, anew each time, and cannot be written", async () => {
  const keyFile = join(folder, "k.pem")
  const certificateFile = join(folder, "c.pem")
  const keys = createFileKeyStore(new MemoryStorage(), { "Field.server": { keyFile, certificateFile } })
  assert.is(await keys.publicKey("Field.server"), null)
  for (let round = 0; round < 2; round++) {
    const { pkcs8Pem, spki } = await nodeKeyFunctions.generate("ES256")
    const chain = [await selfSigned(pkcs8Pem)]
    writeFileSync(keyFile, pkcs8Pem)
    writeFileSync(certificateFile, `a comment\n${pemOfCertificates(chain)}`)
    assert.equal(await keys.publicKey("Field.server"), spki)
    assert.equal(await keys.certificate("Field.server"), chain)
    assert.is(await keys.tlsKey("Field.server"), pkcs8Pem)
  }
  await rejects(() => keys.generate("Field.server", "ES256"), "ERR_KEY_READ_ONLY")
  await rejects(() => keys.setCertificate("Field.server", []), "ERR_KEY_READ_ONLY")
})

test.run()
