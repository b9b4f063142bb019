/* eslint-disable @typescript-eslint/no-non-null-assertion -- dense arrays indexed by numbers that this room gave out */
import { WORD_CLIENT, WORD_NAME, WORD_PLUS } from "./dictionary.ts"
import type { GrowingWords } from "./growing.ts"
import { placeChildren, type Placement } from "./slots.ts"
import { NONE, type Ends, type Trie } from "./trie.ts"
import {
  FILTER_RULES_SHIFT,
  NODE_CLIENT,
  NODE_END,
  NODE_FULL_HASH,
  NODE_HASH,
  NODE_LITERAL,
  NODE_NAME,
  NODE_PLUS,
  NODE_SLOTS_SHIFT,
  NODE_TWINS,
  RULE_LAST,
  RULE_MORE,
} from "../filter/layout.ts"

/** By rule: the words that a leaf holds of it (`rule` without `RULE_LAST`). */
export interface RuleWords {
  readonly rule: Uint32Array
  readonly maxPayloadBytes: Uint32Array
  /** Index + 1, or 0. */
  readonly bucket: Uint32Array
  readonly gate: Uint32Array
  readonly form: Uint32Array
}

/** A written subtree: its reference, and what a walk through it may cost. */
export interface Flat {
  /** 0 for an empty one; the lowest bit marks a leaf. */
  readonly ref: number
  /** Nodes and rules that one topic can reach, at most; so many references can wait at once, too. */
  readonly work: number
  /** Rules with a payload form that one topic can reach, at most. */
  readonly looks: number
}

const EMPTY: Flat = { ref: 0, work: 0, looks: 0 }

/** One child of an inner node: under which flag and where its reference goes. */
interface Way {
  readonly flag: number
  readonly write: () => Flat
}

/**
 * Append the flat form of `trie` to `out`: nodes with a single way on are left out, a subtree of one filter becomes its
 * leaf.
 */
export function flatten(trie: Trie, rules: RuleWords, out: GrowingWords): Flat {
  return subtree({ trie, rules, out }, 0, 0)
}

interface Context {
  readonly trie: Trie
  readonly rules: RuleWords
  readonly out: GrowingWords
}

/** Write what hangs under `from`. Recursion is as deep as filters are. */
function subtree(context: Context, from: number, fromLevel: number): Flat {
  const { child, sibling, ends, hashes } = context.trie
  let node = from
  let level = fromLevel
  // A node with one way on, at which nothing ends, decides nothing: the leaf compares that level anyway.
  for (;;) {
    const only = child[node]!
    if (only === NONE || sibling[only] !== NONE || ends.entry[node] !== NONE || hashes.entry[node] !== NONE) break
    node = only
    level++
  }
  if (child[node] !== NONE) return inner(context, node, level)
  if (hashes.entry[node] === NONE) return ends.entry[node] === NONE ? EMPTY : leaf(context, ends, node)
  return ends.entry[node] === NONE ? leaf(context, hashes, node) : inner(context, node, level)
}

/** A filter and its rules: `| record | rule, payload limit[, bucket, gate, form] | ... |`. */
function leaf({ trie, rules, out }: Context, ends: Ends, node: number): Flat {
  const at = trie.filters.writeRecord(ends.filter[node]!, out)
  out.array[at]! |= (out.length - at) << FILTER_RULES_SHIFT
  let work = 0
  let looks = 0
  for (let entry = ends.entry[node]!; entry !== NONE; entry = trie.next[entry]!) {
    const rule = trie.rule[entry]!
    const word = rules.rule[rule]!
    out.push(trie.next[entry] === NONE ? word | RULE_LAST : word)
    out.push(rules.maxPayloadBytes[rule]!)
    if ((word & RULE_MORE) !== 0) {
      out.push(rules.bucket[rule]!)
      out.push(rules.gate[rule]!)
      out.push(rules.form[rule]!)
      if (rules.form[rule] !== 0) looks++
    }
    work++
  }
  return { ref: at * 2 + 1, work, looks }
}

/** A node: `| head | special references | slots: hash, reference |`. */
function inner(context: Context, node: number, level: number): Flat {
  const { trie, out } = context
  const literals: number[] = []
  const ways: Way[] = []
  if (trie.ends.entry[node] !== NONE) ways.push({ flag: NODE_END, write: () => leaf(context, trie.ends, node) })
  if (trie.hashes.entry[node] !== NONE) ways.push({ flag: NODE_HASH, write: () => leaf(context, trie.hashes, node) })
  const special: number[] = [NONE, NONE, NONE]
  for (let child = trie.child[node]!; child !== NONE; child = trie.sibling[child]!) {
    const word = trie.word[child]!
    if (word < special.length) special[word] = child
    else literals.push(child)
  }
  for (const [word, flag] of SPECIAL) {
    const child = special[word]!
    if (child !== NONE) ways.push({ flag, write: () => subtree(context, child, level + 1) })
  }
  const table = literals.length === 0 ? null : placeLiterals(trie, literals)
  const at = out.reserve(1 + ways.length + (table === null ? 0 : 2 ** (table.placement.log2 + 1)))

  let head = level
  let work = 1
  let looks = 0
  let pushed = 0
  for (const way of ways) {
    const flat = way.write()
    head |= way.flag
    work += flat.work
    looks += flat.looks
    out.array[at + 1 + pushed++] = flat.ref
  }
  if (table !== null) {
    const slotsAt = at + 1 + ways.length
    head |= NODE_LITERAL | table.flags | (table.placement.log2 << NODE_SLOTS_SHIFT)
    // One level of a topic leads to one literal child, or to all children of the same hash.
    const together = new Map<number, Flat>()
    let most = 0
    let mostLooks = 0
    for (let k = 0; k < literals.length; k++) {
      const flat = subtree(context, literals[k]!, level + 1)
      const hash = table.hashes[k]!
      const slot = slotsAt + table.placement.slots[k]! * 2
      out.array[slot] = hash
      out.array[slot + 1] = flat.ref
      const other = table.placement.twins ? (together.get(hash) ?? EMPTY) : EMPTY
      const sum = { ref: 0, work: other.work + flat.work, looks: other.looks + flat.looks }
      if (table.placement.twins) together.set(hash, sum)
      most = Math.max(most, sum.work)
      mostLooks = Math.max(mostLooks, sum.looks)
    }
    work += most
    looks += mostLooks
  }
  out.array[at] = head
  return { ref: at * 2, work, looks }
}

/** Order in the node: as the filter reads it. */
const SPECIAL = [
  [WORD_PLUS, NODE_PLUS],
  [WORD_CLIENT, NODE_CLIENT],
  [WORD_NAME, NODE_NAME],
] as const

interface LiteralTable {
  readonly hashes: readonly number[]
  readonly placement: Placement
  readonly flags: number
}

/** By the quick hash if it tells the words apart, else by the full one; if that does not either, with twins. */
function placeLiterals(trie: Trie, literals: readonly number[]): LiteralTable {
  const { dictionary } = trie.filters
  const quick = literals.map((child) => dictionary.quick.array[trie.word[child]!]! | 0)
  const byQuick = placeChildren(quick)
  if (!byQuick.twins) return { hashes: quick, placement: byQuick, flags: 0 }
  const full = literals.map((child) => dictionary.full.array[trie.word[child]!]! | 0)
  const byFull = placeChildren(full)
  return { hashes: full, placement: byFull, flags: NODE_FULL_HASH | (byFull.twins ? NODE_TWINS : 0) }
}
