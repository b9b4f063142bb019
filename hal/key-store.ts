/** Keys by slot name (`[a-z0-9-]{1,32}`). Private keys leave the store only through `tlsKey`. */
export interface KeyStore {
  /** Make a key in `slot`, replacing an older one. On disk before this resolves. Returns the public key, SPKI DER. */
  generate(slot: string, algorithm: KeyAlgorithm): Promise<Uint8Array>
  /** Public key of `slot`, SPKI DER, or null if the slot is empty. @throws IntegrityError `ERR_KEY_DAMAGED` */
  publicKey(slot: string): Promise<Uint8Array | null>
  /** ES256: SHA-256 digest signed, raw r||s, 64 bytes (JWS form). Ed25519: 64 bytes. @throws StateError `ERR_KEY_MISSING` */
  sign(slot: string, data: Uint8Array): Promise<Uint8Array>
  /** Certificate chain of `slot`, leaf first, DER; null if none. */
  certificate(slot: string): Promise<readonly Uint8Array[] | null>
  /** Store a chain for the key in `slot`. @throws IntegrityError `ERR_KEY_MISMATCH` if the leaf is for another key. */
  setCertificate(slot: string, chain: readonly Uint8Array[]): Promise<void>
  /** The key in PEM for the process that terminates TLS. @throws StateError `ERR_KEY_MISSING`, `ERR_KEY_NOT_EXPORTABLE` */
  tlsKey(slot: string): Promise<string>
  /**
   * 32 random bytes that belong to `slot`, made and put on disk at first use; apart from the slot's key. What is encrypted
   * under them is readable to whoever holds this store, and to nobody else. @throws HardwareError `ERR_IO`
   */
  secret(slot: string): Promise<Uint8Array>
  /**
   * Keep up to 4,096 bytes under `slot`, apart from its key, in place of what was kept before. On disk before this resolves: old or
   * new after a power cut, never a mixture. What must not go back when the state folder does. @throws HardwareError `ERR_IO`
   */
  remember(slot: string, bytes: Uint8Array): Promise<void>
  /** What is kept under `slot`; null if nothing is. @throws HardwareError `ERR_IO` */
  recall(slot: string): Promise<Uint8Array | null>
  /** A counter of the hardware that nobody can set back; absent where the board has none. */
  readonly counter?: MonotonicCounter
  /** Where keys lie, for the report. */
  readonly protection: "file" | "memory" | "tpm" | "pkcs11"
}

/** Counts up, and never down, whatever becomes of the disk. */
export interface MonotonicCounter {
  /** @throws HardwareError `ERR_IO` */
  read(): Promise<number>
  /** One more; returns the new count, which holds from then on. @throws HardwareError `ERR_IO` */
  advance(): Promise<number>
}

export type KeyAlgorithm = "ES256" | "Ed25519"
