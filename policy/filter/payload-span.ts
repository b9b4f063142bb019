/* eslint-disable @typescript-eslint/no-non-null-assertion -- offsets come from the compiler */
import { FILTER_RULES_SHIFT, RULE_LAST, RULE_MORE, SCRATCH_LEAVES } from "./layout.ts"
import { match } from "./match.ts"
import { mayBeBirth } from "./payload/alias-memory.ts"
import type { FilterState } from "./state.ts"
import type { FilterTable } from "./table.ts"
import { splitTopic } from "./topic.ts"

/** Larger than any payload. */
const NONE = 0x7fffffff

/**
 * False if the verdict on the topic `bytes[start, end)` may change with time or with what is in the payload. Else true,
 * and for the same state and flags it is one and the same for all payloads of `span[0]` to `span[1]` bytes, of which
 * `payloadBytes` is one: a flow cache may remember it.
 *
 * All that a matching rule asks of the payload's size is whether it passes the rule's limit; between two limits no
 * answer changes. So this need not know how rules are weighed against each other.
 */
export function payloadSpan(
  table: FilterTable,
  state: FilterState,
  bytes: Uint8Array,
  start: number,
  end: number,
  payloadBytes: number,
  span: Int32Array,
): boolean {
  const { words, scratch } = table
  span[0] = 0
  span[1] = NONE
  // A birth must be heard each time.
  if (state.aliases !== null && mayBeBirth(bytes, start, end)) return false
  const levels = splitTopic(bytes, start, end, scratch, state.depth)
  const count = levels === 0 ? 0 : match(table, state, state.root, bytes, levels, start)
  for (let k = 0; k < count; k++) {
    const leaf = scratch[SCRATCH_LEAVES + k]!
    let at = leaf + (words[leaf]! >>> FILTER_RULES_SHIFT)
    let rule: number
    do {
      rule = words[at]! | 0
      if ((rule & RULE_MORE) !== 0) return false
      const limit = words[at + 1]!
      if (limit >= payloadBytes) {
        if (limit < span[1]) span[1] = limit
      } else if (limit >= span[0]) span[0] = limit + 1
      at += 2
    } while ((rule & RULE_LAST) === 0)
  }
  return true
}
