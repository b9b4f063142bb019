/* eslint-disable @typescript-eslint/no-non-null-assertion -- offsets come from the compiler; the request's are checked against `end` */
import { REASON, type Verdict } from "../verdict.ts"
import { isBroadcast, kindOf, READS, WRITES } from "./functions.ts"
import { coverers, factsOf, find, findDeep, narrow } from "./intervals.ts"
import * as layout from "./layout.ts"
import { firstDeny, judge, NO_DATA as NO_REGISTERS, refuse, valuesFit } from "./judge.ts"
import * as request from "./request.ts"
import { refuseStale, type ModbusState } from "./state.ts"
import type { ModbusTable } from "./table.ts"

export { createBuckets as createModbusBuckets } from "../state.ts"
export { createModbusState, exceptionFor, type ModbusState } from "./state.ts"

// V8 folds a module's own constants into the code, but reads imported ones from memory each time.
const BLOCK_RULE = layout.BLOCK_RULE
const BLOCK_LAST = layout.BLOCK_LAST
const DENY = layout.FACT_DENY
const TREE = layout.ENTRY_TREE
const POINTS = layout.RULE_POINTS
const UNKNOWN = layout.CLASS_UNKNOWN
const SERIAL = layout.CLASS_SERIAL
const INWARD = layout.CLASS_INWARD
const OUTWARD = layout.CLASS_OUTWARD
const MAX_BYTES = request.MAX_REQUEST_BYTES
const MAX_BITS_READ = request.MAX_BITS_READ
const MAX_BITS_WRITTEN = request.MAX_BITS_WRITTEN
const FEWER_REGISTERS = request.MAX_BITS_READ - request.MAX_REGISTERS_READ
const MAX_REGISTERS_WRITTEN = request.MAX_REGISTERS_WRITTEN
const BAD_REQUEST = REASON["bad-request"]
const NO_RULE = REASON["no-rule"]
const DENY_RULE = REASON["deny-rule"]
const FUNCTION = REASON.function
const NO_DATA = NO_REGISTERS
/** A mask that no entry passes: each has some bit. */
const NEVER = -1
/** In the scratch space: rules that cover the request, then the ranges that it names. */
const RANGES = layout.SCRATCH_RANGES

/**
 * The verdict on one request: `bytes[start, end)` is exactly unit, function and data, without the six bytes before the
 * unit on TCP and without the checksum on a serial line.
 *
 *     start
 *     +------+----------+---- - - ----+
 *     | unit | function | data        |
 *     | 1    | 1        | 0..252      |
 *     +------+----------+---- - - ----+
 *
 * In this order: a peer without class is `no-rule`; what is no request `bad-request`; the first deny rule that touches it
 * `deny-rule`; a function that the conduit's direction does not let through `function` without a rule; then an allow rule
 * that covers it whole lets it pass; else the rule that came furthest is named (see `README.md`). Allocates nothing. Takes
 * as many steps as the request has addresses, at most, plus what `MAX_OVERLAP` and `MAX_DENY_STEPS` bound, whatever the
 * number of rules.
 *
 * @throws InvariantError `ERR_FILTER_STATE` if `state` was made for another table.
 * @see MODBUS Application Protocol 1.1b3, IEC 62443-4-2 NDR 5.2
 */
