/**
 * The walk of the flow cache's kernel over what passes as it is. Nothing of a message is trusted that was not compared, and
 * whatever is read lies before `end`, the end of what is in hand.
 */
import {
  ENTRY,
  FLAGS_SHIFT,
  INDEX,
  KEY,
  LEAST,
  MAX_LENGTH,
  MAX_TOPIC,
  META,
  MISSES,
  NEXT,
  NEXT_SHIFT,
  NEXT_TO_BYTES,
  ONES,
  PLAIN,
  RECORD_BYTES,
  SET_BYTES,
  SPAN,
  TOPIC,
  USED,
  WAYS,
  factorA,
  factorB,
  mask,
  records,
  startA,
  startB,
} from "./kernel-memory.as.ts"
import { hash, same, tagOf, ways } from "./kernel-topic.as.ts"

/** Topics that are compared in three pieces of sixteen bytes. */
const RUN_FROM: u32 = 16
const RUN_TO: u32 = 48

/** The entry of the last message of a run. */
let latest: usize = 0

/**
 * Pass over the packets from `at` on that are whole, of QoS 0, without properties, at most `maxBytes` long, and known to pass
 * with nothing else to be done for them. Returns where the first stands that is not; their number stands in `MISSES`.
 *
 * A sender mostly goes through its topics in the same order: so the record that followed the last one before is tried
 * first, all of it compared, and only if it is another one the topic is hashed.
 */
export function pass(low: u32, high: u32, version5: bool, at: usize, end: usize, maxBytes: u32): usize {
  const number = ((<u64>high) << 32) | (<u64>low)
  const from = records
  let previous: usize = 0
  let count = 0
  // No message is shorter: two bytes of header, a length, a topic of one byte.
  while (at + 5 <= end) {
    const first: u32 = load<u8>(at)
    if ((first & 0xfe) !== 0x30) break
    let remaining: u32 = load<u8>(at, 1)
    let here = at + 2
    if (remaining >= 0x80) {
      let byte: u32 = load<u8>(at, 2)
      remaining = (remaining & 0x7f) | ((byte & 0x7f) << 7)
      here = at + 3
      if (byte >= 0x80) {
        byte = load<u8>(at, 3)
        remaining |= (byte & 0x7f) << 14
        here = at + 4
        if (byte >= 0x80) {
          byte = load<u8>(at, 4)
          if (byte >= 0x80) break
          remaining |= byte << 21
          here = at + 5
        }
      }
      // Padded, which MQTT 5 forbids.
      if (version5 && byte === 0) break
    }
    const stop = here + remaining
    if (remaining < 3 || stop > end || <u32>(stop - at) > maxBytes) break
    const length = ((<u32>load<u8>(here)) << 8) | (<u32>load<u8>(here, 1))
    if (length - 1 >= <u32>MAX_TOPIC) break
    const name = here + 2
    here = name + length
    if (version5) {
      if (here >= stop || load<u8>(here) !== 0) break
      here += 1
    } else if (here > stop) break
    const about = ((first & 1) << FLAGS_SHIFT) | length
    const size = <u32>(stop - here)
    let record: usize = 0
    if (previous !== 0) {
      const next = <usize>((load<u32>(previous, META) & NEXT) >> NEXT_SHIFT)
      record = from + next * RECORD_BYTES
      if (!fits(record, USED | PLAIN, number, about, size, name)) record = 0
    }
    if (record === 0) {
      record = seek(number, about, size, name, from)
      if (record === 0) break
      if (previous !== 0) {
        const next = <u32>((record - from) / RECORD_BYTES) << NEXT_SHIFT
        store<u32>(previous, (load<u32>(previous, META) & ~NEXT) | next, META)
      }
    }
    previous = record
    count += 1
    if (length < RUN_FROM || length > RUN_TO) {
      at = stop
      continue
    }
    const bytes = stop - at
    const reached = run(record, stop, end, bytes, name - at, length, size, version5)
    previous = latest
    count += <i32>((reached - stop) / bytes)
    at = reached
  }
  store<i32>(MISSES, count)
  return at
}

/**
 * Pass over the messages from `at` on that have the same head and lengths as the one right before it, whose entry is
 * `record`, and are each what followed the last time. Returns where the first stands that is not; `latest` is the entry of the
 * one before that.
 *
 * Most of what a sensor sends is of one size: nothing is read of such a message but to be compared, all of it in one question, and
 * where the next one begins does not hang on anything that is read.
 */
function run(
  record: usize,
  at: usize,
  end: usize,
  bytes: usize,
  nameAt: usize,
  length: usize,
  size: u32,
  version5: bool,
): usize {
  const from = records
  // Up to and with the topic's length: the bytes before the topic, of the sixteen that are read.
  const cover = v128.load(ONES + 16 - nameAt)
  const head = v128.and(v128.load(at - bytes), cover)
  const ask = v128.load(ENTRY)
  const entry = v128.and(v128.load(record), ask)
  // Three pieces of sixteen bytes, which overlap.
  const middle: usize = length > 32 ? 16 : 0
  const tail = length - 16
  while (at + bytes <= end) {
    const next = from + (<usize>(load<u32>(record, META) & NEXT) >> NEXT_TO_BYTES)
    const name = at + nameAt
    let differ = v128.xor(v128.and(v128.load(at), cover), head)
    differ = v128.or(differ, v128.xor(v128.and(v128.load(next), ask), entry))
    differ = v128.or(differ, v128.xor(v128.load(next, TOPIC), v128.load(name)))
    differ = v128.or(differ, v128.xor(v128.load(next + middle, TOPIC), v128.load(name + middle)))
    differ = v128.or(differ, v128.xor(v128.load(next + tail, TOPIC), v128.load(name + tail)))
    if (v128.any_true(differ) || size - load<u32>(next, LEAST) > load<u32>(next, SPAN)) break
    if (version5 && load<u8>(name + length) !== 0) break
    record = next
    at += bytes
  }
  latest = record
  return at
}

/** True if `record` is the entry of this message, with all of `marks` set. */
// @ts-ignore: a decorator
@inline
function fits(record: usize, marks: u32, number: u64, about: u32, size: u32, name: usize): bool {
  return (
    (load<u32>(record, META) & (marks | KEY)) === (marks | about) &&
    load<u64>(record) === number &&
    size - load<u32>(record, LEAST) <= load<u32>(record, SPAN) &&
    same(record + TOPIC, name, about & MAX_LENGTH)
  )
}

/** The entry of this message if it says that it passes plainly, which counts as a use; else 0. */
function seek(number: u64, about: u32, size: u32, name: usize, from: usize): usize {
  const length = <usize>(about & MAX_LENGTH)
  const h = hash(startA ^ number, startB ^ ((<u64>about) << 20), factorA, factorB, name, length)
  const set = <usize>((<u32>h) & mask)
  for (let found = ways(INDEX + set * SET_BYTES, tagOf(h)); found !== 0; found &= found - 1) {
    const record = from + (set * WAYS + <usize>ctz(found)) * RECORD_BYTES
    if (!fits(record, PLAIN, number, about, size, name)) continue
    const entry = load<u32>(record, META)
    if (entry < USED) store<u32>(record, entry | USED, META)
    return record
  }
  return 0
}
