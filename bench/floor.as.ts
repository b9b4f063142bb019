/**
 * The strongest floor: reads each header, hashes the topic, eight bytes a step, and puts a word for each packet at `out`.
 * Judges nothing. Returns the number of packets.
 */
export function floor(at: usize, end: usize, out: usize): i32 {
  const first = out
  while (at + 2 <= end) {
    let here = at + 1
    let remaining: u32 = load<u8>(here)
    here += 1
    if (remaining >= 0x80) {
      remaining &= 0x7f
      for (let shift: u32 = 7; shift < 28 && here < end; shift += 7) {
        const byte: u32 = load<u8>(here)
        here += 1
        remaining |= (byte & 0x7f) << shift
        if (byte < 0x80) break
      }
    }
    const stop = here + remaining
    if (stop > end) break
    const length = <usize>(((<u32>load<u8>(here)) << 8) | (<u32>load<u8>(here + 1)))
    let k = here + 2
    const last = k + length - 8
    if (last + 8 > stop) break
    let h: u64 = length
    for (; k < last; k += 8) h = rotl((h ^ load<u64>(k)) * 0x9e3779b97f4a7c15, 29)
    h = (h ^ load<u64>(last)) * 0x9e3779b97f4a7c15
    store<u32>(out, <u32>(h >> 32))
    out += 4
    at = stop
  }
  return <i32>((out - first) >> 2)
}
