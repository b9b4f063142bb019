import { mqttError } from "./protocol-error.ts"

const SLASH = 0x2f
const PLUS = 0x2b
const HASH = 0x23
const SHARE_PREFIX = [0x24, 0x73, 0x68, 0x61, 0x72, 0x65, SLASH] // "$share/"

/**
 * True if the bytes are what MQTT calls a UTF-8 string: well formed, no overlong forms, no surrogates, no U+0000.
 *
 * @see MQTT 5.0 section 1.5.4, RFC 3629 section 4
 */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start
  while (at < end) {
    const first = bytes[at++] as number
    if (first === 0) return false
    if (first < 0x80) continue
    // First byte decides how many follow, and which range the second may lie in: that excludes overlong forms,
    // surrogates (ED A0..BF) and what is beyond U+10FFFF (F4 90..).
    let more = 1
    let low = 0x80
    let high = 0xbf
    if (first < 0xc2) return false
    else if (first >= 0xf0) {
      if (first > 0xf4) return false
      more = 3
      if (first === 0xf0) low = 0x90
      else if (first === 0xf4) high = 0x8f
    } else if (first >= 0xe0) {
      more = 2
      if (first === 0xe0) low = 0xa0
      else if (first === 0xed) high = 0x9f
    }
    if (at + more > end) return false
    const second = bytes[at++] as number
    if (second < low || second > high) return false
    for (; more > 1; more--) {
      if (((bytes[at++] as number) & 0xc0) !== 0x80) return false
    }
  }
  return true
}

const WILDCARD = 1
const NOT_PLAIN = 2
/** What each byte of a topic name means for it: 0 for plain ASCII. One load for each byte, for this runs on every PUBLISH. */
const TOPIC_BYTES = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === PLUS || byte === HASH ? WILDCARD : byte >= 0x80 || byte === 0 ? NOT_PLAIN : 0,
)

/**
 * Check a topic name (of a PUBLISH, a will, a response topic): not empty, UTF-8, no wildcards.
 *
 * @throws ERR_MQTT_TOPIC_NAME, ERR_MQTT_UTF8
 * @see MQTT 5.0 sections 3.3.2.1 and 4.7
 */
export function checkTopicName(bytes: Uint8Array, start: number, end: number): void {
  if (start === end) throw mqttError("ERR_MQTT_TOPIC_NAME", "a topic name is empty")
  let found = 0
  for (let at = start; at < end; at++) found |= TOPIC_BYTES[bytes[at] as number] as number
  if (found === 0) return
  if ((found & WILDCARD) !== 0) throw mqttError("ERR_MQTT_TOPIC_NAME", "a topic name holds a wildcard")
  if (!isUtf8(bytes, start, end)) throw mqttError("ERR_MQTT_UTF8", "a topic name is not UTF-8")
}

/**
 * Check a topic filter: not empty, UTF-8, `+` and `#` alone in their level, `#` last; in MQTT 5 also the form of
 * `$share/<name>/<filter>`. Returns true for a well-formed shared subscription.
 *
 * MQTT 3.1.1 does not know shared subscriptions, but many brokers serve them to its clients: what does not have the
 * form is left to the filter, which judges every `$share/` by the rules for it.
 *
 * @throws ERR_MQTT_TOPIC_FILTER, ERR_MQTT_UTF8
 * @see MQTT 5.0 sections 4.7.1 and 4.8.2
 */
export function checkTopicFilter(bytes: Uint8Array, start: number, end: number, version: 4 | 5): boolean {
  if (start === end) throw mqttError("ERR_MQTT_TOPIC_FILTER", "a topic filter is empty")
  if (!isUtf8(bytes, start, end)) throw mqttError("ERR_MQTT_UTF8", "a topic filter is not UTF-8")
  for (let at = start; at < end; at++) {
    const byte = bytes[at]
    if (byte !== PLUS && byte !== HASH) continue
    const alone = (at === start || bytes[at - 1] === SLASH) && (at + 1 === end || bytes[at + 1] === SLASH)
    if (!alone || (byte === HASH && at + 1 !== end)) {
      throw mqttError("ERR_MQTT_TOPIC_FILTER", "a wildcard is not a whole level, or # is not the last one")
    }
  }
  if (!SHARE_PREFIX.every((byte, i) => start + i < end && bytes[start + i] === byte)) return false
  const name = start + SHARE_PREFIX.length
  const slash = bytes.subarray(0, end).indexOf(SLASH, name)
  const shared = slash > name && slash + 1 < end && bytes[name] !== PLUS
  if (!shared && version === 5) throw mqttError("ERR_MQTT_TOPIC_FILTER", "a shared subscription lacks name or filter")
  return shared
}

// Line and paragraph separators and the characters that turn the reading direction would forge log lines.
// eslint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/
const UNPRINTABLE_ALL = new RegExp(UNPRINTABLE, "g")

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

/** The text for a log: at most `limit` characters (UTF-16 units), each control character or bad byte replaced by U+FFFD. */
export function printable(bytes: Uint8Array, start: number, end: number, limit = 128): string {
  // Four bytes a character is the most UTF-8 needs: what lies beyond cannot be among the first `limit`.
  const text = decoder.decode(bytes.subarray(start, Math.min(end, start + limit * 4)))
  const cut = text.slice(0, limit)
  return (cut.isWellFormed() ? cut : cut.slice(0, -1)).replace(UNPRINTABLE_ALL, "\ufffd")
}

/** True if `text` holds no control character and nothing that turns or breaks a line of a log. */
export function isPrintable(text: string): boolean {
  return !UNPRINTABLE.test(text)
}
