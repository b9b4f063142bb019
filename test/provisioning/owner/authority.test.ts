import { suite } from "uvu"
import * as assert from "uvu/assert"
import { X509Certificate, createPrivateKey, generateKeyPairSync } from "node:crypto"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { verifySignature } from "../../../firmware/tls/certificate-facts.ts"
import { factsFromPem } from "../../../firmware/tls/pem.ts"
import { judgePath } from "../../../policy/identity/path.ts"
import type { Purpose } from "../../../policy/identity/path-faults.ts"
import { createAuthority, issue } from "../../../provisioning/owner/authority.ts"
import { createOpensslPki } from "../../support/openssl-pki.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("provisioning/owner/authority")

const pki = createOpensslPki()
test.after(() => pki.remove())

const DAY_MS = 86_400_000
const now = Math.floor(Date.now() / 1000) * 1000
const validity = { notBeforeAt: now - DAY_MS, notAfterAt: now + DAY_MS }
const san = { uri: ["urn:plant:sensor:s1"], dns: ["s1.plant.example"], ip: ["10.0.0.1", "2001:db8::1"] }
const root = await createAuthority({ name: 'Plänt, "root" #1', validity, pathLength: 1 })
const sub = await createAuthority({ name: "#sub", validity, issuer: root })

function outcome(chain: string, anchor: string, purpose: Purpose): string {
  const verdict = judgePath({
    chain: factsFromPem(chain),
    anchors: factsFromPem(anchor),
    purpose,
    now: { earliestAt: now, latestAt: now },
    verify: verifySignature,
  })
  return verdict.ok ? "ok" : verdict.faults.join(" ")
}

test("[CR 1.8] a leaf bears what was asked, and no more", async () => {
  const { certificate, key } = await issue(sub, { subject: { cn: "s1" }, san, usage: "client", ...validity })
  const [leaf, above, more] = factsFromPem(certificate)
  assert.ok(leaf)
  assert.is(more, undefined, "the root is not sent along")
  assert.is(above?.subject, "CN=\\#sub")
  assert.is(leaf.commonName, "s1")
  assert.equal([leaf.sanUri, leaf.sanDns, leaf.sanIp], [san.uri, san.dns, san.ip])
  assert.equal(leaf.basicConstraints, { ca: false, pathLength: null })
  assert.equal(leaf.keyUsage, ["digitalSignature"])
  assert.equal(leaf.extendedKeyUsage, ["1.3.6.1.5.5.7.3.2"])
  assert.equal([leaf.notBeforeAt, leaf.notAfterAt], [validity.notBeforeAt, validity.notAfterAt])
  assert.match(leaf.serial, /^[4-7][0-9a-f]{31}$/)
  assert.ok(new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key)))
})

test("[CR 1.8] our own judgement and openssl's accept what is issued, for its purpose only", async () => {
  const file = (name: string, text: string): string => {
    writeFileSync(join(pki.folder, name), text)
    return name
  }
  for (const authority of [root, sub]) {
    for (const usage of ["client", "server", "both"] as const) {
      const { certificate } = await issue(authority, { subject: { cn: "s1" }, san, usage, ...validity })
      for (const purpose of ["client", "server"] as const) {
        const allowed = usage === "both" || usage === purpose
        assert.is(outcome(certificate, root.certificate, purpose), allowed ? "ok" : "extended-key-usage")
        const chain = file("chain.pem", certificate)
        const trusted = [
          "-CAfile",
          file("root.pem", root.certificate),
          "-untrusted",
          chain,
          "-purpose",
          `ssl${purpose}`,
          chain,
        ]
        const verify = (): string => pki.run("verify", "-x509_strict", ...trusted)
        if (allowed) assert.match(verify(), /: OK/)
        else assert.throws(verify)
      }
    }
  }
})

test("[CR 1.8] an authority issues no authorities unless it is asked to allow them", async () => {
  const last = await createAuthority({ name: "below", validity, issuer: sub })
  const { certificate } = await issue(last, { subject: { cn: "s1" }, san, usage: "client", ...validity })
  assert.is(outcome(certificate, root.certificate, "client"), "path-length")
})

test("[CR 1.8] a device may keep its key: only the public half comes in", async () => {
  const device = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const publicKey = device.publicKey.export({ format: "der", type: "spki" })
  const { certificate, key } = await issue(root, {
    subject: { cn: "s1" },
    san,
    usage: "client",
    ...validity,
    publicKey,
  })
  assert.is(key, null)
  assert.ok(new X509Certificate(certificate).checkPrivateKey(device.privateKey))
})

test("an authority made by openssl issues too, under its own spelling of its name", async () => {
  const made = pki.authority("made", { subject: "/C=DE/O=Plant \\+ Sons/CN=m\u00fcde" })
  const authority = { key: made.key, certificate: made.certificate, chain: "" }
  const { certificate } = await issue(authority, { subject: { cn: "s1" }, san, usage: "client", ...validity })
  assert.is(outcome(certificate, made.certificate, "client"), "ok")
})

test("validity reaches beyond 2050, and each serial is another", async () => {
  const late = { notBeforeAt: Date.UTC(2049, 0, 1), notAfterAt: Date.UTC(9999, 11, 31, 23, 59, 59) }
  const serials = new Set<string>()
  for (let i = 0; i < 10; i++) {
    const { certificate } = await issue(root, { subject: { cn: "s1" }, san: {}, usage: "client", ...late })
    const leaf = factsFromPem(certificate)[0]!
    assert.is(leaf.notAfterAt, late.notAfterAt)
    serials.add(leaf.serial)
  }
  assert.is(serials.size, 10)
})

test("[CR 3.5] what no certificate can have is refused, and the key stays out of the message", async () => {
  const request = { subject: { cn: "s1" }, san, usage: "client" as const, ...validity }
  const attempts: (() => Promise<unknown>)[] = [
    () => createAuthority({ name: "", validity }),
    () => createAuthority({ name: "x".repeat(65), validity }),
    () => createAuthority({ name: "a\nb", validity }),
    () => createAuthority({ name: "a", validity, pathLength: -1 }),
    () => createAuthority({ name: "a", validity, pathLength: 0.5 }),
    () => createAuthority({ name: "a", validity: { notBeforeAt: now, notAfterAt: now } }),
    () => createAuthority({ name: "a", validity: { notBeforeAt: NaN, notAfterAt: now } }),
    () => createAuthority({ name: "a", validity: { notBeforeAt: now, notAfterAt: Infinity } }),
    () => issue(root, { ...request, san: { uri: ["urn:a b"] } }),
    () => issue(root, { ...request, san: { dns: [""] } }),
    () => issue(root, { ...request, san: { ip: ["10.0.0.256"] } }),
    () => issue(root, { ...request, san: { ip: ["nonsense"] } }),
    () => issue(root, { ...request, san: { ip: ["1:2:3"] } }),
    () => issue(root, { ...request, san: { ip: ["::1]@x"] } }),
    () => issue(root, { ...request, publicKey: new Uint8Array(10) }),
    () => issue({ ...root, key: "no key" }, request),
    () => issue({ ...root, key: root.key.slice(0, 80) + root.key.slice(90) }, request),
    () => issue({ ...root, certificate: "no certificate" }, request),
    () => issue({ ...root, key: sub.key }, request),
  ]
  for (const [index, attempt] of attempts.entries()) {
    const error = await rejects(attempt, "ERR_ISSUE").catch((cause: unknown) => {
      throw new Error(`attempt ${index}`, { cause })
    })
    assert.not.match(error.message, /MIG|PRIVATE/)
  }
})

test.run()
