import { createHash, createPublicKey } from "node:crypto"
import { InputError, StateError } from "../../policy/base/errors.ts"
import { encodeStatement, parseStatement } from "../../policy/bundle/statement.ts"
import type { Statement } from "../../policy/bundle/statement.ts"
import { BUNDLE_TYPE, MAX_BUNDLE_LENGTH, MAX_SIGNATURES, parseEnvelope } from "./envelope.ts"
import { signatureOf } from "./signature.ts"
import type { SigningKey } from "./signer-key.ts"
import { createBundleVerifier } from "./verify.ts"

interface PlainEnvelope {
  readonly payload: string
  readonly signatures: readonly { readonly protected: string; readonly signature: string }[]
}

/**
 * The text of a new bundle, signed by one key.
 *
 * @throws InputError `ERR_BUNDLE_STATEMENT`, `ERR_BUNDLE_SIZE`
 */
export async function signBundle(statement: Statement, key: SigningKey): Promise<string> {
  const { payload, ...signature } = await signatureOf(encodeStatement(statement), BUNDLE_TYPE, key)
  return write({ payload, signatures: [signature] })
}

/**
 * The text of a bundle with one more signature, over the very same bytes.
 *
 * @throws InputError if `text` is no bundle or its statement is wrong (codes of `parseEnvelope`, `parseStatement`).
 * @throws StateError `ERR_ALREADY_SIGNED` if this key has signed it, `ERR_BUNDLE_FULL` if it holds sixteen signatures.
 */
export async function addSignature(text: string, key: SigningKey): Promise<string> {
  const { payload, signatures } = parseEnvelope(text)
  const bytes = Buffer.from(payload, "base64url")
  parseStatement(bytes)
  if (await isSignedBy(text, key)) throw new StateError("ERR_ALREADY_SIGNED", "this key has already signed the bundle")
  if (signatures.length >= MAX_SIGNATURES)
    throw new StateError("ERR_BUNDLE_FULL", "the bundle can hold no more signatures")
  const added = await signatureOf(bytes, BUNDLE_TYPE, key)
  // The payload stays as it was written: another encoding of the same bytes would break the signatures that are there.
  if (added.payload !== payload)
    throw new InputError("ERR_BUNDLE_MALFORMED", "the payload is not in canonical base64url")
  const kept = signatures.map((entry) => ({ protected: entry.protected, signature: entry.signature }))
  return write({ payload, signatures: [...kept, { protected: added.protected, signature: added.signature }] })
}

/** The statement in a bundle, unverified: to show to a person before signing. @throws InputError as `parseEnvelope`, `parseStatement` */
export function readStatement(text: string): Statement {
  return parseStatement(Buffer.from(parseEnvelope(text).payload, "base64url"))
}

/**
 * SHA-256 over the bytes of the statement in a bundle, lower-case hex, as they stand there: what a successor names as its
 * predecessor. Unverified. @throws InputError as `parseEnvelope`, `parseStatement`
 */
export function statementHashOf(text: string): string {
  const bytes = Buffer.from(parseEnvelope(text).payload, "base64url")
  parseStatement(bytes)
  return createHash("sha256").update(bytes).digest("hex")
}

async function isSignedBy(text: string, key: SigningKey): Promise<boolean> {
  const { algorithm, thumbprint } = key
  const publicKey = key.key.type === "public" ? key.key : createPublicKey(key.key)
  const verify = createBundleVerifier([{ name: "self", algorithm, thumbprint, key: publicKey }])
  try {
    await verify(text)
    return true
  } catch (error) {
    if (error instanceof InputError && error.code === "ERR_BUNDLE_SIGNATURES") return false
    throw error
  }
}

function write(envelope: PlainEnvelope): string {
  const text = JSON.stringify(envelope, null, 2) + "\n"
  if (text.length > MAX_BUNDLE_LENGTH) throw new InputError("ERR_BUNDLE_SIZE", "the bundle would be longer than 32 MiB")
  return text
}
