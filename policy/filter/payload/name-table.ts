/**
 * Names to look up by their bytes, without making strings of what was received: an open hash table over code points.
 *
 * The names come from the policy, so that no sender chooses what collides in here: a sender can at most choose a name
 * that falls on the same chain, and chains are as long as the policy made them. Plain values, so that a compiled policy
 * can travel between threads.
 */
export interface NameTable {
  readonly names: readonly string[]
  /** `hashName` of each. */
  readonly hashes: Int32Array
  /** Index into `names` plus one, 0 for free; a power of two of them, at most half taken. A name may stand in here twice. */
  readonly slots: Int32Array
}

/** The hash of no code point (FNV-1a). */
export const HASH_START = 0x811c9dc5 | 0

/** The hash of what had `hash`, and this code point behind it. */
export function mix(hash: number, point: number): number {
  return Math.imul(hash ^ point, 0x01000193)
}

/** The slot in which to begin: the low bits of FNV-1a alone are poor. */
export function firstSlot(hash: number, slots: Int32Array): number {
  return (hash ^ (hash >>> 15)) & (slots.length - 1)
}

/** The hash over the code points of `name`. */
export function hashName(name: string): number {
  let hash = HASH_START
  for (const character of name) hash = mix(hash, character.codePointAt(0) ?? 0)
  return hash
}

/** A table of `names`. */
export function createNameTable(names: readonly string[]): NameTable {
  let size = 2
  while (size < names.length * 2) size *= 2
  const slots = new Int32Array(size)
  const hashes = Int32Array.from(names, hashName)
  hashes.forEach((hash, k) => {
    let slot = firstSlot(hash, slots)
    while (slots[slot] !== 0) slot = (slot + 1) & (size - 1)
    slots[slot] = k + 1
  })
  return { names, hashes, slots }
}
