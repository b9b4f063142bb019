import { X509Certificate, hash } from "node:crypto"
import type { KeyObject } from "node:crypto"
import { NO_EXTENSIONS, readExtensions } from "./certificate-extensions.ts"
import { TAG, childrenOf, expectTag, malformed, readBits, readElement, readOid, readTime, readUnsigned } from "./der.ts"
import type { Element } from "./der.ts"
import { readName } from "./distinguished-name.ts"
import type { CertificateFacts, VerifySignature } from "../../policy/identity/certificate.ts"

/** A certificate larger than this is refused unread: one with an 8192-bit key takes 3 KiB. */
export const MAX_CERTIFICATE_BYTES = 16 * 1024

/** Facts by fingerprint, so that a device that comes back is not read anew. Holds facts only, never a verdict. */
export interface FactsCache {
  get(fingerprint: string): CertificateFacts | undefined
  set(fingerprint: string, facts: CertificateFacts): void
}

const RSA_PSS = "1.2.840.113549.1.1.10"

const SIGNATURES: Readonly<Record<string, string>> = {
  "1.2.840.10045.4.1": "ecdsa-sha1",
  "1.2.840.10045.4.3.2": "ecdsa-sha256",
  "1.2.840.10045.4.3.3": "ecdsa-sha384",
  "1.2.840.10045.4.3.4": "ecdsa-sha512",
  "1.2.840.113549.1.1.4": "rsa-md5",
  "1.2.840.113549.1.1.5": "rsa-sha1",
  "1.2.840.113549.1.1.11": "rsa-sha256",
  "1.2.840.113549.1.1.12": "rsa-sha384",
  "1.2.840.113549.1.1.13": "rsa-sha512",
  "1.3.101.112": "ed25519",
}

const HASHES: Readonly<Record<string, string>> = {
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
}

const CURVES: Readonly<Record<string, string>> = {
  prime256v1: "P-256",
  secp384r1: "P-384",
  secp521r1: "P-521",
}

/** A cache for the facts of up to `maxEntries` certificates; the one that was read first makes room. */
export function createFactsCache(maxEntries = 256): FactsCache {
  const entries = new Map<string, CertificateFacts>()
  return {
    get: (fingerprint) => entries.get(fingerprint),
    set: (fingerprint, facts) => {
      const oldest = entries.size >= maxEntries ? entries.keys().next().value : undefined
      if (oldest !== undefined) entries.delete(oldest)
      entries.set(fingerprint, facts)
    },
  }
}

/** SHA-256 of a certificate, lower-case hex. Of any bytes: it names what was refused, too. */
export function fingerprintOf(der: Uint8Array): string {
  return hash("sha256", der, "hex")
}

/**
 * The facts of one certificate.
 *
 * Two readers must agree that it is one: OpenSSL, which already took it in the handshake, and the strict reader here,
 * which alone says what it means. What DER does not allow, or RFC 5280 forbids in a way that two programs could read
 * differently (an extension twice, a version 2, a negative serial, a name with a NUL in it), is refused.
 *
 * @throws InputError `ERR_CERTIFICATE`; nothing else, whatever the bytes
 * @see RFC 5280 section 4.1
 */
export function certificateFacts(der: Uint8Array, cache?: FactsCache): CertificateFacts {
  if (der.length > MAX_CERTIFICATE_BYTES) throw malformed("too large")
  const fingerprint = fingerprintOf(der)
  const known = cache?.get(fingerprint)
  if (known !== undefined) return known
  const bytes = Uint8Array.from(der)
  const facts = { der: bytes, fingerprint, ...readCertificate(bytes), keyAlgorithm: keyAlgorithmOf(bytes) }
  cache?.set(fingerprint, facts)
  return facts
}

/** True if `certificate` bears a good signature by the key in `issuer`. Never throws. */
export const verifySignature: VerifySignature = (certificate, issuer) => {
  try {
    return new X509Certificate(certificate.der).verify(new X509Certificate(issuer.der).publicKey)
  } catch {
    return false
  }
}

function readCertificate(bytes: Uint8Array): Omit<CertificateFacts, "der" | "fingerprint" | "keyAlgorithm"> {
  const whole = expectTag(readElement(bytes, 0, bytes.length), TAG.sequence, "the outermost sequence")
  if (whole.to !== bytes.length) throw malformed("bytes after the end")
  const [body, outer, signature, more] = childrenOf(bytes, whole)
  if (more !== undefined) throw malformed("more than three parts")
  readBits(bytes, signature)
  const fields = childrenOf(bytes, expectTag(body, TAG.sequence, "the signed part"))
  const version = fields[0]?.tag === 0xa0 ? readVersion(bytes, fields.shift()) : 1
  const [serial, inner, issuer, validity, subject, key, ...rest] = fields
  // If the signed and the unsigned name of the algorithm differ, somebody has changed the latter.
  if (!sameBytes(bytes, inner, outer)) throw malformed("two different signature algorithms")
  const issuerName = readName(bytes, issuer)
  const subjectName = readName(bytes, subject)
  const [notBefore, notAfter, noMore] = childrenOf(bytes, expectTag(validity, TAG.sequence, "the validity"))
  if (noMore !== undefined) throw malformed("a validity of another form")
  expectTag(key, TAG.sequence, "the public key")
  return {
    serial: readSerial(bytes, serial),
    subject: subjectName.text,
    issuer: issuerName.text,
    subjectDer: subjectName.der,
    issuerDer: issuerName.der,
    commonName: subjectName.commonName,
    notBeforeAt: readTime(bytes, notBefore),
    notAfterAt: readTime(bytes, notAfter),
    version,
    signatureAlgorithm: readSignatureAlgorithm(bytes, inner),
    ...(rest.length === 0 ? NO_EXTENSIONS : readExtensions(bytes, extensionList(bytes, rest, version))),
  }
}

