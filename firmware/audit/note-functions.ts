import { createPublicKey, hash, verify } from "node:crypto"
import type { Sha256 } from "../../policy/audit/tlog/hash.ts"
import type { VerifySignature } from "../../policy/audit/tlog/note.ts"

/** What goes before the 32 bytes of an Ed25519 key in SPKI DER. @see RFC 8410 section 4 */
const ED25519_SPKI = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00)

/** SHA-256 by Node's own crypto. */
export const nodeSha256: Sha256 = (bytes) => hash("sha256", bytes, "buffer")

/** Signatures of notes verified by Node's own crypto; a key that is none verifies nothing. */
export const verifyNoteSignature: VerifySignature = async (type, publicKey, message, signature) => {
  const der = type === "ecdsa" ? publicKey : Uint8Array.of(...ED25519_SPKI, ...publicKey)
  try {
    const key = createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" })
    return verify(type === "ecdsa" ? "sha256" : null, message, key, signature)
  } catch {
    return false
  }
}

/** The 32 bytes of an Ed25519 key from its SPKI DER; null if it is none. */
export function bareEd25519(spki: Uint8Array): Uint8Array | null {
  const isOne = spki.length === ED25519_SPKI.length + 32 && ED25519_SPKI.every((byte, at) => byte === spki[at])
  return isOne ? spki.slice(ED25519_SPKI.length) : null
}

/** An ECDSA signature as notes carry it (DER), from r and s of 32 bytes each. @see RFC 3279 section 2.2.3 */
export function ecdsaDer(raw: Uint8Array): Uint8Array {
  const whole = (bytes: Uint8Array): number[] => {
    const first = bytes.findIndex((byte) => byte !== 0)
    const significant = first < 0 ? [0] : [...bytes.subarray(first)]
    const value = (significant[0] ?? 0) > 0x7f ? [0, ...significant] : significant
    return [0x02, value.length, ...value]
  }
  const body = [...whole(raw.subarray(0, 32)), ...whole(raw.subarray(32))]
  return Uint8Array.of(0x30, body.length, ...body)
}
