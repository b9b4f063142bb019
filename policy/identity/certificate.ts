/**
 * What the path decision needs to know of one X.509 certificate, as plain values.
 *
 * An adapter outside this room parses the DER; signatures are checked through a function that is passed in.
 */
export interface CertificateFacts {
  /** The whole certificate, DER. */
  readonly der: Uint8Array
  /** SHA-256 over `der`, lower-case hex. */
  readonly fingerprint: string
  /** Lower-case hex, no leading zeros. */
  readonly serial: string
  /** RFC 4514 text. For messages. */
  readonly subject: string
  readonly issuer: string
  /** DER of the names, lower-case hex: what is compared. */
  readonly subjectDer: string
  readonly issuerDer: string
  /** Milliseconds since 1970. */
  readonly notBeforeAt: number
  readonly notAfterAt: number
  readonly version: 1 | 3
  /** Null when the extension is absent. */
  readonly basicConstraints: { readonly ca: boolean; readonly pathLength: number | null } | null
  /** Names as in RFC 5280 section 4.2.1.3 (`digitalSignature`, `keyCertSign`, `cRLSign`, ...); null when absent. */
  readonly keyUsage: readonly string[] | null
  /** OIDs; null when absent. */
  readonly extendedKeyUsage: readonly string[] | null
  /** Null if there is none, or more than one: a certificate that says two names says neither. */
  readonly commonName: string | null
  readonly sanDns: readonly string[]
  readonly sanUri: readonly string[]
  /** Addresses in their canonical text (IPv6: RFC 5952). */
  readonly sanIp: readonly string[]
  /** The role that Modbus/TCP Security puts into certificates; null when the extension is absent. */
  readonly modbusRole: string | null
  /** OIDs of critical extensions that the adapter did not understand. */
  readonly unknownCritical: readonly string[]
  /** `EC:P-256`, `EC:P-384`, `Ed25519`, `RSA:2048`, ...: see `policy/identity/algorithms.ts`. */
  readonly keyAlgorithm: string
  /** `ecdsa-sha256`, `ed25519`, `rsa-sha256`, ... */
  readonly signatureAlgorithm: string
}

/** True if `certificate` bears a good signature by `issuer`'s key. Never throws. */
export type VerifySignature = (certificate: CertificateFacts, issuer: CertificateFacts) => boolean