export function decideModbus(
  table: ModbusTable,
  state: ModbusState,
  bytes: Uint8Array,
  start: number,
  end: number,
  nowMs: number,
): Verdict {
  if (state.table !== table) refuseStale()
  const { flags } = state
  if ((flags & UNKNOWN) !== 0) return NO_RULE
  const length = end - start
  if (start < 0 || end > bytes.length || length < 2 || length > MAX_BYTES) return BAD_REQUEST
  const code = bytes[(start + 1) | 0]!
  let from: number
  let to: number
  // Where the values of written registers lie.
  let data = NO_DATA
  let mask = state.mask
  // Not a switch: most requests read, and the processor can guess that.
  if (code <= 4 && code !== 0) {
    if (length !== 6) return BAD_REQUEST
    from = (bytes[(start + 2) | 0]! << 8) | bytes[(start + 3) | 0]!
    const quantity = (bytes[(start + 4) | 0]! << 8) | bytes[(start + 5) | 0]!
    to = from + quantity - 1
    // 2000 for coils and discrete inputs, 125 for registers; without a branch, which the processor could not guess.
    const limit = MAX_BITS_READ - (FEWER_REGISTERS & ((2 - code) >> 31))
    if (quantity === 0 || quantity > limit || to > 0xffff) return BAD_REQUEST
  } else if (code === 6) {
    if (length !== 6) return BAD_REQUEST
    to = from = (bytes[(start + 2) | 0]! << 8) | bytes[(start + 3) | 0]!
    data = start + 4
    mask |= POINTS
  } else if (code === 16) {
    if (length < 9) return BAD_REQUEST
    from = (bytes[(start + 2) | 0]! << 8) | bytes[(start + 3) | 0]!
    const quantity = (bytes[(start + 4) | 0]! << 8) | bytes[(start + 5) | 0]!
    to = from + quantity - 1
    if (quantity === 0 || quantity > MAX_REGISTERS_WRITTEN || to > 0xffff) return BAD_REQUEST
    if (bytes[(start + 6) | 0] !== quantity * 2 || length !== 7 + quantity * 2) return BAD_REQUEST
    data = start + 7
    mask |= POINTS
  } else if (code === 5) {
    if (length !== 6 || bytes[(start + 5) | 0] !== 0) return BAD_REQUEST
    const value = bytes[(start + 4) | 0]!
    if (value !== 0 && value !== 0xff) return BAD_REQUEST
    to = from = (bytes[(start + 2) | 0]! << 8) | bytes[(start + 3) | 0]!
  } else if (code === 15) {
    if (length < 8) return BAD_REQUEST
    from = (bytes[(start + 2) | 0]! << 8) | bytes[(start + 3) | 0]!
    const quantity = (bytes[(start + 4) | 0]! << 8) | bytes[(start + 5) | 0]!
    to = from + quantity - 1
    if (quantity === 0 || quantity > MAX_BITS_WRITTEN || to > 0xffff) return BAD_REQUEST
    const room = (quantity + 7) >> 3
    if (bytes[(start + 6) | 0] !== room || length !== 7 + room) return BAD_REQUEST
  } else {
    const key = request.singleKey(bytes, start, end, code)
    if (key < 0) return key === request.SEVERAL ? decideSeveral(state, bytes, start, end, code, nowMs) : BAD_REQUEST
    to = from = key
    if (code === 22) {
      data = -1
      mask |= POINTS
    }
  }
  const unit = bytes[start]!
  if (flags !== 0) {
    if (unit === 0 && (flags & SERIAL) !== 0 && !isBroadcast(code)) return BAD_REQUEST
    if (isAgainst(flags, code, from)) mask = NEVER
  }
  const { words } = table
  const group = words[(state.units + unit) | 0]!
  const node = words[(group + table.slots[code]!) | 0]!
  let at = 0
  if (node !== 0) {
    at = find(words, node, from)
    let rule = words[(at + BLOCK_RULE) | 0]!
    if ((rule & TREE) !== 0) {
      at = findDeep(words, node, from)
      rule = words[at + BLOCK_RULE]!
    }
    if (to <= words[(at + BLOCK_LAST) | 0]! && from >= words[at]!) {
      // One rule, and nothing but addresses or values to look at: most of the traffic.
      const more = rule & mask
      if (more === 0 || (more === POINTS && valuesFit(state, rule, from, to, bytes, data))) return rule & ~0xff
    }
    const denies = words[factsOf(words, node) + DENY]!
    if (denies !== 0) {
      const denied = firstDeny(state, denies, from, to)
      if (denied !== 0) return DENY_RULE | (denied & ~0xff)
    }
  }
  if (mask === NEVER) return FUNCTION
  const found = node === 0 ? 0 : coverers(words, at, from, to, table.scratch)
  if (found === 0) return refuse(state, group, node, code, from, at)
  return judge(state, found, bytes, from, to, data, nowMs)
}

/** Whether a conduit of one direction keeps this out; `sub` counts for functions 8 and 43 only. */
function isAgainst(flags: number, code: number, sub: number): boolean {
  if ((flags & INWARD) !== 0) return kindOf(code, sub) !== READS
  return (flags & OUTWARD) !== 0 && kindOf(code, sub) !== WRITES
}

/** As `decideModbus`, for the functions that name several ranges: 20, 21, 23. One rule must cover them all. */
function decideSeveral(
  state: ModbusState,
  bytes: Uint8Array,
  start: number,
  end: number,
  code: number,
  nowMs: number,
): Verdict {
  const { table, flags } = state
  const { words, scratch } = table
  const count = request.readRanges(bytes, start, end, code, scratch, RANGES)
  if (count === request.BAD) return BAD_REQUEST
  const unit = bytes[start]!
  if (unit === 0 && (flags & SERIAL) !== 0 && !isBroadcast(code)) return BAD_REQUEST
  const group = words[state.units + unit]!
  const node = words[group + table.slots[code]!]!
  const denies = node === 0 ? 0 : words[factsOf(words, node) + DENY]!
  if (denies !== 0) {
    let first = 0
    for (let k = 0; k < count; k++) {
      const denied = firstDeny(state, denies, scratch[RANGES + k * 2]!, scratch[RANGES + k * 2 + 1]!)
      if (denied !== 0 && (first === 0 || denied < first)) first = denied
    }
    if (first !== 0) return DENY_RULE | (first & ~0xff)
  }
  if (flags !== 0 && isAgainst(flags, code, 0)) return FUNCTION
  if (node === 0) return refuse(state, group, 0, code, 0, 0)

  const from = scratch[RANGES]!
  const at = findDeep(words, node, from)
  let found = coverers(words, at, from, scratch[RANGES + 1]!, scratch)
  for (let k = 1; k < count && found > 0; k++) {
    found = narrow(words, node, scratch[RANGES + k * 2]!, scratch[RANGES + k * 2 + 1]!, scratch, found)
  }
  if (found === 0) return refuse(state, group, node, code, from, at)
  // Of function 23 the second range is written; records of files have no points.
  const data = code === 23 ? start + 11 : NO_DATA
  return judge(state, found, bytes, scratch[RANGES + 2]!, scratch[RANGES + 3]!, data, nowMs)
}
