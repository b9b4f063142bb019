/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index lies in [start, end), which `decide` checks against the bytes in hand */

/** What a byte of a topic is, beside plain. */
const SLASH = 1
const CONTROL = 2
const WILDCARD = 4
const HIGH = 8

const KIND = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte === 0x2f) return SLASH
  if (byte < 0x20 || byte === 0x7f) return CONTROL
  if (byte === 0x2b || byte === 0x23) return WILDCARD
  return byte >= 0x80 ? HIGH : 0
})

/**
 * Split the topic `bytes[start, end)` at its slashes: level `k` is `bytes[bounds[k] + 1, bounds[k + 1])`.
 *
 * Returns the number of levels, or 0 if the topic is not well-formed: it holds a wildcard or a control character, or is
 * not UTF-8. One with more than `depth` levels counts as `depth + 1`, and only the bounds of the first `depth` are good:
 * no filter of `depth` levels can tell more. `bounds` has two places more than `depth`.
 *
 * @see MQTT 5.0 sections 4.7.1.1 and 1.5.4
 */
export function splitTopic(bytes: Uint8Array, start: number, end: number, bounds: Int32Array, depth: number): number {
  const split = splitLevels(bytes, start, end, bounds, depth)
  const seen = split & 0xff
  if ((seen & (CONTROL | WILDCARD)) !== 0 || ((seen & HIGH) !== 0 && !isUtf8(bytes, start, end))) return 0
  return split >>> 8
}

/** The same for what need not be a topic: the number of levels above the kinds of bytes seen in the lowest eight bits. */
export function splitLevels(bytes: Uint8Array, start: number, end: number, bounds: Int32Array, depth: number): number {
  // `| 0` tells V8 that a sum is a 32-bit integer. Reading a byte before the loop moves the checks of the arrays out of it.
  const stop = end | 0
  let at = start | 0
  let levels = 0
  bounds[0] = (at - 1) | 0
  let seen = KIND[bytes[at]!]! & ~SLASH
  for (; at < stop; at = (at + 1) | 0) {
    const kind = KIND[bytes[at]!]!
    if (kind === 0) continue
    if (kind === SLASH) {
      if (levels >= depth) break
      levels = (levels + 1) | 0
      bounds[levels] = at
    } else seen |= kind
  }
  bounds[(levels + 1) | 0] = at
  for (; at < stop; at = (at + 1) | 0) seen |= KIND[bytes[at]!]! & ~SLASH
  return ((levels + 1) << 8) | seen
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
    if (KIND[byte] === CONTROL) return false
    if (byte !== 0x2b && byte !== 0x23) continue
    if (at > start && bytes[at - 1] !== 0x2f) return false
    if (byte === 0x2b ? at + 1 < end && bytes[at + 1] !== 0x2f : at + 1 < end) return false
  }
  return isUtf8(bytes, start, end)
}
