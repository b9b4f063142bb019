import { X509Certificate, constants, verify } from "node:crypto"
import type { KeyObject } from "node:crypto"
import { fingerprintOf, readSerial, readSignatureAlgorithm, sameBytes } from "./certificate-facts.ts"
import {
  TAG,
  childrenOf,
  expectTag,
  malformed,
  readBits,
  readBoolean,
  readElement,
  readOid,
  readTime,
  readUnsigned,
} from "./der.ts"
import type { Element } from "./der.ts"
import { readName } from "./distinguished-name.ts"
import { InputError } from "../../policy/base/errors.ts"
import { MAX_CRL_BYTES, MAX_CRL_ENTRIES } from "../../policy/identity/crl.ts"
import type { CrlFacts, VerifyCrl } from "../../policy/identity/crl.ts"

const CRL_NUMBER = "2.5.29.20"
const REASON = "2.5.29.21"
const INVALIDITY_DATE = "2.5.29.24"
const DELTA = "2.5.29.27"
const DISTRIBUTION_POINT = "2.5.29.28"
const CERTIFICATE_ISSUER = "2.5.29.29"
const AUTHORITY_KEY_ID = "2.5.29.35"

const REASON_ON_HOLD = 6
const REASON_REMOVED = 8
const MAX_REASON = 10
/** [4] in an issuing distribution point: the list is for certificates of others. */
const INDIRECT_TAG = 0x84

type ListExtensions = Pick<CrlFacts, "number" | "scope" | "unknownCritical">

/**
 * The facts of one list of revoked certificates.
 *
 * As strict as the reader of certificates, since both must never be read in two ways; what OpenSSL makes of it is not
 * asked, since Node does not offer that. A serial number that stands twice is refused.
 *
 * @throws InputError `ERR_CRL`; nothing else, whatever the bytes
 * @see RFC 5280 section 5.1
 */
export function crlFacts(der: Uint8Array): CrlFacts {
  try {
    if (der.length > MAX_CRL_BYTES) throw malformed("larger than 1 MiB")
    const bytes = Uint8Array.from(der)
    return { der: bytes, fingerprint: fingerprintOf(bytes), ...readList(bytes) }
  } catch (error) {
    if (!(error instanceof InputError) || error.code !== "ERR_CERTIFICATE") throw error
    throw new InputError("ERR_CRL", error.message.replace("not a certificate", "not a list of revoked certificates"))
  }
}

/** True if the list bears a good signature by the key in `issuer`, of the kind that it names. Never throws. */
export const verifyCrl: VerifyCrl = (crl, issuer) => {
  try {
    const [signed, , signature] = partsOf(crl.der)
    const { bits, unused } = readBits(crl.der, signature)
    if (signed === undefined || unused !== 0) return false
    const key = new X509Certificate(issuer.der).publicKey
    return isSigned(crl.signatureAlgorithm, crl.der.subarray(signed.start, signed.to), key, bits)
  } catch {
    return false
  }
}

/** OpenSSL takes any key with any digest; that key and named algorithm are of one kind is for us to see. */
function isSigned(algorithm: string, data: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
  if (algorithm === "ed25519") return key.asymmetricKeyType === "ed25519" && verify(null, data, key, signature)
  const [, kind, digest = ""] = /^(ecdsa|rsa|rsa-pss)-(sha(?:256|384|512))$/.exec(algorithm) ?? []
  const type = key.asymmetricKeyType
  if (kind === "ecdsa") return type === "ec" && verify(digest, data, { key, dsaEncoding: "der" }, signature)
  if (kind === "rsa") {
    return type === "rsa" && verify(digest, data, { key, padding: constants.RSA_PKCS1_PADDING }, signature)
  }
  if (kind !== "rsa-pss" || (type !== "rsa" && type !== "rsa-pss")) return false
  const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO }
  return verify(digest, data, { key, ...padding }, signature)
}

/** Signed part, algorithm, signature. */
function partsOf(bytes: Uint8Array): readonly (Element | undefined)[] {
  const whole = expectTag(readElement(bytes, 0, bytes.length), TAG.sequence, "the outermost sequence")
  if (whole.to !== bytes.length) throw malformed("bytes after the end")
  const parts = childrenOf(bytes, whole)
  if (parts.length !== 3) throw malformed("other than three parts")
  return parts
}

function readList(bytes: Uint8Array): Omit<CrlFacts, "der" | "fingerprint"> {
  const [body, outer, signature] = partsOf(bytes)
  readBits(bytes, signature)
  const fields = childrenOf(bytes, expectTag(body, TAG.sequence, "the signed part"))
  // Version 1 has no extensions: no number, and nothing to tell a partial list by.
  const version = fields[0]?.tag === TAG.integer ? readUnsigned(bytes, fields.shift(), "the version") : []
  if (version.length !== 1 || version[0] !== 1) throw malformed("version 1, which has no number, or an unknown version")
  const [inner, issuer, thisUpdate, ...rest] = fields
  if (!sameBytes(bytes, inner, outer)) throw malformed("two different signature algorithms")
  const name = readName(bytes, issuer)
  const nextUpdate = isTime(rest[0]) ? rest.shift() : undefined
  const list = rest[0]?.tag === TAG.sequence ? rest.shift() : undefined
  const extensions = rest.shift()
  if (rest.length > 0) throw malformed("a part that version 2 does not have")
  const ofEntries = readEntries(bytes, list)
  const ofList = readListExtensions(bytes, extensions)
  return {
    issuer: name.text,
    issuerDer: name.der,
    thisUpdateAt: readTime(bytes, thisUpdate),
    nextUpdateAt: nextUpdate === undefined ? null : readTime(bytes, nextUpdate),
    entries: ofEntries.entries,
    number: ofList.number,
    scope: ofEntries.indirect ? "indirect" : ofList.scope,
    unknownCritical: [...ofList.unknownCritical, ...ofEntries.unknownCritical],
    signatureAlgorithm: readSignatureAlgorithm(bytes, inner),
  }
}

