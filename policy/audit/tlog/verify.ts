/**
 * Verifies what somebody else says of a tree. No input makes these throw: what is not right is `false`.
 *
 * @see RFC 9162 sections 2.1.3.2 and 2.1.4.2
 */
import { emptyRoot, HASH_BYTES, nodeHash, sameHash, type Sha256 } from "./hash.ts"

/** That an entry is in a tree. */
export interface InclusionClaim {
  readonly index: number
  readonly size: number
  readonly leaf: Uint8Array
  readonly root: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/** That a tree of `second` entries begins with one of `first`. */
export interface ConsistencyClaim {
  readonly first: number
  readonly second: number
  readonly firstRoot: Uint8Array
  readonly secondRoot: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/** Whether `proof` shows that the entry with the hash `leaf` stands at `index`. */
export function verifyInclusion(sha256: Sha256, { index, size, leaf, root, proof }: InclusionClaim): boolean {
  if (!isCount(index) || !isCount(size) || index >= size || !areHashes([leaf, root, ...proof])) return false
  let [fn, sn, hash] = [index, size - 1, leaf]
  for (const step of proof) {
    if (sn === 0) return false
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(sha256, step, hash)
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)]
    } else {
      hash = nodeHash(sha256, hash, step)
    }
    ;[fn, sn] = [half(fn), half(sn)]
  }
  return sn === 0 && sameHash(hash, root)
}

/** Whether `proof` shows that nothing of the first `first` entries is another in the tree of `second`. */
export function verifyConsistency(sha256: Sha256, claim: ConsistencyClaim): boolean {
  const { first, second, firstRoot, secondRoot, proof } = claim
  if (!isCount(first) || !isCount(second) || first > second || !areHashes([firstRoot, secondRoot, ...proof]))
    return false
  if (first === second) return proof.length === 0 && sameHash(firstRoot, secondRoot)
  if (first === 0) return proof.length === 0 && sameHash(firstRoot, emptyRoot(sha256))
  const isPower = Number.isInteger(Math.log2(first))
  const steps = isPower ? [firstRoot, ...proof] : proof
  let [fn, sn] = [first - 1, second - 1]
  while (fn % 2 === 1) [fn, sn] = [half(fn), half(sn)]
  const [begin, ...rest] = steps
  if (begin === undefined) return false
  let [old, now] = [begin, begin]
  for (const step of rest) {
    if (sn === 0) return false
    if (fn % 2 === 1 || fn === sn) {
      old = nodeHash(sha256, step, old)
      now = nodeHash(sha256, step, now)
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)]
    } else {
      now = nodeHash(sha256, now, step)
    }
    ;[fn, sn] = [half(fn), half(sn)]
  }
  return sn === 0 && sameHash(old, firstRoot) && sameHash(now, secondRoot)
}

function half(value: number): number {
  return Math.floor(value / 2)
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function areHashes(hashes: readonly Uint8Array[]): boolean {
  return hashes.length <= 128 && hashes.every((hash) => hash.length === HASH_BYTES)
}
