import type { Complaint, Shape } from "../../policy/language/shape.ts"
import type { JsonSchema } from "../../policy/language/json-schema.ts"
import type { Placed } from "../../policy/language/group-shapes.ts"
import { DEFAULT_AUDIT, DEFAULT_LIMITS } from "./gateway-config.ts"
import { LOAD_LIMIT_FIELDS, NO_LOAD_LIMITS } from "./load-limit-keys.ts"
import { choice, integer, mismatch, name, text, version, withStandIn } from "../../policy/language/shape.ts"
import { object, optional, placedMap, required } from "../../policy/language/group-shapes.ts"
import { duration, durationText, size, sizeText } from "../../policy/language/quantity-shapes.ts"
import { toJsonSchema } from "../../policy/language/json-schema.ts"
import { line } from "./line-shape.ts"
import { complainAboutBroker, complainAboutHost, complainAboutUrl, SCHEMES, splitUrl } from "./address.ts"
import { NO_WITNESSES, WITNESS_FIELDS } from "./witness-shape.ts"
import { NO_TIME, time } from "./time-shape.ts"
import { points } from "./point-shape.ts"
import { gpio } from "./gpio-shape.ts"
import { keys } from "./keys-shape.ts"

/** How much of everything one board file may hold. */
export const GATEWAY_BOUNDS = { authorities: 64, signers: 32, credentials: 64, conduits: 64, lines: 16 } as const

const path = (what: string): Shape<string> => text({ expected: `path of ${what}`, maxLength: 4096 })

const host = (what: string): Shape<string> => text({ expected: what, maxLength: 253, check: complainAboutHost })

const url = (expected: string, check: (text: string) => Complaint | null) => text({ expected, maxLength: 300, check })

const tlsFields = {
  "server-name": optional(
    host("a host name or IP address"),
    null,
    "Name that the other end's certificate must bear; default the host of the url.",
  ),
  credential: required(name("name of a credential"), "Client key and certificate, from `credentials`."),
  authority: required(name("name of an authority"), "Who vouches for the other end, from `trust.authorities`."),
}

const broker = object("an upstream", {
  url: required(
    url("an address such as mqtts://broker.example:8883", complainAboutBroker),
    "The broker: mqtts://host or mqtts://host:port.",
  ),
  ...tlsFields,
})

const timeout = optional(
  duration(10, 60_000),
  null,
  "Modbus only: from a request to its answer, waiting included; then its master hears 0x0B. Default 1s.",
)

const tlsEnd = object("an upstream", {
  url: required(
    url("an address such as mqtts://broker.example:8883", complainAboutUrl),
    "The broker: mqtts://host:port. Modbus units: modbus+tls://host:port. In clear text: mqtt:// or modbus://.",
  ),
  ...tlsFields,
  timeout,
})

const inClearText = "clear text, where nobody shows a certificate: remove the key, or write mqtts:// or modbus+tls://"
const clearEnd = object(
  "an upstream",
  {
    url: required(
      url("an address such as modbus://plc.example:502", complainAboutUrl),
      "Broker or Modbus units in clear text, if the policy's zone has that.",
    ),
    timeout,
  },
  { refused: { "server-name": inClearText, credential: inClearText, authority: inClearText } },
)

const onLine = "the units are on a serial line"
const lineEnd = object(
  "an upstream",
  { line: required(name("name of a line"), "Modbus units on a serial line, from `lines`.") },
  {
    refused: {
      url: onLine,
      "server-name": onLine,
      credential: onLine,
      authority: onLine,
      timeout: "a line has its own: set timeout there, in lines",
    },
  },
)

type ReadBy<S> = S extends Shape<infer T> ? T : never
export type UpstreamEntry = ReadBy<typeof broker>
/** A conduit's upstream: over TLS, in clear text, or on a line. */
export type ConduitUpstreamEntry = ReadBy<typeof tlsEnd> | ReadBy<typeof clearEnd> | ReadBy<typeof lineEnd>

/** Told apart by the key `line` and by what the url begins with. */
const conduitUpstream: Shape<ConduitUpstreamEntry> = {
  expected: "an upstream: a map",
  read(node, path, report) {
    const at = (key: string) => (node.kind === "map" ? node.entries.find((entry) => entry.key === key) : undefined)
    if (at("line") !== undefined) return lineEnd.read(node, path, report)
    const url = at("url")?.value
    const scheme = url?.kind === "scalar" ? splitUrl(url.source).scheme : undefined
    const isClear = scheme !== undefined && !SCHEMES[scheme].isTls
    return (isClear ? clearEnd : tlsEnd).read(node, path, report)
  },
  schema: () => ({ oneOf: [tlsEnd.schema(), clearEnd.schema(), lineEnd.schema()] }),
}

