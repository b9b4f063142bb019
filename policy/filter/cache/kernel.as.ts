/**
 * The flow cache in AssemblyScript: one call judges a packet, or all packets of a chunk. What it is for, and the layout of
 * its tables, is told in `README.md`; `script-cache.ts` is the same in plain TypeScript. The module exports what this file does.
 *
 * Nothing here trusts a length that came with a packet: whatever is read lies before `end`, the end of what is in hand,
 * and WebAssembly itself keeps every access inside the module's own memory.
 */
import {
  CANDIDATES,
  FLAGS_SHIFT,
  INDEX,
  KEY,
  LEAST,
  MAX_LENGTH,
  MAX_TOPIC,
  META,
  MISSES,
  PLAIN,
  RECORD_BYTES,
  SET_BYTES,
  SPAN,
  TOPIC,
  USED,
  VERDICT,
  WAYS,
  factorA,
  factorB,
  mask,
  records,
  seed,
  setup,
  startA,
  startB,
} from "./kernel-memory.as.ts"
import { pass } from "./kernel-pass.as.ts"
import { hash, same, tagOf, ways } from "./kernel-topic.as.ts"

export { pass, seed, setup }

/**
 * What is known of the packets that are looked for together, 32 bytes each: the hash (8), where the topic stands, QoS,
 * retain and length as in a record, the payload's size, where the packet ends, the ways that hold the tag, the set (4 each).
 */
const BLOCK: usize = 0x400
const BLOCK_BYTES: usize = 32
const BLOCK_PACKETS: i32 = 16
const TOPIC_AT: usize = 8
const ABOUT: usize = 12
const PAYLOAD: usize = 16
const STOP: usize = 20
const FOUND: usize = 24
const SET: usize = 28
const RESULTS: usize = 0x1000
const MAX_RESULTS: i32 = 4096

const MISS: i32 = -1
const ADMIT: i32 = -2
const CHALLENGES: u32 = 16

let challenges: u32 = 0
let coin: u32 = 1

// What the last look that ended in ADMIT was for, and where it wants its entry.
let topic: usize = 0
let meta: u32 = 0
let payloadBytes: i32 = 0
let place: usize = 0
let tagAt: usize = 0
let tagThen: u32 = 0

/**
 * Read the heads of the PUBLISHes from `at` on, up to `most`, hash their topics and fetch the tags of their sets, into the
 * block. Stops before what is no PUBLISH, or has no end yet; with `whole`, before one that ends past `end`. Of one that may
 * not be looked for, and with `rest` of all, only the end is told. Returns where what it wrote ends.
 */
// @ts-ignore: a decorator
@inline
function gather(number: u64, version5: bool, rest: bool, whole: bool, at: usize, end: usize, most: i32): usize {
  // What is global is fetched once: a store could change it for all that the compiler knows.
  const begin = startA ^ number
  const other = startB
  const mulA = factorA
  const mulB = factorB
  const sets = mask
  let block = BLOCK
  const full = BLOCK + <usize>most * BLOCK_BYTES
  while (block < full && at + 2 <= end) {
    const first: u32 = load<u8>(at)
    if (first >> 4 !== 3) break
    let remaining: u32 = load<u8>(at, 1)
    let here = at + 2
    if (remaining >= 0x80) {
      remaining &= 0x7f
      let shift: u32 = 7
      for (; shift <= 21 && here < end; shift += 7) {
        const byte: u32 = load<u8>(here)
        here += 1
        remaining |= (byte & 0x7f) << shift
        if (byte < 0x80) break
      }
      if (shift > 21 || load<u8>(here - 1) >= 0x80) break
    }
    const stop = here + remaining
    if (whole && stop > end) break
    store<u32>(block, <u32>stop, STOP)
    store<u32>(block, 0, ABOUT)
    at = stop
    block += BLOCK_BYTES
    if (rest || here + 2 > end || remaining < 2 || (first & 6) === 6) continue
    const length = ((<u32>load<u8>(here)) << 8) | (<u32>load<u8>(here, 1))
    if (length - 1 >= <u32>MAX_TOPIC) continue
    const name = here + 2
    here = name + length + ((first & 6) === 0 ? 0 : 2)
    if (here > end || here > stop) continue
    if (version5) {
      let size: u32 = 0
      let shift: u32 = 0
      for (; shift <= 21 && here < end && here < stop; shift += 7) {
        const byte: u32 = load<u8>(here)
        here += 1
        size |= (byte & 0x7f) << shift
        if (byte < 0x80) {
          shift = 32
          break
        }
      }
      if (shift !== 32) continue
      here += size
      if (here > stop) continue
    }
    const about = ((first & 7) << FLAGS_SHIFT) | length
    const h = hash(begin, other ^ ((<u64>about) << 20), mulA, mulB, name, length)
    const known = block - BLOCK_BYTES
    store<u64>(known, h)
    store<u32>(known, <u32>name, TOPIC_AT)
    store<u32>(known, about, ABOUT)
    store<i32>(known, <i32>(stop - here), PAYLOAD)
    store<i32>(known, ways(INDEX + <usize>((<u32>h) & sets) * SET_BYTES, tagOf(h)), FOUND)
    store<u32>(known, (<u32>h) & sets, SET)
  }
  return block
}

