/* eslint-disable @typescript-eslint/no-non-null-assertion -- offsets come from the compiler */
import * as layout from "./layout.ts"

/**
 * The offset of the last of `count` starts from `at` on that is not above `key`, or `at` if all are. There is at least one.
 *
 * Without a branch that depends on the data: the processor could not guess it.
 */
export function lastStart(words: Int32Array, at: number, count: number, key: number): number {
  for (let n = count; n > 1;) {
    const half = n >> 1
    at += half & ((words[at + half]! - key - 1) >> 31)
    n -= half
  }
  return at
}

/** The entry of the interval whose start lies at `start`. */
export function entryOf(words: Int32Array, starts: number, count: number, start: number): number {
  const entry = starts + count + (start - starts) * layout.ENTRY_WORDS
  return (words[entry]! & layout.ENTRY_LIST) === 0 ? entry : words[entry + 1]!
}

/** Write the words of the rules of `node` that allow all keys `from..to` into `out`, ascending; returns how many. */
export function coverers(words: Int32Array, node: number, from: number, to: number, out: Int32Array): number {
  const starts = node + layout.NODE_STARTS
  const count = words[node + layout.NODE_COUNT]!
  const start = lastStart(words, starts, count, from)
  if (words[start]! > from) return 0
  let at = entryOf(words, starts, count, start)
  let found = 0
  for (;;) {
    const rule = words[at]!
    if (words[at + 1]! >= to) out[found++] = rule
    if ((rule & layout.ENTRY_LAST) !== 0) return found
    at += layout.ENTRY_WORDS
  }
}

/** Of the `count` rule words in `out`, keep those of rules that allow all keys `from..to`, too; returns how many. */
export function narrow(
  words: Int32Array,
  node: number,
  from: number,
  to: number,
  out: Int32Array,
  count: number,
): number {
  const starts = node + layout.NODE_STARTS
  const intervals = words[node + layout.NODE_COUNT]!
  const start = lastStart(words, starts, intervals, from)
  if (words[start]! > from) return 0
  let at = entryOf(words, starts, intervals, start)
  let kept = 0
  for (let k = 0; k < count;) {
    const rule = words[at]!
    const wanted = out[k]! >> 8
    if (rule >> 8 === wanted && words[at + 1]! >= to) out[kept++] = out[k]!
    if (rule >> 8 >= wanted) k++
    else if ((rule & layout.ENTRY_LAST) !== 0) break
    else at += layout.ENTRY_WORDS
  }
  return kept
}

/** The word of the first rule of `node` that allows `key`, or 0. */
export function firstAt(words: Int32Array, node: number, key: number): number {
  const starts = node + layout.NODE_STARTS
  const count = words[node + layout.NODE_COUNT]!
  const start = lastStart(words, starts, count, key)
  if (words[start]! > key) return 0
  let at = entryOf(words, starts, count, start)
  for (;;) {
    const rule = words[at]!
    if (words[at + 1]! >= key) return rule
    if ((rule & layout.ENTRY_LAST) !== 0) return 0
    at += layout.ENTRY_WORDS
  }
}
