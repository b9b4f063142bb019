/**
 * A policy and a gateway's ends as the configuration of the broker behind it: mosquitto lets in gateways only, and the
 * gateway there only what the policy admits somebody for. So a client that goes around the gateway gets nowhere.
 *
 * The broker sees one identity, the gateway's certificate; who of its subjects may do what stays the gateway's to decide.
 * So `%u` and `%c` become `+`, denies are left out, and so are hours and emergencies: the broker is the second wall.
 *
 * @see mosquitto.conf(5)
 */
import { InputError } from "../base/errors.ts"
import type { MqttRule, Policy } from "../language/policy.ts"
import { covers } from "../analysis/learn-topics.ts"
import { aclLines, aclName, auditReaders, gatewayAudit, type AuditReaders } from "./audit-acl.ts"
import type { ConduitEnds, GatewayEnds, Upstream } from "./ends.ts"

/** Choices for the files of a broker. */
export interface BrokerOptions {
  /** Credential of the board file to the common name in its certificate: what the broker takes for the user. */
  readonly identities: Readonly<Record<string, string>>
  /** Files on the broker's machine. */
  readonly files: {
    /** Certificates of the authority that vouches for the gateway, and for nobody else if that can be. */
    readonly authority: string
    readonly certificate: string
    readonly key: string
    readonly acl: string
  }
  /** Address to listen on; null for all. */
  readonly listen: string | null
  /** Who may read the gateway's audit there; nobody if absent. */
  readonly readers?: AuditReaders
}

const NOBODY: AuditReaders = { operators: [], collectors: [] }

/** `mosquitto.conf` and its ACL file. */
export interface Broker {
  readonly configuration: string
  readonly acl: string
}

/** The brokers that a board file names, `host:port`, each once. */
export function brokersOf({ conduits, management }: GatewayEnds): readonly string[] {
  const all = [...Object.values(conduits).flatMap(mqttUpstream), ...(management === null ? [] : [management])]
  return [...new Set(all.map(nameOf))].sort()
}

type TlsUpstream = Upstream & { readonly credential: string }

/** The conduit's broker, or nothing where no broker is spoken to over TLS. */
function mqttUpstream({ protocol = "mqtt", upstream }: ConduitEnds): TlsUpstream[] {
  if (protocol !== "mqtt" || upstream === null || upstream.credential === null) return []
  return [{ ...upstream, credential: upstream.credential }]
}

/**
 * Write both files for one of the brokers that the board file names. The same policy and ends give the same text.
 *
 * @throws InputError `ERR_BROKER_UNKNOWN` if it names no such one, `ERR_BROKER_IDENTITY` if a common name is not known or
 *   could not stand in an ACL file
 */
export function writeBroker(policy: Policy, ends: GatewayEnds, broker: string, options: BrokerOptions): Broker {
  const own = Object.entries(ends.conduits).flatMap(([name, conduit]) =>
    mqttUpstream(conduit).flatMap((upstream) => (nameOf(upstream) === broker ? [[name, { upstream }] as const] : [])),
  )
  const speaks = ends.management !== null && nameOf(ends.management) === broker ? ends.management : null
  const [first] = [...own.map(([, { upstream }]) => upstream), ...(speaks === null ? [] : [speaks])]
  if (first === undefined) {
    throw new InputError(
      "ERR_BROKER_UNKNOWN",
      `the board file names no broker ${broker}; it names ${brokersOf(ends).join(", ")}`,
    )
  }
  const users = new Map<string, { comments: string[]; read: string[]; write: string[] }>()
  const userOf = ({ credential }: TlsUpstream) => {
    const name = identityOf(credential, options)
    const user = users.get(name) ?? { comments: [], read: [], write: [] }
    users.set(name, user)
    return user
  }
  for (const [conduit, { upstream }] of own) {
    const { read, write } = topicsOf(policy, conduit)
    const user = userOf(upstream)
    user.comments.push(`conduit ${conduit}`)
    user.read.push(...read)
    user.write.push(...write)
  }
  if (speaks !== null) {
    const user = userOf(speaks)
    user.comments.push("the gateway itself")
    const { read, write } = gatewayAudit(ends.gateway)
    user.write.push(...write)
    user.read.push(...read)
  }
  const readers = speaks === null ? [] : auditReaders(ends.gateway, options.readers ?? NOBODY, [...users.keys()])
  const acl = [
    `# Access of gateway ${plain(ends.gateway)} under the policy "${plain(policy.name)}".`,
    "# Made by `lockgate policy broker`: change the policy or the board file, not this. Who is not named may do nothing.",
    ...[...users].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([name, { comments, read, write }]) =>
      aclLines({ name, comment: comments.map(plain).join(", "), read: leastOf(read), write: leastOf(write) })),
    ...readers.flatMap(aclLines),
    "",
  ] // prettier-ignore
  return { configuration: configuration(policy, ends, first, options), acl: acl.join("\n") }
}

