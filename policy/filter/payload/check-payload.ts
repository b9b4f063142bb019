/* eslint-disable @typescript-eslint/no-non-null-assertion -- offsets are checked against `end` */
import type { PayloadForm } from "../../language/payload-form.ts"

/**
 * True if the payload `bytes[start, end)` is of this form. Reads nothing outside it and never throws.
 *
 * `json` and `sparkplug-b` fit nothing yet: what cannot be judged does not pass.
 */
export function checkPayload(form: PayloadForm, bytes: Uint8Array, start: number, end: number): boolean {
  switch (form.kind) {
    case "any":
      return true
    case "utf8":
      return isWellFormed(bytes, start, end)
    case "json":
    case "sparkplug-b":
      return false
  }
}

/** @see RFC 3629 section 4 */
function isWellFormed(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const lead = bytes[at]!
    if (lead < 0x80) continue
    const more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1
    if (lead < 0xc2 || lead > 0xf4 || end - at <= more) return false
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
    if (bytes[at + 1]! < low || bytes[at + 1]! > high) return false
    for (let k = 2; k <= more; k++) if ((bytes[at + k]! & 0xc0) !== 0x80) return false
    at += more
  }
  return true
}
