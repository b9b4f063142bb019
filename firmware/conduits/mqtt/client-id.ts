import { fitsClientIdPattern } from "../../../policy/identity/client-id.ts"
import { isPrintable } from "./text.ts"

/** Longest client id let in; MQTT asks a server to take 23 bytes and leaves more to it. */
export const MAX_CLIENT_ID_LENGTH = 256

/** Client ids of the gateway itself: a peer with one would take over the gateway's own session at the broker. */
export const RESERVED_PREFIX = "lockgate-"

/**
 * True if a peer of that name may use that id.
 *
 * `+`, `#` and `/` are refused whatever the pattern says: rules put the id into topic filters (`%c`).
 *
 * @param pattern `%u` stands for the name, one trailing `*` for any suffix.
 */
export function mayUseClientId(id: string, pattern: string, name: string): boolean {
  if (id === "" || id.length > MAX_CLIENT_ID_LENGTH || id.startsWith(RESERVED_PREFIX)) return false
  if (/[+#/]/.test(id) || !isPrintable(id)) return false
  return fitsClientIdPattern(id, pattern, name)
}

/** The id for a peer that left it to us: the only one its pattern allows, or the pattern's prefix with `suffix`. */
export function assignClientId(pattern: string, name: string, suffix: string): string {
  const expanded = pattern.replaceAll("%u", () => name)
  return expanded.endsWith("*") ? expanded.slice(0, -1) + suffix : expanded
}
