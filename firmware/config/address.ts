import { isIP } from "node:net"
import type { Complaint } from "../../policy/language/shape.ts"
import { quote } from "../../policy/language/characters.ts"

/** What an address begins with: what is spoken there, over TLS or not, and the port when it names none. */
export const SCHEMES = {
  mqtt: { protocol: "mqtt", isTls: false, port: 1883 },
  mqtts: { protocol: "mqtt", isTls: true, port: 8883 },
  "modbus+tls": { protocol: "modbus", isTls: true, port: 802 },
  modbus: { protocol: "modbus", isTls: false, port: 502 },
} as const

/** Where a listener of a protocol listens when nothing is said: with TLS, and without. */
export const LISTEN_PORTS = { mqtt: { tls: 8883, tcp: 1883 }, modbus: { tls: 802, tcp: 502 } } as const

type Scheme = keyof typeof SCHEMES

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

/** What is wrong with the address of a broker that the gateway itself speaks to, or null: never in clear text. */
export function complainAboutBroker(url: string): Complaint | null {
  const { scheme } = splitUrl(url)
  if (/^mqtt:/i.test(url)) return clearText("mqtt")
  if (scheme === undefined || SCHEMES[scheme].protocol === "mqtt") return complainAboutUrl(url)
  return { message: `expected the address of a broker, found ${quote(url)}`, hint: "write mqtts://" }
}

/** What is wrong with the address of a broker or of a Modbus server, or null. */
export function complainAboutUrl(url: string): Complaint | null {
  const scheme = /^([a-z+]+):\/\//i.exec(url)?.[1]?.toLowerCase()
  if (scheme === "tcp") return clearText(scheme)
  const message = `expected an address such as mqtts://broker.example:8883, found ${quote(url)}`
  if (scheme === "ssl" || scheme === "tls") return { message, hint: "write mqtts://" }
  if (/^[a-z+]+:\/\/[^/]*@/.test(url)) {
    return { message: "an address holds no user name or password", hint: "the gateway shows its certificate" }
  }
  const [, found, host = "", port] = URL.exec(url) ?? []
  if (found === "modbus+tcp" || found === "mbap") return { message, hint: "write modbus:// or modbus+tls://" }
  if (found === undefined || !isScheme(found)) return { message, hint: null }
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) {
    return { message: `expected a port 1..65535, found ${port}`, hint: null }
  }
  if (host.startsWith("[")) return isIP(host.slice(1, -1)) === 6 ? null : { message, hint: null }
  return complainAboutHost(host)
}

function clearText(scheme: string): Complaint {
  return {
    message: `clear text (${scheme}://) is not accepted here: anybody on the way could read and change what passes`,
    hint: "write mqtts:// and name credential and authority",
  }
}

/** Scheme, host and port of an address that `complainAboutUrl` has no complaint about; no scheme if that is none of ours. */
export function splitUrl(url: string): {
  readonly scheme: Scheme | undefined
  readonly host: string
  readonly port: number
} {
  const [, found = "", host = "", port] = URL.exec(url) ?? []
  const scheme = isScheme(found) ? found : undefined
  const usual = SCHEMES[scheme ?? "mqtts"].port
  return { scheme, host: host.replace(/^\[|\]$/g, ""), port: port === undefined ? usual : Number(port) }
}

function isScheme(word: string): word is Scheme {
  return Object.hasOwn(SCHEMES, word)
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
