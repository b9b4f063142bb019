import type { MqttConduit, MqttRule, Policy, SubjectRule } from "./policy.ts"
import type { DocumentLimits } from "./document.ts"
import type { Parsed } from "./fault.ts"
import type { Placed } from "./group-shapes.ts"
import type { PolicyDocument, RuleEntry, SubjectEntry } from "./policy-shape.ts"
import { DEFAULT_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES, matchOf, policyShape, subjectId } from "./policy-shape.ts"
import { DEFAULT_DOCUMENT_LIMITS } from "./document.ts"
import { Report } from "./report.ts"
import { parseDocument } from "./shape.ts"
import { checkPolicy } from "./policy-checks.ts"

/** For a desk: 10,000 rules fit into 2 MiB of YAML, 100,000 into 16 MiB of JSON. What that costs: `README.md`. */
export const POLICY_LIMITS: DocumentLimits = {
  ...DEFAULT_DOCUMENT_LIMITS,
  maxYamlBytes: 2 * 1024 * 1024,
  maxJsonBytes: 16 * 1024 * 1024,
}

/** For a gateway with little memory: what is larger than a person writes must be JSON (see `policyAsJson`). */
export const GATEWAY_POLICY_LIMITS: DocumentLimits = { ...POLICY_LIMITS, maxYamlBytes: 256 * 1024 }

/**
 * Read a whole policy document, YAML 1.2 or JSON: the policy with every default filled in and every reference resolved, or
 * all its faults. `file` only names the document in faults. Linear in the text; never throws.
 *
 * @see IEC 62443-4-2 CR 3.5: whole or not at all
 */
export function parsePolicy(text: string, file: string, limits: DocumentLimits = POLICY_LIMITS): Parsed<Policy> {
  return parseDocument(policyShape, new Report(file, text), limits, (document, root, report) => {
    checkPolicy(document, root, report)
    return buildPolicy(document)
  })
}

function buildPolicy(document: PolicyDocument): Policy {
  const conduits = document.conduits.map(({ name, value }): MqttConduit => ({
    name,
    from: value.from,
    to: value.to,
    protocol: value.protocol,
    direction: "both",
    transport: { from: "tls", to: "tls" },
    upstreamIdentity: value["upstream-identity"],
    onDeny: value["on-deny"],
  }))
  const allConduits = conduits.map(({ name }) => name)
  return {
    format: 1,
    name: document.name,
    zones: document.zones.map(({ name, value }) => ({
      name,
      level: value.level,
      kind: "plant",
      authorities: value.authorities,
      tlsMin: value["tls-min"],
      clearText: false,
    })),
    roles: document.roles.map(({ name, value }) => ({ name, description: value })),
    subjects: document.subjects.map(buildSubject),
    conduits,
    rules: document.rules.map(({ value }) => buildRule(value, allConduits)),
  }
}

function buildSubject({ value, index }: Placed<SubjectEntry>): SubjectRule {
  const { source, pattern } = matchOf(value)
  const [prefix = "", suffix = ""] = pattern.split("{name}")
  return {
    id: subjectId(value, index),
    zone: value.zone,
    source,
    prefix,
    suffix,
    fixedName: value.name,
    roles: value.roles,
    clientId: value["client-id"],
  }
}

function buildRule(entry: RuleEntry, allConduits: readonly string[]): MqttRule {
  const { id, roles, topics } = entry
  const conduits = entry.conduits ?? allConduits
  if ("deny" in entry) {
    // A deny speaks of topics alone: everything else is as wide as can be.
    const widest = {
      maxQos: 2,
      retain: true,
      maxPayloadBytes: MAX_PAYLOAD_BYTES,
      payload: { kind: "any" },
      rate: null,
      essential: false,
      record: "none",
      hours: null,
      emergency: null,
    } as const
    return { protocol: "mqtt", id, effect: "deny", actions: entry.deny, conduits, roles, topics, ...widest }
  }
  return {
    protocol: "mqtt",
    id,
    effect: "allow",
    actions: entry.allow,
    conduits,
    roles,
    topics,
    maxQos: entry.qos === 0 || entry.qos === 1 ? entry.qos : 2,
    retain: entry.retain,
    maxPayloadBytes: entry.payload ?? DEFAULT_PAYLOAD_BYTES,
    payload: { kind: "any" },
    rate: entry.rate,
    essential: entry.essential,
    record: "none",
    hours: null,
    emergency: null,
  }
}
