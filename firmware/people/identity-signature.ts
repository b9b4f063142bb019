import { compactVerify } from "jose/jws/compact/verify"
import { JOSEError } from "jose/errors"
import type { ProviderKey } from "../../policy/people/identity-token.ts"

/** Letters of a token that is looked at. */
export const MAX_IDENTITY_LENGTH = 8_192

/** What each kind of key may have signed with: nothing with a shared secret, and nothing without a signature. @see RFC 8725 section 3.1 */
const ALGORITHMS: Readonly<Record<ProviderKey["jwk"]["kty"], readonly string[]>> = {
  EC: ["ES256"],
  OKP: ["EdDSA", "Ed25519"],
  RSA: ["RS256", "PS256"],
}

/**
 * The claims of a token that one of these keys signed, or null. Nothing of them is read before; where a key comes from is never taken
 * from the token (`jwk`, `jku`, `x5u` mean nothing here).
 *
 * @see RFC 7515 section 5.2
 */
export async function claimsSignedBy(token: string, keys: readonly ProviderKey[]): Promise<unknown> {
  if (token.length > MAX_IDENTITY_LENGTH) return null
  for (const { kid, jwk } of keys) {
    const payload = await payloadOf(token, kid, jwk)
    if (payload !== null) return parsed(payload)
  }
  return null
}

async function payloadOf(token: string, kid: string | null, jwk: ProviderKey["jwk"]): Promise<Uint8Array | null> {
  try {
    const { payload, protectedHeader } = await compactVerify(
      token,
      { ...jwk },
      { algorithms: [...ALGORITHMS[jwk.kty]] },
    )
    // A token of another kind by the same provider (a logout token, say) is none of who somebody is.
    const { typ } = protectedHeader
    if (typ !== undefined && typ.toUpperCase() !== "JWT") return null
    return kid === null || protectedHeader.kid === undefined || protectedHeader.kid === kid ? payload : null
  } catch (error) {
    // Of another key, changed, not of this form at all; a key that jose cannot use is told by a TypeError.
    if (error instanceof JOSEError || error instanceof TypeError || error instanceof DOMException) return null
    throw error
  }
}

function parsed(payload: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload))
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null
    throw error
  }
}
