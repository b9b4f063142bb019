/* eslint-disable @typescript-eslint/no-non-null-assertion -- offsets come from the compiler */
import {
  FILTER_HASH,
  FILTER_SEGMENTS_MASK,
  FILTER_SEGMENTS_SHIFT,
  FILTER_WILD_FIRST,
  SEGMENT_CLIENT,
  SEGMENT_LAST_SHIFT,
  SEGMENT_LENGTH_SHIFT,
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
export function overlapsRecord(words: Uint32Array, record: number, state: FilterState, bytes: Uint8Array): boolean {
  return overlap(fromRecord(words, record, state), fromText(bytes))
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

function fromRecord(words: Uint32Array, record: number, state: FilterState): Levels {
  const head = words[record]!
  const levels = new Array<string | null>(head & 0xff).fill(null)
  let at = record + 1
  for (let segments = (head >>> FILTER_SEGMENTS_SHIFT) & FILTER_SEGMENTS_MASK; segments > 0; segments--) {
    const segment = words[at++]!
    const first = segment & 0xff
    const last = (segment >>> SEGMENT_LAST_SHIFT) & 0xff
    if (last >= SEGMENT_CLIENT) {
      const id = last === SEGMENT_NAME ? state.name : state.clientId
      levels[first] = text(unpack(id, 1, id[0]!))
      continue
    }
    const run = unpack(words, at, segment >>> SEGMENT_LENGTH_SHIFT)
    at += (run.length + 3) >> 2
    text(run)
      .split("/")
      .forEach((level, k) => (levels[first + k] = level))
  }
  return { levels, open: (head & FILTER_HASH) !== 0, wildFirst: (head & FILTER_WILD_FIRST) !== 0 }
}

function unpack(words: Uint32Array, at: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, k) => words[at + (k >> 2)]! >>> ((k & 3) * 8))
}

/** One character a byte: equal iff the bytes are. */
function text(bytes: Uint8Array): string {
  let out = ""
  for (const byte of bytes) out += String.fromCharCode(byte)
  return out
}
