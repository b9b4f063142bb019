/**
 * The memory of the flow cache's kernel: where everything stands, what a record is made of, and the secrets of the hash.
 * The layout of the tables is told in `README.md`; the same numbers stand in `kernel-cache.ts`.
 */

// In bytes.
export const MISSES: usize = 0x200
/** Sixteen bytes of nothing but ones, behind them sixteen of zeros: what is read from between covers as many bytes as wished. */
export const ONES: usize = 0x220
/** What of a record's first sixteen bytes must be the same for a message of the same head. */
export const ENTRY: usize = 0x240
export const INDEX: usize = 0x10000

export const WAYS: usize = 8
/** Tags of eight entries, then of eight topics that were seen once, 16 bits each. */
export const SET_BYTES: usize = 32
export const CANDIDATES: usize = 16
/** Number (8), used, next, plain, flags and length (4), verdict (4), least payload bytes and how many more it may be (8), topic. */
export const RECORD_BYTES: usize = 128
export const META: usize = 8
export const VERDICT: usize = 12
export const LEAST: usize = 16
export const SPAN: usize = 20
export const TOPIC: usize = 24
export const USED: u32 = 0x80000000
/**
 * In a record's word: QoS, retain and length of the topic; whether it says that a message passes and nothing else is to be
 * done for it; the number of the record that was found after this one the last time, which is where a run looks first.
 */
export const KEY: u32 = 0x3ff
export const PLAIN: u32 = 0x400
export const NEXT: u32 = 0x7ffff800
export const NEXT_SHIFT: u32 = 11
/** From a record's number where it stands in the word to how far it lies behind the first. */
export const NEXT_TO_BYTES: u32 = 4
export const FLAGS_SHIFT: u32 = 7

export const MAX_TOPIC: i32 = 104
/** The bits of a length: no topic here is longer. */
export const MAX_LENGTH: u32 = 0x7f

export let mask: u32 = 0
export let records: usize = 0
export let startA: u64 = 0
export let startB: u64 = 0
export let factorA: u64 = 0
export let factorB: u64 = 0

/** Make room for `sets` sets, a power of two, in memory that is all zero. */
export function setup(sets: u32): void {
  mask = sets - 1
  records = INDEX + <usize>sets * SET_BYTES
  v128.store(ONES, i8x16.splat(-1))
  store<u64>(ENTRY, -1)
  store<u32>(ENTRY, USED | PLAIN | KEY, META)
}

/** The secrets of the hash. */
export function seed(a: u64, b: u64, c: u64, d: u64): void {
  startA = a
  startB = b
  factorA = c
  factorB = d
}
