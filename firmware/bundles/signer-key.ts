import { createPrivateKey, createPublicKey } from "node:crypto"
import type { KeyObject } from "node:crypto"
import { calculateJwkThumbprint } from "jose/jwk/thumbprint"
import { InputError } from "../../policy/base/errors.ts"
import type { BundleAlgorithm } from "./envelope.ts"

/** A public key that may sign policy here. */
export interface TrustedSigner {
  /** As the board file calls it. */
  readonly name: string
  readonly algorithm: BundleAlgorithm
  /** RFC 7638, SHA-256: over the key itself, so the same key in two encodings is one key. */
  readonly thumbprint: string
  readonly key: KeyObject
}

/** A key of somebody who signs policy. */
export interface SigningKey {
  readonly algorithm: BundleAlgorithm
  readonly thumbprint: string
  /** The private key; the public one of a key that `sign` stands for. */
  readonly key: KeyObject
  /** A key that is elsewhere, in a token: what it signs, 64 bytes as a JWS has them. */
  readonly sign?: (bytes: Uint8Array) => Promise<Uint8Array>
}

export type SignerKeyErrorCode = "ERR_KEY_MALFORMED" | "ERR_KEY_ALGORITHM"

/**
 * Read a public key: PEM, `PUBLIC KEY` (SPKI), P-256 or Ed25519.
 *
 * @throws InputError `ERR_KEY_MALFORMED` (a private key or a certificate is refused, too), `ERR_KEY_ALGORITHM`
 */
export async function readTrustedSigner(name: string, pem: string): Promise<TrustedSigner> {
  // createPublicKey would also take the public half of a private key: that file has no business on a gateway.
  if (!/^\s*-----BEGIN PUBLIC KEY-----/.test(pem)) {
    throw new InputError("ERR_KEY_MALFORMED", `${name}: expected PEM with BEGIN PUBLIC KEY`)
  }
  const key = parse(name, () => createPublicKey(pem))
  return { name, key, algorithm: algorithmOf(name, key), thumbprint: await thumbprint(key) }
}

/**
 * Read a private key: PEM, `PRIVATE KEY` (PKCS#8, not encrypted), P-256 or Ed25519. `name` is for messages.
 *
 * @throws InputError `ERR_KEY_MALFORMED`, `ERR_KEY_ALGORITHM`
 */
export async function readSigningKey(name: string, pem: string): Promise<SigningKey> {
  if (!/^\s*-----BEGIN PRIVATE KEY-----/.test(pem)) {
    throw new InputError("ERR_KEY_MALFORMED", `${name}: expected PEM with BEGIN PRIVATE KEY (PKCS#8, not encrypted)`)
  }
  const key = parse(name, () => createPrivateKey(pem))
  return { key, algorithm: algorithmOf(name, key), thumbprint: await thumbprint(createPublicKey(key)) }
}

function parse(name: string, read: () => KeyObject): KeyObject {
  try {
    return read()
  } catch {
    // The cause is left out on purpose: nothing of a key file goes into an error.
    throw new InputError("ERR_KEY_MALFORMED", `${name}: the key cannot be read`)
  }
}

function algorithmOf(name: string, key: KeyObject): BundleAlgorithm {
  if (key.asymmetricKeyType === "ed25519") return "EdDSA"
  if (key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1") return "ES256"
  throw new InputError("ERR_KEY_ALGORITHM", `${name}: expected a P-256 or Ed25519 key`)
}

async function thumbprint(key: KeyObject): Promise<string> {
  return calculateJwkThumbprint(key.export({ format: "jwk" }))
}
