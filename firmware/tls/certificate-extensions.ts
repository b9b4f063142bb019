import {
  TAG,
  childrenOf,
  expectTag,
  malformed,
  readBits,
  readBoolean,
  readElement,
  readOid,
  readUnsigned,
} from "./der.ts"
import type { Element } from "./der.ts"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"

export type ExtensionFacts = Pick<
  CertificateFacts,
  | "basicConstraints"
  | "keyUsage"
  | "extendedKeyUsage"
  | "sanDns"
  | "sanUri"
  | "sanIp"
  | "modbusRole"
  | "unknownCritical"
>

const SUBJECT_ALTERNATIVE_NAME = "2.5.29.17"
const BASIC_CONSTRAINTS = "2.5.29.19"
const KEY_USAGE = "2.5.29.15"
const EXTENDED_KEY_USAGE = "2.5.29.37"
const NAME_CONSTRAINTS = "2.5.29.30"

/** @see MODBUS/TCP Security Protocol Specification, "role" */
const MODBUS_ROLE = "1.3.6.1.4.1.50316.802.1"
const MAX_ROLE_BYTES = 256

const USAGES = [
  "digitalSignature",
  "nonRepudiation",
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
  "encipherOnly",
  "decipherOnly",
] as const

const GENERAL_NAME_DNS = 0x82
const GENERAL_NAME_URI = 0x86
const GENERAL_NAME_IP = 0x87

/** What a certificate without extensions says. */
export const NO_EXTENSIONS: ExtensionFacts = {
  basicConstraints: null,
  keyUsage: null,
  extendedKeyUsage: null,
  sanDns: [],
  sanUri: [],
  sanIp: [],
  modbusRole: null,
  unknownCritical: [],
}

/**
 * The facts in the extensions at `list`.
 *
 * Name constraints count as critical and not understood even where they are not marked so: a limit on an authority that
 * we cannot enforce is not to be passed over.
 *
 * @throws InputError `ERR_CERTIFICATE`, also for an extension that stands twice @see RFC 5280 section 4.2
 */
export function readExtensions(bytes: Uint8Array, list: Element): ExtensionFacts {
  let facts = NO_EXTENSIONS
  const seen = new Set<string>()
  for (const extension of childrenOf(bytes, list)) {
    const parts = childrenOf(bytes, expectTag(extension, TAG.sequence, "an extension"))
    const oid = readOid(bytes, parts[0])
    if (seen.has(oid)) throw malformed("an extension stands twice")
    seen.add(oid)
    const critical = parts.length === 3 && readBoolean(bytes, parts[1])
    const value = expectTag(parts.at(-1), TAG.octetString, "the value of an extension")
    if (parts.length < 2 || parts.length > 3) throw malformed("an extension of another form")
    const understood = readExtension(bytes, oid, value)
    if (understood !== null) facts = { ...facts, ...understood }
    else if (critical || oid === NAME_CONSTRAINTS)
      facts = { ...facts, unknownCritical: [...facts.unknownCritical, oid] }
  }
  return facts
}

function readExtension(bytes: Uint8Array, oid: string, value: Element): Partial<ExtensionFacts> | null {
  switch (oid) {
    case BASIC_CONSTRAINTS:
      return { basicConstraints: readBasicConstraints(bytes, only(bytes, value, TAG.sequence)) }
    case KEY_USAGE:
      return { keyUsage: readKeyUsage(bytes, only(bytes, value, TAG.bitString)) }
    case EXTENDED_KEY_USAGE: {
      const purposes = childrenOf(bytes, only(bytes, value, TAG.sequence)).map((purpose) => readOid(bytes, purpose))
      if (purposes.length === 0) throw malformed("an empty extended key usage")
      return { extendedKeyUsage: purposes }
    }
    case SUBJECT_ALTERNATIVE_NAME:
      return readAlternativeNames(bytes, only(bytes, value, TAG.sequence))
    case MODBUS_ROLE:
      return { modbusRole: readRole(bytes, only(bytes, value, TAG.utf8)) }
    default:
      return null
  }
}

/**
 * The role of a Modbus client: what it may do hangs on this text, so that it must be readable in one way only. Empty,
 * with control characters, or too long, it spoils the certificate, as a second one does.
 */
function readRole(bytes: Uint8Array, { from, to }: Element): string {
  if (to === from || to - from > MAX_ROLE_BYTES) throw malformed("a Modbus role that is empty or too long")
  let role: string
  try {
    role = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(from, to))
  } catch {
    throw malformed("a Modbus role that is not UTF-8")
  }
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(role)) throw malformed("a Modbus role with control characters")
  return role
}

/** The one element that fills the value of an extension. */
function only(bytes: Uint8Array, value: Element, tag: number): Element {
  const element = expectTag(readElement(bytes, value.from, value.to), tag, "the value of an extension")
  if (element.to !== value.to) throw malformed("bytes after the value of an extension")
  return element
}

function readBasicConstraints(bytes: Uint8Array, element: Element): ExtensionFacts["basicConstraints"] {
  const rest = childrenOf(bytes, element)
  const ca = rest[0]?.tag === TAG.boolean && readBoolean(bytes, rest.shift())
  const limit = rest.shift()
  if (rest.length > 0 || (limit !== undefined && !ca)) throw malformed("basic constraints of another form")
  if (limit === undefined) return { ca, pathLength: null }
  const digits = readUnsigned(bytes, limit, "a path length")
  if (digits.length > 2) throw malformed("a path length that is too large")
  return { ca, pathLength: digits.reduce((sum, byte) => sum * 256 + byte, 0) }
}

function readKeyUsage(bytes: Uint8Array, element: Element): string[] {
  const { bits, unused } = readBits(bytes, element)
  const usages = USAGES.filter((_, bit) => {
    if (bit >= bits.length * 8 - unused) return false
    return ((bits[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0
  })
  if (usages.length === 0) throw malformed("a key usage that allows nothing")
  return usages
}

function readAlternativeNames(bytes: Uint8Array, element: Element): Partial<ExtensionFacts> {
  const sanDns: string[] = []
  const sanUri: string[] = []
  const sanIp: string[] = []
  const names = childrenOf(bytes, element)
  if (names.length === 0) throw malformed("empty alternative names")
  for (const { tag, from, to } of names) {
    const content = bytes.subarray(from, to)
    if (tag === GENERAL_NAME_DNS) sanDns.push(readPlain(content))
    else if (tag === GENERAL_NAME_URI) sanUri.push(readPlain(content))
    else if (tag === GENERAL_NAME_IP) sanIp.push(readAddress(content))
    // Other kinds of name (mail, directory, other) are nobody's identity here.
  }
  return { sanDns, sanUri, sanIp }
}

/** Printable ASCII without spaces: a name with a NUL or a line break in it is an attack on whoever reads it. */
function readPlain(content: Uint8Array): string {
  if (content.length === 0 || content.some((byte) => byte < 0x21 || byte > 0x7e)) {
    throw malformed("an alternative name with characters that names do not have")
  }
  return Buffer.from(content).toString("latin1")
}

function readAddress(content: Uint8Array): string {
  if (content.length === 4) return content.join(".")
  if (content.length !== 16) throw malformed("an address that is neither IPv4 nor IPv6")
  const hex = Buffer.from(content).toString("hex")
  const groups = (hex.match(/.{4}/g) ?? []).join(":")
  return new URL(`http://[${groups}]/`).hostname.slice(1, -1)
}