function readVersion(bytes: Uint8Array, element: Element | undefined): 1 | 3 {
  const [number, more] = element === undefined ? [] : childrenOf(bytes, element)
  const digits = readUnsigned(bytes, number, "the version")
  // Version 1 is said by saying nothing; nobody issues version 2.
  if (more !== undefined || digits.length !== 1 || digits[0] !== 2) throw malformed("a version other than 1 and 3")
  return 3
}

/** A serial number, or one of a list, in lower-case hex without leading zeros. @throws InputError `ERR_CERTIFICATE` */
export function readSerial(bytes: Uint8Array, element: Element | undefined): string {
  const digits = readUnsigned(bytes, element, "the serial number")
  if (digits.length > 20) throw malformed("a serial number of more than 20 bytes")
  return Buffer.from(digits)
    .toString("hex")
    .replace(/^0+(?=.)/, "")
}

/** The extensions, which alone may follow the key: the unique ids of version 2 are forbidden by RFC 5280. */
function extensionList(bytes: Uint8Array, rest: readonly Element[], version: 1 | 3): Element {
  const holder = expectTag(rest[0], 0xa3, "the extensions")
  const [list, more] = childrenOf(bytes, holder)
  if (rest.length > 1 || more !== undefined || version !== 3) throw malformed("a part that version 3 does not have")
  return expectTag(list, TAG.sequence, "the extensions")
}

/** The name of a signature algorithm under `policy/identity/algorithms.ts`. @throws InputError `ERR_CERTIFICATE` */
export function readSignatureAlgorithm(bytes: Uint8Array, element: Element | undefined): string {
  const parts = childrenOf(bytes, expectTag(element, TAG.sequence, "the signature algorithm"))
  const oid = readOid(bytes, parts[0])
  if (oid === RSA_PSS) return readPss(bytes, parts[1])
  return SIGNATURES[oid] ?? oid
}

/** `rsa-pss-<hash>` if message and mask are hashed alike, by a hash that we know; else `rsa-pss-other`. */
function readPss(bytes: Uint8Array, parameters: Element | undefined): string {
  if (parameters?.tag !== TAG.sequence) return "rsa-pss-other"
  const tagged = new Map(childrenOf(bytes, parameters).map((part) => [part.tag, part]))
  const hashAt = (holder: Element | undefined): string | undefined => {
    const [algorithm] = holder === undefined ? [] : childrenOf(bytes, holder)
    return algorithm === undefined ? undefined : HASHES[readOid(bytes, childrenOf(bytes, algorithm)[0])]
  }
  const message = hashAt(tagged.get(0xa0))
  const [mask] = tagged.has(0xa1) ? childrenOf(bytes, expectTag(tagged.get(0xa1), 0xa1, "the mask")) : []
  const [, maskHash] = mask === undefined ? [] : childrenOf(bytes, mask)
  const maskName = maskHash === undefined ? undefined : HASHES[readOid(bytes, childrenOf(bytes, maskHash)[0])]
  return message !== undefined && message === maskName ? `rsa-pss-${message}` : "rsa-pss-other"
}

/** True if both elements are there and equal, headers included. */
export function sameBytes(bytes: Uint8Array, a: Element | undefined, b: Element | undefined): boolean {
  if (a === undefined || b === undefined) return false
  return Buffer.compare(bytes.subarray(a.start, a.to), bytes.subarray(b.start, b.to)) === 0
}

/** The key's name under `policy/identity/algorithms.ts`; a key that OpenSSL cannot use is called `unusable`. */
function keyAlgorithmOf(der: Uint8Array): string {
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(der)
  } catch {
    throw malformed("OpenSSL does not read it")
  }
  try {
    return keyName(certificate.publicKey)
  } catch {
    return "unusable"
  }
}

function keyName(key: KeyObject): string {
  const { modulusLength, publicExponent, namedCurve } = key.asymmetricKeyDetails ?? {}
  const type = key.asymmetricKeyType
  if (type === "ec") return `EC:${CURVES[namedCurve ?? ""] ?? namedCurve ?? "unnamed"}`
  if (type === "ed25519") return "Ed25519"
  if (type !== "rsa" && type !== "rsa-pss") return type ?? "unknown"
  const exponent = publicExponent ?? 0n
  // A small exponent is no weakness in theory, and the root of most broken implementations in practice.
  const odd = exponent < 65537n || exponent % 2n === 0n ? `:e=${exponent.toString()}` : ""
  return `RSA:${modulusLength ?? 0}${odd.slice(0, 24)}`
}
