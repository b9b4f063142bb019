/**
 * The flow cache in AssemblyScript: one call judges a packet, or all packets of a chunk. What it is for, and the layout of
 * its tables, is told in `README.md`; `script-cache.ts` is the same in plain TypeScript.
 *
 * Nothing here trusts a length that came with a packet: whatever is read lies before `end`, the end of what is in hand,
 * and WebAssembly itself keeps every access inside the module's own memory.
 */

// The memory, in bytes. The same numbers stand in `kernel-layout.ts`.
const KEY: usize = 0x100
const MISSES: usize = 0x200
/** What is known of the packets that are looked for together, 32 bytes each. */
const BLOCK: usize = 0x400
const BLOCK_PACKETS: i32 = 32
const RESULTS: usize = 0x1000
const MAX_RESULTS: i32 = 4096
const INDEX: usize = 0x10000

const WAYS: usize = 8
/** Tags of eight entries, then of eight topics that were seen once. */
const SET_BYTES: usize = 64
const CANDIDATES: usize = 32
/** Number (8), used, flags and length (4), verdict (4), least and most payload bytes (8), topic. */
const RECORD_BYTES: usize = 128
const META: usize = 8
const VERDICT: usize = 12
const LEAST: usize = 16
const MOST: usize = 20
const TOPIC: usize = 24
const USED: u32 = 0x80000000

const MAX_TOPIC: i32 = 104
const MISS: i32 = -1
const ADMIT: i32 = -2
const CHALLENGES: u32 = 16

let mask: u32 = 0
let records: usize = 0
let startA: u64 = 0
let startB: u64 = 0
let factorA: u64 = 0
let factorB: u64 = 0
let challenges: u32 = 0
let coin: u32 = 1

// What the last packet that was read is about.
let stop: usize = 0
let topic: usize = 0
let meta: u32 = 0
let payloadBytes: i32 = 0
// Where the last look that ended in ADMIT wants its entry.
let place: usize = 0
let tagAt: usize = 0
let tagThen: u32 = 0

/** Make room for `sets` sets, a power of two, in memory that is all zero. */
export function setup(sets: u32): void {
  mask = sets - 1
  records = INDEX + <usize>sets * SET_BYTES
}

/** The secrets of the hash. */
export function seed(a: u64, b: u64, c: u64, d: u64): void {
  startA = a
  startB = b
  factorA = c
  factorB = d
}

/**
 * Read the head of the packet at `at`. 1: a PUBLISH that may be looked for; 0: a packet that may not; -1: not even its
 * length is in hand. `stop` is where the packet ends, which may be past `end`.
 */
