/** Topics in the flow cache's kernel: hashed, compared, and their tags found in a set. */
import { MAX_LENGTH } from "./kernel-memory.as.ts"

// @ts-ignore: a decorator
@inline
/** The hash of the topic at `at`, from two starts and two secret factors. All loads lie inside the topic. */
export function hash(a: u64, b: u64, mulA: u64, mulB: u64, at: usize, length: usize): u64 {
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

// @ts-ignore: a decorator
@inline
/** True if `length` bytes at `a` and at `b` are the same. */
export function same(a: usize, b: usize, length: usize): bool {
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

// @ts-ignore: a decorator
@inline
/** The ways of the set at `base` that hold `tag`, a bit each. */
export function ways(base: usize, tag: u32): i32 {
  return i16x8.bitmask(i16x8.eq(v128.load(base), i16x8.splat(<i16>tag)))
}

// @ts-ignore: a decorator
@inline
/** What is looked for in a set: never zero, which is an empty way. */
export function tagOf(h: u64): u32 {
  return (<u32>(h >> 48)) | 1
}
