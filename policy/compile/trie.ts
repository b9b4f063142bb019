/* eslint-disable @typescript-eslint/no-non-null-assertion -- dense arrays indexed by numbers that this file gave out */
import type { Filters } from "./filters.ts"

/** No node, no entry. */
export const NONE = -1

/** A place in the trie where filters end: the filter, and the chain of its rules. */
export interface Ends {
  readonly filter: Int32Array
  readonly entry: Int32Array
}

/**
 * A trie of filters while it is built: one node a level, children as a list, found again by hash of parent and word.
 *
 * Node 0 is the root. Everything is indexed by node, but `rule` and `next`, which are by entry of a chain.
 */
export class Trie {
  readonly filters: Filters
  readonly word: Int32Array
  readonly child: Int32Array
  readonly sibling: Int32Array
  /** Filters whose last level this is, and filters that go on with `#` only. */
  readonly ends: Ends
  readonly hashes: Ends
  readonly rule: Int32Array
  readonly next: Int32Array
  readonly #parent: Int32Array
  readonly #slots: Int32Array
  #nodes = 1
  #entries = 0

  /** Room for `entries` pairs of filter and rule, whose filters have `levels` levels together. */
  constructor(filters: Filters, entries: number, levels: number) {
    this.filters = filters
    const nodes = levels + 1
    const none = (length: number): Int32Array => new Int32Array(length).fill(NONE)
    this.word = none(nodes)
    this.child = none(nodes)
    this.sibling = none(nodes)
    this.ends = { filter: none(nodes), entry: none(nodes) }
    this.hashes = { filter: none(nodes), entry: none(nodes) }
    this.rule = none(entries)
    this.next = none(entries)
    this.#parent = none(nodes)
    let size = 16
    while (size < nodes * 2) size *= 2
    this.#slots = new Int32Array(size)
  }

  /** Add a filter of `rule`. Rules come in descending order, so that each chain is ascending. */
  add(filter: number, rule: number): void {
    const words = this.filters.words.array
    const at = this.filters.at.array
    const stop = at[filter + 1]!
    let node = 0
    for (let k = at[filter]!; k < stop; k++) node = this.#step(node, words[k]!)
    const ends = this.filters.endsInHash(filter) ? this.hashes : this.ends
    const first = ends.entry[node]!
    if (first !== NONE && this.rule[first] === rule) return
    const entry = this.#entries++
    ends.filter[node] = filter
    ends.entry[node] = entry
    this.rule[entry] = rule
    this.next[entry] = first
  }

  #step(node: number, word: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    const mixed = Math.imul(node, 0x9e3779b1) ^ Math.imul(word, 0x85ebca6b)
    for (let slot = (mixed ^ (mixed >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const child = slots[slot]!
      if (child !== 0) {
        if (this.word[child] === word && this.#parent[child] === node) return child
        continue
      }
      const made = this.#nodes++
      slots[slot] = made
      this.word[made] = word
      this.#parent[made] = node
      this.sibling[made] = this.child[node]!
      this.child[node] = made
      return made
    }
  }
}
