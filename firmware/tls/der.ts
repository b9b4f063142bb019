import { InputError } from "../../policy/base/errors.ts"

/**
 * One DER element: where its header and its content lie in the bytes that were read.
 *
 *     start     from           to
 *     +---+-----+------ - - ---+
 *     |tag| len | content      |
 *     +---+-----+------ - - ---+
 */
export interface Element {
  readonly tag: number
  readonly start: number
  readonly from: number
  readonly to: number
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  enumerated: 0x0a,
  utf8: 0x0c,
  printable: 0x13,
  teletex: 0x14,
  ia5: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  universal: 0x1c,
  bmp: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

/** More elements side by side than any certificate of ours has. */
const MAX_CHILDREN = 256

/** An input error of this room. The message names the part of the certificate, never its bytes. */
export function malformed(what: string): InputError<"ERR_CERTIFICATE"> {
  return new InputError("ERR_CERTIFICATE", `not a certificate: ${what}`)
}

/**
 * The element that begins at `at` and ends at or before `end`.
 *
 * Strict: one-byte tags, definite lengths in the shortest form. Two readers of one certificate must not see two things.
 *
 * @throws InputError `ERR_CERTIFICATE`
 * @see X.690 sections 8.1 and 10.1
 */
export function readElement(bytes: Uint8Array, at: number, end: number): Element {
  const tag = bytes[at]
  const first = bytes[at + 1]
  if (tag === undefined || first === undefined || at + 2 > end) throw malformed("an element is cut short")
  if ((tag & 0x1f) === 0x1f) throw malformed("a tag of several bytes")
  let from = at + 2
  let length = first
  if (first >= 0x80) {
    const count = first & 0x7f
    if (count === 0 || count > 3 || from + count > end) throw malformed("a length of a form that DER does not have")
    length = 0
    for (let i = 0; i < count; i++) length = length * 256 + (bytes[from + i] ?? 0)
    if (length < 0x80 || length < 256 ** (count - 1)) throw malformed("a length that is not in its shortest form")
    from += count
  }
  if (from + length > end) throw malformed("an element is longer than what holds it")
  return { tag, start: at, from, to: from + length }
}

/** The elements in the content of `parent`, which they fill exactly, `atMost` so many. @throws InputError `ERR_CERTIFICATE` */
export function childrenOf(bytes: Uint8Array, parent: Element, atMost = MAX_CHILDREN): Element[] {
  const children: Element[] = []
  for (let at = parent.from; at < parent.to;) {
    const child = readElement(bytes, at, parent.to)
    if (children.length === atMost) throw malformed("too many elements")
    children.push(child)
    at = child.to
  }
  return children
}

/** `element` if it bears `tag`. @throws InputError `ERR_CERTIFICATE`, naming `what` was expected */
export function expectTag(element: Element | undefined, tag: number, what: string): Element {
  if (element?.tag !== tag) throw malformed(`${what} is missing`)
  return element
}

/** An object identifier in dotted form. @throws InputError `ERR_CERTIFICATE` */
export function readOid(bytes: Uint8Array, element: Element | undefined): string {
  const { from, to } = expectTag(element, TAG.oid, "an object identifier")
  const arcs: number[] = []
  let value = 0
  for (let at = from; at < to; at++) {
    const byte = bytes[at] ?? 0
    if (value === 0 && byte === 0x80) throw malformed("an object identifier that is not in its shortest form")
    value = value * 128 + (byte & 0x7f)
    if (value > 2 ** 40) throw malformed("an object identifier with an arc that is too large")
    if (byte >= 0x80) {
      if (at === to - 1) throw malformed("an object identifier is cut short")
      continue
    }
    if (arcs.length === 0) {
      const root = Math.min(2, Math.floor(value / 40))
      arcs.push(root, value - root * 40)
    } else arcs.push(value)
    value = 0
  }
  if (arcs.length === 0) throw malformed("an empty object identifier")
  return arcs.join(".")
}

/** True or false. Takes FALSE written out, which DER forbids for a default but old authorities write. */
export function readBoolean(bytes: Uint8Array, element: Element | undefined): boolean {
  const { from, to } = expectTag(element, TAG.boolean, "a boolean")
  const byte = bytes[from]
  if (to - from !== 1 || (byte !== 0x00 && byte !== 0xff)) throw malformed("a boolean that is neither true nor false")
  return byte === 0xff
}

/** The bytes of a non-negative integer in its shortest form, sign byte included. @throws InputError `ERR_CERTIFICATE` */
export function readUnsigned(bytes: Uint8Array, element: Element | undefined, what: string): Uint8Array {
  const { from, to } = expectTag(element, TAG.integer, what)
  const content = bytes.subarray(from, to)
  const [first, second] = content
  if (first === undefined || first >= 0x80) throw malformed(`${what} is empty or negative`)
  if (first === 0 && second !== undefined && second < 0x80) throw malformed(`${what} is not in its shortest form`)
  return content
}

/** A bit string's bytes and how many bits of the last one do not count. @throws InputError `ERR_CERTIFICATE` */
export function readBits(bytes: Uint8Array, element: Element | undefined): { bits: Uint8Array; unused: number } {
  const { from, to } = expectTag(element, TAG.bitString, "a bit string")
  const unused = bytes[from]
  if (unused === undefined || unused > 7 || (to - from === 1 && unused !== 0)) throw malformed("a damaged bit string")
  return { bits: bytes.subarray(from + 1, to), unused }
}

/** UTCTime or GeneralizedTime in the one form that certificates may use, as milliseconds since 1970. */
export function readTime(bytes: Uint8Array, element: Element | undefined): number {
  if (element?.tag !== TAG.utcTime && element?.tag !== TAG.generalizedTime) throw malformed("a time is missing")
  const text = Buffer.from(bytes.subarray(element.from, element.to)).toString("latin1")
  const short = element.tag === TAG.utcTime
  const match = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text)
  const year = match?.[1]
  if (match === null || year === undefined || (year.length === 2) !== short) throw malformed("a time of another form")
  const full = !short ? year : (Number(year) < 50 ? "20" : "19") + year
  const iso = `${full}-${match[2] ?? ""}-${match[3] ?? ""}T${match[4] ?? ""}:${match[5] ?? ""}:${match[6] ?? ""}.000Z`
  const at = Date.parse(iso)
  // 30 February is parsed as 1 March: the way back shows it.
  if (Number.isNaN(at) || new Date(at).toISOString() !== iso) throw malformed("a time that does not exist")
  return at
}
