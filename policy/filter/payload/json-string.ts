/* eslint-disable @typescript-eslint/no-non-null-assertion -- every read is at an index below `end`, which the callers check against the bytes in hand */
import { codePointAt, isText, sizeOf } from "./utf8.ts"

/** What a letter behind a backslash stands for; 0 for those that stand for nothing. */
const ESCAPED = new Uint8Array(256)
for (const [letter, stands] of ['""', "\\\\", "//", "b\b", "f\f", "n\n", "r\r", "t\t"])
  ESCAPED[letter!.charCodeAt(0)] = stands!.charCodeAt(0)

/**
 * The code point that begins at `bytes[at]` within a JSON string, times 16, plus the bytes that it takes there (1..12);
 * or -1 if it is not well-formed: bad UTF-8, a raw control character, an unknown escape, half of a surrogate pair. Half a
 * pair is grammatical, but receivers differ in what they make of it.
 *
 * @see RFC 8259 sections 7 and 8.2
 */
export function jsonPoint(bytes: Uint8Array, at: number, end: number): number {
  const byte = bytes[at]!
  if (byte !== 0x5c) {
    if (byte < 0x20) return -1
    const point = codePointAt(bytes, at, end)
    return point < 0 ? -1 : point * 16 + sizeOf(point)
  }
  if (end - at < 2) return -1
  const letter = bytes[at + 1]!
  if (letter !== 0x75) return ESCAPED[letter] === 0 ? -1 : ESCAPED[letter]! * 16 + 2
  const unit = hexUnit(bytes, at + 2, end)
  if (unit < 0 || (unit & 0xfc00) === 0xdc00) return -1
  if ((unit & 0xfc00) !== 0xd800) return unit * 16 + 6
  if (end - at < 12 || bytes[at + 6] !== 0x5c || bytes[at + 7] !== 0x75) return -1
  const low = hexUnit(bytes, at + 8, end)
  if ((low & 0xfc00) !== 0xdc00 || low < 0) return -1
  return (0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff)) * 16 + 12
}

function hexUnit(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < 4) return -1
  let unit = 0
  for (let k = at; k < at + 4; k++) {
    const byte = bytes[k]!
    const lower = byte | 0x20
    if (byte >= 0x30 && byte <= 0x39) unit = (unit << 4) | (byte - 0x30)
    else if (lower >= 0x61 && lower <= 0x66) unit = (unit << 4) | (lower - 0x57)
    else return -1
  }
  return unit
}

/** True if the well-formed string that begins at `bytes[at]`, behind its quote, and ends with the quote at `end` says `text`. */
export function saysText(bytes: Uint8Array, at: number, end: number, plain: boolean, text: string): boolean {
  if (plain) return isText(bytes, at, end, text, true)
  let k = 0
  for (let from = at; from < end;) {
    const read = jsonPoint(bytes, from, end)
    const point = read >> 4
    if (text.codePointAt(k) !== point) return false
    k += point < 0x10000 ? 1 : 2
    from += read & 15
  }
  return k === text.length
}

/** True if the two well-formed strings that begin at `a` and `b`, behind their quotes, say the same. Both end before `end`. */
export function sayTheSame(bytes: Uint8Array, a: number, b: number, end: number): boolean {
  for (;;) {
    const endsA = bytes[a] === 0x22
    if (endsA || bytes[b] === 0x22) return endsA && bytes[b] === 0x22
    const readA = jsonPoint(bytes, a, end)
    const readB = jsonPoint(bytes, b, end)
    if (readA >> 4 !== readB >> 4) return false
    a += readA & 15
    b += readB & 15
  }
}

/** What the well-formed string behind the quote before `bytes[at]` says, or its first `most` code points. For messages. */
export function jsonStringAt(bytes: Uint8Array, at: number, end: number, most: number): string {
  let text = ""
  for (let k = 0; k < most && bytes[at] !== 0x22; k++) {
    const read = jsonPoint(bytes, at, end)
    text += String.fromCodePoint(read >> 4)
    at += read & 15
  }
  return text
}
