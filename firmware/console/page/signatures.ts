/** Hash and signatures as the browser has them; handed to the files of `policy/audit`, which know no browser. */
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js"
import type { Sha256 } from "../../../policy/audit/tlog/hash.ts"
import type { VerifySignature } from "../../../policy/audit/tlog/note.ts"

/** SHA-256, synchronous: a promise per hash would cost thirty times the hash. */
export const sha256: Sha256 = (bytes) => nobleSha256(bytes)

/** Verifies by WebCrypto. What is no key or no signature is false. */
export const verifySignature: VerifySignature = async (type, publicKey, message, signature) => {
  const [bytes, signed] = [new Uint8Array(message), new Uint8Array(signature)]
  try {
    if (type === "ecdsa") {
      const p256 = { name: "ECDSA", namedCurve: "P-256" }
      const key = await crypto.subtle.importKey("spki", new Uint8Array(publicKey), p256, false, ["verify"])
      const fixed = fixedOf(signed)
      return fixed !== null && (await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, fixed, bytes))
    }
    const key = await crypto.subtle.importKey("raw", new Uint8Array(publicKey), "Ed25519", false, ["verify"])
    return await crypto.subtle.verify("Ed25519", key, signed, bytes)
  } catch (error) {
    if (error instanceof DOMException) return false
    throw error
  }
}

/** Whether this browser can verify at all; asked of itself with a key and signature of RFC 8032. */
export async function canVerify(): Promise<boolean> {
  const publicKey = hexBytes("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
  const [one, other] = [
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24",
    "655141438e7a100b",
  ]
  return verifySignature("ed25519", publicKey, new Uint8Array(0), hexBytes(one + other))
}

/** Bytes as hexadecimal. */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
}

function hexBytes(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16))
}

/** An ECDSA signature in DER as WebCrypto wants it: r and s, 32 bytes each; null if it is none. */
function fixedOf(der: Uint8Array): Uint8Array<ArrayBuffer> | null {
  const fixed = new Uint8Array(64)
  let at = 2
  if (der[0] !== 0x30 || der[1] !== der.length - 2) return null
  for (const place of [0, 32]) {
    const length = der[at + 1] ?? 0
    const value = der.subarray(at + 2, at + 2 + length)
    if (der[at] !== 2 || length === 0 || value.length !== length) return null
    const digits = value[0] === 0 ? value.subarray(1) : value
    if (digits.length > 32) return null
    fixed.set(digits, place + 32 - digits.length)
    at += 2 + length
  }
  return at === der.length ? fixed : null
}
