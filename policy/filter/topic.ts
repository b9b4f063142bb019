/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index lies in [start, end), which `decide` checks against the bytes in hand */

/** What the bytes of a topic may contain beside plain ASCII. */
export const SEEN_CONTROL = 1
export const SEEN_WILDCARD = 2
export const SEEN_HIGH = 4

const SEEN = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte < 0x20 || byte === 0x7f) return SEEN_CONTROL
  if (byte === 0x2b || byte === 0x23) return SEEN_WILDCARD
  return byte >= 0x80 ? SEEN_HIGH : 0
})

const LEVELS_SHIFT = 8

/**
 * Split `bytes[start, end)` at its slashes in one pass: level `k` is `bytes[bounds[k] + 1, bounds[k + 1])`.
 *
 * At most `depth` levels are recorded in `bounds` (length `depth + 2`); a topic with more counts as `depth + 1` levels,
 * which is all that a filter of `depth` levels can tell. Returns the number of levels in the upper bits (`levelsOf`) and
 * which kinds of bytes were seen in the lowest eight.
 */
export function splitTopic(bytes: Uint8Array, start: number, end: number, bounds: Int32Array, depth: number): number {
  let seen = 0
  let levels = 0
  let at = start
  bounds[0] = start - 1
  // No branch on the bytes: where the slashes are cannot be predicted, and a wrong guess costs as much as five bytes.
  while (at < end && levels < depth) {
    const byte = bytes[at]!
    seen |= SEEN[byte]!
    bounds[levels + 1] = at
    levels += ((byte ^ 0x2f) - 1) >>> 31
    at++
  }
  if (levels < depth) bounds[levels + 1] = end
  while (at < end) seen |= SEEN[bytes[at++]!]!
  return ((levels + 1) << LEVELS_SHIFT) | seen
}

/** The number of levels in an answer of `splitTopic`. */
export function levelsOf(split: number): number {
  return split >>> LEVELS_SHIFT
}

/**
 * True if `bytes[start, end)` is well-formed UTF-8 without C1 control characters.
 *
 * Overlong forms, surrogates and values above U+10FFFF are refused.
 *
 * @see RFC 3629 section 4, MQTT 5.0 section 1.5.4
 */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start
  while (at < end) {
    const lead = bytes[at]!
    if (lead < 0x80) {
      at++
      continue
    }
    const more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1
    if (lead < 0xc2 || lead > 0xf4 || end - at <= more) return false
    const second = bytes[at + 1]!
    let low = 0x80
    let high = 0xbf
    if (lead === 0xe0 || lead === 0xc2) low = 0xa0
    else if (lead === 0xf0) low = 0x90
    else if (lead === 0xed) high = 0x9f
    else if (lead === 0xf4) high = 0x8f
    if (second < low || second > high) return false
    for (let k = 2; k <= more; k++) if ((bytes[at + k]! & 0xc0) !== 0x80) return false
    at += more + 1
  }
  return true
}

const OWN = [0x6c, 0x6f, 0x63, 0x6b, 0x67, 0x61, 0x74, 0x65] // lockgate

/** True if the first level of `bytes[start, end)` is `lockgate` or `$lockgate`: the gateway's own, whatever the rules. */
export function isReserved(bytes: Uint8Array, start: number, end: number): boolean {
  const at = start < end && bytes[start] === 0x24 ? start + 1 : start
  const stop = at + 8
  if (stop > end || bytes[at] !== 0x6c || (stop < end && bytes[stop] !== 0x2f)) return false
  for (let k = 1; k < 8; k++) if (bytes[at + k] !== OWN[k]) return false
  return true
}

/**
 * True if `bytes[start, end)` is a well-formed topic filter: 1..65535 bytes, `+` only as a whole level, `#` only as the
 * whole last one, and otherwise what a topic may be made of.
 *
 * @see MQTT 5.0 section 4.7.1
 */
export function isFilter(bytes: Uint8Array, start: number, end: number): boolean {
  if (end <= start || end - start > 65_535) return false
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!
    if ((SEEN[byte]! & SEEN_CONTROL) !== 0) return false
    if (byte !== 0x2b && byte !== 0x23) continue
    if (at > start && bytes[at - 1] !== 0x2f) return false
    if (byte === 0x2b ? at + 1 < end && bytes[at + 1] !== 0x2f : at + 1 < end) return false
  }
  return isUtf8(bytes, start, end)
}
