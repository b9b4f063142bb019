/* eslint-disable @typescript-eslint/no-non-null-assertion -- offsets come from the compiler */
import * as layout from "./layout.ts"

// V8 folds a module's own constants into the code, but reads imported ones from memory each time.
const BLOCK_RULE = layout.BLOCK_RULE
const BLOCK_LAST = layout.BLOCK_LAST
const LINE_WORDS = layout.LINE_WORDS
const LINE_BITS = layout.LINE_BITS
const LINE_SKEW = layout.LINE_SKEW
const KEY_BITS = layout.KEY_BITS
const BLOCK_FACTS = layout.BLOCK_FACTS
const TREE_STARTS = layout.TREE_STARTS
const TREE = layout.ENTRY_TREE
const LIST = layout.ENTRY_LIST
const LAST = layout.ENTRY_LAST
const ENTRY_WORDS = layout.ENTRY_WORDS

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

/**
 * As `lastStart`, among the intervals of a node: the offset of a start in a block, or of an entry with `ENTRY_TREE`. `ref`
 * refers to the node; `key` has 16 bits at most.
 */
export function find(words: Int32Array, ref: number, key: number): number {
  return inBlock(words, ((ref & -LINE_WORDS) + LINE_SKEW + ((key >> (KEY_BITS - (ref & 15))) << LINE_BITS)) | 0, key)
}

/** As `find`, and on through a tree. Takes longer keys, too, of a node of one block. */
export function findDeep(words: Int32Array, ref: number, key: number): number {
  const at = (ref & 15) === 0 ? inBlock(words, ref + LINE_SKEW, key) : find(words, ref, key)
  return (words[at + BLOCK_RULE]! & TREE) === 0 ? at : inTree(words, words[at + BLOCK_LAST]!, key)
}

/** The offset of the last of the five starts at `at` that is not above `key`, or the first. */
function inBlock(words: Int32Array, at: number, key: number): number {
  // Each shift gives -1 for a start that is not above the key.
  return (
    at -
    ((words[(at + 1) | 0]! - key - 1) >> 31) -
    ((words[(at + 2) | 0]! - key - 1) >> 31) -
    ((words[(at + 3) | 0]! - key - 1) >> 31) -
    ((words[(at + 4) | 0]! - key - 1) >> 31)
  )
}

function inTree(words: Int32Array, tree: number, key: number): number {
  const starts = tree + TREE_STARTS
  const blocks = words[tree]!
  const block = lastStart(words, starts, blocks, key) - starts
  return inBlock(words, firstBlock(tree, blocks) + (block << LINE_BITS), key)
}

/** The offset of the first of a tree's blocks. */
export function firstBlock(tree: number, blocks: number): number {
  const end = tree + TREE_STARTS + blocks
  return end + ((LINE_SKEW - end) & (LINE_WORDS - 1))
}

/** The offset of a node's facts. */
export function factsOf(words: Int32Array, ref: number): number {
  return words[(ref & -LINE_WORDS) + LINE_SKEW + BLOCK_FACTS]!
}

/** Write the words of the rules at `at` (as `findDeep` gives it) that allow all keys `from..to` into `out`, ascending; returns how many. */
export function coverers(words: Int32Array, at: number, from: number, to: number, out: Int32Array): number {
  if (words[at]! > from) return 0
  const only = words[at + BLOCK_RULE]!
  if ((only & LIST) === 0) {
    out[0] = only
    return words[at + BLOCK_LAST]! >= to ? 1 : 0
  }
  let found = 0
  for (let entry = words[at + BLOCK_LAST]!; ; entry += ENTRY_WORDS) {
    const rule = words[entry]!
    if (words[entry + 1]! >= to) out[found++] = rule
    if ((rule & LAST) !== 0) return found
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
  const at = findDeep(words, node, from)
  if (words[at]! > from) return 0
  const only = words[at + BLOCK_RULE]!
  if ((only & LIST) === 0) {
    if (words[at + BLOCK_LAST]! < to) return 0
    for (let k = 0; k < count; k++) if (out[k]! >> 8 === only >> 8) return keep(out, k)
    return 0
  }
  // Both ascend by rule.
  let entry = words[at + BLOCK_LAST]!
  let kept = 0
  for (let k = 0; k < count;) {
    const rule = words[entry]!
    const wanted = out[k]! >> 8
    if (rule >> 8 === wanted && words[entry + 1]! >= to) out[kept++] = out[k]!
    if (rule >> 8 >= wanted) k++
    else if ((rule & LAST) !== 0) break
    else entry += ENTRY_WORDS
  }
  return kept
}

function keep(out: Int32Array, k: number): number {
  out[0] = out[k]!
  return 1
}

/** The word of the first rule at `at` that allows `key`, or 0. */
export function firstAt(words: Int32Array, at: number, key: number): number {
  if (words[at]! > key) return 0
  const only = words[at + BLOCK_RULE]!
  if ((only & LIST) === 0) return words[at + BLOCK_LAST]! >= key ? only : 0
  for (let entry = words[at + BLOCK_LAST]!; ; entry += ENTRY_WORDS) {
    const rule = words[entry]!
    if (words[entry + 1]! >= key) return rule
    if ((rule & LAST) !== 0) return 0
  }
}
