/**
 * What a document must not hold, whatever its format: control characters (tab and line ends apart), characters that
 * break or reorder lines on a screen but not in the text, half surrogate pairs and noncharacters. A reviewer must see
 * what the gateway reads (CVE-2021-42574 is the attack on those who do not check).
 */
const NOT_IN_DOCUMENT =
  /[[\p{Cc}--[\t\n\r]]\p{Cs}\p{Noncharacter_Code_Point}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\r(?!\n)/v

/** The same for values: here line ends and tabs are out too, for a quoted escape can bring them in. */
const NOT_IN_VALUE = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/v

/** Where the first character stands that no document may hold, or -1. */
export function findForbidden(text: string): number {
  return text.search(NOT_IN_DOCUMENT)
}

/** Where the first character stands that no value may hold (control, invisible, half a surrogate pair), or -1. */
export function findControl(value: string): number {
  return value.search(NOT_IN_VALUE)
}

/** `U+0007` for the character at `index`. */
export function codePointName(text: string, index: number): string {
  const code = text.codePointAt(index) ?? 0
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`
}

/** `value` in double quotes for a message: at most 40 characters, everything unprintable escaped. */
export function quote(value: string): string {
  const shown = value.length > 40 ? `${value.slice(0, 40)}...` : value
  return JSON.stringify(shown).replace(
    /[\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  )
}

/** Length in UTF-8 bytes. A half surrogate pair counts 3, as U+FFFD in its place would. */
export function utf8Length(text: string): number {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x80) continue
    if (code < 0x800) bytes += 1
    else if (code >= 0xd800 && code < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      bytes += 2
      i++
    } else bytes += 2
  }
  return bytes
}
