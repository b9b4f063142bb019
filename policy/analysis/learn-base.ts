import type { Conduit, Policy, SubjectRule, Zone } from "../language/policy.ts"
import { parseAddressRange } from "../identity/address.ts"
import type { PeerFacts, Recording } from "../recording/recording.ts"

/**
 * Zones, roles, subjects and conduits as far as recordings tell: what `learn` stands on without a base policy.
 *
 * Every subject is named by its whole certificate name, or in clear text by its one address, so that nobody else becomes a
 * subject by the proposal. What a recording does not know is left for a person: authorities, levels, and the zones on the other side.
 */
export function skeletonOf(recordings: readonly Recording[]): Policy {
  const peers = recordings.flatMap((recording) => recording.peers)
  const names = (list: readonly string[]): readonly string[] => [...new Set(list)].sort()
  const conduits = names(peers.map((peer) => peer.conduit)).map((name): Conduit => {
    const own = peers.filter((peer) => peer.conduit === name)
    const from = own.some((peer) => addressOf(peer) !== null) ? "tcp" : "tls"
    const ends = { name, from: own[0]?.zone ?? "field", to: beyond(name), direction: "both", access: "always", transport: { from, to: "tls" } } as const // prettier-ignore
    const modbus = own.some((peer) => peer.flows.some((flow) => flow.kind === "modbus"))
    if (modbus) return { ...ends, protocol: "modbus", refusal: 1 }
    return { ...ends, protocol: "mqtt", upstreamIdentity: "strip", onDeny: "ack", enhancedAuth: "refuse", buffer: null }
  })
  const zones = names([...conduits.map(({ from }) => from), ...conduits.map(({ to }) => to)])
  return {
    format: 1,
    name: `learnt from ${recordings[0]?.header.gateway ?? "nothing"}`,
    zones: zones.map((name): Zone => {
      const clearText = conduits.some(({ from, transport }) => from === name && transport.from === "tcp")
      return { name, level: 1, kind: "plant", authorities: [], tlsMin: "1.3", clearText }
    }),
    roles: names(peers.flatMap((peer) => peer.roles)).map((name) => ({ name, description: "as recorded" })),
    subjects: subjectsOf(peers),
    conduits,
    rules: [],
    radios: [],
  }
}

/** The zone behind a conduit has no name in a recording. */
function beyond(conduit: string): string {
  return `behind-${conduit}`.slice(0, 64)
}

function subjectsOf(peers: readonly PeerFacts[]): readonly SubjectRule[] {
  const found = new Map<string, Omit<SubjectRule, "clientId"> & { clientIds: Set<string> }>()
  for (const peer of peers) {
    const entry = entryFor(peer)
    if (entry === null || peer.roles.length === 0) continue
    const key = JSON.stringify([entry.zone, entry.source, entry.prefix, entry.suffix, entry.fixedName === null])
    const known = found.get(key)
    const roles = [...new Set([...(known?.roles ?? []), ...peer.roles])].sort()
    const clientIds = known?.clientIds ?? new Set<string>()
    // Modbus knows no client ids.
    if (peer.clientId !== "") clientIds.add(peer.clientId === peer.subject ? "%u" : peer.clientId)
    found.set(key, { ...entry, id: known?.id ?? `subject-${found.size + 1}`, roles, clientIds })
  }
  return [...found.values()].map(({ clientIds, ...entry }) => ({
    ...entry,
    clientId: entry.fixedName === null ? "%u" : patternFor(clientIds),
  }))
}

/** Where a peer without a certificate connected from, which is all that is known of it; null for others. */
function addressOf({ fingerprint }: PeerFacts): string | null {
  const [address = ""] = fingerprint.split("%")
  return parseAddressRange(address) === null ? null : address
}

/** The entry that its whole certificate name, or if that cannot be its part, makes this subject. */
function entryFor(peer: PeerFacts): Omit<SubjectRule, "id" | "roles" | "clientId"> | null {
  const fixable = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(peer.subject) && !peer.subject.startsWith("lockgate-")
  const address = addressOf(peer)
  if (address !== null) {
    // An address bears no name: the entry does.
    return fixable ? { zone: peer.zone, source: "address", prefix: address, suffix: "", fixedName: peer.subject } : null
  }
  const { sanUri, sanDns, commonName } = peer.names
  const holds = (value: string): boolean => value.includes(peer.subject) && !value.includes("{name}")
  const uri = sanUri.find(holds)
  const dns = sanDns.find(holds)
  const [source, value] =
    uri !== undefined
      ? (["san-uri", uri] as const)
      : dns !== undefined
        ? (["san-dns", dns] as const)
        : (["cn", commonName ?? peer.subject] as const)
  if (value.includes("{name}")) return null
  if (fixable) return { zone: peer.zone, source, prefix: value, suffix: "", fixedName: peer.subject }
  const at = value.indexOf(peer.subject)
  if (at < 0) return null
  const suffix = value.slice(at + peer.subject.length)
  return { zone: peer.zone, source, prefix: value.slice(0, at), suffix, fixedName: null }
}

/** `%u`, the one id that was used, or `*` for several. */
function patternFor(clientIds: ReadonlySet<string>): string {
  const [first = "%u", second] = clientIds
  if (second !== undefined) return "*"
  const writable = /^[\x21-\x7e]+$/.test(first) && !/["'`+#/\\%*]/.test(first) && !first.startsWith("lockgate-")
  return first === "%u" || writable ? first : "*"
}
