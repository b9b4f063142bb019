import { isIP } from "node:net"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"

/**
 * True if `leaf` bears `serverName`, an address or a DNS name, among its alternative names.
 *
 * The common name does not count. A DNS name may be borne by `*` for its first label, and for no other; letters are
 * compared without case. An address is compared as an address, and never with a DNS name.
 *
 * @see RFC 9525 section 6
 */
export function bearsName(leaf: CertificateFacts, serverName: string): boolean {
  if (isIP(serverName) !== 0) return leaf.sanIp.includes(canonicalAddress(serverName))
  const wanted = labels(serverName)
  return leaf.sanDns.some((name) => {
    const borne = labels(name)
    if (borne.length !== wanted.length) return false
    const wildcard = borne[0] === "*" && borne.length >= 3
    return borne.every((label, index) => label === wanted[index] || (index === 0 && wildcard && wanted[0] !== ""))
  })
}

function labels(name: string): string[] {
  return name.toLowerCase().replace(/\.$/, "").split(".")
}

function canonicalAddress(address: string): string {
  if (isIP(address) === 4) return address
  // A zone index (`%eth0`) says which link, not who.
  const plain = address.split("%")[0] ?? address
  return new URL(`http://[${plain}]/`).hostname.slice(1, -1)
}