function isTime(element: Element | undefined): boolean {
  return element?.tag === TAG.utcTime || element?.tag === TAG.generalizedTime
}

interface Entries {
  readonly entries: Map<string, "revoked" | "on-hold">
  readonly indirect: boolean
  readonly unknownCritical: readonly string[]
}

function readEntries(bytes: Uint8Array, list: Element | undefined): Entries {
  const entries: Entries["entries"] = new Map()
  const unknown = new Set<string>()
  let indirect = false
  for (const element of list === undefined ? [] : childrenOf(bytes, list, MAX_CRL_ENTRIES)) {
    const [serial, date, extensions, more] = childrenOf(bytes, expectTag(element, TAG.sequence, "an entry"))
    if (more !== undefined) throw malformed("an entry of another form")
    readTime(bytes, date)
    const key = readSerial(bytes, serial)
    if (entries.has(key)) throw malformed("a serial number stands twice")
    let kind: "revoked" | "on-hold" = "revoked"
    if (extensions !== undefined) {
      for (const { oid, critical, value } of eachExtension(bytes, extensions)) {
        if (oid === REASON) kind = readReason(bytes, value)
        else if (oid === CERTIFICATE_ISSUER) indirect = true
        else if (oid !== INVALIDITY_DATE && critical) unknown.add(oid)
      }
    }
    entries.set(key, kind)
  }
  return { entries, indirect, unknownCritical: [...unknown] }
}

function readReason(bytes: Uint8Array, value: Element): "revoked" | "on-hold" {
  const element = readElement(bytes, value.from, value.to)
  const reason = bytes[element.from]
  const single = element.tag === TAG.enumerated && element.to === value.to && element.to - element.from === 1
  // 7 is not used, and 8 (removed from the list) stands in deltas only.
  if (!single || reason === undefined || reason > MAX_REASON || reason === 7 || reason === REASON_REMOVED) {
    throw malformed("a reason of another form")
  }
  return reason === REASON_ON_HOLD ? "on-hold" : "revoked"
}

function readListExtensions(bytes: Uint8Array, holder: Element | undefined): ListExtensions {
  if (holder === undefined) return { number: null, scope: "complete", unknownCritical: [] }
  const [list, more] = childrenOf(bytes, expectTag(holder, 0xa0, "the extensions"))
  if (list === undefined || more !== undefined) throw malformed("extensions of another form")
  let number: string | null = null
  let scope: CrlFacts["scope"] = "complete"
  const unknownCritical: string[] = []
  for (const { oid, critical, value } of eachExtension(bytes, list)) {
    if (oid === CRL_NUMBER) number = readNumber(bytes, value)
    else if (oid === DELTA) scope = "delta"
    else if (oid === DISTRIBUTION_POINT) scope = scope === "delta" ? scope : readScope(bytes, value)
    else if (oid !== AUTHORITY_KEY_ID && critical) unknownCritical.push(oid)
  }
  return { number, scope, unknownCritical }
}

function readNumber(bytes: Uint8Array, value: Element): string {
  const element = readElement(bytes, value.from, value.to)
  if (element.to !== value.to) throw malformed("bytes after the CRL number")
  return readSerial(bytes, element)
}

/** Any distribution point is a limit on what the list speaks of; the flag for other issuers gets its own word. */
function readScope(bytes: Uint8Array, value: Element): "indirect" | "partial" {
  const element = expectTag(readElement(bytes, value.from, value.to), TAG.sequence, "the distribution point")
  if (element.to !== value.to) throw malformed("bytes after the distribution point")
  const indirect = childrenOf(bytes, element).some(({ tag, from, to }) => {
    return tag === INDIRECT_TAG && to - from === 1 && bytes[from] === 0xff
  })
  return indirect ? "indirect" : "partial"
}

interface Extension {
  readonly oid: string
  readonly critical: boolean
  /** Its content is what the extension holds. */
  readonly value: Element
}

function eachExtension(bytes: Uint8Array, list: Element): Extension[] {
  const seen = new Set<string>()
  const found = childrenOf(bytes, expectTag(list, TAG.sequence, "the extensions")).map((element): Extension => {
    const parts = childrenOf(bytes, expectTag(element, TAG.sequence, "an extension"))
    if (parts.length < 2 || parts.length > 3) throw malformed("an extension of another form")
    const oid = readOid(bytes, parts[0])
    if (seen.has(oid)) throw malformed("an extension stands twice")
    seen.add(oid)
    const critical = parts.length === 3 && readBoolean(bytes, parts[1])
    return { oid, critical, value: expectTag(parts.at(-1), TAG.octetString, "the value of an extension") }
  })
  if (found.length === 0) throw malformed("empty extensions")
  return found
}
