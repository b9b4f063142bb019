/**
 * The network a peer comes from, as far as counting goes: `/24` of an IPv4 address, `/64` of an IPv6 one; `unknown` if it
 * is neither. One machine can take any address of its /64, so single IPv6 addresses count for nothing.
 */
export function peerPrefix(address: string): string {
  const plain = address.split("%")[0] ?? ""
  const four = /(?:^|^::ffff:)(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.\d{1,3}$/i.exec(plain)
  if (four !== null) return `${four[1] ?? ""}.${four[2] ?? ""}.${four[3] ?? ""}.0/24`
  const groups = expand(plain)
  return groups === null ? "unknown" : `${groups.slice(0, 4).join(":")}::/64`
}

/** The eight groups of an IPv6 address, lower case, without leading zeros; null if it is none. */
function expand(address: string): readonly string[] | null {
  const halves = address.split("::")
  if (halves.length > 2) return null
  const [left, right] = halves.map((half) => (half === "" ? [] : half.split(":")))
  if (left === undefined) return null
  const missing = 8 - left.length - (right?.length ?? 0)
  if (right === undefined ? missing !== 0 : missing < 1) return null
  const groups = [...left, ...new Array<string>(right === undefined ? 0 : missing).fill("0"), ...(right ?? [])]
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null
  return groups.map((group) => parseInt(group, 16).toString(16))
}