/** Where the set of a hash begins in the index. */
// @ts-ignore: a decorator
@inline
function baseOf(h: u64): usize {
  return INDEX + <usize>((<u32>h) & mask) * SET_BYTES
}

/** The verdict on what stands in `block`, or MISS, ADMIT, UNFIT. */
function find(block: usize, number: u64): i32 {
  const h = load<u64>(block)
  const about = load<u32>(block, ABOUT)
  const size = load<u32>(block, PAYLOAD)
  const set = <usize>((<u32>h) & mask)
  const base = baseOf(h)
  const tag = tagOf(h)
  for (let found = load<i32>(block, FOUND); found !== 0; found &= found - 1) {
    const way = <usize>ctz(found)
    const record = records + (set * WAYS + way) * RECORD_BYTES
    const entry = load<u32>(record, META)
    if ((entry & KEY) !== about || load<u64>(record) !== number) continue
    if (!same(record + TOPIC, load<u32>(block, TOPIC_AT), about & MAX_LENGTH)) continue
    if (entry < USED) store<u32>(record, entry | USED, META)
    if (size - load<u32>(record, LEAST) <= load<u32>(record, SPAN)) return load<i32>(record, VERDICT)
    // Known for other sizes only: now and then it learns this one instead.
    challenges += 1
    return challenges % CHALLENGES === 0 ? remember(block, record, base + way * 2, tag) : MISS
  }
  const candidate = base + CANDIDATES + ((<usize>(h >> 45)) & 7) * 2
  const seen: u32 = load<u16>(candidate)
  if (seen !== tag) {
    // Two topics that take turns would wipe each other out for ever: so a coin decides.
    coin = coin * 1664525 + 1013904223
    if (seen === 0 || <i32>coin < 0) store<u16>(candidate, <u16>tag)
    return MISS
  }
  const way = room(base, set)
  return way < 0
    ? MISS
    : remember(block, records + (set * WAYS + <usize>way) * RECORD_BYTES, base + <usize>way * 2, tag)
}

function remember(block: usize, record: usize, at: usize, tag: u32): i32 {
  topic = load<u32>(block, TOPIC_AT)
  meta = load<u32>(block, ABOUT)
  payloadBytes = load<i32>(block, PAYLOAD)
  place = record
  tagAt = at
  tagThen = tag
  return ADMIT
}

/** An empty way; else, in one challenge of so many, one that was not used of late; else -1. */
function room(base: usize, set: usize): i32 {
  const empty = ways(base, 0)
  if (empty !== 0) return ctz(empty)
  challenges += 1
  if (challenges % CHALLENGES !== 0) return -1
  const from = records + set * WAYS * RECORD_BYTES + META
  const turn = <usize>(challenges / CHALLENGES)
  for (let step: usize = 0; step < WAYS; step++) {
    const way = (turn + step) & (WAYS - 1)
    if (load<u32>(from + way * RECORD_BYTES) < USED) return <i32>way
  }
  for (let way: usize = 0; way < WAYS; way++) {
    const at = from + way * RECORD_BYTES
    store<u32>(at, load<u32>(at) & ~USED)
  }
  return -1
}

