import { InputError } from "../../policy/base/errors.ts"
import { MAX_REQUEST_BYTES, parseRequest } from "../../policy/command/check.ts"
import type { CommandRequest } from "../../policy/command/port.ts"

/** What a line on the local socket may be. */
export type LocalLine =
  | { readonly kind: "request"; readonly request: CommandRequest }
  /** The token of a session: the connection is its person's from now on. */
  | { readonly kind: "session"; readonly token: string }
  /** One command, signed by a person. */
  | { readonly kind: "signed"; readonly jws: string }
  /** The name of an account that wants a number to sign. */
  | { readonly kind: "nonce"; readonly account: string }

const LONGEST = { session: 64, nonce: 64, signed: MAX_REQUEST_BYTES } as const

/**
 * What stands in a line: a request, or an object of exactly one of the members `session`, `signed` and `nonce`, a text.
 *
 * @throws InputError `ERR_COMMAND_MALFORMED` for anything else
 */
export function parseLocalLine(bytes: Uint8Array): LocalLine {
  try {
    return { kind: "request", request: parseRequest(bytes) }
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    const other = otherLine(bytes)
    if (other === null) throw error
    return other
  }
}

function otherLine(bytes: Uint8Array): LocalLine | null {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch {
    return null
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null
  const [member, ...more] = Object.entries(value as Record<string, unknown>)
  if (member === undefined || more.length > 0) return null
  const [kind, text] = member
  if (kind !== "session" && kind !== "signed" && kind !== "nonce") return null
  if (typeof text !== "string" || text.length === 0 || text.length > LONGEST[kind]) return null
  if (kind === "session") return { kind, token: text }
  return kind === "signed" ? { kind, jws: text } : { kind, account: text }
}
