/**
 * Every algorithm and key size that Lockgate permits, for certificates, TLS and signed documents alike.
 *
 * The measure is 128 bits of strength throughout: NIST SP 800-57 part 1 (rev. 5, tables 2 and 3) rates P-256, Ed25519,
 * SHA-256 and RSA from 3072 bits so; BSI TR-02102-1 asks for RSA from 3000 bits. RSA above 8192 bits adds nothing that
 * a chain with SHA-256 keeps, and lets a peer that nobody knows choose how long we calculate.
 *
 * What does not stand here is not spoken: the strings below are handed to OpenSSL, the functions judge certificates.
 *
 * @see IEC 62443-4-2 CR 4.3
 */

export const RSA_MIN_BITS = 3072
export const RSA_MAX_BITS = 8192

/** Keys in certificates, beside RSA of a permitted size, under the names of `CertificateFacts.keyAlgorithm`. */
export const PERMITTED_KEYS = ["EC:P-256", "EC:P-384", "Ed25519"] as const

/** Signatures on certificates, under the names of `CertificateFacts.signatureAlgorithm`. */
export const PERMITTED_SIGNATURES = [
  "ecdsa-sha256",
  "ecdsa-sha384",
  "ecdsa-sha512",
  "ed25519",
  "rsa-sha256",
  "rsa-sha384",
  "rsa-sha512",
  "rsa-pss-sha256",
  "rsa-pss-sha384",
  "rsa-pss-sha512",
] as const

export const TLS13_SUITES = [
  "TLS_AES_256_GCM_SHA384",
  "TLS_AES_128_GCM_SHA256",
  "TLS_CHACHA20_POLY1305_SHA256",
] as const

/** ECDHE and AEAD only, under OpenSSL's names; spoken only where a zone admits TLS 1.2 by name. */
export const TLS12_SUITES = [
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-RSA-CHACHA20-POLY1305",
] as const

/** Groups of the ephemeral key agreement, most wanted first. */
export const TLS_GROUPS = ["X25519", "P-256", "P-384"] as const

/**
 * Signature schemes of handshakes, most wanted first.
 *
 * The `rsa_pkcs1` ones are there for signatures *on certificates* (TLS 1.3 forbids them in the handshake itself): a
 * client that honours the list shows no certificate from an RSA authority unless they are named.
 */
export const TLS_SIGNATURES = [
  "ecdsa_secp256r1_sha256",
  "ecdsa_secp384r1_sha384",
  "ed25519",
  "rsa_pss_rsae_sha256",
  "rsa_pss_rsae_sha384",
  "rsa_pss_rsae_sha512",
  "rsa_pss_pss_sha256",
  "rsa_pss_pss_sha384",
  "rsa_pss_pss_sha512",
  "rsa_pkcs1_sha256",
  "rsa_pkcs1_sha384",
  "rsa_pkcs1_sha512",
] as const

/** Algorithms of signed documents (RFC 7518 and RFC 8037 names). */
export const JWS_ALGORITHMS = ["ES256", "EdDSA"] as const

export type TlsVersion = "1.2" | "1.3"

const RSA_NAME = /^RSA:([1-9][0-9]{0,5})$/

/** Whether a certificate may hold a key of this name (`EC:P-256`, `Ed25519`, `RSA:3072`, ...). */
export function isPermittedKey(name: string): boolean {
  if ((PERMITTED_KEYS as readonly string[]).includes(name)) return true
  const bits = rsaBits(name)
  return bits !== null && bits >= RSA_MIN_BITS && bits <= RSA_MAX_BITS
}

/** Whether checking a signature under this key is bounded work. False only for oversized RSA. */
export function isBoundedKey(name: string): boolean {
  const bits = rsaBits(name)
  return bits === null || bits <= RSA_MAX_BITS
}

/** Whether a certificate may be signed with this algorithm (`ecdsa-sha256`, ...). */
export function isPermittedSignature(name: string): boolean {
  return (PERMITTED_SIGNATURES as readonly string[]).includes(name)
}

/** Whether a signed document may bear this `alg`. */
export function isPermittedJws(alg: string): boolean {
  return (JWS_ALGORITHMS as readonly string[]).includes(alg)
}

/** OpenSSL's cipher list for a side that speaks `tlsMin` and upwards. */
export function tlsCiphers(tlsMin: TlsVersion): string {
  const suites: readonly string[] = tlsMin === "1.2" ? [...TLS13_SUITES, ...TLS12_SUITES] : TLS13_SUITES
  return suites.join(":")
}

/** OpenSSL's list of groups. */
export function tlsGroups(): string {
  return TLS_GROUPS.join(":")
}

/** OpenSSL's list of signature schemes. */
export function tlsSignatures(): string {
  return TLS_SIGNATURES.join(":")
}

function rsaBits(name: string): number | null {
  const bits = RSA_NAME.exec(name)?.[1]
  return bits === undefined ? null : Number(bits)
}
