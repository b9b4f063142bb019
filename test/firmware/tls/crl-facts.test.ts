import { suite } from "uvu"
import * as assert from "uvu/assert"
import "reflect-metadata"
import * as fc from "fast-check"
import { X509Crl } from "@peculiar/x509"
import { readCrlFile } from "../../../firmware/tls/crl-file.ts"
import { crlFacts, verifyCrl } from "../../../firmware/tls/crl-facts.ts"
import { factsFromPem, parsePemBlocks } from "../../../firmware/tls/pem.ts"
import { InputError } from "../../../policy/base/errors.ts"
import { MAX_CRL_BYTES, type CrlFacts } from "../../../policy/identity/crl.ts"
import { bitFlips, chunks, randomBytes, seeded, truncations } from "../../support/hostile.ts"
import { createOpensslPki, type CrlRequest, type OpensslCertificate } from "../../support/openssl-pki.ts"
import { rejects } from "../../support/rejects.ts"

const test = suite("firmware/tls/crl-facts")

const pki = createOpensslPki()
test.after(() => pki.remove())

const root = pki.authority("root")
const leaf = pki.leaf("leaf", root)
const held = pki.leaf("held", root)
const onHold = { of: held, reason: "holdInstruction,1.2.840.10040.2.1" }

const derOf = (pem: string): Uint8Array => parsePemBlocks(pem)[0]!.der
const list = (request: CrlRequest = {}, issuer = root): CrlFacts => crlFacts(derOf(pki.crl(issuer, request)))
const issuerOf = (certificate: OpensslCertificate) => factsFromPem(certificate.certificate)[0]!
const serialOf = (certificate: OpensslCertificate): string => issuerOf(certificate).serial

function inputErrorOnly(bytes: Uint8Array): CrlFacts | null {
  try {
    return crlFacts(bytes)
  } catch (error) {
    if (error instanceof InputError && error.code === "ERR_CRL") return null
    throw error
  }
}

test("[CR 1.9] a list by OpenSSL reads as OpenSSL and @peculiar/x509 read it", () => {
  const thisUpdateAt = Date.UTC(2026, 1, 3, 4, 5, 6)
  const nextUpdateAt = Date.UTC(2051, 1, 3)
  const pem = pki.crl(root, {
    number: 300,
    revoked: [leaf, onHold, "0a0b", { of: "7f", reason: "keyCompromise" }],
    lastUpdateAt: thisUpdateAt,
    nextUpdateAt,
  })
  const ours = crlFacts(derOf(pem))
  assert.equal([ours.thisUpdateAt, ours.nextUpdateAt, ours.number], [thisUpdateAt, nextUpdateAt, "12c"])
  assert.is(ours.issuerDer, issuerOf(root).subjectDer)
  assert.is(ours.issuer, "CN=root")
  assert.equal([ours.scope, ours.unknownCritical, ours.signatureAlgorithm], ["complete", [], "ecdsa-sha256"])
  const kinds = Object.fromEntries(ours.entries)
  assert.equal(kinds, { [serialOf(leaf)]: "revoked", [serialOf(held)]: "on-hold", a0b: "revoked", "7f": "revoked" })
  const theirs = new X509Crl(pem)
  const plain = (hex: string): string => hex.toLowerCase().replace(/^0+(?=.)/, "")
  assert.equal(theirs.entries.map((entry) => plain(entry.serialNumber)).sort(), [...ours.entries.keys()].sort())
  assert.is(theirs.nextUpdate?.getTime(), nextUpdateAt)
})

test("[CR 1.9] a list that revokes nobody, one without a number and one that says no end are read as such", () => {
  assert.is(list().entries.size, 0)
  const bare = list({ number: null, extensions: ["authorityKeyIdentifier=keyid:always,issuer:always"] })
  assert.is(bare.number, null)
})

test("[CR 1.9] a signature is good only under the key that made it, for every permitted kind of key", () => {
  const rsa = pki.authority("rsa", { newkey: ["rsa:3072"] })
  const edwards = pki.authority("edwards", { newkey: ["ed25519"], digest: "null" })
  const p384 = pki.authority("p384", { newkey: ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"] })
  const made: [issuer: OpensslCertificate, crl: CrlFacts, name: string][] = [
    [root, list(), "ecdsa-sha256"],
    [p384, list({ digest: "sha384" }, p384), "ecdsa-sha384"],
    [rsa, list({}, rsa), "rsa-sha256"],
    [rsa, list({ more: ["-sigopt", "rsa_padding_mode:pss"] }, rsa), "rsa-pss-sha256"],
    [edwards, list({ digest: "null" }, edwards), "ed25519"],
  ]
  for (const [issuer, crl, name] of made) {
    assert.is(crl.signatureAlgorithm, name)
    for (const [other] of made) assert.is(verifyCrl(crl, issuerOf(other)), other === issuer, name)
  }
  const [, good] = made[0]!
  assert.not.ok(verifyCrl({ ...good, signatureAlgorithm: "ecdsa-sha1" }, issuerOf(root)))
  assert.not.ok(verifyCrl({ ...good, signatureAlgorithm: "rsa-sha256" }, issuerOf(root)))
  assert.not.ok(verifyCrl({ ...good, der: new Uint8Array(0) }, issuerOf(root)))
  assert.not.ok(verifyCrl(good, { ...issuerOf(root), der: new Uint8Array(0) }))
})

test("[CR 1.9] delta, indirect and partial lists, and critical extensions that nobody knows, are told apart", () => {
  assert.is(list({ extensions: ["2.5.29.27=critical,DER:020101"] }).scope, "delta")
  const point = (flag: string): string[] => ["issuingDistributionPoint=critical,@i", "[i]", flag]
  assert.is(list({ extensions: point("indirectCRL=TRUE") }).scope, "indirect")
  assert.is(list({ extensions: point("onlyuser=TRUE") }).scope, "partial")
  assert.equal(list({ extensions: ["1.2.3.4=critical,DER:0500", "1.2.3.5=DER:0500"] }).unknownCritical, ["1.2.3.4"])
})

// ---- lists that OpenSSL does not make: built here, byte by byte ----

const tlv = (tag: number, ...parts: (Uint8Array | readonly number[])[]): Buffer => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)))
  const { length: n } = body
  const length = n < 128 ? [n] : n < 256 ? [0x81, n] : [0x82, n >> 8, n & 255]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
