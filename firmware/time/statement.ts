import { InputError, StateError } from "../../policy/base/errors.ts"
import { encodeTimeStatement, parseTimeStatement, type TimeStatement } from "../../policy/time/signed-time.ts"
import { parseEnvelope } from "../bundles/envelope.ts"
import { signatureOf, type OneSignature } from "../bundles/signature.ts"
import type { SigningKey, TrustedSigner } from "../bundles/signer-key.ts"
import { signatureIsGood } from "../bundles/verify.ts"

/** What a signed time says that it is, in each protected header. */
export const TIME_TYPE = "lockgate-time+jws"
/** Characters of a signed time with all its signatures, at most. */
export const MAX_SIGNED_TIME_LENGTH = 16_384

/** A time that somebody we trust has signed. Whether it answers a nonce of ours is not looked at here. */
export interface VerifiedTime {
  readonly statement: TimeStatement
  /** Names of the distinct trusted keys with a good signature, at least one, sorted. */
  readonly signers: readonly string[]
}

/**
 * A function that verifies the text of a signed time, JWS in the General JSON form as policy bundles are, against `trusted`.
 *
 * A key counts once, under the first of its names. The statement is read only after a signature over it was good. The
 * returned function throws InputError: `ERR_TIME_SIGNATURES` if no trusted key made any, `ERR_TIME_STATEMENT`, and the codes
 * of `parseEnvelope`.
 *
 * @see RFC 7515 section 5.2
 */
export function createTimeVerifier(trusted: readonly TrustedSigner[]): (text: string) => Promise<VerifiedTime> {
  const keys = new Map<string, TrustedSigner>()
  for (const signer of [...trusted].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!keys.has(signer.thumbprint)) keys.set(signer.thumbprint, signer)
  }
  return async (text) => {
    if (text.length > MAX_SIGNED_TIME_LENGTH) throw new InputError("ERR_TIME_STATEMENT", "the signed time is too long")
    const { payload, signatures } = parseEnvelope(text, TIME_TYPE)
    const signers = new Set<string>()
    for (const signature of signatures) {
      const signer = keys.get(signature.keyId)
      if (signer === undefined || signer.algorithm !== signature.algorithm || signers.has(signer.name)) continue
      if (await signatureIsGood(payload, signature, signer)) signers.add(signer.name)
    }
    if (signers.size === 0)
      throw new InputError("ERR_TIME_SIGNATURES", "nobody who may sign the time here has signed this")
    return { statement: parseTimeStatement(textOf(payload)), signers: [...signers].sort() }
  }
}

/** A signed time with one signature, as JSON text. */
export async function signTime(statement: TimeStatement, key: SigningKey): Promise<string> {
  return write([await signatureOf(Buffer.from(encodeTimeStatement(statement)), TIME_TYPE, key)])
}

/**
 * The same statement with one more signature, over the very same bytes.
 * @throws InputError as `parseEnvelope` @throws StateError `ERR_ALREADY_SIGNED`
 */
export async function approveTime(text: string, key: SigningKey): Promise<string> {
  const { payload, signatures } = parseEnvelope(text, TIME_TYPE)
  if (signatures.some(({ keyId }) => keyId === key.thumbprint))
    throw new StateError("ERR_ALREADY_SIGNED", "this key has already signed the time")
  const before = signatures.map((one) => ({ payload, protected: one.protected, signature: one.signature }))
  return write([...before, await signatureOf(Buffer.from(payload, "base64url"), TIME_TYPE, key)])
}

/** The statement in a signed time, unverified: to show to a person. @throws InputError as `parseEnvelope`, `ERR_TIME_STATEMENT` */
export function readSignedTime(text: string): TimeStatement {
  return parseTimeStatement(textOf(parseEnvelope(text, TIME_TYPE).payload))
}

function textOf(payload: string): string {
  return Buffer.from(payload, "base64url").toString("utf8")
}

function write(signed: readonly OneSignature[]): string {
  const signatures = signed.map((one) => ({ protected: one.protected, signature: one.signature }))
  return JSON.stringify({ payload: signed[0]?.payload ?? "", signatures }, null, 2) + "\n"
}
