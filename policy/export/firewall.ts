/**
 * A policy and its ends as an nftables ruleset: nothing passes beside the proxy (NDR 5.2).
 *
 * Everything is dropped but what the gateway listens to and dials for conduits that are in the policy *and* on the board,
 * and for its own log. Nothing is forwarded. A packet for a conduit's address must come in by the interface that has it, so
 * that one zone does not reach the listener of another.
 *
 * @see nftables, `man 8 nft`
 */
import { InputError } from "../base/errors.ts"
import type { Policy } from "../language/policy.ts"
import { addressKind, type GatewayEnds, type Upstream } from "./ends.ts"

/** What a ruleset needs to know beside policy and ends. */
export interface FirewallOptions {
  /** Addresses of host names in the board file; a name that is not here can not be dialled. */
  readonly addresses: Readonly<Record<string, readonly string[]>>
}

/** What of a policy matters here. */
export type FilteredPolicy = Pick<Policy, "name" | "conduits">

/** The ruleset for `nft -f`, the settings for `sysctl -p`, and what a person must see to. */
export interface Firewall {
  readonly ruleset: string
  readonly sysctl: string
  readonly notes: readonly string[]
}

interface Way {
  readonly comment: string
  readonly rule: string
}

/**
 * Write both. The same policy and ends give the same text. Loading it again replaces it; other tables are left alone.
 *
 * @throws InputError `ERR_FIREWALL_PORT` for a listener without a fixed port, `ERR_FIREWALL_ADDRESS` for one whose address
 *   is a name, or for an address that is none
 */
export function writeFirewall(policy: FilteredPolicy, ends: GatewayEnds, options: FirewallOptions): Firewall {
  const notes: string[] = []
  const sets: string[] = []
  const inward: Way[] = []
  const outward: Way[] = []
  let six = false
  const dials = new Set<string>()

  const dial = (what: string, { host, port }: Upstream): void => {
    const words = `${what}: ${host} port ${port}`
    const key = `${host} ${port}`
    if (dials.has(key)) return void outward.push({ comment: `${words}, as above`, rule: "" })
    dials.add(key)
    const kind = addressKind(host)
    if (kind !== null) {
      checkAddress(host, kind)
      six ||= kind === 6
      return void outward.push({ comment: words, rule: `${family(kind)} daddr ${host} tcp dport ${port} ct state new accept` }) // prettier-ignore
    }
    const known = options.addresses[host] ?? []
    if (known.length === 0) {
      notes.push(
        `${host} is a name: say its addresses with --address ${host}=<address>, until then it can not be dialled`,
      )
    }
    for (const version of [4, 6] as const) {
      const own = known.filter((address) => addressKind(address) === version)
      for (const address of own) checkAddress(address, version)
      if (known.length > 0 && own.length === 0) continue
      if (known.length === 0 && version === 6) continue
      six ||= version === 6
      const name = `${setName(host)}_${port}_v${version}`
      sets.push(`  # ${host}`, `  set ${name} {`, `    type ipv${version}_addr`, ...(own.length === 0 ? [] : [`    elements = { ${own.join(", ")} }`]), "  }") // prettier-ignore
      outward.push({ comment: words, rule: `${family(version)} daddr @${name} tcp dport ${port} ct state new accept` })
    }
  }

  for (const conduit of policy.conduits) {
    const own = Object.hasOwn(ends.conduits, conduit.name) ? ends.conduits[conduit.name] : undefined
    if (own === undefined) {
      notes.push(`conduit ${conduit.name} has no ends on this board: nothing is open for it`)
      continue
    }
    const { address, port } = own.listen
    if (port === 0) {
      throw new InputError("ERR_FIREWALL_PORT", `conduit ${conduit.name} listens on any free port: give it one`)
    }
    const kind = addressKind(address)
    if (kind === null) {
      throw new InputError("ERR_FIREWALL_ADDRESS", `conduit ${conduit.name} listens on ${address}: give an address`)
    }
    checkAddress(address, kind)
    const words = `conduit ${conduit.name}: zone ${conduit.from} connects`
    if (isLoopback(address)) inward.push({ comment: `${words}, on this machine only: lo is open`, rule: "" })
    else {
      six ||= kind === 6
      const any = address === "0.0.0.0" || address === "::"
      // A socket on :: takes IPv4, too.
      const where = any ? (kind === 4 ? "meta nfproto ipv4 " : "") : `${family(kind)} daddr ${address} `
      inward.push({ comment: words, rule: `${where}fib daddr . iif type local tcp dport ${port} ct state new accept` })
    }
    if (own.upstream !== null) dial(`conduit ${conduit.name}, zone ${conduit.to}`, own.upstream)
  }
  for (const name of Object.keys(ends.conduits)) {
    if (!policy.conduits.some((conduit) => conduit.name === name)) notes.push(`ends of ${name} are not in the policy: they stay closed`) // prettier-ignore
  }
  if (ends.management !== null) dial("the gateway's own log and commands", ends.management)
  return { ruleset: ruleset(policy, ends, { sets, inward, outward, six }), sysctl: sysctl(ends), notes }
}