function read(at: usize, end: usize, version5: bool): i32 {
  if (at + 2 > end) return -1
  const first: u32 = load<u8>(at)
  let here = at + 1
  let remaining: u32 = load<u8>(here)
  here += 1
  if (remaining >= 0x80) {
    remaining &= 0x7f
    for (let shift: u32 = 7; ; shift += 7) {
      if (shift > 21 || here >= end) return -1
      const byte: u32 = load<u8>(here)
      here += 1
      remaining |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
  }
  stop = here + remaining
  if (first >> 4 !== 3 || (first & 6) === 6) return 0
  if (here + 2 > end || remaining < 2) return 0
  const length = ((<u32>load<u8>(here)) << 8) | (<u32>load<u8>(here + 1))
  if (length - 1 >= <u32>MAX_TOPIC) return 0
  topic = here + 2
  here = topic + length + ((first & 6) === 0 ? 0 : 2)
  if (here > end || here > stop) return 0
  if (version5) {
    let size: u32 = 0
    for (let shift: u32 = 0; ; shift += 7) {
      if (shift > 21 || here >= end || here >= stop) return 0
      const byte: u32 = load<u8>(here)
      here += 1
      size |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    here += size
    if (here > stop) return 0
  }
  payloadBytes = <i32>(stop - here)
  meta = ((first & 7) << 16) | length
  return 1
}

/** The hash of the topic at `at` for a state's number. All loads lie inside the topic. */
function hash(number: u64, about: u32, at: usize, length: usize): u64 {
  let a = startA ^ number
  let b = startB ^ ((<u64>about) << 20)
  if (length >= 16) {
    const last = at + length - 16
    for (let k = at; k < last; k += 16) {
      a = rotl((a ^ load<u64>(k)) * factorA, 29)
      b = rotl((b ^ load<u64>(k, 8)) * factorB, 31)
    }
    a = (a ^ load<u64>(last)) * factorA
    b = (b ^ load<u64>(last, 8)) * factorB
  } else if (length >= 8) {
    a = (a ^ load<u64>(at)) * factorA
    b = (b ^ load<u64>(at + length - 8)) * factorB
  } else if (length >= 4) {
    a = (a ^ (<u64>load<u32>(at))) * factorA
    b = (b ^ (<u64>load<u32>(at + length - 4))) * factorB
  } else {
    a = (a ^ (<u64>load<u8>(at))) * factorA
    b = (b ^ (((<u64>load<u8>(at + (length >> 1))) << 8) | (<u64>load<u8>(at + length - 1)))) * factorB
  }
  const h = (a ^ (a >> 32) ^ rotl(b, 17)) * 0x9e3779b97f4a7c15
  return h ^ (h >> 29)
}

/** True if `length` bytes at `a` and at `b` are the same. */
function same(a: usize, b: usize, length: usize): bool {
  if (length >= 16) {
    const last = length - 16
    let differ = v128.xor(v128.load(a + last), v128.load(b + last))
    for (let k: usize = 0; k < last; k += 16) {
      differ = v128.or(differ, v128.xor(v128.load(a + k), v128.load(b + k)))
    }
    return !v128.any_true(differ)
  }
  if (length >= 8) {
    const last = length - 8
    return ((load<u64>(a) ^ load<u64>(b)) | (load<u64>(a + last) ^ load<u64>(b + last))) === 0
  }
  if (length >= 4) {
    const last = length - 4
    return ((load<u32>(a) ^ load<u32>(b)) | (load<u32>(a + last) ^ load<u32>(b + last))) === 0
  }
  for (let k: usize = 0; k < length; k++) if (load<u8>(a + k) !== load<u8>(b + k)) return false
  return true
}

/** The ways of the set at `base` that hold `tag`, a bit each. */
function ways(base: usize, tag: u32): i32 {
  const wanted = i32x4.splat(tag)
  const low = i32x4.bitmask(i32x4.eq(v128.load(base), wanted))
  return low | (i32x4.bitmask(i32x4.eq(v128.load(base, 16), wanted)) << 4)
}

/** The verdict on the packet that was read last, or MISS, ADMIT, UNFIT. */
function find(number: u64, h: u64): i32 {
  const about = meta
  const set = <usize>((<u32>h) & mask)
  const tag = (<u32>(h >> 32)) | 1
  const base = INDEX + set * SET_BYTES
  let found = ways(base, tag)
  while (found !== 0) {
    const record = records + (set * WAYS + <usize>ctz(found)) * RECORD_BYTES
    found &= found - 1
    const entry = load<u32>(record, META)
    if ((entry & ~USED) !== about || load<u64>(record) !== number) continue
    if (!same(record + TOPIC, topic, about & 0xffff)) continue
    if (entry < USED) store<u32>(record, entry | USED, META)
    if (payloadBytes >= load<i32>(record, LEAST) && payloadBytes <= load<i32>(record, MOST))
      return load<i32>(record, VERDICT)
    // Known for other sizes only: now and then it learns this one instead.
    challenges += 1
    if (challenges % CHALLENGES !== 0) return MISS
    place = record
    tagAt = base + (((record - records) / RECORD_BYTES) & (WAYS - 1)) * 4
    tagThen = tag
    return ADMIT
  }
  const candidate = base + CANDIDATES + <usize>(tag >> 29) * 4
  const seen = load<u32>(candidate)
  if (seen !== tag) {
    // Two topics that take turns would wipe each other out for ever: so a coin decides.
    coin = coin * 1664525 + 1013904223
    if (seen === 0 || <i32>coin < 0) store<u32>(candidate, tag)
    return MISS
  }
  const way = room(base, set)
  if (way < 0) return MISS
  place = records + (set * WAYS + <usize>way) * RECORD_BYTES
  tagAt = base + <usize>way * 4
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
  if (end < at + 4 || read(at, end, version5) !== 1) return MISS
  const number = ((<u64>high) << 32) | (<u64>low)
  return find(number, hash(number, meta, topic, meta & 0xffff))
}

/**
 * Look for a topic that the caller has read and put at `KEY`: `about` is QoS, retain and length as in a
 * record.
 */
export function lookTopic(low: u32, high: u32, about: u32, payload: i32): i32 {
  topic = KEY
  meta = about
  payloadBytes = payload
  const number = ((<u64>high) << 32) | (<u64>low)
  return find(number, hash(number, about, topic, about & 0xffff))
}

/** Write the entry that the last look wanted. Its topic must still be where it was. */
export function admit(low: u32, high: u32, verdict: i32, least: i32, most: i32): void {
  const record = place
  store<u64>(record, ((<u64>high) << 32) | (<u64>low))
  store<u32>(record, meta, META)
  store<i32>(record, verdict, VERDICT)
  store<i32>(record, least, LEAST)
  store<i32>(record, most, MOST)
  memory.copy(record + TOPIC, topic, meta & 0xffff)
  store<u32>(tagAt, tagThen)
}

/** Where the topic of the last look stands, its length and its message's payload: what `payloadSpan` asks for. */
export function topicAt(): usize {
  return topic
}
export function topicBytes(): u32 {
  return meta & 0xffff
}
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
 * of the packet and the verdict, or MISS, ADMIT, UNFIT, stand in the results; with `rest` all are MISS. Returns their number;
 * how many are no verdict stands in `MISSES`.
 *
 * A block of packets is read and hashed first, then their tags are fetched, then their records: so the processor waits for
 * many lines of memory at a time and not for one after the other.
 */
export function chunk(low: u32, high: u32, version5: bool, rest: bool, at: usize, end: usize): i32 {
  const number = ((<u64>high) << 32) | (<u64>low)
  let out = RESULTS
  let here = at
  let misses = 0
  let count = 0
  let more = true
  while (more && count < MAX_RESULTS) {
    let block = BLOCK
    const full = BLOCK + <usize>min(BLOCK_PACKETS, MAX_RESULTS - count) * 32
    while (block < full) {
      const kind = read(here, end, version5)
      if (kind < 0 || stop > end || load<u8>(here) >> 4 !== 3) {
        more = false
        break
      }
      if (kind === 0 || rest) {
        store<u32>(block, 0, 16)
        store<u32>(block, 0, 24)
      } else {
        const h = hash(number, meta, topic, meta & 0xffff)
        store<u64>(block, h)
        store<u32>(block, topic, 8)
        store<u32>(block, payloadBytes, 12)
        store<u32>(block, meta, 16)
        store<u32>(block, ways(INDEX + <usize>((<u32>h) & mask) * SET_BYTES, (<u32>(h >> 32)) | 1), 24)
      }
      store<u32>(block, <u32>stop, 20)
      here = stop
      block += 32
    }
    const filled = block
    for (block = BLOCK; block < filled; block += 32) {
      const found = inBlock(block, number)
      misses += found >>> 31
      store<u32>(out, load<u32>(block, 20))
      store<i32>(out, found, 4)
      out += 8
    }
    count += <i32>((filled - BLOCK) >> 5)
  }
  store<i32>(MISSES, misses)
  return count
}

/** The verdict on a packet of the block: a plain hit here, the rest as ever. */
function inBlock(block: usize, number: u64): i32 {
  const about = load<u32>(block, 16)
  if (about === 0) return MISS
  const h = load<u64>(block)
  const found = load<i32>(block, 24)
  if (found !== 0) {
    const record = records + (<usize>((<u32>h) & mask) * WAYS + <usize>ctz(found)) * RECORD_BYTES
    const size = load<i32>(block, 12)
    if (
      load<u32>(record, META) === (about | USED) &&
      load<u64>(record) === number &&
      size >= load<i32>(record, LEAST) &&
      size <= load<i32>(record, MOST) &&
      same(record + TOPIC, load<u32>(block, 8), about & 0xffff)
    )
      return load<i32>(record, VERDICT)
  }
  topic = load<u32>(block, 8)
  meta = about
  payloadBytes = load<i32>(block, 12)
  return find(number, h)
}
