import { suite } from "uvu"
import * as assert from "uvu/assert"
import "reflect-metadata"
import { X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import * as x509 from "@peculiar/x509"
import { certificateFacts, createFactsCache, verifySignature } from "../../../firmware/tls/certificate-facts.ts"
import { factsFromPem, parsePemChain } from "../../../firmware/tls/pem.ts"
import { InputError } from "../../../policy/base/errors.ts"
import type { CertificateFacts } from "../../../policy/identity/certificate.ts"
import { bitFlips, randomBytes, seeded, truncations } from "../../support/hostile.ts"
import { createOpensslPki, leafExtensions } from "../../support/openssl-pki.ts"
import type { OpensslCertificate } from "../../support/openssl-pki.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/tls/certificate-facts")

const pki = createOpensslPki()
test.after(() => pki.remove())

const root = pki.authority("root", { subject: "/C=DE/O=Plant \\+ Sons, Ltd/CN=root" })
const leaf = pki.leaf("leaf", root, {
  subject: "/CN=ventil \\#3 \u00fc",
  extensions: leafExtensions(
    "URI:urn:plant:sensor:a",
    "URI:urn:x",
    "DNS:a.plant.example",
    "IP:10.0.0.1",
    "IP:2001:db8::1",
  ),
})

function facts(certificate: OpensslCertificate): CertificateFacts {
  return factsFromPem(certificate.certificate)[0]!
}

function inputErrorOnly(bytes: Uint8Array): CertificateFacts | null {
  try {
    return certificateFacts(bytes)
  } catch (error) {
    if (error instanceof InputError && error.code === "ERR_CERTIFICATE") return null
    throw error
  }
}

/** Certificates of many shapes, each by the openssl command. */
function makeZoo(): OpensslCertificate[] {
  const rsa = pki.authority("rsa", { newkey: ["rsa:2048"] })
  const edwards = pki.authority("edwards", { newkey: ["ed25519"], digest: "null" })
  const far = Date.UTC(2051, 5, 1)
  return [
    root,
    leaf,
    rsa,
    edwards,
    pki.authority("sub", { extensions: ["basicConstraints=CA:TRUE,pathlen:3", "subjectKeyIdentifier=hash"] }, root),
    pki.leaf("v1", root, { extensions: [] }),
    pki.leaf("pss", rsa, { digest: "sha384", more: ["-sigopt", "rsa_padding_mode:pss"] }),
    pki.leaf("by-edwards", edwards, { newkey: ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], digest: "null" }),
    pki.leaf("old", root, { notBeforeAt: Date.UTC(1971, 0, 1), notAfterAt: Date.UTC(1999, 11, 31, 23, 59, 59) }),
    pki.leaf("far", root, { notBeforeAt: Date.UTC(2049, 11, 31), notAfterAt: far, digest: "sha512" }),
    pki.leaf("usages", root, { extensions: ["keyUsage=decipherOnly,keyAgreement,nonRepudiation"] }),
    pki.leaf("mail", root, { extensions: ["subjectAltName=critical,email:a@b.example,otherName:1.2.3;UTF8:x"] }),
    pki.leaf("nameless", root, { subject: "/O=plant" }),
  ]
}

const zoo = makeZoo()

