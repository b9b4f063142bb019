import { isIP } from "node:net"
import type { Complaint } from "../../policy/language/shape.ts"
import { quote } from "../../policy/language/characters.ts"

export const DEFAULT_MQTTS_PORT = 8883

const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$/
const URL = /^([a-z+]+):\/\/(\[[^\]]*\]|[^:[\]/?#@]*)(?::([0-9]{1,5}))?\/?$/

/** What is wrong with a host name or IP address, or null. */
export function complainAboutHost(host: string): Complaint | null {
  if (isIP(host) !== 0) return null
  const bracketed = /^\[(.*)\]$/.exec(host)?.[1]
  if (bracketed !== undefined && isIP(bracketed) === 6) {
    return { message: `expected an address without brackets, found ${quote(host)}`, hint: `write ${quote(bracketed)}` }
  }
  const message = `expected a host name or an IP address, found ${quote(host)}`
  // A mistyped address would pass as a host name and be looked up in the DNS.
  if (/^[0-9.]+$/.test(host)) return { message, hint: "four numbers 0..255" }
  if (HOST_NAME.test(host)) return null
  return { message, hint: /^(.+):[0-9]+$/.test(host) ? "the port has a key of its own" : null }
}

/** What is wrong with the address of a broker, or null. */
export function complainAboutUrl(url: string): Complaint | null {
  const scheme = /^([a-z+]+):\/\//i.exec(url)?.[1]?.toLowerCase()
  if (scheme === "mqtt" || scheme === "tcp") {
    return {
      message: `clear text (${scheme}://) is not accepted: anybody on the way could read and change what passes`,
      hint: "write mqtts:// and name credential and authority",
    }
  }
  const message = `expected an address such as mqtts://broker.example:8883, found ${quote(url)}`
  if (scheme === "ssl" || scheme === "tls") return { message, hint: "write mqtts://" }
  if (/^[a-z+]+:\/\/[^/]*@/.test(url)) {
    return { message: "an address holds no user name or password", hint: "the gateway shows its certificate" }
  }
  const [, found, host = "", port] = URL.exec(url) ?? []
  if (found !== "mqtts") return { message, hint: null }
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) {
    return { message: `expected a port 1..65535, found ${port}`, hint: null }
  }
  if (host.startsWith("[")) return isIP(host.slice(1, -1)) === 6 ? null : { message, hint: null }
  return complainAboutHost(host)
}

/** Host and port of an address that `complainAboutUrl` has no complaint about. */
export function splitUrl(url: string): { readonly host: string; readonly port: number } {
  const [, , host = "", port] = URL.exec(url) ?? []
  return { host: host.replace(/^\[|\]$/g, ""), port: port === undefined ? DEFAULT_MQTTS_PORT : Number(port) }
}

/**
 * Whether two listeners would take the same socket address: equal, or one of them is the wildcard. Host names are
 * compared as text: what they resolve to is known only when they are opened.
 */
export function clash(a: Listener, b: Listener): boolean {
  if (a.port !== b.port || a.port === 0) return false
  const first = canonical(a.address)
  const second = canonical(b.address)
  // "::" takes IPv4 too, unless the system says otherwise.
  const wild = (one: string, other: string): boolean => one === "::" || (one === "0.0.0.0" && isIP(other) !== 6)
  return first === second || wild(first, second) || wild(second, first)
}

interface Listener {
  readonly address: string
  readonly port: number
}

function canonical(address: string): string {
  if (isIP(address) !== 6 || address.includes("%")) return address.toLowerCase()
  return new globalThis.URL(`tcp://[${address}]`).hostname.slice(1, -1)
}
