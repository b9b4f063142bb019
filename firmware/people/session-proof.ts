import { createPublicKey, generateKeyPairSync, sign as signBytes, verify, type KeyObject } from "node:crypto"
import type { AccountKey } from "../../policy/people/account.ts"

/** What a signature for signing in says that it is, in its protected header. */
export const SESSION_PROOF_TYPE = "lockgate-session+jws"

/** What is signed: by whom, at which gateway, and in answer to which number. */
export interface SessionProof {
  readonly gateway: string
  readonly account: string
  readonly challenge: string
}

/** In the place of a key for those who have none: the same work is done. */
const NOBODYS = generateKeyPairSync("ed25519").publicKey

/** A signature for signing in, JWS in the compact form. `key` is a private key, ECDSA P-256 or Ed25519. */
export function signSessionProof(proof: SessionProof, key: KeyObject): string {
  const isEdwards = key.asymmetricKeyType === "ed25519"
  const header = encode({ alg: isEdwards ? "EdDSA" : "ES256", typ: SESSION_PROOF_TYPE })
  const input = `${header}.${encode(bodyOf(proof))}`
  const signature = signBytes(isEdwards ? null : "sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" })
  return `${input}.${signature.toString("base64url")}`
}

/**
 * The one of `keys` that signed exactly this, or null: anything else, of any form, is no proof. What is looked at is made anew from
 * what is expected, so that nothing that was sent is ever parsed.
 *
 * @see RFC 7515 section 5.2
 */
export function provenBy(text: string, expected: SessionProof, keys: readonly AccountKey[]): AccountKey | null {
  const last = text.lastIndexOf(".")
  const signature = Buffer.from(text.slice(last + 1), "base64url")
  let found: AccountKey | null = null
  const looked = keys.length === 0 ? [null] : keys
  for (const key of looked) {
    const isEdwards = key === null || key.jwk.kty === "OKP"
    const header = encode({ alg: isEdwards ? "EdDSA" : "ES256", typ: SESSION_PROOF_TYPE })
    const input = `${header}.${encode(bodyOf(expected))}`
    const publicKey = key === null ? NOBODYS : createPublicKey({ key: { ...key.jwk }, format: "jwk" })
    const bytes = Buffer.from(input)
    const good = verify(isEdwards ? null : "sha256", bytes, { key: publicKey, dsaEncoding: "ieee-p1363" }, signature)
    if (good && key !== null && text.slice(0, last) === input) found = key
  }
  return found
}

function bodyOf({ gateway, account, challenge }: SessionProof): object {
  return { "lockgate-session": 1, gateway, account, challenge }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url")
}
