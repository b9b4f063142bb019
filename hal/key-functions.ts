import { InvariantError, StateError } from "../policy/base/errors.ts"
import type { KeyAlgorithm } from "./key-store.ts"

/** The arithmetic that a key store in software stands on; handed to it, so that the store itself needs no library. */
export interface KeyFunctions {
  /** A new key. */
  generate(algorithm: KeyAlgorithm): Promise<{ readonly pkcs8Pem: string; readonly spki: Uint8Array }>
  /** Public key, SPKI DER. @throws IntegrityError `ERR_KEY_DAMAGED` if it is no P-256 or Ed25519 private key in PEM. */
  publicKeyOf(pkcs8Pem: string): Uint8Array
  /** The public key that a certificate (DER) is for. @throws IntegrityError `ERR_CERTIFICATE_DAMAGED` */
  certifiedKeyOf(certificate: Uint8Array): Uint8Array
  /** 32 random bytes. */
  secret(): Uint8Array
  /** As `KeyStore.sign`. @throws IntegrityError `ERR_KEY_DAMAGED` */
  sign(pkcs8Pem: string, data: Uint8Array): Promise<Uint8Array>
  /** As `KeyStore.agree`. @throws StateError `ERR_KEY_ALGORITHM`, InputError `ERR_KEY_PEER` */
  agree(pkcs8Pem: string, peerSpki: Uint8Array): Uint8Array
}

/** Throws unless `slot` is a slot name. @throws StateError `ERR_KEY_SLOT` */
export function checkSlot(slot: string): void {
  if (!/^[a-z0-9-]{1,32}$/.test(slot)) throw new StateError("ERR_KEY_SLOT", "not the name of a key slot")
}

/** Throws if `bytes` are more than a slot remembers. @throws InvariantError `ERR_KEY_MEMORY` */
export function checkMemory(bytes: Uint8Array): void {
  if (bytes.length > 4096) throw new InvariantError("ERR_KEY_MEMORY", `${bytes.length} bytes are too many to remember`)
}

/** True if both hold the same bytes. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