/** Look for the PUBLISH at `at`; what is in hand ends at `end`. */
export function look(low: u32, high: u32, version5: bool, at: usize, end: usize): i32 {
  const number = ((<u64>high) << 32) | (<u64>low)
  if (gather(number, version5, false, false, at, end, 1) === BLOCK || load<u32>(BLOCK, ABOUT) === 0) return MISS
  return find(BLOCK, number)
}

/** Write the entry that the last look wanted. Its topic must still be where it was. `plain`: see `PLAIN`. */
export function admit(low: u32, high: u32, verdict: i32, least: u32, most: u32, plain: bool): void {
  const record = place
  store<u64>(record, ((<u64>high) << 32) | (<u64>low))
  store<u32>(record, plain ? meta | PLAIN : meta, META)
  store<i32>(record, verdict, VERDICT)
  store<u32>(record, least, LEAST)
  store<u32>(record, most - least, SPAN)
  memory.copy(record + TOPIC, topic, meta & MAX_LENGTH)
  store<u16>(tagAt, <u16>tagThen)
}

/** Where in memory the topic of the last look stands: with the two below what `payloadSpan` asks for. */
export function topicAt(): usize {
  return topic
}

/** The length of that topic. */
export function topicBytes(): u32 {
  return meta & MAX_LENGTH
}

/** Bytes of payload in that message. */
export function payload(): i32 {
  return payloadBytes
}

/** As `look`, for a packet that ended in ADMIT and is to be remembered now: what it challenges gives way. */
export function lookAgain(low: u32, high: u32, version5: bool, at: usize, end: usize): i32 {
  challenges |= CHALLENGES - 1
  return look(low, high, version5, at, end)
}

/**
 * Look for every whole packet from `at` on, up to `MAX_RESULTS`, and stop before one that is no PUBLISH. For each the end
 * of the packet, counted from `origin`, and the verdict, or MISS, ADMIT, UNFIT, stand in the results; with `rest` all are
 * MISS. Returns their number; how many are no verdict stands in `MISSES`.
 *
 * A block of packets is read and hashed and its tags are fetched first, then its records: so the processor waits for many
 * lines of memory at a time and not for one after the other.
 */
export function chunk(low: u32, high: u32, version5: bool, rest: bool, at: usize, end: usize, origin: usize): i32 {
  const number = ((<u64>high) << 32) | (<u64>low)
  let out = RESULTS
  let misses = 0
  const from = records
  let count = 0
  while (count < MAX_RESULTS) {
    const filled = gather(number, version5, rest, true, at, end, min(BLOCK_PACKETS, MAX_RESULTS - count))
    for (let block = BLOCK; block < filled; block += BLOCK_BYTES) {
      const found = hit(block, number, from)
      at = <usize>load<u32>(block, STOP)
      misses += found >>> 31
      store<u32>(out, <u32>(at - origin))
      store<i32>(out, found, 4)
      out += 8
    }
    const read = <i32>((filled - BLOCK) / BLOCK_BYTES)
    count += read
    if (read < BLOCK_PACKETS) break
  }
  store<i32>(MISSES, misses)
  return count
}

/** The verdict on a packet of the block: a plain hit in few steps, the rest as ever. `from`: where records begin. */
// @ts-ignore: a decorator
@inline
function hit(block: usize, number: u64, from: usize): i32 {
  const about = load<u32>(block, ABOUT)
  if (about === 0) return MISS
  const found = load<i32>(block, FOUND)
  if (found !== 0) {
    const record = from + (<usize>load<u32>(block, SET) * WAYS + <usize>ctz(found)) * RECORD_BYTES
    if (
      (load<u32>(record, META) & (USED | KEY)) === (about | USED) &&
      load<u64>(record) === number &&
      load<u32>(block, PAYLOAD) - load<u32>(record, LEAST) <= load<u32>(record, SPAN) &&
      same(record + TOPIC, load<u32>(block, TOPIC_AT), about & MAX_LENGTH)
    )
      return load<i32>(record, VERDICT)
  }
  return find(block, number)
}
