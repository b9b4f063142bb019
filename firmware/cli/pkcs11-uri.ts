import { InputError } from "../../policy/base/errors.ts"

/** Which key in which token. */
export interface TokenUri {
  /** Label of the token. */
  readonly token: string
  /** Label of the key; null: not said. */
  readonly object: string | null
  /** CKA_ID, lower-case hex; null: not said. */
  readonly id: string | null
  /** PKCS#11 module; null: not said. */
  readonly module: string | null
  /** File with the PIN; null: not said. */
  readonly pinFile: string | null
}

/** Whether this names a key in a token, and no file. */
export function isTokenUri(text: string): boolean {
  return /^pkcs11:/i.test(text)
}

const MAX_LENGTH = 4_096
const KNOWN = /^(token|object|id|type)$/
const KNOWN_QUERY = /^(module-path|pin-source)$/

/**
 * A PKCS#11 URI: `pkcs11:token=anna;object=sign?module-path=/usr/lib/...`. A PIN in it (`pin-value`) is refused: everybody on the
 * machine can read arguments. Attributes that are not known are refused too, since each would narrow down which key is meant.
 *
 * @throws InputError `ERR_TOKEN_URI`
 * @see RFC 7512 section 2.3
 */
export function parseTokenUri(text: string): TokenUri {
  if (!isTokenUri(text) || text.length > MAX_LENGTH) throw malformed("it begins with pkcs11:")
  const [path = "", query = "", ...more] = text.slice("pkcs11:".length).split("?")
  if (more.length > 0) throw malformed("there is one ? at most")
  const one = attributes(path, ";", KNOWN)
  const two = attributes(query, "&", KNOWN_QUERY)
  const token = textOf(one.get("token"))
  if (token === null || token === "") throw malformed("token=<label> is needed")
  const type = textOf(one.get("type"))
  if (type !== null && type !== "private") throw malformed("the type of a key that signs is private")
  const id = one.get("id")
  const source = textOf(two.get("pin-source"))
  return {
    token,
    object: textOf(one.get("object")),
    id: id === undefined ? null : Buffer.from(id).toString("hex"),
    module: textOf(two.get("module-path")),
    pinFile: source === null ? null : source.replace(/^file:(\/\/(?=\/))?/, ""),
  }
}

function attributes(text: string, separator: string, known: RegExp): ReadonlyMap<string, Uint8Array> {
  const found = new Map<string, Uint8Array>()
  for (const part of text === "" ? [] : text.split(separator)) {
    const [name = "", ...rest] = part.split("=")
    if (name === "pin-value") throw malformed("no PIN stands in it: give --pin-file, or type it")
    if (rest.length === 0 || !known.test(name) || found.has(name))
      throw malformed("token, object, id, module-path and pin-source are known, each once")
    found.set(name, bytesOf(rest.join("=")))
  }
  return found
}

function bytesOf(text: string): Uint8Array {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) throw malformed("% is followed by two hex digits")
  const parts = text.split(/(%[0-9a-fA-F]{2})/)
  return Buffer.concat(
    parts.map((part) => (/^%..$/.test(part) ? Buffer.from(part.slice(1), "hex") : Buffer.from(part))),
  )
}

function textOf(bytes: Uint8Array | undefined): string | null {
  if (bytes === undefined) return null
  let text: string
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    throw malformed("names are UTF-8")
  }
  // A label that begins with a dash would be an option of the tool; a control character is no part of a name or a path.
  // eslint-disable-next-line no-control-regex
  if (/^-|[\u0000-\u001f\u007f]/.test(text))
    throw malformed("a name begins with no dash and holds no control character")
  return text
}

function malformed(why: string): InputError {
  return new InputError("ERR_TOKEN_URI", `a key in a token is named as pkcs11:token=<label>;object=<label>: ${why}`)
}
