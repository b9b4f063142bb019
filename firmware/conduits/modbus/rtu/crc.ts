/** Remainder for each byte, polynomial 0x8005 with the bits of every byte in the order in which they are sent. */
const TABLE = new Uint16Array(256)
for (let byte = 0; byte < 256; byte++) {
  let remainder = byte
  for (let bit = 0; bit < 8; bit++) remainder = (remainder & 1) === 0 ? remainder >> 1 : (remainder >> 1) ^ 0xa001
  TABLE[byte] = remainder
}

/**
 * The checksum of `bytes[start, end)`, 0..65535; on the line its low byte goes first. Over a frame with its checksum it is 0.
 *
 * @see MODBUS over Serial Line 1.02 section 6.2.2
 */
export function crc16(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = 0xffff
  for (let at = start; at < end; at++) crc = (crc >> 8) ^ (TABLE[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0)
  return crc
}
