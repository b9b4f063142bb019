/* eslint-disable @typescript-eslint/no-non-null-assertion -- offsets are checked against `end` */
import { MAX_QUANTITY, RECORD_BITS } from "./layout.ts"

/** Most bytes of a request: unit and a PDU of 253 bytes. @see MODBUS Application Protocol 1.1b3 section 4.1 */
export const MAX_REQUEST_BYTES = 254

/** What `singleKey` says of a request that has no key: it contradicts itself, or it names several ranges. */
export const BAD = -1
export const SEVERAL = -2

/** Most coils and registers that one request can name. @see MODBUS Application Protocol 1.1b3 sections 6.1 to 6.17 */
export const MAX_BITS_READ = MAX_QUANTITY
export const MAX_BITS_WRITTEN = 1968
export const MAX_REGISTERS_READ = 125
export const MAX_REGISTERS_WRITTEN = 123
const MAX_WRITE_BESIDE_READ = 121
const MAX_PDU_BYTES = 253
const FILE_RECORDS = 10_000
const REFERENCE_TYPE = 6

/** Big-endian 16 bits. */
function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

/** A quantity that is not 1..limit, or reaches past the last address, is none. */
function isQuantity(from: number, quantity: number, limit: number): boolean {
  return quantity >= 1 && quantity <= limit && from + quantity <= 0x10000
}

/**
 * The one key of a request `bytes[start, end)` (at least two bytes) of a function other than 1..6, 15 and 16: an address,
 * a sub-function, 0 for a function that has neither; or `BAD`, or `SEVERAL` for those of `readRanges`.
 *
 * A function that the standard does not define has a body of any form.
 *
 * @see MODBUS Application Protocol 1.1b3 sections 6.7 to 6.21
 */
export function singleKey(bytes: Uint8Array, start: number, end: number, code: number): number {
  const length = end - start
  switch (code) {
    case 7:
    case 11:
    case 12:
    case 17:
      return length === 2 ? 0 : BAD
    case 8:
      return diagnosticsKey(bytes, start, length)
    case 20:
    case 21:
    case 23:
      return SEVERAL
    case 22:
      return length === 8 ? u16(bytes, start + 2) : BAD
    case 24:
      return length === 4 ? u16(bytes, start + 2) : BAD
    case 43:
      return interfaceKey(bytes, start, length)
    default:
      return code >= 1 && code <= 127 ? 0 : BAD
  }
}

/** Function 8: a sub-function of 16 bits and its data. Reserved sub-functions may have any. */
function diagnosticsKey(bytes: Uint8Array, start: number, length: number): number {
  if (length < 4) return BAD
  const sub = u16(bytes, start + 2)
  if (sub === 0) return length >= 6 && length % 2 === 0 ? sub : BAD
  if (sub > 20 || (sub >= 5 && sub <= 9) || sub === 19) return sub
  if (length !== 6) return BAD
  const data = u16(bytes, start + 4)
  // Restart: whether the log is cleared. Delimiter: a character and a zero.
  if (sub === 1) return data === 0 || data === 0xff00 ? sub : BAD
  if (sub === 3) return (data & 0xff) === 0 ? sub : BAD
  return data === 0 ? sub : BAD
}

/** Function 43: the type of the interface; of type 14 (device identification) also which objects. */
function interfaceKey(bytes: Uint8Array, start: number, length: number): number {
  if (length < 3) return BAD
  const type = bytes[start + 2]!
  if (type !== 14) return type
  const code = length === 5 ? bytes[start + 3]! : 0
  return code >= 1 && code <= 4 ? type : BAD
}

/**
 * Write the ranges of a request of function 20, 21 or 23 into `out`, from `outAt` on, as pairs of first and last key, in the
 * order of the request; returns how many, or `BAD`. A key of 20 and 21 is file and record (`RECORD_BITS`). Of 23, what it reads is the
 * first range and what it writes the second.
 *
 * @see MODBUS Application Protocol 1.1b3 sections 6.14, 6.15, 6.17
 */
export function readRanges(
  bytes: Uint8Array,
  start: number,
  end: number,
  code: number,
  out: Int32Array,
  outAt: number,
): number {
  if (code === 23) return readWriteRanges(bytes, start, end, out, outAt)
  const length = end - start
  if (length < 3 || bytes[start + 2] !== length - 3) return BAD
  const writes = code === 21
  let answer = 2
  let count = 0
  let at = start + 3
  while (at < end) {
    if (end - at < 7 || bytes[at] !== REFERENCE_TYPE) return BAD
    const file = u16(bytes, at + 1)
    const record = u16(bytes, at + 3)
    const registers = u16(bytes, at + 5)
    if (file === 0 || registers === 0 || record + registers > FILE_RECORDS) return BAD
    at += 7
    if (writes) at += registers * 2
    else answer += 2 + registers * 2
    if (at > end || answer > MAX_PDU_BYTES) return BAD
    out[outAt + count * 2] = (file << RECORD_BITS) | record
    out[outAt + count * 2 + 1] = (file << RECORD_BITS) | (record + registers - 1)
    count++
  }
  return count === 0 ? BAD : count
}

/** Function 23: what is read, then what is written. */
function readWriteRanges(bytes: Uint8Array, start: number, end: number, out: Int32Array, outAt: number): number {
  if (end - start < 13) return BAD
  const read = u16(bytes, start + 2)
  const readQuantity = u16(bytes, start + 4)
  const write = u16(bytes, start + 6)
  const writeQuantity = u16(bytes, start + 8)
  if (!isQuantity(read, readQuantity, MAX_REGISTERS_READ) || !isQuantity(write, writeQuantity, MAX_WRITE_BESIDE_READ))
    return BAD
  if (bytes[start + 10] !== writeQuantity * 2 || end - start !== 11 + writeQuantity * 2) return BAD
  out[outAt] = read
  out[outAt + 1] = read + readQuantity - 1
  out[outAt + 2] = write
  out[outAt + 3] = write + writeQuantity - 1
  return 2
}
