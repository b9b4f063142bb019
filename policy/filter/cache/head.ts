/* eslint-disable @typescript-eslint/no-non-null-assertion -- offsets are checked against `end` */
import { MAX_TOPIC } from "./flow.ts"

const LONGEST = MAX_TOPIC

/** Where `readHead` puts the topic's offset, QoS, retain and length as they stand in a record, and the payload's size. */
export const HEAD_TOPIC = 0
export const HEAD_ABOUT = 1
export const HEAD_PAYLOAD = 2

/**
 * Read the PUBLISH at `bytes[start]` as `decide` does, in the same bounds, into `head`. False if `decide` had better look at
 * it itself: it is not in order, or its topic too long or empty.
 */
export function readHead(bytes: Uint8Array, start: number, end: number, version5: boolean, head: Int32Array): boolean {
  if (start < 0 || end > bytes.length || end - start < 4) return false
  const first = bytes[start]!
  if (first >> 4 !== 3 || (first & 6) === 6) return false
  let at = (start + 1) | 0
  let remaining = bytes[at]! | 0
  at = (at + 1) | 0
  if (remaining >= 0x80) {
    remaining &= 0x7f
    for (let shift = 7; ; shift += 7) {
      if (shift > 21 || at >= end) return false
      const byte = bytes[at]! | 0
      at = (at + 1) | 0
      remaining |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
  }
  const stop = (at + remaining) | 0
  if (end - at < 2 || remaining < 2) return false
  const length = (bytes[at]! << 8) | bytes[(at + 1) | 0]!
  if (length === 0 || length > LONGEST) return false
  const topic = (at + 2) | 0
  at = (topic + length + ((first & 6) === 0 ? 0 : 2)) | 0
  if (at > end || at > stop) return false
  if (version5) {
    let size = 0
    for (let shift = 0; ; shift += 7) {
      if (shift > 21 || at >= end || at >= stop) return false
      const byte = bytes[at]! | 0
      at = (at + 1) | 0
      size |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    at = (at + size) | 0
    if (at > stop) return false
  }
  head[HEAD_TOPIC] = topic
  head[HEAD_ABOUT] = ((first & 7) << 16) | length
  head[HEAD_PAYLOAD] = (stop - at) | 0
  return true
}
