/* eslint-disable @typescript-eslint/no-non-null-assertion -- every read is at an index below `end`, which the callers check against the bytes in hand */

/**
 * The code point whose UTF-8 form begins at `bytes[at]` and ends before `end`, or -1 if it is not well-formed: cut short,
 * overlong, a surrogate, or above U+10FFFF.
 *
 * @see RFC 3629 section 4
 */
export function codePointAt(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at]!
  if (lead < 0x80) return lead
  if (lead < 0xc2 || lead > 0xf4 || end - at < 2) return -1
  const second = bytes[at + 1]!
  if ((second & 0xc0) !== 0x80) return -1
  if (lead < 0xe0) return ((lead & 0x1f) << 6) | (second & 0x3f)
  if (end - at < 3) return -1
  const third = bytes[at + 2]!
  if ((third & 0xc0) !== 0x80) return -1
  if (lead < 0xf0) {
    const point = ((lead & 0x0f) << 12) | ((second & 0x3f) << 6) | (third & 0x3f)
    return point < 0x800 || (point & 0xf800) === 0xd800 ? -1 : point
  }
  if (end - at < 4) return -1
  const fourth = bytes[at + 3]!
  if ((fourth & 0xc0) !== 0x80) return -1
  const point = ((lead & 0x07) << 18) | ((second & 0x3f) << 12) | ((third & 0x3f) << 6) | (fourth & 0x3f)
  return point < 0x10000 || point > 0x10ffff ? -1 : point
}

/** How many bytes the code point takes in UTF-8. */
export function sizeOf(point: number): number {
  if (point < 0x80) return 1
  if (point < 0x800) return 2
  return point < 0x10000 ? 3 : 4
}

/**
 * Where `bytes[start, end)` stops being well-formed UTF-8, or -1 if all of it is. Control characters are allowed: this is
 * for payloads, of which MQTT demands nothing (a topic is held against `../topic.ts`).
 *
 * @see RFC 3629
 */
export function findMalformed(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end) {
    if (bytes[at]! < 0x80) {
      at++
      continue
    }
    const point = codePointAt(bytes, at, end)
    if (point < 0) return at
    at += sizeOf(point)
  }
  return -1
}

/** True if the well-formed UTF-8 `bytes[start, end)` begins with `text`, and with nothing behind it if `whole`. */
export function isText(bytes: Uint8Array, start: number, end: number, text: string, whole: boolean): boolean {
  let at = start
  for (let k = 0; k < text.length; k++) {
    if (at >= end) return false
    const unit = text.charCodeAt(k)
    if (unit < 0x80) {
      if (bytes[at++] !== unit) return false
      continue
    }
    const point = text.codePointAt(k)!
    if (codePointAt(bytes, at, end) !== point) return false
    at += sizeOf(point)
    if (point >= 0x10000) k++
  }
  return !whole || at === end
}
