import type { DocumentLimits } from "./document.ts"
import type { Parsed } from "./fault.ts"
import type { Placed } from "./group-shapes.ts"
import type { PolicyDocument, SubjectEntry } from "./policy-shape.ts"
import type { Policy, SubjectRule } from "./policy.ts"
import { buildAlarm } from "./alarm-shape.ts"
import { buildAudit } from "./audit-shape.ts"
import { untrustedZones } from "./conduit-checks.ts"
import { buildConduit } from "./conduit-shape.ts"
import { DEFAULT_DOCUMENT_LIMITS } from "./document.ts"
import { buildModbusRule } from "./modbus-rule-build.ts"
import { buildMqttRule } from "./mqtt-rule-build.ts"
import { buildPeople } from "./people-shape.ts"
import { checkPolicy } from "./policy-checks.ts"
import { matchOf, policyShape, subjectId } from "./policy-shape.ts"
import { Report } from "./report.ts"
import { setsOf } from "./set-checks.ts"
import { parseDocument } from "./shape.ts"

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
    // With faults in it, its sets may stand for more than can be written out.
    return buildPolicy(report.clean ? document : { ...document, rules: [] })
  })
}

function buildPolicy(document: PolicyDocument): Policy {
  const conduits = document.conduits.map((placed) => buildConduit(placed, untrustedZones(document)))
  const sets = setsOf(document)
  const conduitsOf = (protocol: "mqtt" | "modbus"): readonly string[] =>
    conduits.filter((conduit) => conduit.protocol === protocol).map(({ name }) => name)
  const [ofMqtt, ofModbus] = [conduitsOf("mqtt"), conduitsOf("modbus")]
  return {
    format: 1,
    name: document.name,
    zones: document.zones.map(({ name, value }) => ({
      name,
      level: value.level,
      kind: value.kind,
      authorities: value.authorities,
      tlsMin: value["tls-min"],
      clearText: value["clear-text"],
    })),
    roles: document.roles.map(({ name, value }) => ({ name, description: value })),
    subjects: document.subjects.map(buildSubject),
    conduits,
    radios: document.radios,
    rules: document.rules.map(({ value }) =>
      value.protocol === "modbus" ? buildModbusRule(value.entry, ofModbus) : buildMqttRule(value.entry, ofMqtt, sets),
    ),
    ...(document.island === null ? {} : { island: document.island }),
    ...(document.alarms === null ? {} : { alarms: document.alarms.map(buildAlarm) }),
    ...(document.audit === null ? {} : { audit: buildAudit(document.audit) }),
    ...(document.people === null ? {} : { people: buildPeople(document.people) }),
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
    ...(value["modbus-role"] === null ? {} : { modbusRole: value["modbus-role"] }),
    roles: value.roles,
    clientId: value["client-id"],
  }
}
