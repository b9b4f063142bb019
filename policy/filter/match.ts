/* eslint-disable @typescript-eslint/no-non-null-assertion -- offsets come from the compiler; topic offsets from `splitTopic` */
import * as layout from "./layout.ts"
import { fullHash, quickHash } from "./hash.ts"
import type { FilterState } from "./state.ts"
import type { FilterTable } from "./table.ts"

// V8 folds a module's own constants into the code, but reads imported ones from memory each time.
const END = layout.NODE_END
const HASH = layout.NODE_HASH
const WAYS = layout.NODE_PLUS | layout.NODE_CLIENT | layout.NODE_NAME
const SPECIAL = END | HASH | WAYS
const LITERAL = layout.NODE_LITERAL
const FULL_HASH = layout.NODE_FULL_HASH
const TWINS = layout.NODE_TWINS
const SLOTS_SHIFT = layout.NODE_SLOTS_SHIFT
const FILTER_HASH = layout.FILTER_HASH
const FILTER_WILD_FIRST = layout.FILTER_WILD_FIRST
const SEGMENTS_SHIFT = layout.FILTER_SEGMENTS_SHIFT
const SEGMENTS_MASK = layout.FILTER_SEGMENTS_MASK
const STACK = layout.SCRATCH_STACK
const LEAVES = layout.SCRATCH_LEAVES
const LAST_SHIFT = layout.SEGMENT_LAST_SHIFT
const LENGTH_SHIFT = layout.SEGMENT_LENGTH_SHIFT
const SEGMENT_CLIENT = layout.SEGMENT_CLIENT
const SEGMENT_NAME = layout.SEGMENT_NAME
const quick = quickHash
const full = fullHash

/**
 * Find every filter under `root` that matches the topic in `bytes`, whose bounds `splitTopic` left in the scratch space.
 * Their leaves stand in the scratch space from `SCRATCH_LEAVES` on; their number is returned.
 *
 * The trie only proposes, by hashes of the levels on which filters differ; `fits` decides on the bytes. So a collision
 * costs a comparison and nothing else. Steps are bounded by the class's work bound, whatever the topic. The topic's first
 * level begins at `own`: behind the group in a table of shared subscriptions.
 */
export function match(
  { words, scratch }: FilterTable,
  state: FilterState,
  root: number,
  bytes: Uint8Array,
  levels: number,
  own: number,
): number {
  if (root === 0) return 0
  const dollar = bytes[own] === 0x24
  let waiting = STACK
  let found = LEAVES
  scratch[waiting] = 0
  let ref = root | 0
  let head = words[ref >>> 1]! | 0
  for (;;) {
    let at = ref >>> 1
    if ((ref & 1) !== 0) {
      if (fits(words, at, head, scratch, state, bytes, levels, dollar)) {
        scratch[found] = at
        found = (found + 1) | 0
      }
    } else {
      const level = head & 0xff
      at = (at + 1) | 0
      if ((head & SPECIAL) !== 0) {
        if ((head & END) !== 0) {
          if (levels === level) {
            waiting = (waiting + 1) | 0
            scratch[waiting] = words[at]! | 0
          }
          at = (at + 1) | 0
        }
        if ((head & HASH) !== 0) {
          if (levels >= level) {
            waiting = (waiting + 1) | 0
            scratch[waiting] = words[at]! | 0
          }
          at = (at + 1) | 0
        }
        for (let more = head & WAYS; more !== 0; more &= more - 1) {
          if (levels > level) {
            waiting = (waiting + 1) | 0
            scratch[waiting] = words[at]! | 0
          }
          at = (at + 1) | 0
        }
      }
      if (levels > level && (head & LITERAL) !== 0) {
        const from = (scratch[level]! + 1) | 0
        const to = scratch[(level + 1) | 0]! | 0
        const hash =
          (head & FULL_HASH) === 0 ? quick(bytes, from, to) : to - from > state.longest ? 0 : full(bytes, from, to)
        const last = ((2 << (head >>> SLOTS_SHIFT)) - 1) | 0
        let child = 0
        for (let slot = hash << 1; ; slot = (slot + 2) | 0) {
          const place = (at + (slot & last)) | 0
          const next = words[(place + 1) | 0]! | 0
          if (next === 0) break
          if ((words[place]! | 0) !== hash) continue
          if (child !== 0) {
            waiting = (waiting + 1) | 0
            scratch[waiting] = child
          }
          child = next
          if ((head & TWINS) === 0) break
        }
        if (child !== 0) {
          ref = child
          head = words[ref >>> 1]! | 0
          continue
        }
      }
    }
    ref = scratch[waiting]! | 0
    if (ref === 0) return (found - LEAVES) | 0
    waiting = (waiting - 1) | 0
    head = words[ref >>> 1]! | 0
  }
}

/** True if the filter that is recorded at `record` matches the topic: exact, byte for byte. */
function fits(
  words: Uint32Array,
  record: number,
  head: number,
  scratch: Int32Array,
  state: FilterState,
  bytes: Uint8Array,
  levels: number,
  dollar: boolean,
): boolean {
  const depth = head & 0xff
  if ((head & FILTER_HASH) !== 0 ? levels < depth : levels !== depth) return false
  if (dollar && (head & FILTER_WILD_FIRST) !== 0) return false
  let at = (record + 1) | 0
  for (let segments = (head >> SEGMENTS_SHIFT) & SEGMENTS_MASK; segments > 0; segments--) {
    const segment = words[at]! | 0
    const first = segment & 0xff
    let last = (segment >> LAST_SHIFT) & 0xff
    let length = segment >>> LENGTH_SHIFT
    let text = words
    let from = (at + 1) | 0
    if (last >= SEGMENT_CLIENT) {
      // One level that is the subject's name or client id.
      text = last === SEGMENT_NAME ? state.name : state.clientId
      length = text[0]! | 0
      last = first
      from = 1
      at = (at + 1) | 0
    } else at = (from + ((length + 3) >> 2)) | 0
    let k = (scratch[first]! + 1) | 0
    const to = (k + length) | 0
    if (scratch[(last + 1) | 0] !== to) return false
    for (const whole = (to - 4) | 0; k <= whole; k = (k + 4) | 0) {
      const word = bytes[k]! | (bytes[(k + 1) | 0]! << 8) | (bytes[(k + 2) | 0]! << 16) | (bytes[(k + 3) | 0]! << 24)
      if (word !== (text[from]! | 0)) return false
      from = (from + 1) | 0
    }
    if (k < to) {
      let rest = text[from]! | 0
      for (; k < to; k = (k + 1) | 0, rest >>= 8) if (bytes[k] !== (rest & 0xff)) return false
    }
  }
  return true
}