test("[CR 1.8] every certificate reads as Node and @peculiar/x509 read it", () => {
  for (const made of zoo) {
    const ours = facts(made)
    const node = new X509Certificate(made.certificate)
    assert.is(ours.fingerprint, node.fingerprint256.replaceAll(":", "").toLowerCase())
    assert.is(ours.serial, node.serialNumber.toLowerCase().replace(/^0+/, ""))
    assert.is(ours.notBeforeAt, node.validFromDate.getTime())
    assert.is(ours.notAfterAt, node.validToDate.getTime())
    assert.is(ours.basicConstraints?.ca ?? false, node.ca)
    assert.equal(ours.extendedKeyUsage ?? undefined, node.keyUsage)

    const peculiar = new x509.X509Certificate(made.certificate)
    const hex = (der: ArrayBuffer): string => Buffer.from(der).toString("hex")
    assert.is(ours.subjectDer, hex(peculiar.subjectName.toArrayBuffer()))
    assert.is(ours.issuerDer, hex(peculiar.issuerName.toArrayBuffer()))
    const constraints = peculiar.getExtension(x509.BasicConstraintsExtension)
    assert.is(ours.basicConstraints?.pathLength ?? undefined, constraints?.pathLength)
    assert.is(ours.basicConstraints === null, constraints === null)
    const names = peculiar.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON() ?? []
    const of = (type: string): string[] => names.filter((name) => name.type === type).map((name) => name.value)
    assert.equal([ours.sanDns, ours.sanUri, ours.sanIp], [of("dns"), of("url"), of("ip")])
    const usages = peculiar.getExtension(x509.KeyUsagesExtension)?.usages
    const flags = Object.entries(x509.KeyUsageFlags).filter(([, bit]) => typeof bit === "number" && (usages ?? 0) & bit)
    assert.equal(ours.keyUsage?.length, usages === undefined ? undefined : flags.length)
    const inWords = pki.run(
      "x509",
      "-in",
      made.certificateFile,
      "-noout",
      "-subject",
      "-nameopt",
      "RFC2253,utf8,-esc_msb",
    )
    assert.is(`subject=${ours.subject.replaceAll("\\#", "#")}`, inWords.trim().replaceAll("\\#", "#"))
  }
})

test("[CR 4.3] key and signature get the names of the list of permitted algorithms", () => {
  const named = zoo.map((made) => [facts(made).commonName, facts(made).keyAlgorithm, facts(made).signatureAlgorithm])
  for (const row of [
    ["root", "EC:P-256", "ecdsa-sha256"],
    ["rsa", "RSA:2048", "rsa-sha256"],
    ["edwards", "Ed25519", "ed25519"],
    ["pss", "EC:P-256", "rsa-pss-sha384"],
    ["by-edwards", "EC:P-384", "ed25519"],
    ["far", "EC:P-256", "ecdsa-sha512"],
  ]) {
    assert.ok(
      named.some((name) => name.join() === row.join()),
      row.join(),
    )
  }
  const weak = ["rsa:1024", "rsa:1024 -pkeyopt rsa_keygen_pubexp:3", "ec -pkeyopt ec_paramgen_curve:secp256k1", "ed448"]
  const names = weak.map((newkey, n) => facts(pki.leaf(`weak-${n}`, root, { newkey: newkey.split(" ") })).keyAlgorithm)
  assert.equal(names, ["RSA:1024", "RSA:1024:e=3", "EC:secp256k1", "ed448"])
  assert.is(facts(pki.leaf("sha1", root, { digest: "sha1" })).signatureAlgorithm, "ecdsa-sha1")
})

test("[CR 3.5] critical extensions that nobody understands are named, and so is every name constraint", () => {
  const extensions = ["1.2.3.4=critical,DER:0500", "1.2.3.5=DER:0500", "nameConstraints=permitted;DNS:plant.example"]
  const limited = facts(
    pki.authority("limited", { extensions: ["basicConstraints=critical,CA:TRUE", ...extensions] }, root),
  )
  assert.equal([...limited.unknownCritical].sort(), ["1.2.3.4", "2.5.29.30"])
})

test("a certificate with two common names, or with none, has no common name", () => {
  assert.is(facts(pki.leaf("two", root, { subject: "/CN=a/CN=b" })).commonName, null)
  assert.is(facts(pki.leaf("none", root, { subject: "/O=plant" })).commonName, null)
})

test("[CR 3.5] control characters of a name do not reach a message", () => {
  const made = facts(pki.leaf("control", root, { subject: "/CN=a\nb\u001b[31m\u202e" }))
  assert.is(made.subject, "CN=a\\0ab\\1b[31m\\e2\\80\\ae")
  assert.is(made.commonName, "a\nb\u001b[31m\u202e")
})

/** A certificate with these extensions, whatever is in them: identifier and value in hex. */
async function withExtensions(...extensions: [oid: string, hex: string][]): Promise<Uint8Array> {
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=hostile",
    keys,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    extensions: extensions.map(([oid, hex]) => new x509.Extension(oid, false, Buffer.from(hex, "hex"))),
  })
  return new Uint8Array(made.rawData)
}

const keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"])

