import { X509Certificate } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { suite } from "uvu"
import * as assert from "uvu/assert"
import { expired, opensslAuthority, opensslCertificate } from "./openssl.ts"

const test = suite("peers/openssl")
const folder = mkdtempSync(join(tmpdir(), "lockgate-openssl-"))
const read = (file: string): X509Certificate => new X509Certificate(readFileSync(file))
test.after(() => rmSync(folder, { recursive: true }))

const root = opensslAuthority(folder, "root")

test("a client certificate bears its names and verifies against its authority", () => {
  const { cert } = opensslCertificate(folder, "c", { issuer: root, usage: "client", san: ["URI:urn:a:b", "DNS:c"] })
  const it = read(cert)
  assert.is(it.subjectAltName, "URI:urn:a:b, DNS:c")
  assert.equal(it.keyUsage, ["1.3.6.1.5.5.7.3.2"])
  assert.ok(it.verify(read(root.cert).publicKey))
  assert.not.ok(it.ca)
  assert.ok(it.validFromDate.getTime() < Date.now() && it.validToDate.getTime() > Date.now())
})

test("an expired certificate is expired and nothing else", () => {
  const it = read(opensslCertificate(folder, "old", { issuer: root, usage: "client", ...expired() }).cert)
  assert.ok(it.validFromDate < it.validToDate)
  assert.ok(it.validToDate.getTime() < Date.now())
  assert.ok(it.verify(read(root.cert).publicKey))
})

test("an intermediate stands in the chain of what it issues, the root does not", () => {
  const middle = opensslAuthority(folder, "middle", root)
  const leaf = opensslCertificate(folder, "leaf", { issuer: middle, usage: "server", san: ["IP:127.0.0.1"] })
  const chain = readFileSync(leaf.chain, "utf8").match(/-----BEGIN CERTIFICATE[\s\S]*?-----END CERTIFICATE-----/g)!
  assert.is(chain.length, 2)
  assert.ok(new X509Certificate(chain[0]).verify(new X509Certificate(chain[1]!).publicKey))
  assert.ok(new X509Certificate(chain[1]!).verify(read(root.cert).publicKey))
})

test("another authority of the same name did not issue it", () => {
  const other = mkdtempSync(join(tmpdir(), "lockgate-openssl-"))
  const impostor = opensslAuthority(other, "root")
  const it = read(opensslCertificate(folder, "mine", { issuer: root, usage: "client" }).cert)
  assert.ok(it.checkIssued(read(root.cert)))
  assert.not.ok(it.verify(read(impostor.cert).publicKey))
  rmSync(other, { recursive: true })
})

test.run()
