/**
 * The hashes of a Merkle tree over log entries.
 *
 *     leaf  SHA-256(0x00 || entry)        node  SHA-256(0x01 || left || right)
 *
 * @see RFC 6962 section 2.1
 */

/** SHA-256 of some bytes: node:crypto on the gateway, a synchronous library in the page. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array

/** Bytes of a hash. */
export const HASH_BYTES = 32

/** Hash of an entry: of the very bytes that are stored. */
export function leafHash(sha256: Sha256, entry: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + entry.length)
  bytes.set(entry, 1)
  return sha256(bytes)
}

/** Hash of two subtrees that stand side by side. */
export function nodeHash(sha256: Sha256, left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + 2 * HASH_BYTES)
  bytes[0] = 1
  bytes.set(left, 1)
  bytes.set(right, 1 + HASH_BYTES)
  return sha256(bytes)
}

/** Root of a tree without entries. */
export function emptyRoot(sha256: Sha256): Uint8Array {
  return sha256(new Uint8Array(0))
}

/** Whether two hashes are the same. Not in constant time: nothing of a log is secret. */
export function sameHash(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, k) => byte === other[k])
}
