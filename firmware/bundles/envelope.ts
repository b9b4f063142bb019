import { InputError } from "../../policy/base/errors.ts"

/**
 * A policy bundle as it travels: a JWS in the General JSON form, one payload and up to sixteen signatures.
 *
 *     { "payload": "<base64url of the statement>",
 *       "signatures": [ { "protected": "<base64url of {alg, typ, kid}>", "signature": "<base64url>" }, ... ] }
 *
 * `kid` is the RFC 7638 thumbprint of the signer's key, so that a signature costs at most one verification. Nothing else
 * may stand in it: no unprotected header, no `crit`, no `b64`, no detached payload.
 *
 * @see RFC 7515 section 7.2.1
 */
export interface Envelope {
  /** As it stood there: base64url. */
  readonly payload: string
  readonly signatures: readonly EnvelopeSignature[]
}

/** One signature of a bundle, read but not yet verified. */
export interface EnvelopeSignature {
  readonly protected: string
  readonly signature: string
  readonly algorithm: BundleAlgorithm
  /** Which key it says it is by: RFC 7638 thumbprint. Only a way to find the key; the signature proves. */
  readonly keyId: string
}

export type BundleAlgorithm = (typeof BUNDLE_ALGORITHMS)[number]

export type EnvelopeErrorCode =
  "ERR_BUNDLE_SIZE" | "ERR_BUNDLE_MALFORMED" | "ERR_BUNDLE_HEADER" | "ERR_BUNDLE_ALGORITHM"

/** The only two: ECDSA over P-256 with SHA-256, and Ed25519. */
export const BUNDLE_ALGORITHMS = ["ES256", "EdDSA"] as const
export const BUNDLE_TYPE = "lockgate-policy+jws"
export const MAX_BUNDLE_LENGTH = 32 * 1024 * 1024
export const MAX_SIGNATURES = 16

/** 32 bytes in base64url. */
const THUMBPRINT = /^[A-Za-z0-9_-]{43}$/
/** Both algorithms make 64 bytes. */
const SIGNATURE = /^[A-Za-z0-9_-]{86}$/
const BASE64URL = /^[A-Za-z0-9_-]+$/
const MAX_HEADER_LENGTH = 1024

/**
 * Parse the text of a bundle. Nothing is verified here; a fault in any signature refuses the whole. `type` is what each
 * signature must say that it signs: a signed time (`firmware/time/statement.ts`) travels in the same form.
 *
 * @throws InputError `ERR_BUNDLE_SIZE`, `ERR_BUNDLE_MALFORMED`, `ERR_BUNDLE_HEADER` (type, `crit`, `b64`, anything
 *   unknown in a header), `ERR_BUNDLE_ALGORITHM`
 */
export function parseEnvelope(text: string, type: string = BUNDLE_TYPE): Envelope {
  if (text.length > MAX_BUNDLE_LENGTH) throw new InputError("ERR_BUNDLE_SIZE", "the bundle is longer than 32 MiB")
  const bundle = record(json(text), "the bundle")
  members(bundle, ["payload", "signatures"], "the bundle")
  const { payload, signatures } = bundle
  if (!isBase64url(payload)) throw malformed("the payload is missing or not base64url")
  if (!Array.isArray(signatures) || signatures.length < 1) throw malformed("the bundle has no list of signatures")
  if (signatures.length > MAX_SIGNATURES) {
    throw new InputError("ERR_BUNDLE_SIZE", `the bundle has more than ${MAX_SIGNATURES} signatures`)
  }
  return { payload, signatures: signatures.map((value) => parseSignature(value, type)) }
}

function parseSignature(value: unknown, type: string): EnvelopeSignature {
  const entry = record(value, "a signature")
  members(entry, ["protected", "signature"], "a signature")
  const { protected: header, signature } = entry
  if (!isBase64url(header) || header.length > MAX_HEADER_LENGTH) throw malformed("a protected header is not base64url")
  // The header first: an algorithm that we refuse is named as such, whatever its signatures look like.
  const facts = parseHeader(header, type)
  if (typeof signature !== "string" || !SIGNATURE.test(signature)) throw malformed("a signature is not 64 bytes")
  return { protected: header, signature, ...facts }
}

function parseHeader(encoded: string, type: string): { algorithm: BundleAlgorithm; keyId: string } {
  const header = record(json(Buffer.from(encoded, "base64url").toString("utf8")), "a protected header")
  for (const name of Object.keys(header)) {
    // `crit` and `b64` would change what a signature covers; what we do not know could do so as well.
    if (name !== "alg" && name !== "typ" && name !== "kid")
      throw headerFault("a protected header has an unknown member")
  }
  if (header["typ"] !== type) throw headerFault(`a signature is not of type ${type}`)
  const { kid: keyId } = header
  if (typeof keyId !== "string" || !THUMBPRINT.test(keyId)) throw headerFault("kid is not the thumbprint of a key")
  const algorithm = BUNDLE_ALGORITHMS.find((name) => name === header["alg"])
  if (algorithm === undefined) {
    throw new InputError("ERR_BUNDLE_ALGORITHM", `a signature is not by ${BUNDLE_ALGORITHMS.join(" or ")}`)
  }
  return { algorithm, keyId }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw malformed("the bundle or a header in it is not JSON")
  }
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed(`${what} is not an object`)
  return value as Record<string, unknown>
}

function members(value: Record<string, unknown>, names: readonly string[], what: string): void {
  for (const name of Object.keys(value)) if (!names.includes(name)) throw malformed(`${what} has an unknown member`)
}

function isBase64url(value: unknown): value is string {
  if (typeof value !== "string" || !BASE64URL.test(value)) return false
  // Spare bits at the end must be zero: the same bytes have one text.
  return Buffer.from(value, "base64url").toString("base64url") === value
}

function malformed(message: string): InputError<EnvelopeErrorCode> {
  return new InputError("ERR_BUNDLE_MALFORMED", message)
}

function headerFault(message: string): InputError<EnvelopeErrorCode> {
  return new InputError("ERR_BUNDLE_HEADER", message)
}
