/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index is held against the length first */

/** The answer is longer than what is there: how long cannot be told yet. */
export const MORE = -1
/** What is there cannot begin an answer to this request. */
export const NEVER = -2
/** The function says nothing of its length: only silence ends it. */
export const SILENCE = -3

const EXCEPTION_BYTES = 2
const READ_DEVICE_IDENTIFICATION = 14

/**
 * How many bytes (function and data, without unit and checksum) the answer to `request` has whose first bytes are
 * `bytes[start, end)`: 2..253, or `MORE`, `NEVER`, `SILENCE`.
 *
 * An answer fits if its function is the request's, or that with the high bit for an exception; where the standard lets
 * the request fix the length or the first bytes, they must be those. Never looks outside `bytes[start, end)`.
 *
 * @see MODBUS Application Protocol 1.1b3 section 6
 */
export function answerLength(request: Uint8Array, bytes: Uint8Array, start: number, end: number): number {
  const asked = request[0]!
  const held = end - start
  if (held < 1) return MORE
  const code = bytes[start]!
  if (code === (asked | 0x80)) return EXCEPTION_BYTES
  if (code !== asked) return NEVER
  switch (code) {
    case 1:
    case 2:
      return counted(bytes, start, end, (word(request, 3) + 7) >> 3)
    case 3:
    case 4:
    case 23:
      return counted(bytes, start, end, 2 * word(request, 3))
    case 15:
    case 16:
      return echoed(request, bytes, start, end, 5)
    case 5:
    case 6:
    case 21:
    case 22:
      return echoed(request, bytes, start, end, request.length)
    case 7:
      return 2
    case 8:
      // Sub-function 0 sends back all that it got, others the sub-function and a word of their own.
      return echoed(request, bytes, start, end, word(request, 1) === 0 ? request.length : 3, request.length)
    case 11:
      return 5
    case 12:
    case 17:
    case 20:
      return counted(bytes, start, end, null)
    case 24:
      return fifo(bytes, start, end)
    case 43:
      return request[1] === READ_DEVICE_IDENTIFICATION ? identification(request, bytes, start, end) : SILENCE
    default:
      return SILENCE
  }
}

/** A count of bytes and that many; the count is `wanted` unless that is null. */
function counted(bytes: Uint8Array, start: number, end: number, wanted: number | null): number {
  if (end - start < 2) return MORE
  const count = bytes[start + 1]!
  if (wanted !== null ? count !== wanted : count > 251) return NEVER
  return 2 + count
}

/** The first `same` bytes of the request come back, in an answer of `length`. */
function echoed(
  request: Uint8Array,
  bytes: Uint8Array,
  start: number,
  end: number,
  same: number,
  length = same,
): number {
  return begins(request, bytes, start, end, same) ? length : NEVER
}

function begins(request: Uint8Array, bytes: Uint8Array, start: number, end: number, length: number): boolean {
  const compared = Math.min(length, end - start)
  for (let at = 0; at < compared; at++) if (bytes[start + at] !== request[at]) return false
  return true
}

/** Function 24: two bytes of length, then the count of registers, at most 31, and those. */
function fifo(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 5) return MORE
  const length = word(bytes, start + 1)
  return length === 2 + 2 * word(bytes, start + 3) && length <= 64 ? 3 + length : NEVER
}

/** Function 43 type 14: a header, then objects of any length; only a walk over them says where they end. */
function identification(request: Uint8Array, bytes: Uint8Array, start: number, end: number): number {
  if (!begins(request, bytes, start, end, 3)) return NEVER
  if (end - start < 7) return MORE
  let at = start + 7
  for (let left = bytes[start + 6]!; left > 0; left--) {
    if (end < at + 2) return MORE
    at += 2 + bytes[at + 1]!
    if (at - start > 253) return NEVER
  }
  return at - start
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}