const listen = object("a listener", {
  address: required(host("an IP address or host name of this board"), "Address of this board to listen on."),
  port: optional(
    integer(0, 65_535),
    null,
    "TCP port; 0 takes any free one. Default 8883 for MQTT, 802 for Modbus; without credential 1883 and 502.",
  ),
  credential: optional(
    name("name of a credential"),
    null,
    "Server key and certificate, from `credentials`. Without it peers connect in clear text, if the policy's zone has that.",
  ),
})

const conduit = object("the ends of a conduit", {
  listen: required(listen, "Where peers connect."),
  upstream: required(conduitUpstream, "Where their messages go."),
  points: optional(points, [], "Names of Modbus registers and coils, for the log.", {}),
})

const credential = object("a credential", {
  key: required(path("a private key (PEM, PKCS#8)"), "File of the private key."),
  certificate: required(path("a certificate chain (PEM, leaf first)"), "File of the certificate chain."),
})

const KIB = 1024
const MIB = 1024 * 1024
const NO_LIMITS = {
  "max-connections": DEFAULT_LIMITS.maxConnections,
  "connect-timeout": DEFAULT_LIMITS.connectTimeoutMs,
  "max-packet": DEFAULT_LIMITS.maxPacketBytes,
  "max-control-packet": DEFAULT_LIMITS.maxControlBytes,
  "max-topic-aliases": DEFAULT_LIMITS.maxTopicAliases,
  ...NO_LOAD_LIMITS,
}

const limits = object("limits", {
  "max-connections": optional(
    integer(1, 100_000),
    NO_LIMITS["max-connections"],
    "Connections of each conduit.",
    NO_LIMITS["max-connections"],
  ),
  "connect-timeout": optional(
    duration(100, 300_000),
    NO_LIMITS["connect-timeout"],
    "For the TLS handshake, and again from there to the CONNACK.",
    durationText(NO_LIMITS["connect-timeout"]),
  ),
  "max-packet": optional(
    size(KIB, 256 * MIB),
    NO_LIMITS["max-packet"],
    "Whole PUBLISH packet, both directions.",
    sizeText(NO_LIMITS["max-packet"]),
  ),
  "max-control-packet": optional(
    size(KIB, MIB),
    NO_LIMITS["max-control-packet"],
    "Any other packet, and a PUBLISH before its payload.",
    sizeText(NO_LIMITS["max-control-packet"]),
  ),
  "max-topic-aliases": optional(
    integer(0, 65_535),
    NO_LIMITS["max-topic-aliases"],
    "Topic aliases of MQTT 5, each direction.",
    NO_LIMITS["max-topic-aliases"],
  ),
  ...LOAD_LIMIT_FIELDS,
})

const trust = object("trust", {
  authorities: required(
    placedMap(path("a PEM file with the CA's certificate(s)"), { max: GATEWAY_BOUNDS.authorities }),
    "Zone authorities by name: PEM files.",
  ),
  crls: optional(
    placedMap(path("a list of revoked certificates"), { max: GATEWAY_BOUNDS.authorities }),
    [],
    "Lists of revoked certificates by name of the authority: files in PEM or DER.",
    {},
  ),
  "policy-signers": required(
    placedMap(path("a PEM file with a public key"), { max: GATEWAY_BOUNDS.signers }),
    "Who may sign policy, by name: PEM files of public keys (P-256 or Ed25519).",
  ),
  "policy-threshold": optional(
    integer(1, GATEWAY_BOUNDS.signers),
    1,
    "Distinct signers that a policy bundle needs.",
    1,
  ),
  "time-signers": optional(
    placedMap(path("a PEM file with a public key"), { max: GATEWAY_BOUNDS.signers }),
    [],
    "Who may sign the time beside those who sign policy, such as a technician, by name: PEM files of public keys.",
    {},
  ),
})
const NO_TRUST = { authorities: [], crls: [], "policy-signers": [], "policy-threshold": 1, "time-signers": [] }

