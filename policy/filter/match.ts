/* eslint-disable @typescript-eslint/no-non-null-assertion -- offsets come from the compiler; topic offsets from `splitTopic` */
import {
  FILTER_HASH,
  FILTER_HEADER,
  FILTER_WILD_FIRST,
  NODE_CLIENT,
  NODE_END,
  NODE_FULL_HASH,
  NODE_HASH,
  NODE_LITERAL,
  NODE_NAME,
  NODE_PLUS,
  NODE_SLOTS_SHIFT,
  NODE_TWINS,
  SEGMENT_CLIENT,
  SEGMENT_HEADER,
  SEGMENT_NAME,
} from "./layout.ts"
import { fullHash, quickHash } from "./hash.ts"
import type { FilterState } from "./state.ts"
import type { FilterTable } from "./table.ts"

/**
 * True if the filter recorded at `record` matches the topic `bytes` whose `levels` levels stand in `state.bounds`.
 *
 * Exact: byte by byte. `dollar` says that the topic's first level begins with `$`.
 */
function fits(
  records: Uint8Array,
  record: number,
  state: FilterState,
  bytes: Uint8Array,
  levels: number,
  dollar: boolean,
): boolean {
  const depth = records[record]!
  const flags = records[record + 1]!
  if ((flags & FILTER_HASH) !== 0 ? levels < depth : levels !== depth) return false
  if (dollar && (flags & FILTER_WILD_FIRST) !== 0) return false
  const bounds = state.bounds
  let at = record + FILTER_HEADER
  for (let segments = records[record + 2]!; segments > 0; segments--) {
    const first = records[at]!
    const last = records[at + 1]!
    const from = bounds[first]! + 1
    if (last >= SEGMENT_CLIENT) {
      const id = last === SEGMENT_NAME ? state.name : state.clientId
      if (bounds[first + 1]! - from !== id.length) return false
      for (let k = 0; k < id.length; k++) if (bytes[from + k] !== id[k]) return false
      at += SEGMENT_HEADER
      continue
    }
    const length = records[at + 2]! | (records[at + 3]! << 8)
    if (bounds[last + 1]! - from !== length) return false
    at += SEGMENT_HEADER
    for (let k = 0; k < length; k++) if (bytes[from + k] !== records[at + k]) return false
    at += length
  }
  return true
}

/**
 * Find every filter under `root` that matches the topic; their leaves stand in `state.leaves`, their number is returned.
 *
 * The trie only proposes, by hashes of the levels on which filters differ; `fits` decides on the bytes. So a collision
 * costs a comparison and nothing else. Steps are bounded by the class's work bound, whatever the topic.
 */
export function match(
  table: FilterTable,
  state: FilterState,
  root: number,
  bytes: Uint8Array,
  levels: number,
  dollar: boolean,
): number {
  const { words, bytes: records } = table
  const { bounds, stack, leaves } = state
  let waiting = 0
  let count = 0
  let ref = root
  if (ref === 0) return 0
  for (;;) {
    let at = ref >>> 1
    if ((ref & 1) !== 0) {
      if (fits(records, words[at]!, state, bytes, levels, dollar)) leaves[count++] = at
    } else {
      const head = words[at++]!
      const level = head & 0xff
      if ((head & NODE_END) !== 0) {
        if (levels === level) stack[waiting++] = words[at]!
        at++
      }
      if ((head & NODE_HASH) !== 0) {
        if (levels >= level) stack[waiting++] = words[at]!
        at++
      }
      if (levels > level) {
        if ((head & NODE_PLUS) !== 0) stack[waiting++] = words[at++]!
        if ((head & NODE_CLIENT) !== 0) stack[waiting++] = words[at++]!
        if ((head & NODE_NAME) !== 0) stack[waiting++] = words[at++]!
        if ((head & NODE_LITERAL) !== 0) {
          const from = bounds[level]! + 1
          const to = bounds[level + 1]!
          const hash = (head & NODE_FULL_HASH) !== 0 ? fullHash(bytes, from, to) : quickHash(bytes, from, to)
          const mask = (1 << (head >>> NODE_SLOTS_SHIFT)) - 1
          let slot = hash & mask
          for (;;) {
            const child = words[at + slot * 2 + 1]!
            if (child === 0) break
            if ((words[at + slot * 2]! | 0) === hash) {
              stack[waiting++] = child
              if ((head & NODE_TWINS) === 0) break
            }
            slot = (slot + 1) & mask
          }
        }
      }
    }
    if (waiting === 0) return count
    ref = stack[--waiting]!
  }
}