const oid = (hex: string): Buffer => tlv(6, Buffer.from(hex, "hex"))
const time = (text: string): Buffer => tlv(text.length === 13 ? 0x17 : 0x18, Buffer.from(text))
const NAME = tlv(0x30, tlv(0x31, tlv(0x30, oid("550403"), tlv(0x0c, Buffer.from("root")))))
const ECDSA = tlv(0x30, oid("2a8648ce3d040302"))
const extension = (id: string, value: Uint8Array, critical = false): Buffer =>
  tlv(0x30, oid(id), ...(critical ? [tlv(1, [0xff])] : []), tlv(4, value))
const NUMBER = extension("551d14", tlv(2, [5]))
const entry = (serial: number[], ...extensions: Buffer[]): Buffer =>
  tlv(0x30, tlv(2, serial), time("260101000000Z"), ...(extensions.length > 0 ? [tlv(0x30, ...extensions)] : []))

interface Handmade {
  readonly version?: Buffer
  readonly outer?: Buffer
  readonly times?: readonly Buffer[]
  readonly entries?: readonly Buffer[] | null
  readonly extensions?: readonly Buffer[]
  readonly after?: Buffer
}
function handmade(of: Handmade = {}): Uint8Array {
  const { times = [time("260101000000Z"), time("270101000000Z")], entries = null, extensions = [NUMBER] } = of
  const body = tlv(
    0x30,
    of.version ?? tlv(2, [1]),
    ECDSA,
    NAME,
    ...times,
    ...(entries === null ? [] : [tlv(0x30, ...entries)]),
    ...(extensions.length === 0 ? [] : [tlv(0xa0, tlv(0x30, ...extensions))]),
    of.after ?? Buffer.alloc(0),
  )
  return tlv(0x30, body, of.outer ?? ECDSA, tlv(3, [0, 1, 2]))
}

test("[CR 3.5] handmade lists: what stands in a sound one, and every fault that RFC 5280 forbids", () => {
  const sound = crlFacts(handmade({ entries: [entry([1]), entry([0, 0x80], extension("551d15", tlv(10, [6])))] }))
  assert.equal(Object.fromEntries(sound.entries), { "1": "revoked", "80": "on-hold" })
  assert.is(crlFacts(handmade({ times: [time("260101000000Z")] })).nextUpdateAt, null)
  const indirect = handmade({ entries: [entry([1], extension("551d1d", tlv(0x30), true))] })
  assert.is(crlFacts(indirect).scope, "indirect")
  const strange = handmade({ entries: [entry([1], extension("2a0304", tlv(5), true))] })
  assert.equal(crlFacts(strange).unknownCritical, ["1.2.3.4"])
  const faults: Record<string, Handmade> = {
    "version 1": { version: Buffer.alloc(0) },
    "version 3": { version: tlv(2, [2]) },
    "another algorithm outside": { outer: tlv(0x30, oid("2a8648ce3d040303")) },
    "no time": { times: [] },
    "a time that does not exist": { times: [time("260230000000Z")] },
    "three times": { times: [time("260101000000Z"), time("270101000000Z"), time("280101000000Z")] },
    "a serial twice": { entries: [entry([1]), entry([1])] },
    "a negative serial": { entries: [entry([0x80])] },
    "a serial of 21 bytes": { entries: [entry(new Array<number>(21).fill(1))] },
    "an entry with more": { entries: [tlv(0x30, entry([1]).subarray(2), tlv(5), tlv(5))] },
    "an entry without date": { entries: [tlv(0x30, tlv(2, [1]))] },
    "empty entry extensions": { entries: [tlv(0x30, tlv(2, [1]), time("260101000000Z"), tlv(0x30))] },
    "reason 7": { entries: [entry([1], extension("551d15", tlv(10, [7])))] },
    "reason 8 outside a delta": { entries: [entry([1], extension("551d15", tlv(10, [8])))] },
    "reason 11": { entries: [entry([1], extension("551d15", tlv(10, [11])))] },
    "a long reason": { entries: [entry([1], extension("551d15", tlv(10, [0, 1])))] },
    "a reason twice": { entries: [entry([1], extension("551d15", tlv(10, [1])), extension("551d15", tlv(10, [6])))] },
    "a number twice": { extensions: [NUMBER, NUMBER] },
    "a negative number": { extensions: [extension("551d14", tlv(2, [0xff]))] },
    "a number of 21 bytes": { extensions: [extension("551d14", tlv(2, new Array<number>(21).fill(1)))] },
    "bytes after the number": { extensions: [extension("551d14", Buffer.concat([tlv(2, [5]), tlv(5)]))] },
    "a part too many": { after: tlv(5) },
  }
  for (const [what, of] of Object.entries(faults)) assert.is(inputErrorOnly(handmade(of)), null, what)
})