test("[CR 3.5] alternative names with bytes that names do not have are refused", async () => {
  assert.equal(certificateFacts(await withExtensions(["2.5.29.17", "30048202612d"])).sanDns, ["a-"])
  for (const hex of [
    "30058203610062",
    "3004820261ff",
    "3004820261 20".replace(" ", ""),
    "30028200",
    "30058703010203",
    "3000",
  ]) {
    assert.is(inputErrorOnly(await withExtensions(["2.5.29.17", hex])), null, hex)
  }
})

test("[CR 2.1] the role of Modbus/TCP Security is read in one way, or the certificate is refused", async () => {
  const { vectors } = JSON.parse(
    readFileSync(new URL("../../vectors/modbus-role/roles.json", import.meta.url), "utf8"),
  ) as { vectors: { name: string; hex: string; expect: string }[] }
  const OID = "1.3.6.1.4.1.50316.802.1"
  for (const { name, hex, expect } of vectors) {
    const bytes = await withExtensions([OID, hex])
    if (expect === "ERR_CERTIFICATE") assert.is(inputErrorOnly(bytes), null, name)
    else assert.is(certificateFacts(bytes).modbusRole, expect, name)
  }
  await rejects(async () => certificateFacts(await withExtensions([OID, "0c0141"], [OID, "0c0141"])), "ERR_CERTIFICATE")
  assert.is(certificateFacts(await withExtensions(["1.3.6.1.4.1.50316.802.2", "0c0141"])).modbusRole, null)
  // As an authority with OpenSSL writes it, critical or not.
  for (const critical of ["", "critical,"]) {
    const made = facts(pki.leaf("operator", root, { extensions: [`${OID}=${critical}ASN1:UTF8String:Operator`] }))
    assert.equal([made.modbusRole, made.unknownCritical], ["Operator", []])
  }
  // Each cut and each flipped bit of the extension leaves a certificate with another readable role, or none at all.
  const value = Buffer.from("0c084f70657261746f72", "hex")
  for (const cut of truncations(value)) {
    assert.is(inputErrorOnly(await withExtensions([OID, Buffer.from(cut).toString("hex")])), null)
  }
  for (const flipped of bitFlips(value)) {
    const read = inputErrorOnly(await withExtensions([OID, Buffer.from(flipped).toString("hex")]))
    if (read !== null) assert.is(Buffer.from(read.modbusRole ?? "").toString("hex"), Buffer.from(flipped.subarray(2)).toString("hex")) // prettier-ignore
  }
})

test("[CR 3.5] what DER or RFC 5280 forbid is refused", async () => {
  const forbidden: [what: string, oid: string, hex: string][] = [
    ["a path length on no authority", "2.5.29.19", "3003020100"],
    ["a path length that is negative", "2.5.29.19", "30060101ff0201ff"],
    ["a boolean that is neither", "2.5.29.19", "3003010101"],
    ["bytes after a value", "2.5.29.19", "30000500"],
    ["a value cut short", "2.5.29.19", "3003"],
    ["no value", "2.5.29.15", ""],
    ["a key usage that allows nothing", "2.5.29.15", "03020700"],
    ["an empty extended key usage", "2.5.29.37", "3000"],
    ["a length not in its shortest form", "2.5.29.37", "30810a06082b06010505070302"],
    ["an identifier not in its shortest form", "2.5.29.37", "30050603802a03"],
  ]
  for (const [what, oid, hex] of forbidden) assert.is(inputErrorOnly(await withExtensions([oid, hex])), null, what)
  const twice = await withExtensions(["1.2.3.4", "0500"], ["1.2.3.4", "0500"])
  await rejects(() => certificateFacts(twice), "ERR_CERTIFICATE")
  certificateFacts(await withExtensions(["1.2.3.4", "0500"], ["1.2.3.5", "0500"]))
  await rejects(() => certificateFacts(Buffer.concat([facts(leaf).der, Buffer.of(0)])), "ERR_CERTIFICATE")
  await rejects(() => certificateFacts(new Uint8Array(16 * 1024 + 1)), "ERR_CERTIFICATE")
  const renamed = Buffer.from(facts(leaf).der)
  const outer = renamed.lastIndexOf(Buffer.from("2a8648ce3d040302", "hex"))
  renamed[outer + 7] = 3
  await rejects(() => certificateFacts(renamed), "ERR_CERTIFICATE")
  for (const [bytes, refused] of [
    [20, false],
    [21, true],
  ] as const) {
    const by = ["-CA", root.certificateFile, "-CAkey", root.keyFile, "-set_serial", `0x${"11".repeat(bytes)}`]
    const pem = pki.run("x509", "-req", "-in", "request.csr", ...by, "-days", "1")
    assert.is(inputErrorOnly(parsePemChain(pem)[0]!) === null, refused)
  }
})

