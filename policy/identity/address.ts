/**
 * IP addresses and ranges of them, as a policy writes them and as a socket tells them.
 *
 * An IPv4 address inside of IPv6 (`::ffff:192.0.2.7`, as a socket that listens on both says it) is that IPv4 address.
 */

/** Addresses that have the same first bits. */
export interface AddressRange {
  /** 4 or 16 bytes; those behind `bits` are zero. */
  readonly bytes: readonly number[]
  readonly bits: number
}

/** The 4 or 16 bytes of an address, or null if the text is none. A zone index (`%eth0`) is passed over. */
export function parseAddress(text: string): readonly number[] | null {
  const [address = ""] = text.split("%")
  if (!address.includes(":")) return ipv4(address)
  const bytes = ipv6(address)
  if (bytes === null) return null
  const isMapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff
  return isMapped ? bytes.slice(12) : bytes
}

/** `192.0.2.0/24`, `2001:db8::/32`, or one address; null if it is neither, or names bits behind its length. */
export function parseAddressRange(text: string): AddressRange | null {
  const [, address = "", length] = /^([0-9a-fA-F.:]+)(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(text) ?? []
  const bytes = parseAddress(address)
  if (bytes === null || (length !== undefined && address.includes(":") !== (bytes.length === 16))) return null
  const bits = length === undefined ? bytes.length * 8 : Number(length)
  if (bits > bytes.length * 8) return null
  return bytes.every((byte, k) => (byte & ~maskAt(bits, k)) === 0) ? { bytes, bits } : null
}

/** True if the address lies within the range. */
export function rangeHolds({ bytes, bits }: AddressRange, address: readonly number[]): boolean {
  return bytes.length === address.length && bytes.every((byte, k) => byte === ((address[k] ?? 0) & maskAt(bits, k)))
}

/** Of byte `k`, the bits that are among the first `bits`. */
function maskAt(bits: number, k: number): number {
  const own = Math.max(0, Math.min(8, bits - k * 8))
  return (0xff00 >> own) & 0xff
}

function ipv4(text: string): number[] | null {
  const parts = text.split(".")
  // A leading zero is octal to some readers and decimal to others.
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part))) return null
  const bytes = parts.map(Number)
  return bytes.every((byte) => byte <= 255) ? bytes : null
}

function ipv6(text: string): number[] | null {
  const halves = text.split("::")
  if (halves.length > 2) return null
  const [front, back] = halves.map((half) => (half === "" ? [] : half.split(":")))
  const head = groups(front ?? [], halves.length === 1)
  const tail = groups(back ?? [], true)
  if (head === null || tail === null) return null
  const missing = 16 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 2) return null
  return [...head, ...new Array<number>(missing).fill(0), ...tail]
}

/** Groups of 16 bits; the last may be an IPv4 address if it ends the whole. */
function groups(parts: readonly string[], isEnd: boolean): number[] | null {
  const bytes: number[] = []
  for (const [k, part] of parts.entries()) {
    const four = isEnd && k === parts.length - 1 && part.includes(".") ? ipv4(part) : null
    if (four !== null) bytes.push(...four)
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) bytes.push(parseInt(part, 16) >> 8, parseInt(part, 16) & 0xff)
    else return null
  }
  return bytes
}
