/**
 * JSON strings that are safe to print as they stand, cut to a number of bytes.
 *
 * Beyond what JSON itself escapes, everything that can drive a terminal or reorder a line is written as `\uXXXX`: DEL, the C1
 * controls, line separators, marks of direction, invisible characters and tags. A parser gives the text back exactly. Lone
 * surrogates, which many parsers refuse, become U+FFFD.
 */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/
const ELLIPSIS = "…"
const ELLIPSIS_BYTES = 3

/**
 * `text` as a JSON string with quotes, at most `maxBytes` UTF-8 bytes between them; a longer one ends in an ellipsis.
 * `maxBytes` is at least 3. Cuts fall between characters, never inside an escape.
 */
export function quote(text: string, maxBytes: number): string {
  if (text.length <= maxBytes && PLAIN.test(text)) return `"${text}"`
  let out = ""
  let bytes = 0
  let shortened = ""
  for (const character of text) {
    const written = escape(character)
    const next = bytes + byteLength(written)
    if (next > maxBytes) return `"${shortened}${ELLIPSIS}"`
    out += written
    bytes = next
    if (bytes <= maxBytes - ELLIPSIS_BYTES) shortened = out
  }
  return `"${out}"`
}

/** `text` with everything that can drive a terminal written as `\uXXXX`; for people, not for a parser. */
export function printable(text: string): string {
  let out = ""
  for (const character of text) out += isSafe(character) ? character : hex(character)
  return out
}

/** UTF-8 bytes of a text without lone surrogates. */
export function byteLength(text: string): number {
  let bytes = 0
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
  }
  return bytes
}

function escape(character: string): string {
  switch (character) {
    case '"':
      return '\\"'
    case "\\":
      return "\\\\"
    default:
      return isSafe(character) ? character : isLoneSurrogate(character) ? "\ufffd" : hex(character)
  }
}

function isLoneSurrogate(character: string): boolean {
  const code = character.codePointAt(0) ?? 0
  return code >= 0xd800 && code <= 0xdfff
}

function isSafe(character: string): boolean {
  const code = character.codePointAt(0) ?? 0
  if (code < 0x80) return code >= 0x20 && code !== 0x7f
  if (code < 0xa0 || code === 0xad || code === 0x61c || code === 0x180e) return false
  if (code >= 0x200b && code <= 0x200f) return false
  if (code >= 0x2028 && code <= 0x202e) return false
  if (code >= 0x2060 && code <= 0x206f) return false
  if (code >= 0xd800 && code <= 0xdfff) return false
  if (code === 0xfeff || (code >= 0xfff9 && code <= 0xfffb)) return false
  return code < 0xe0000 || code > 0xe0fff
}

function hex(character: string): string {
  let out = ""
  for (let at = 0; at < character.length; at++) {
    out += `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`
  }
  return out
}