test("[CR 3.5] every truncation and random bytes are refused with an input error and nothing else", () => {
  for (const made of [root, leaf]) {
    for (const cut of truncations(facts(made).der)) assert.is(inputErrorOnly(cut), null)
  }
  const random = seeded(11)
  for (let i = 0; i < 2000; i++) {
    const bytes = randomBytes(4 + Math.floor(random() * 200), random)
    bytes.set([0x30, 0x81, bytes.length - 3])
    assert.is(inputErrorOnly(bytes), null)
  }
})

test("[CR 3.5] no flipped bit raises anything but an input error, and none leaves the signature good", () => {
  const issuer = facts(root)
  const { der } = facts(leaf)
  let read = 0
  for (const flipped of bitFlips(der)) {
    const ours = inputErrorOnly(flipped)
    if (ours === null) continue
    read += 1
    // A signature costs more than all the reading: every third is enough to meet each byte.
    if (read % 3 === 0) assert.not.ok(verifySignature(ours, issuer))
  }
  assert.ok(read > 100 && read < der.length * 8, `${read} of ${der.length * 8} still read`)
})

test("[CR 1.8] a signature is good only under the key that made it, and checking never throws", () => {
  const twin = facts(pki.authority("root", { subject: "/C=DE/O=Plant \\+ Sons, Ltd/CN=root" }))
  assert.ok(verifySignature(facts(leaf), facts(root)))
  assert.not.ok(verifySignature(facts(leaf), twin))
  assert.not.ok(verifySignature(facts(leaf), facts(leaf)))
  assert.not.ok(verifySignature({ ...facts(leaf), der: new Uint8Array(9) }, facts(root)))
  assert.not.ok(verifySignature(facts(leaf), { ...facts(root), der: new Uint8Array(0) }))
})

test("the cache gives the same facts back, and stays within its bound", () => {
  const cache = createFactsCache(2)
  const [a, b, c] = [facts(root).der, facts(leaf).der, facts(pki.leaf("third", root)).der]
  const first = certificateFacts(a, cache)
  assert.is(certificateFacts(a, cache), first)
  certificateFacts(b, cache)
  certificateFacts(c, cache)
  assert.is(cache.get(first.fingerprint), undefined)
  assert.equal(certificateFacts(a, cache), first)
  assert.is.not(certificateFacts(a), certificateFacts(a))
})

test("the facts do not change with the buffer that they were read from", () => {
  const bytes = facts(leaf).der.slice()
  const ours = certificateFacts(bytes)
  bytes.fill(0)
  assert.ok(verifySignature(ours, facts(root)))
})

test("PEM: text around and between the blocks is passed over, in any line ending", () => {
  const text = `some text\n${leaf.certificate}between\r\n${root.certificate.replaceAll("\n", "\r\n")}`
  assert.equal(
    factsFromPem(text).map((one) => one.commonName),
    ["ventil #3 \u00fc", "root"],
  )
})

test("[CR 3.5] PEM: no certificate, a private key, another block, a cut or damaged block are refused", async () => {
  const texts = [
    "",
    "no pem",
    leaf.key,
    leaf.certificate + leaf.key,
    leaf.certificate.replaceAll("CERTIFICATE", "CERTIFICATE REQUEST"),
    leaf.certificate.slice(0, -10),
    leaf.certificate + leaf.certificate.slice(0, 100),
    leaf.certificate.replace("M", "*"),
    leaf.certificate.replace("M", ""),
    "-----BEGIN CERTIFICATE----------END CERTIFICATE-----",
    "x".repeat(2 * 1024 * 1024 + 1),
  ]
  for (const text of texts) {
    const error = await rejects(() => factsFromPem(text), "ERR_PEM").catch(() =>
      rejects(() => factsFromPem(text), "ERR_CERTIFICATE"),
    )
    assert.is(error.kind, "input")
    assert.not.match(error.message, /[A-Za-z0-9+/]{30}/)
  }
})

test.run()