const management = object("management", {
  socket: required(path("the local command socket"), "Path of the local command socket."),
  mqtt: optional(broker, null, "Where the gateway itself speaks MQTT; default nowhere."),
  "mqtt-version": optional(choice(["3.1.1", "5"]), "3.1.1", "The MQTT that it speaks there.", "3.1.1"),
})

const workerCount = integer(1, 16)
const workerWord = choice(["auto"])
/** A number of threads, or the word for "as many as are good for this board". */
const workers: Shape<number | "auto"> = {
  expected: `${workerCount.expected}, or "auto"`,
  read: (node, path, report) =>
    node.kind === "scalar" && node.value === "auto"
      ? "auto"
      : node.kind === "scalar" && typeof node.value === "number"
        ? workerCount.read(node, path, report)
        : mismatch(node, path, report, workers.expected),
  schema: () => ({ oneOf: [workerWord.schema(), workerCount.schema()] }),
}

const NO_AUDIT = { capacity: DEFAULT_AUDIT.capacityBytes, ...NO_WITNESSES }
const audit = object("audit", {
  capacity: optional(
    size(8 * MIB, 64 * KIB * MIB),
    NO_AUDIT.capacity,
    "What the audit log may take on the disk, all in all.",
    sizeText(NO_AUDIT.capacity),
  ),
  ...WITNESS_FIELDS,
})

/** The board file. Every key, default and bound: `README.md`. */
export const gatewayShape = object("a board file", {
  "lockgate-gateway": required(withStandIn(version(1), 1), "Version of this format."),
  gateway: required(
    withStandIn(name("name of the gateway"), ""),
    "Names the gateway in topics, bundles and log entries.",
  ),
  board: required(withStandIn(choice(["linux", "simulated"]), "linux"), "Which board this is."),
  state: required(withStandIn(path("the state folder"), ""), "Folder of the gateway's state."),
  trust: required(withStandIn(trust, NO_TRUST), "Whom the gateway believes."),
  credentials: required(
    placedMap(credential, { max: GATEWAY_BOUNDS.credentials }),
    "Keys and certificates of the gateway, by name.",
  ),
  keys: optional(
    withStandIn(keys, null),
    null,
    "A PKCS#11 token in which keys of the gateway are made and stay; default all are files.",
  ),
  "policy-bundle": optional(
    withStandIn(path("a signed policy bundle"), ""),
    null,
    "Installed at start when its version is higher than the one in force.",
  ),
  conduits: required(
    placedMap(conduit, { max: GATEWAY_BOUNDS.conduits }),
    "The ends of the policy's conduits on this board, by name.",
  ),
  lines: optional(placedMap(line, { max: GATEWAY_BOUNDS.lines }), [], "Serial lines with Modbus units, by name.", {}),
  management: required(
    withStandIn(management, { socket: "", mqtt: null, "mqtt-version": "3.1.1" }),
    "How the gateway is asked and what it says.",
  ),
  gpio: optional(
    gpio,
    [],
    "Lines for general purpose by name: inputs that policy speaks of, outputs that show something.",
    {},
  ),
  limits: optional(withStandIn(limits, NO_LIMITS), NO_LIMITS, "Bounds on what peers can make the gateway hold.", {}),
  time: optional(withStandIn(time, NO_TIME), NO_TIME, "Whom the gateway believes what time it is.", {}),
  workers: optional(workers, 1, "Threads that carry the conduits: 1..16, or auto for one a core, at most 4.", 1),
  "packet-filter": optional(
    choice(["apply", "off"]),
    "off",
    "Whether the gateway keeps packets from going beside it: nftables, forwarding.",
    "off",
  ),
  inspector: optional(
    choice(["refuse", "allow"]),
    "refuse",
    "Whether the gateway starts with the runtime's inspector, which shows keys: for a developer's desk alone.",
    "refuse",
  ),
  audit: optional(withStandIn(audit, NO_AUDIT), NO_AUDIT, "Room for the audit log, and its witnesses.", {}),
  trial: optional(
    withStandIn(duration(5000, 86_400_000), 300_000),
    300_000,
    "How long a policy stays on trial until it is confirmed or rolled back; whole seconds.",
    "5min",
  ),
})

export type GatewayDocument = ReadBy<typeof gatewayShape>
export type PlacedEnds = Placed<ReadBy<typeof conduit>>
export type PlacedLine = Placed<ReadBy<typeof line>>

/** The JSON Schema of the board file. */
export function gatewayJsonSchema(): JsonSchema {
  return toJsonSchema(gatewayShape, "Lockgate board file, format 1")
}
