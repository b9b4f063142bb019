/* eslint-disable @typescript-eslint/no-non-null-assertion -- offsets come from the compiler; the request's are checked against `end` */
import { REASON, type Verdict } from "../verdict.ts"
import { isBroadcast, kindOf, READS, WRITES } from "./functions.ts"
import { coverers, lastStart, narrow } from "./intervals.ts"
import * as layout from "./layout.ts"
import { firstDeny, judge, NO_DATA, refuse } from "./judge.ts"
import * as request from "./request.ts"
import { refuseStale, type ModbusState } from "./state.ts"
import type { ModbusTable } from "./table.ts"

export { createModbusBuckets, createModbusState, exceptionFor, type ModbusState } from "./state.ts"

// V8 folds a module's own constants into the code, but reads imported ones from memory each time.
const COUNT = layout.NODE_COUNT
const DENY = layout.NODE_DENY
const STARTS = layout.NODE_STARTS
const POINTS = layout.RULE_POINTS
const UNKNOWN = layout.CLASS_UNKNOWN
const SERIAL = layout.CLASS_SERIAL
const INWARD = layout.CLASS_INWARD
const OUTWARD = layout.CLASS_OUTWARD
const MAX_BYTES = request.MAX_REQUEST_BYTES
const MAX_BITS_READ = request.MAX_BITS_READ
const MAX_BITS_WRITTEN = request.MAX_BITS_WRITTEN
const MAX_REGISTERS_READ = request.MAX_REGISTERS_READ
const MAX_REGISTERS_WRITTEN = request.MAX_REGISTERS_WRITTEN
const BAD_REQUEST = REASON["bad-request"]
const NO_RULE = REASON["no-rule"]
const DENY_RULE = REASON["deny-rule"]
const FUNCTION = REASON.function
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
  const code = bytes[start + 1]!
  let from: number
  let to: number
  // Where the values of written registers lie.
  let data = NO_DATA
  let mask = state.mask
  switch (code) {
    case 1:
    case 2:
    case 3:
    case 4: {
      if (length !== 6) return BAD_REQUEST
      from = (bytes[start + 2]! << 8) | bytes[start + 3]!
      const quantity = (bytes[start + 4]! << 8) | bytes[start + 5]!
      to = from + quantity - 1
      if (quantity === 0 || quantity > (code <= 2 ? MAX_BITS_READ : MAX_REGISTERS_READ) || to > 0xffff) {
        return BAD_REQUEST
      }
      break
    }
    case 5: {
      if (length !== 6 || bytes[start + 5] !== 0) return BAD_REQUEST
      const value = bytes[start + 4]!
      if (value !== 0 && value !== 0xff) return BAD_REQUEST
      to = from = (bytes[start + 2]! << 8) | bytes[start + 3]!
      break
    }
    case 6: {
      if (length !== 6) return BAD_REQUEST
      to = from = (bytes[start + 2]! << 8) | bytes[start + 3]!
      data = start + 4
      mask |= POINTS
      break
    }
    case 15: {
      if (length < 8) return BAD_REQUEST
      from = (bytes[start + 2]! << 8) | bytes[start + 3]!
      const quantity = (bytes[start + 4]! << 8) | bytes[start + 5]!
      to = from + quantity - 1
      if (quantity === 0 || quantity > MAX_BITS_WRITTEN || to > 0xffff) return BAD_REQUEST
      const room = (quantity + 7) >> 3
      if (bytes[start + 6] !== room || length !== 7 + room) return BAD_REQUEST
      break
    }
    case 16: {
      if (length < 9) return BAD_REQUEST
      from = (bytes[start + 2]! << 8) | bytes[start + 3]!
      const quantity = (bytes[start + 4]! << 8) | bytes[start + 5]!
      to = from + quantity - 1
      if (quantity === 0 || quantity > MAX_REGISTERS_WRITTEN || to > 0xffff) return BAD_REQUEST
      if (bytes[start + 6] !== quantity * 2 || length !== 7 + quantity * 2) return BAD_REQUEST
      data = start + 7
      mask |= POINTS
      break
    }
    default: {
      const key = request.singleKey(bytes, start, end, code)
      if (key < 0) return key === request.SEVERAL ? decideSeveral(state, bytes, start, end, code, nowMs) : BAD_REQUEST
      to = from = key
      if (code === 22) {
        data = -1
        mask |= POINTS
      }
    }
  }
  const unit = bytes[start]!
  if (flags !== 0 && unit === 0 && (flags & SERIAL) !== 0 && !isBroadcast(code)) return BAD_REQUEST
  const { words } = table
  const unitNode = words[state.units + unit]!
  const node = words[unitNode + table.slots[code]!]!
  if (node !== 0) {
    const denies = words[node + DENY]!
    if (denies !== 0) {
      const denied = firstDeny(state, denies, from, to)
      if (denied !== 0) return DENY_RULE | (denied & ~0xff)
    }
  }
  if (flags !== 0 && isAgainst(flags, code, from)) return FUNCTION
  if (node === 0) return refuse(state, unitNode, 0, code, from)

  const starts = node + STARTS
  const count = words[node + COUNT]!
  const at = lastStart(words, starts, count, from)
  const entry = starts + count + (at - starts) * 2
  const rule = words[entry]!
  // One rule, without anything but addresses to look at: most of the traffic.
  if ((rule & mask) === 0 && to <= words[entry + 1]! && from >= words[at]!) return rule & ~0xff
  const found = coverers(words, node, from, to, table.scratch)
  if (found === 0) return refuse(state, unitNode, node, code, from)
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
  const unitNode = words[state.units + unit]!
  const node = words[unitNode + table.slots[code]!]!
  const denies = node === 0 ? 0 : words[node + DENY]!
  if (denies !== 0) {
    let first = 0
    for (let k = 0; k < count; k++) {
      const denied = firstDeny(state, denies, scratch[RANGES + k * 2]!, scratch[RANGES + k * 2 + 1]!)
      if (denied !== 0 && (first === 0 || denied < first)) first = denied
    }
    if (first !== 0) return DENY_RULE | (first & ~0xff)
  }
  if (flags !== 0 && isAgainst(flags, code, 0)) return FUNCTION
  if (node === 0) return refuse(state, unitNode, 0, code, 0)

  let found = coverers(words, node, scratch[RANGES]!, scratch[RANGES + 1]!, scratch)
  for (let k = 1; k < count && found > 0; k++) {
    found = narrow(words, node, scratch[RANGES + k * 2]!, scratch[RANGES + k * 2 + 1]!, scratch, found)
  }
  if (found === 0) return refuse(state, unitNode, node, code, scratch[RANGES]!)
  // Of function 23 the second range is written; records of files have no points.
  const data = code === 23 ? start + 11 : NO_DATA
  return judge(state, found, bytes, scratch[RANGES + 2]!, scratch[RANGES + 3]!, data, nowMs)
}
