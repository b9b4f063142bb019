/** Every proper prefix of `bytes`, the empty one included. */
export function* truncations(bytes: Uint8Array): Generator<Uint8Array> {
  for (let n = 0; n < bytes.length; n++) yield bytes.slice(0, n)
}

/** `bytes` with each single bit flipped in turn. */
export function* bitFlips(bytes: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const copy = bytes.slice()
    copy[bit >> 3]! ^= 1 << (bit & 7)
    yield copy
  }
}

/** A small seeded generator (mulberry32): numbers in [0, 1), the same for the same seed. */
export function seeded(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), a | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** `bytes` cut into chunks of random lengths 1..`max`; together they are `bytes`. */
export function* chunks(bytes: Uint8Array, max: number, random: () => number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const n = 1 + Math.floor(random() * max)
    yield bytes.slice(at, at + n)
    at += n
  }
}

/** `n` random bytes. */
export function randomBytes(n: number, random: () => number): Uint8Array {
  return Uint8Array.from({ length: n }, () => Math.floor(random() * 256))
}

/** What a YAML or JSON document cannot bear at any place: it opens, closes, or means another thing there. */
export const YAML_PIECES = [
  "",
  " ",
  "\n",
  ": ",
  "[",
  "}",
  "x",
  "0",
  "- ",
  "null",
  '"',
  "'",
  "#",
  "\t",
  "{a: 1}",
  "*a ",
  "\0",
]
