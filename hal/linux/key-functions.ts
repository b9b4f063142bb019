import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPair,
  randomBytes,
  sign,
  X509Certificate,
  type KeyObject,
} from "node:crypto"
import { InputError, IntegrityError, StateError } from "../../policy/base/errors.ts"
import type { KeyFunctions } from "../key-functions.ts"

/** Key arithmetic by Node's own crypto (OpenSSL): P-256 and Ed25519, nothing else. */
export const nodeKeyFunctions: KeyFunctions = {
  async generate(algorithm) {
    const privateKey = await newKey(algorithm)
    const pkcs8Pem = privateKey.export({ type: "pkcs8", format: "pem" }) as string
    return { pkcs8Pem, spki: spkiOf(privateKey) }
  },

  secret: () => new Uint8Array(randomBytes(32)),

  publicKeyOf: (pkcs8Pem) => spkiOf(parse(pkcs8Pem)),

  certifiedKeyOf(certificate) {
    try {
      return new Uint8Array(new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" }))
    } catch (cause) {
      throw new IntegrityError("ERR_CERTIFICATE_DAMAGED", "a certificate cannot be read", { cause })
    }
  },

  sign: async (pkcs8Pem, data) => signerOf(pkcs8Pem)(data),

  agree(pkcs8Pem, peerSpki) {
    const privateKey = parse(pkcs8Pem)
    if (privateKey.asymmetricKeyType !== "ec") throw new StateError("ERR_KEY_ALGORITHM", "only a P-256 key agrees")
    return new Uint8Array(diffieHellman({ privateKey, publicKey: peerOf(peerSpki) }))
  },
}

/** OpenSSL refuses a point that is not on its curve while it reads it. */
function peerOf(spki: Uint8Array): KeyObject {
  const refused = new InputError("ERR_KEY_PEER", "not a public key on P-256")
  let key: KeyObject
  try {
    key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" })
  } catch {
    throw refused
  }
  if (key.asymmetricKeyType !== "ec" || key.asymmetricKeyDetails?.namedCurve !== "prime256v1") throw refused
  return key
}

function newKey(algorithm: "ES256" | "Ed25519"): Promise<KeyObject> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, _publicKey: KeyObject, privateKey: KeyObject): void => {
      if (error === null) resolve(privateKey)
      else reject(error)
    }
    if (algorithm === "ES256") generateKeyPair("ec", { namedCurve: "P-256" }, done)
    else generateKeyPair("ed25519", {}, done)
  })
}

/** Signs with one key, taken apart once: reading PEM costs more than signing. @throws IntegrityError `ERR_KEY_DAMAGED` */
export function signerOf(pkcs8Pem: string): (data: Uint8Array) => Promise<Uint8Array> {
  const key = parse(pkcs8Pem)
  const algorithm = key.asymmetricKeyType === "ed25519" ? null : "sha256"
  return (data) =>
    new Promise((resolve, reject) => {
      sign(algorithm, data, { key, dsaEncoding: "ieee-p1363" }, (cause, signature) => {
        if (cause !== null) reject(new IntegrityError("ERR_KEY_DAMAGED", "signing failed", { cause }))
        else resolve(new Uint8Array(signature))
      })
    })
}

function parse(pem: string): KeyObject {
  // The cause is left out on purpose: a parser's message could quote what it read.
  const damaged = new IntegrityError("ERR_KEY_DAMAGED", "not a P-256 or Ed25519 private key in PEM")
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    throw damaged
  }
  if (key.asymmetricKeyType === "ed25519") return key
  if (key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1") return key
  throw damaged
}

function spkiOf(key: KeyObject): Uint8Array {
  return new Uint8Array(createPublicKey(key).export({ type: "spki", format: "der" }))
}