function configuration(
  policy: Policy,
  ends: GatewayEnds,
  { port }: Upstream,
  { files, listen }: BrokerOptions,
): string {
  for (const path of [...Object.values(files), listen ?? ""]) {
    if (/[^\x20-\x7e]/.test(path)) throw new InputError("ERR_BROKER_PATH", "a path for mosquitto is printable ASCII")
  }
  return [
    `# mosquitto behind gateway ${plain(ends.gateway)} under the policy "${plain(policy.name)}".`,
    "# Made by `lockgate policy broker`. One listener; who has no certificate of that authority is not heard.",
    "per_listener_settings true",
    "",
    `listener ${port}${listen === null ? "" : ` ${listen}`}`,
    "protocol mqtt",
    `cafile ${files.authority}`,
    `certfile ${files.certificate}`,
    `keyfile ${files.key}`,
    "tls_version tlsv1.3",
    "require_certificate true",
    "use_identity_as_username true",
    "allow_anonymous false",
    `acl_file ${files.acl}`,
    "",
  ].join("\n")
}

/** What the rules of a conduit let anybody publish, and receive. */
function topicsOf(
  policy: Policy,
  name: string,
): { readonly read: readonly string[]; readonly write: readonly string[] } {
  const conduit = policy.conduits.find((one) => one.name === name)
  if (conduit?.protocol !== "mqtt") return { read: [], write: [] }
  const rules = policy.rules.filter((rule): rule is MqttRule => {
    return rule.protocol === "mqtt" && rule.effect === "allow" && rule.conduits.includes(name)
  })
  const up = conduit.direction === "in" ? [] : rules.filter(({ actions }) => actions.includes("publish"))
  const down =
    conduit.direction === "out" ? [] : rules.filter(({ actions }) => actions.some((action) => action !== "publish"))
  return { read: down.flatMap(topicsForBroker), write: up.flatMap(topicsForBroker) }
}

/** For the broker all subjects are one; a level that its file cannot hold as it stands is `+`. */
function topicsForBroker({ topics }: MqttRule): readonly string[] {
  return topics.map((topic) => {
    const levels = topic.replace(/^\$share\/[^/]*\//, "").split("/")
    return levels
      .map((level, k) => {
        const edge = (k === 0 && level.startsWith(" ")) || (k === levels.length - 1 && level.endsWith(" "))
        return level === "%u" || level === "%c" || edge ? "+" : level
      })
      .join("/")
  })
}

/** The same topics without those that others cover, sorted. */
function leastOf(topics: readonly string[]): readonly string[] {
  const distinct = [...new Set(topics)].sort()
  const wide = distinct.filter((topic) => /[+#]/.test(topic))
  return distinct.filter((topic) => !wide.some((other) => other !== topic && covers(other, topic)))
}

function identityOf(credential: string, { identities }: BrokerOptions): string {
  const name = Object.hasOwn(identities, credential) ? identities[credential] : undefined
  if (name === undefined || name === "") {
    throw new InputError(
      "ERR_BROKER_IDENTITY",
      `the common name in the certificate of credential ${credential} is not known`,
    )
  }
  return aclName(name)
}

function nameOf({ host, port }: Upstream): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
}

function plain(text: string): string {
  return text.replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, "?")
}
