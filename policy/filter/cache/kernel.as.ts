/**
 * The flow cache in AssemblyScript: one call judges a packet, or all packets of a chunk. What it is for, and the layout of
 * its tables, is told in `README.md`; `script-cache.ts` is the same in plain TypeScript.
 *
 * Nothing here trusts a length that came with a packet: whatever is read lies before `end`, the end of what is in hand,
 * and WebAssembly itself keeps every access inside the module's own memory.
 */

// The memory, in bytes. The same numbers stand in `kernel-layout.ts`.
const MISSES: usize = 0x200
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
const INDEX: usize = 0x10000

const WAYS: usize = 8
/** Tags of eight entries, then of eight topics that were seen once, 16 bits each. */
const SET_BYTES: usize = 32
const CANDIDATES: usize = 16
/** Number (8), used, next, plain, flags and length (4), verdict (4), least payload bytes and how many more it may be (8), topic. */
const RECORD_BYTES: usize = 128
const META: usize = 8
const VERDICT: usize = 12
const LEAST: usize = 16
const SPAN: usize = 20
const TOPIC: usize = 24
const USED: u32 = 0x80000000
/**
 * In a record's word: QoS, retain and length of the topic; whether it says that a message passes and nothing else is to be
 * done for it; the number of the record that was found after this one the last time, which is where a run looks first.
 */
const KEY: u32 = 0x3ff
const PLAIN: u32 = 0x400
const NEXT: u32 = 0x7ffff800
const NEXT_SHIFT: u32 = 11
const FLAGS_SHIFT: u32 = 7

const MAX_TOPIC: i32 = 104
/** The bits of a length: no topic here is longer. */
const MAX_LENGTH: u32 = 0x7f
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

// What the last look that ended in ADMIT was for, and where it wants its entry.
let topic: usize = 0
let meta: u32 = 0
let payloadBytes: i32 = 0
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

/** The hash of the topic at `at`, from two starts and two secret factors. All loads lie inside the topic. */
// @ts-ignore: a decorator
@inline
function hash(a: u64, b: u64, mulA: u64, mulB: u64, at: usize, length: usize): u64 {
  if (length >= 16) {
    const last = at + length - 16
    for (let k = at; k < last; k += 16) {
      a = rotl((a ^ load<u64>(k)) * mulA, 29)
      b = rotl((b ^ load<u64>(k, 8)) * mulB, 31)
    }
    a = (a ^ load<u64>(last)) * mulA
    b = (b ^ load<u64>(last, 8)) * mulB
  } else if (length >= 8) {
    a = (a ^ load<u64>(at)) * mulA
    b = (b ^ load<u64>(at + length - 8)) * mulB
  } else if (length >= 4) {
    a = (a ^ (<u64>load<u32>(at))) * mulA
    b = (b ^ (<u64>load<u32>(at + length - 4))) * mulB
  } else {
    a = (a ^ (<u64>load<u8>(at))) * mulA
    b = (b ^ (((<u64>load<u8>(at + (length >> 1))) << 8) | (<u64>load<u8>(at + length - 1)))) * mulB
  }
  const h = (a ^ (a >> 32) ^ rotl(b, 17)) * 0x9e3779b97f4a7c15
  return h ^ (h >> 29)
}

/** True if `length` bytes at `a` and at `b` are the same. */
// @ts-ignore: a decorator
@inline
function same(a: usize, b: usize, length: usize): bool {
  if (length >= 16) {
    const last = length - 16
    let differ = v128.xor(v128.load(a + last), v128.load(b + last))
    differ = v128.or(differ, v128.xor(v128.load(a), v128.load(b)))
    // Most topics have less than 48 bytes: a loop costs more than what it does.
    if (length > 32) differ = v128.or(differ, v128.xor(v128.load(a, 16), v128.load(b, 16)))
    for (let k: usize = 32; k < last; k += 16) {
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
// @ts-ignore: a decorator
@inline
function ways(base: usize, tag: u32): i32 {
  return i16x8.bitmask(i16x8.eq(v128.load(base), i16x8.splat(<i16>tag)))
}

/** Where the set of a hash begins in the index. */
// @ts-ignore: a decorator
@inline
function baseOf(h: u64): usize {
  return INDEX + <usize>((<u32>h) & mask) * SET_BYTES
}

/** What is looked for in a set: never zero, which is an empty way. */
// @ts-ignore: a decorator
@inline
function tagOf(h: u64): u32 {
  return (<u32>(h >> 48)) | 1
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
    at = stop
    count += 1
  }
  store<i32>(MISSES, count)
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
