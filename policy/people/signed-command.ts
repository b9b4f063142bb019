import { InputError } from "../base/errors.ts"
import type { CommandRequest } from "../command/port.ts"

/** What a person signs to give one command to one gateway, once. */
export interface SignedCommand {
  readonly gateway: string
  /** Name of the account. */
  readonly account: string
  /** From the gateway, see `nonce.ts`. */
  readonly nonce: string
  /** Milliseconds since 1970: surely after it the command is worth nothing, whatever the nonce says. */
  readonly expiresAt: number
  readonly request: CommandRequest
}

/** The type in the protected header of its JWS. */
export const SIGNED_COMMAND_TYPE = "lockgate-command+jws"

const KEYS = ["lockgate-command", "gateway", "account", "nonce", "expires", "command", "arguments"] as const

/** The bytes to be signed. */
export function encodeSignedCommand({ gateway, account, nonce, expiresAt, request }: SignedCommand): Uint8Array {
  const expires = new Date(expiresAt).toISOString()
  const { command, arguments: given } = request
  const text = JSON.stringify({ "lockgate-command": 1, gateway, account, nonce, expires, command, arguments: given })
  return new TextEncoder().encode(text)
}

/**
 * What was signed; the signature is for the caller to have checked over these very bytes.
 *
 * @throws InputError `ERR_SIGNED_COMMAND` for anything but the members that `encodeSignedCommand` writes, each of its kind
 */
export function parseSignedCommand(bytes: Uint8Array): SignedCommand {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch {
    throw malformed("it is not JSON in UTF-8")
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed("it is not a JSON object")
  const found = value as Record<string, unknown>
  const extra = Object.keys(found).some((key) => !(KEYS as readonly string[]).includes(key))
  if (extra || found["lockgate-command"] !== 1) throw malformed("its members are not those of format 1")
  const text = (key: (typeof KEYS)[number], max: number): string => {
    const one = found[key]
    if (typeof one !== "string" || one.length === 0 || one.length > max)
      throw malformed(`${key} is not a text in its bounds`)
    return one
  }
  const expires = text("expires", 32)
  const expiresAt = Date.parse(expires)
  // One way of writing each time: what was signed is what is meant.
  if (Number.isNaN(expiresAt) || new Date(expiresAt).toISOString() !== expires) throw malformed("expires is not a time")
  return {
    gateway: text("gateway", 64),
    account: text("account", 32),
    nonce: text("nonce", 64),
    expiresAt,
    request: { command: text("command", 64), arguments: found["arguments"] ?? {} },
  }
}

function malformed(why: string): InputError {
  return new InputError("ERR_SIGNED_COMMAND", `a signed command was expected: ${why}`)
}
