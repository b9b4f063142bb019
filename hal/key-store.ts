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
  /**
   * The secret that the key of `slot` shares with `peerSpki`: ECDH on P-256, the x coordinate, 32 bytes. Not a key yet: derive one
   * (HKDF). @throws StateError `ERR_KEY_MISSING`, `ERR_KEY_ALGORITHM` if the slot's key is not ES256 @throws InputError `ERR_KEY_PEER`
   * if `peerSpki` (SPKI DER) is no point on P-256
   */
  agree(slot: string, peerSpki: Uint8Array): Promise<Uint8Array>
  /** Every slot that holds a key, a secret or remembered bytes, sorted; damaged ones too. Not those that are the board owner's files. */
  slots(): Promise<readonly string[]>
  /**
   * Erase what `slot` holds, key, chain, secret and memory alike; no error if that is nothing. Gone from disk before this resolves, and
   * read back to see that it is. May be called again after a failure. What flash keeps of blocks it has moved is beyond software.
   * @throws IntegrityError `ERR_KEY_NOT_ERASED` if anything is still found @throws HardwareError `ERR_IO`
   * @see IEC 62443-4-2 CR 4.2
   */
  erase(slot: string): Promise<void>
  /** As `erase`, for every slot; returns their names. Slots that are the board owner's files stay. @see `erase` for what it throws */
  eraseAll(): Promise<readonly string[]>
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
