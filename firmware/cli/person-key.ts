import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto"
import { calculateJwkThumbprint } from "jose/jwk/thumbprint"
import { InputError } from "../../policy/base/errors.ts"
import { encodeSignedCommand, SIGNED_COMMAND_TYPE, type SignedCommand } from "../../policy/people/signed-command.ts"

/** What signs for a person: a key in a file, or one that a token guards. */
export interface PersonKey {
  readonly algorithm: "ES256" | "EdDSA"
  /** @see RFC 7638 */
  readonly thumbprint: string
  /** 64 bytes, as a JWS has them. */
  sign(bytes: Uint8Array): Promise<Uint8Array>
}

/** A new key, P-256: what stays with its person, and what an administrator enrols. `passphrase` encrypts the first. */
export function makePersonKey(passphrase: string | null): { readonly privatePem: string; readonly publicPem: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const plain = { type: "pkcs8", format: "pem" } as const
  const form = passphrase === null ? plain : ({ ...plain, cipher: "aes-256-cbc", passphrase } as const)
  return {
    privatePem: privateKey.export(form).toString(),
    publicPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
  }
}

/** Whether that file asks for a passphrase. */
export function isEncrypted(pem: string): boolean {
  return /-----BEGIN ENCRYPTED PRIVATE KEY-----/.test(pem)
}

/**
 * The key in a PEM file (PKCS#8; P-256 or Ed25519).
 *
 * @throws InputError `ERR_KEY_PASSPHRASE` if it is encrypted and this does not open it; `ERR_KEY_MALFORMED`, `ERR_KEY_ALGORITHM`
 */
export async function readPersonKey(pem: string, passphrase: string | null): Promise<PersonKey> {
  if (!/^\s*-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/.test(pem))
    throw new InputError("ERR_KEY_MALFORMED", "a private key in PEM is wanted (BEGIN PRIVATE KEY, PKCS#8)")
  const locked = isEncrypted(pem)
  if (locked && passphrase === null)
    throw new InputError("ERR_KEY_PASSPHRASE", "the key is encrypted: give its passphrase")
  const key = open(pem, passphrase, locked)
  const algorithm = algorithmOf(key)
  const thumbprint = await calculateJwkThumbprint(createPublicKey(key).export({ format: "jwk" }))
  return {
    algorithm,
    thumbprint,
    sign: (bytes) =>
      Promise.resolve(
        algorithm === "EdDSA" ? sign(null, bytes, key) : sign("sha256", bytes, { key, dsaEncoding: "ieee-p1363" }),
      ),
  }
}

/** That command, signed: JWS in its compact form. @see RFC 7515 section 7.1 */
export async function signCommand(command: SignedCommand, key: PersonKey): Promise<string> {
  const header = JSON.stringify({ alg: key.algorithm, typ: SIGNED_COMMAND_TYPE, kid: key.thumbprint })
  const head = Buffer.from(header).toString("base64url")
  const text = `${head}.${Buffer.from(encodeSignedCommand(command)).toString("base64url")}`
  return `${text}.${Buffer.from(await key.sign(Buffer.from(text, "ascii"))).toString("base64url")}`
}

function open(pem: string, passphrase: string | null, locked: boolean): KeyObject {
  try {
    return createPrivateKey(locked ? { key: pem, passphrase: passphrase ?? "" } : pem)
  } catch {
    // No cause: nothing of a key file goes into an error.
    throw locked
      ? new InputError("ERR_KEY_PASSPHRASE", "the passphrase does not open the key")
      : new InputError("ERR_KEY_MALFORMED", "the key cannot be read")
  }
}

function algorithmOf(key: KeyObject): "ES256" | "EdDSA" {
  if (key.asymmetricKeyType === "ed25519") return "EdDSA"
  if (key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1") return "ES256"
  throw new InputError("ERR_KEY_ALGORITHM", "a P-256 or Ed25519 key is wanted")
}
