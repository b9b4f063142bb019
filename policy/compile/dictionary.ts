/* eslint-disable @typescript-eslint/no-non-null-assertion -- dense arrays indexed by numbers that this file gave out */
import { fullHash, quickHash } from "../filter/hash.ts"
import { GrowingWords } from "./growing.ts"

/** Numbers of the words that are not literal; literal ones follow. */
export const WORD_PLUS = 0
export const WORD_CLIENT = 1
export const WORD_NAME = 2
export const FIRST_LITERAL = 3

/** Every distinct literal level of a policy's filters, numbered from `FIRST_LITERAL`, with its text and hashes. */
export class Dictionary {
  /** By word: where its text begins in `texts`; that of the next word ends it. */
  readonly textAt = new GrowingWords()
  readonly quick = new GrowingWords()
  readonly full = new GrowingWords()
  texts = new Uint8Array(4096)
  /** Bytes of the longest text. */
  longest = 0
  #used = 0
  #slots = new Uint32Array(1024)

  constructor() {
    for (let word = 0; word < FIRST_LITERAL; word++) this.#add(0, 0)
  }

  /** The number of the level `bytes[start, end)`. */
  word(bytes: Uint8Array, start: number, end: number): number {
    const hash = fullHash(bytes, start, end)
    const mask = this.#slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const word = this.#slots[slot]!
      if (word === 0) {
        const made = this.#store(bytes, start, end, hash)
        this.#slots[slot] = made
        if (made * 2 > mask) this.#grow()
        return made
      }
      if ((this.full.array[word]! | 0) === hash && this.#holds(word, bytes, start, end)) return word
    }
  }

  /** Bytes of a word's text. */
  length(word: number): number {
    return this.textAt.array[word + 1]! - this.textAt.array[word]!
  }

  #holds(word: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.length(word) !== end - start) return false
    const at = this.textAt.array[word]!
    for (let k = start; k < end; k++) if (this.texts[at + k - start] !== bytes[k]) return false
    return true
  }

  #store(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const at = this.#used
    if (at + end - start > this.texts.length) {
      const larger = new Uint8Array(Math.max(at + end - start, this.texts.length * 2))
      larger.set(this.texts)
      this.texts = larger
    }
    for (let k = start; k < end; k++) this.texts[at + k - start] = bytes[k]!
    this.#used += end - start
    this.longest = Math.max(this.longest, end - start)
    return this.#add(quickHash(bytes, start, end), hash)
  }

  #add(quick: number, full: number): number {
    const word = this.quick.length
    this.quick.push(quick)
    this.full.push(full)
    // One entry ahead of the words, so that the next word's place ends this one's text.
    if (word === 0) this.textAt.push(0)
    this.textAt.push(this.#used)
    return word
  }

  #grow(): void {
    const slots = new Uint32Array(this.#slots.length * 4)
    const mask = slots.length - 1
    for (let word = FIRST_LITERAL; word < this.quick.length; word++) {
      let slot = this.full.array[word]! & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = word
    }
    this.#slots = slots
  }
}
