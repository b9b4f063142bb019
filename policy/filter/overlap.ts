/* eslint-disable @typescript-eslint/no-non-null-assertion -- offsets come from the compiler */
import {
  FILTER_HASH,
  FILTER_HEADER,
  FILTER_WILD_FIRST,
  SEGMENT_CLIENT,
  SEGMENT_HEADER,
  SEGMENT_NAME,
} from "./layout.ts"
import type { FilterState } from "./state.ts"

/** A filter as levels; text is held byte for byte, `null` is `+`. A closing `#` is apart. */
interface Levels {
  readonly levels: readonly (string | null)[]
  readonly open: boolean
  readonly wildFirst: boolean
}

/** True if some topic is matched both by the filter recorded at `record` and by the filter `bytes`. */
export function overlapsRecord(records: Uint8Array, record: number, state: FilterState, bytes: Uint8Array): boolean {
  return overlap(fromRecord(records, record, state), fromText(bytes))
}

function overlap(a: Levels, b: Levels): boolean {
  const [first, second] = [a.levels[0], b.levels[0]]
  // A wildcard at the first level stands for no word that begins with `$`.
  if (a.wildFirst && second?.startsWith("$") === true) return false
  if (b.wildFirst && first?.startsWith("$") === true) return false
  const common = Math.min(a.levels.length, b.levels.length)
  for (let k = 0; k < common; k++) {
    const x = a.levels[k]
    const y = b.levels[k]
    if (typeof x === "string" && typeof y === "string" && x !== y) return false
  }
  if (a.levels.length === b.levels.length) return true
  return a.levels.length < b.levels.length ? a.open : b.open
}

function fromText(bytes: Uint8Array): Levels {
  const levels: (string | null)[] = text(bytes)
    .split("/")
    .map((level) => (level === "+" ? null : level))
  const open = levels.at(-1) === "#"
  if (open) levels.pop()
  return { levels, open, wildFirst: levels.length === 0 || levels[0] === null }
}

function fromRecord(records: Uint8Array, record: number, state: FilterState): Levels {
  const levels = new Array<string | null>(records[record]!).fill(null)
  let at = record + FILTER_HEADER
  for (let segments = records[record + 2]!; segments > 0; segments--) {
    const first = records[at]!
    const last = records[at + 1]!
    const length = records[at + 2]! | (records[at + 3]! << 8)
    at += SEGMENT_HEADER
    if (last >= SEGMENT_CLIENT) levels[first] = text(last === SEGMENT_NAME ? state.name : state.clientId)
    else
      text(records.subarray(at, at + length))
        .split("/")
        .forEach((level, k) => (levels[first + k] = level))
    at += length
  }
  const flags = records[record + 1]!
  return { levels, open: (flags & FILTER_HASH) !== 0, wildFirst: (flags & FILTER_WILD_FIRST) !== 0 }
}

/** One character a byte: equal iff the bytes are. */
function text(bytes: Uint8Array): string {
  let out = ""
  for (const byte of bytes) out += String.fromCharCode(byte)
  return out
}
