/* eslint-disable @typescript-eslint/no-non-null-assertion -- slots are masked into the table */
/** Where each child of a node stands in the node's table. */
export interface Placement {
  /** The table has `2 ** log2` slots, one of them free at least. */
  readonly log2: number
  /** By child. */
  readonly slots: readonly number[]
  /** Two children have the same hash. */
  readonly twins: boolean
}

/** Most slots that a look-up may pass before the table is doubled. */
const MAX_PROBES = 24

/** Place children with these hashes, by open addressing from the low bits of the hash; three quarters full at most. */
export function placeChildren(hashes: readonly number[]): Placement {
  let log2 = 1
  while (2 ** log2 * 3 < hashes.length * 4) log2++
  for (; ; log2++) {
    const placed = tryPlacing(hashes, log2)
    // Twins cluster in a table of any size.
    if (placed.probes <= MAX_PROBES || placed.twins || log2 >= 24) return placed
  }
}

function tryPlacing(hashes: readonly number[], log2: number): Placement & { readonly probes: number } {
  const mask = 2 ** log2 - 1
  const taken = new Int32Array(mask + 1).fill(-1)
  const slots: number[] = []
  let twins = false
  let probes = 0
  for (let k = 0; k < hashes.length; k++) {
    const hash = hashes[k]!
    let slot = hash & mask
    let passed = 0
    while (taken[slot] !== -1) {
      if (hashes[taken[slot]!] === hash) twins = true
      slot = (slot + 1) & mask
      passed++
    }
    taken[slot] = k
    slots.push(slot)
    if (passed > probes) probes = passed
  }
  return { log2, slots, twins, probes }
}