interface Parts {
  readonly sets: readonly string[]
  readonly inward: readonly Way[]
  readonly outward: readonly Way[]
  readonly six: boolean
}

function ruleset(policy: FilteredPolicy, ends: GatewayEnds, { sets, inward, outward, six }: Parts): string {
  const ways = (list: readonly Way[]): readonly string[] =>
    list.flatMap(({ comment, rule }) => [`    # ${plain(comment)}`, ...(rule === "" ? [] : [`    ${rule}`])])
  // Neighbours are found by ICMPv6; routers are not asked, routes are the board's own.
  const neighbours = "    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept"
  const errors = [
    "    icmp type { destination-unreachable, time-exceeded, parameter-problem } ct state related accept",
    ...(six
      ? ["    icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } ct state related accept", neighbours] // prettier-ignore
      : []),
  ]
  const told = (chain: string): string => `    limit rate 1/second burst 5 packets log prefix "lockgate ${chain}: "`
  return [
    `# nftables ruleset of gateway ${plain(ends.gateway)} for the policy "${plain(policy.name)}".`,
    "# Made by `lockgate policy firewall`: change the policy or the board file, not this. Load it with nft -f.",
    "# Nothing is forwarded, no name is asked for in the DNS: names belong into /etc/hosts.",
    "",
    "table inet lockgate",
    "delete table inet lockgate",
    "table bridge lockgate",
    "delete table bridge lockgate",
    "",
    "table inet lockgate {",
    ...sets,
    "  chain input {",
    "    type filter hook input priority filter; policy drop;",
    '    iif "lo" accept',
    "    ct state invalid drop",
    "    # who claims an address that is not on the way back to it is nobody",
    "    meta nfproto ipv4 fib saddr . iif oif 0 drop",
    ...(six ? ["    ip6 saddr != { ::, fe80::/10 } fib saddr . iif oif 0 drop"] : []),
    "    ct state established accept",
    ...errors,
    ...ways(inward),
    told("in"),
    "    counter drop",
    "  }",
    "  chain forward {",
    "    type filter hook forward priority filter; policy drop;",
    told("forward"),
    "    counter drop",
    "  }",
    "  chain output {",
    "    type filter hook output priority filter; policy drop;",
    '    oif "lo" accept',
    "    ct state invalid drop",
    "    ct state established accept",
    ...errors,
    ...ways(outward),
    told("out"),
    "    counter drop",
    "  }",
    "}",
    "",
    "# No zone reaches another below IP either.",
    "table bridge lockgate {",
    ...["input", "forward", "output"].flatMap((hook) => [
      `  chain ${hook} {`,
      `    type filter hook ${hook} priority filter; policy drop;`,
      "    counter drop",
      "  }",
    ]),
    "}",
    "",
  ].join("\n")
}

function sysctl({ gateway }: GatewayEnds): string {
  return [
    `# Kernel settings of gateway ${plain(gateway)}, beside its nftables ruleset: sysctl -p <this file>.`,
    "net.ipv4.ip_forward = 0",
    "net.ipv6.conf.all.forwarding = 0",
    "net.ipv4.conf.all.rp_filter = 1",
    "net.ipv4.conf.default.rp_filter = 1",
    "# An address answers for itself only on its own interface.",
    "net.ipv4.conf.all.arp_ignore = 1",
    "net.ipv4.conf.all.arp_announce = 2",
    "net.ipv4.conf.all.accept_redirects = 0",
    "net.ipv4.conf.all.send_redirects = 0",
    "net.ipv4.conf.all.accept_source_route = 0",
    "net.ipv6.conf.all.accept_redirects = 0",
    "net.ipv6.conf.all.accept_source_route = 0",
    "net.ipv6.conf.all.accept_ra = 0",
    "net.ipv4.tcp_syncookies = 1",
    "",
  ].join("\n")
}

function family(version: 4 | 6): string {
  return version === 4 ? "ip" : "ip6"
}

function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1"
}

/** Only what can be nothing but an address is written into a rule. */
function checkAddress(address: string, version: 4 | 6): void {
  const good = version === 4 ? address.split(".").every((part) => Number(part) <= 255) : /^[0-9A-Fa-f:.]{2,45}$/.test(address) // prettier-ignore
  if (!good) throw new InputError("ERR_FIREWALL_ADDRESS", "an address is expected where there is none")
}

/** A name for a set that tells one host from another: what is no letter or digit is written as its number. */
function setName(host: string): string {
  return `host_${host.toLowerCase().replace(/[^a-z0-9]/g, (sign) => `_${sign.charCodeAt(0).toString(16)}_`)}`
}

/** Text for a comment: no line ends, nothing that a terminal would act on. */
function plain(text: string): string {
  return text.replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, "?")
}
