import { createHash } from "node:crypto"
import { JWSSignatureVerificationFailed } from "jose/errors"
import { flattenedVerify } from "jose/jws/flattened/verify"
import { InputError } from "../../policy/base/errors.ts"
import { parseStatement } from "../../policy/bundle/statement.ts"
import type { Statement } from "../../policy/bundle/statement.ts"
import { BUNDLE_ALGORITHMS, parseEnvelope } from "./envelope.ts"
import type { EnvelopeSignature } from "./envelope.ts"
import type { TrustedSigner } from "./signer-key.ts"

/** A statement that somebody we trust has signed. Whether they are enough is for `policy/bundle/judge.ts` to say. */
export interface VerifiedBundle {
  readonly statement: Statement
  /** Names of the distinct trusted keys with a good signature, at least one, sorted. */
  readonly signers: readonly string[]
  /** SHA-256 over the bytes of the statement, lower-case hex: what a successor names as its predecessor. */
  readonly statementHash: string
}

export type VerifyBundle = (text: string) => Promise<VerifiedBundle>

/**
 * A function that verifies the text of a bundle against `trusted`.
 *
 * Each signature is tried against the one trusted key that it names, so at most sixteen verifications are made. A key
 * counts once, however many signatures it made and under however many names it is trusted (the first in order of names
 * stands). Signatures by keys we do not trust, and bad ones, are ignored. The payload is read only after a signature
 * over it was good.
 *
 * The returned function throws InputError: what `parseEnvelope` and `parseStatement` throw, and
 * `ERR_BUNDLE_SIGNATURES` if no trusted signer made any good signature (`detail.badSignatures`: how many name a trusted
 * key and are wrong, which is damage or forgery and not a stranger).
 *
 * @see RFC 7515 section 5.2
 */
export function createBundleVerifier(trusted: readonly TrustedSigner[]): VerifyBundle {
  const keys = new Map<string, TrustedSigner>()
  for (const signer of [...trusted].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!keys.has(signer.thumbprint)) keys.set(signer.thumbprint, signer)
  }
  return async (text) => {
    const envelope = parseEnvelope(text)
    const signers = new Set<string>()
    let bad = 0
    for (const signature of envelope.signatures) {
      const signer = keys.get(signature.keyId)
      if (signer === undefined || signer.algorithm !== signature.algorithm || signers.has(signer.name)) continue
      if (await signatureIsGood(envelope.payload, signature, signer)) signers.add(signer.name)
      else bad++
    }
    if (signers.size === 0) {
      const detail = { badSignatures: bad }
      throw new InputError("ERR_BUNDLE_SIGNATURES", "no trusted signer has signed the bundle", { detail })
    }
    const payload = Buffer.from(envelope.payload, "base64url")
    const statementHash = createHash("sha256").update(payload).digest("hex")
    return { statement: parseStatement(payload), signers: [...signers].sort(), statementHash }
  }
}

/** Whether this one signature over `payload` (base64url) is good under the signer's key. @throws InputError `ERR_BUNDLE_MALFORMED` */
export async function signatureIsGood(
  payload: string,
  signature: EnvelopeSignature,
  signer: TrustedSigner,
): Promise<boolean> {
  try {
    // One signature at a time: jose's generalVerify is content with one good signature of several.
    const jws = { payload, protected: signature.protected, signature: signature.signature }
    await flattenedVerify(jws, signer.key, { algorithms: [...BUNDLE_ALGORITHMS] })
    return true
  } catch (error) {
    if (error instanceof JWSSignatureVerificationFailed) return false
    throw new InputError("ERR_BUNDLE_MALFORMED", "a signature cannot be verified", { cause: error })
  }
}
