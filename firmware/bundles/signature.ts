import { FlattenedSign } from "jose/jws/flattened/sign"
import type { SigningKey } from "./signer-key.ts"

/** One signature over a payload: the parts of a flattened JWS, base64url. @see RFC 7515 section 7.2.2 */
export interface OneSignature {
  readonly payload: string
  readonly protected: string
  readonly signature: string
}

/** A signature of that type over `payload`, by a key in a file or by one that a token guards. */
export async function signatureOf(payload: Uint8Array, type: string, key: SigningKey): Promise<OneSignature> {
  const header = { alg: key.algorithm, typ: type, kid: key.thumbprint }
  if (key.sign !== undefined) {
    const body = Buffer.from(payload).toString("base64url")
    const head = Buffer.from(JSON.stringify(header)).toString("base64url")
    const signature = await key.sign(Buffer.from(`${head}.${body}`, "ascii"))
    return { payload: body, protected: head, signature: Buffer.from(signature).toString("base64url") }
  }
  const jws = await new FlattenedSign(payload).setProtectedHeader(header).sign(key.key)
  return { payload: jws.payload, protected: jws.protected ?? "", signature: jws.signature }
}