test("[CR 3.5] lists that are too long, in bytes or entries, are refused", async () => {
  await rejects(() => crlFacts(new Uint8Array(MAX_CRL_BYTES + 1)), "ERR_CRL")
  const serial = (n: number): number[] => [1, n >> 16, (n >> 8) & 255, n & 255]
  const body = Buffer.concat(Array.from({ length: 20_001 }, (_, n) => entry(serial(n))))
  const whole = (content: Buffer): Buffer => {
    const length = (bytes: number): number[] => [0x83, bytes >> 16, (bytes >> 8) & 255, bytes & 255]
    const entries = Buffer.concat([Buffer.from([0x30, ...length(content.length)]), content])
    const inside = Buffer.concat([tlv(2, [1]), ECDSA, NAME, time("260101000000Z"), time("270101000000Z"), entries, tlv(0xa0, tlv(0x30, NUMBER))]) // prettier-ignore
    const signed = Buffer.concat([Buffer.from([0x30, ...length(inside.length)]), inside])
    const all = Buffer.concat([signed, ECDSA, tlv(3, [0, 1, 2])])
    return Buffer.concat([Buffer.from([0x30, ...length(all.length)]), all])
  }
  await rejects(() => crlFacts(whole(body)), "ERR_CRL")
  const one = entry(serial(0)).length
  assert.is(crlFacts(whole(body.subarray(one))).entries.size, 20_000)
})

test("[CR 3.5] every truncation, every flipped bit and random bytes: an input error or a list whose signature is bad", () => {
  const der = derOf(pki.crl(root, { revoked: [leaf, onHold] }))
  const issuer = issuerOf(root)
  assert.ok(verifyCrl(crlFacts(der), issuer))
  for (const cut of truncations(der)) assert.is(inputErrorOnly(cut), null)
  let read = 0
  for (const flipped of bitFlips(der)) {
    const ours = inputErrorOnly(flipped)
    if (ours === null) continue
    read += 1
    assert.not.ok(verifyCrl(ours, issuer))
  }
  assert.ok(read > 100, `${read}`)
  const random = seeded(7)
  for (let i = 0; i < 2000; i++) {
    const bytes = randomBytes(4 + Math.floor(random() * 200), random)
    bytes.set([0x30, 0x81, bytes.length - 3])
    assert.is(inputErrorOnly(bytes), null)
  }
})

test("[CR 3.5] a list with pieces cut out, doubled or exchanged never raises anything but an input error", () => {
  const der = derOf(pki.crl(root, { revoked: [leaf, onHold, "0102"] }))
  fc.assert(
    fc.property(fc.array(fc.nat(5), { maxLength: 40 }), fc.nat(), (picks, seed) => {
      const parts = [...chunks(der, 24, seeded(seed))]
      const bytes = Buffer.concat(parts.flatMap((part, n) => ((picks[n] ?? 1) === 0 ? [] : picks[n] === 2 ? [part, part] : [part]))) // prettier-ignore
      const ours = inputErrorOnly(bytes)
      if (ours !== null) assert.is(ours.der.length, bytes.length)
    }),
    { numRuns: 300, seed: 4 },
  )
})

test("a file of lists: DER, or PEM with the authorities below beside their lists", async () => {
  const sub = pki.authority("sub", {}, root)
  const pem = pki.crl(root) + sub.certificate + pki.crl(sub)
  const file = readCrlFile(Buffer.from(pem))
  assert.equal([file.lists.map((one) => one.issuer), file.certificates.length], [["CN=root", "CN=sub"], 1])
  assert.is(readCrlFile(derOf(pki.crl(root))).lists.length, 1)
  const refused = [
    "",
    root.certificate,
    root.key,
    pki.crl(root) + root.key,
    pki.crl(root).slice(0, -20),
    pki.crl(root).replaceAll("X509 CRL", "CERTIFICATE REQUEST"),
    pki.crl(root).repeat(10),
    pki.crl(root) + root.certificate.repeat(9),
  ]
  for (const text of refused) await rejects(() => readCrlFile(Buffer.from(text)), "ERR_PEM")
  await rejects(() => readCrlFile(derOf(root.certificate)), "ERR_CRL")
})

test.run()
