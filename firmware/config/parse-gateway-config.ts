import { resolve } from "node:path"
import type { DocumentLimits } from "../../policy/language/document.ts"
import type { Parsed } from "../../policy/language/fault.ts"
import type { ConduitEnds, ConduitUpstream, GatewayConfig, Limits, UpstreamEnd } from "./gateway-config.ts"
import type { ConduitUpstreamEntry, GatewayDocument, PlacedEnds, UpstreamEntry } from "./gateway-shape.ts"
import type { NamedFile } from "./gateway-checks.ts"
import { DEFAULT_DOCUMENT_LIMITS } from "../../policy/language/document.ts"
import { Report } from "../../policy/language/report.ts"
import { parseDocument } from "../../policy/language/shape.ts"
import { checkGateway, filesNamed, protocolOf } from "./gateway-checks.ts"
import { buildLine } from "./line-shape.ts"
import { buildGpio } from "./gpio-shape.ts"
import { buildKeys } from "./keys-shape.ts"
import { gatewayShape } from "./gateway-shape.ts"
import { loadLimitsOf } from "./load-limit-keys.ts"
import { LISTEN_PORTS, splitUrl } from "./address.ts"
import { buildTime } from "./time-shape.ts"
import { buildWitnesses } from "./witness-shape.ts"
import { buildPoints } from "./point-shape.ts"

/** 64 conduits with all that belongs to them take 30 KiB. */
export const GATEWAY_LIMITS: DocumentLimits = {
  ...DEFAULT_DOCUMENT_LIMITS,
  maxYamlBytes: 256 * 1024,
  maxJsonBytes: 256 * 1024,
}

/**
 * Read a whole board file, YAML 1.2 or JSON: the configuration with every default filled in, every reference resolved and
 * every path made absolute against `folder`; or all its faults. Looks at nothing but the text. Never throws.
 *
 * @see IEC 62443-4-2 CR 3.5: whole or not at all
 */
export function parseGatewayConfig(text: string, file: string, folder: string): Parsed<GatewayConfig> {
  const parsed = parseWithFiles(text, file, folder)
  return parsed.ok ? { ok: true, value: parsed.value.config } : parsed
}

/** The configuration, and the files it names with the report that knows their places in the text. */
export interface ConfigWithFiles {
  readonly config: GatewayConfig
  readonly files: readonly NamedFile[]
  readonly report: Report
}

/** As `parseGatewayConfig`, for whoever goes on to look at the files that are named. */
export function parseWithFiles(text: string, file: string, folder: string): Parsed<ConfigWithFiles> {
  return parseDocument(gatewayShape, new Report(file, text), GATEWAY_LIMITS, (document, root, report) => {
    checkGateway(document, root, folder, report)
    return { config: buildConfig(document, folder), files: filesNamed(document, root, folder), report }
  })
}

function buildConfig(document: GatewayDocument, folder: string): GatewayConfig {
  const { trust, management } = document
  const toPath = (path: string): string => resolve(folder, path)
  return {
    format: 1,
    gateway: document.gateway,
    board: document.board,
    stateFolder: toPath(document.state),
    trust: {
      authorities: record(trust.authorities, toPath),
      crls: record(trust.crls, toPath),
      policySigners: record(trust["policy-signers"], toPath),
      policyThreshold: trust["policy-threshold"],
      timeSigners: record(trust["time-signers"], toPath),
    },
    credentials: record(document.credentials, ({ key, certificate }) => ({
      keyFile: toPath(key),
      certificateFile: toPath(certificate),
    })),
    keys: buildKeys(document.keys, toPath),
    policyBundleFile: document["policy-bundle"] === null ? null : toPath(document["policy-bundle"]),
    conduits: record(document.conduits, buildEnds),
    lines: record(document.lines, (entry) => buildLine(entry, document.gpio)),
    management: {
      socket: toPath(management.socket),
      mqtt: management.mqtt === null ? null : buildEnd(management.mqtt),
      mqttVersion: management["mqtt-version"],
    },
    limits: buildLimits(document.limits),
    time: buildTime(document.time, toPath),
    workers: document.workers,
    packetFilter: document["packet-filter"],
    inspector: document.inspector,
    gpio: buildGpio(document.gpio),
    audit: { capacityBytes: document.audit.capacity, ...buildWitnesses(document.audit) },
    trialSeconds: document.trial / 1000,
  }
}

function buildEnds({ listen, upstream, points }: PlacedEnds["value"]): ConduitEnds {
  const protocol = protocolOf(upstream)
  const usual = LISTEN_PORTS[protocol][listen.credential === null ? "tcp" : "tls"]
  const { address, port, credential } = listen
  return {
    protocol,
    listen: { address, port: port ?? usual, credential },
    upstream: buildUpstream(upstream),
    points: buildPoints(points),
    ...("timeout" in upstream && upstream.timeout !== null ? { timeoutMs: upstream.timeout } : {}),
  }
}

function buildUpstream(entry: ConduitUpstreamEntry): ConduitUpstream {
  if ("line" in entry) return { kind: "line", line: entry.line }
  if ("credential" in entry) return { kind: "tls", ...buildEnd(entry) }
  const { host, port } = splitUrl(entry.url)
  return { kind: "tcp", host, port }
}

function buildEnd(entry: UpstreamEntry): UpstreamEnd {
  const { host, port } = splitUrl(entry.url)
  return {
    host,
    port,
    serverName: entry["server-name"] ?? host,
    credential: entry.credential,
    authority: entry.authority,
  }
}

function buildLimits(limits: GatewayDocument["limits"]): Limits {
  return {
    maxConnections: limits["max-connections"],
    connectTimeoutMs: limits["connect-timeout"],
    maxPacketBytes: limits["max-packet"],
    maxControlBytes: limits["max-control-packet"],
    maxTopicAliases: limits["max-topic-aliases"],
    ...loadLimitsOf(limits),
  }
}

function record<T, U>(
  placed: readonly { readonly name: string; readonly value: T }[],
  to: (value: T) => U,
): Readonly<Record<string, U>> {
  return Object.fromEntries(placed.map(({ name, value }) => [name, to(value)]))
}
