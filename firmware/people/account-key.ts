import { createHash, createPublicKey, type KeyObject } from "node:crypto"
import { InputError } from "../../policy/base/errors.ts"
import type { AccountKey, PublicJwk } from "../../policy/people/account.ts"

/** Longest text of a key that is looked at. */
export const MAX_KEY_LENGTH = 2_048

/**
 * The public key in a text: a JWK in JSON, or SPKI in PEM; ECDSA P-256 or Ed25519. Written anew from the key itself, so that one
 * key has one thumbprint however it was sent.
 *
 * @throws InputError `ERR_ACCOUNT_KEY_PRIVATE` for a private key, of which nothing is kept; `ERR_ACCOUNT_KEY` for anything else
 * @see RFC 7517, RFC 7638, RFC 8037
 */
export function parseAccountKey(text: string): Omit<AccountKey, "onToken"> {
  if (text.length > MAX_KEY_LENGTH) throw unknown()
  const jwk = canonical(text.trimStart().startsWith("{") ? fromJwk(text) : fromPem(text))
  return { thumbprint: thumbprintOf(jwk), jwk }
}

/** SHA-256 over the members that make the key, in their order. @see RFC 7638 section 3 */
export function thumbprintOf(jwk: PublicJwk): string {
  const { kty, crv, x } = jwk
  const members = kty === "EC" ? { crv, kty, x, y: jwk.y } : { crv, kty, x }
  return createHash("sha256").update(JSON.stringify(members)).digest("base64url")
}

function fromJwk(text: string): KeyObject {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw unknown()
  }
  const { kty, crv, x, y, d, k } = value as Record<string, unknown>
  if (d !== undefined || k !== undefined) throw isPrivate()
  if (typeof x !== "string") throw unknown()
  if (kty === "EC" && crv === "P-256" && typeof y === "string") return made({ kty, crv, x, y })
  if (kty === "OKP" && crv === "Ed25519") return made({ kty, crv, x })
  throw unknown()
}

function made(jwk: Record<string, string>): KeyObject {
  try {
    return createPublicKey({ key: jwk, format: "jwk" })
  } catch {
    throw unknown()
  }
}

/** Only what says that it is public: node:crypto would make a public key of a private one, too. */
function fromPem(text: string): KeyObject {
  if (/PRIVATE KEY/.test(text)) throw isPrivate()
  if (!/^\s*-----BEGIN PUBLIC KEY-----\r?\n[A-Za-z0-9+/=\r\n]+-----END PUBLIC KEY-----\s*$/.test(text)) throw unknown()
  try {
    return createPublicKey({ key: text, format: "pem", type: "spki" })
  } catch {
    throw unknown()
  }
}

function canonical(key: KeyObject): PublicJwk {
  const type = key.asymmetricKeyType
  const curve = key.asymmetricKeyDetails?.namedCurve
  if (type !== "ed25519" && !(type === "ec" && curve === "prime256v1")) throw unknown()
  const { x = "", y = "" } = key.export({ format: "jwk" })
  return type === "ed25519" ? { kty: "OKP", crv: "Ed25519", x } : { kty: "EC", crv: "P-256", x, y }
}

function isPrivate(): InputError {
  return new InputError(
    "ERR_ACCOUNT_KEY_PRIVATE",
    "that is a private key: it stays with its person, give the public one",
  )
}

function unknown(): InputError {
  return new InputError(
    "ERR_ACCOUNT_KEY",
    "a public key is wanted, P-256 or Ed25519, as JWK or in PEM (BEGIN PUBLIC KEY)",
  )
}
