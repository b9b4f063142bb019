import { TAG, childrenOf, expectTag, malformed, readOid } from "./der.ts"
import type { Element } from "./der.ts"

/** A distinguished name, read. */
export interface DistinguishedName {
  /** RFC 4514 text: the last part first, control characters escaped. For messages, never for decisions. */
  readonly text: string
  /** The DER, lower-case hex: what is compared. */
  readonly der: string
  /** The common name; null if there is none, or more than one, or if it is in no known kind of string. */
  readonly commonName: string | null
}

const COMMON_NAME = "2.5.4.3"

const KEYWORDS: Readonly<Record<string, string>> = {
  [COMMON_NAME]: "CN",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "STREET",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "0.9.2342.19200300.100.1.1": "UID",
  "0.9.2342.19200300.100.1.25": "DC",
}

/** The distinguished name at `element`. @throws InputError `ERR_CERTIFICATE` @see RFC 5280 section 4.1.2.4, RFC 4514 */
export function readName(bytes: Uint8Array, element: Element | undefined): DistinguishedName {
  const name = expectTag(element, TAG.sequence, "a name")
  const commonNames: (string | null)[] = []
  const parts = childrenOf(bytes, name).map((set) => {
    const attributes = childrenOf(bytes, expectTag(set, TAG.set, "a part of a name"))
    if (attributes.length === 0) throw malformed("an empty part of a name")
    return attributes
      .map((attribute) => {
        const [type, value, more] = childrenOf(bytes, expectTag(attribute, TAG.sequence, "an attribute of a name"))
        const oid = readOid(bytes, type)
        if (value === undefined || more !== undefined) throw malformed("an attribute of a name without its value")
        const text = readText(bytes, value)
        if (oid === COMMON_NAME) commonNames.push(text)
        const hex = Buffer.from(bytes.subarray(value.start, value.to)).toString("hex")
        return `${KEYWORDS[oid] ?? oid}=${text === null ? `#${hex}` : escaped(text)}`
      })
      .join("+")
  })
  return {
    text: parts.reverse().join(","),
    der: Buffer.from(bytes.subarray(name.start, name.to)).toString("hex"),
    commonName: commonNames.length === 1 ? (commonNames[0] ?? null) : null,
  }
}

/** The text of a string of a kind that names use; null for any other kind. @throws InputError for one that is damaged. */
function readText(bytes: Uint8Array, { tag, from, to }: Element): string | null {
  const content = bytes.subarray(from, to)
  switch (tag) {
    case TAG.utf8:
      return decoded("utf-8", content)
    case TAG.printable:
    case TAG.ia5:
      if (content.some((byte) => byte >= 0x80)) throw malformed("a string with bytes that its kind does not have")
      return Buffer.from(content).toString("latin1")
    case TAG.bmp:
      if (content.length % 2 !== 0) throw malformed("a string with half a character")
      return decoded("utf-16le", Buffer.from(content).swap16())
    // Teletex and universal strings are read by no two programs alike: such a name is good for comparing, not for reading.
    default:
      return null
  }
}

function decoded(encoding: string, content: Uint8Array): string {
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(content)
  } catch {
    throw malformed("a string with bytes that its kind does not have")
  }
}

function escaped(text: string): string {
  return text
    .replace(/[\\",+;<>=]/g, "\\$&")
    .replace(/^[ #]|(?<=.) $/g, "\\$&")
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
      Buffer.from(character).reduce((hex, byte) => `${hex}\\${byte.toString(16).padStart(2, "0")}`, ""),
    )
}
