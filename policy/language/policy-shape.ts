import type { Complaint, Shape } from "./shape.ts"
import type { JsonSchema } from "./json-schema.ts"
import type { NameSource } from "./policy.ts"
import { choice, flag, integer, name, text, version, withStandIn } from "./shape.ts"
import { list, object, oneOrMore, optional, placedList, placedMap, required, variants } from "./group-shapes.ts"
import { rate, size } from "./quantity-shapes.ts"
import { MAX_FILTER_BYTES, complainAboutFilter } from "./topic-filter.ts"
import { toJsonSchema } from "./json-schema.ts"
import { quote } from "./characters.ts"

/** How much of everything one policy may hold. */
export const POLICY_BOUNDS = {
  zones: 64,
  roles: 64,
  subjects: 1000,
  conduits: 64,
  rules: 100_000,
  topicsPerRule: 1000,
  authoritiesPerZone: 16,
} as const

/** A rule without `payload` lets so many bytes pass. */
export const DEFAULT_PAYLOAD_BYTES = 64 * 1024
/** What MQTT can express at all. */
export const MAX_PAYLOAD_BYTES = 256 * 1024 * 1024

const references = (what: string, max: number): Shape<readonly string[]> =>
  list(name(`name of a ${what}`), { min: 1, max })

const zone = object("a zone", {
  level: required(integer(0, 4), "Target security level (IEC 62443-3-3)."),
  authorities: optional(
    list(name("name of an authority"), { max: POLICY_BOUNDS.authoritiesPerZone }),
    [],
    "Certificate authorities that may vouch for peers of this zone; names in the gateway's trust store.",
    [],
  ),
  "tls-min": optional(choice(["1.2", "1.3"]), "1.3", "Lowest TLS version admitted from peers of this zone.", "1.3"),
})

const role = text({ expected: "what the role is for, in a few words", minLength: 0, maxLength: 256 })

function complainAboutMatch(pattern: string): Complaint | null {
  const parts = pattern.split("{name}")
  if (parts.length > 2) return { message: `expected {name} once, found ${quote(pattern)}`, hint: null }
  if (!/[{}]/.test(parts.join(""))) return null
  return {
    message: `expected no braces but {name}, found ${quote(pattern)}`,
    hint: "write {name} where the name stands",
  }
}

const match = (what: string, pattern: RegExp): Shape<string> =>
  text({
    expected: `${what}, with {name} where the subject's name stands`,
    pattern,
    maxLength: 1024,
    check: complainAboutMatch,
  })

const subjectMatch = variants("a match", {
  "san-uri": object("a match", {
    "san-uri": required(match("a URI", /^[!-~]+$/), "A URI in the certificate's subject alternative names."),
  }),
  "san-dns": object("a match", {
    "san-dns": required(match("a DNS name", /^[A-Za-z0-9._{}-]+$/), "A DNS name in the subject alternative names."),
  }),
  cn: object("a match", { cn: required(match("a common name", /^[^\t\r\n]+$/), "The subject's common name.") }),
})

function complainAboutClientId(pattern: string): Complaint | null {
  const rest = pattern.replaceAll("%u", "").replace(/\*$/, "")
  if (rest.includes("%"))
    return { message: `expected no "%" but %u (subject's name), found ${quote(pattern)}`, hint: null }
  if (rest.includes("*")) return { message: `"*" stands at the end only, found ${quote(pattern)}`, hint: null }
  if (!pattern.startsWith("lockgate-")) return null
  return { message: "client ids that begin with lockgate- are the gateway's own", hint: null }
}

const clientId = text({
  expected: "a client id pattern: printable ASCII without space + # / and quotes",
  pattern: /^[!$%&()*,.0-9:;<=>?@A-Z[\]^_a-z{|}~-]+$/,
  maxLength: 128,
  check: complainAboutClientId,
})

const subject = object("a subject", {
  id: optional(
    name("id of the subject entry"),
    null,
    "Names the entry in messages; default subject-<n>, counted from 1.",
  ),
  zone: required(name("name of a zone"), "Zone whose authorities must vouch for the certificate."),
  match: required(subjectMatch, "Where the name stands in the certificate."),
  name: optional(name("name of the subject"), null, "A fixed name; `match` then has no {name}."),
  roles: required(references("role", POLICY_BOUNDS.roles), "Roles that the subject takes."),
  "client-id": optional(clientId, "%u", "MQTT client ids that the subject may use.", "%u"),
})

const conduit = object("a conduit", {
  from: required(name("name of a zone"), "Zone whose peers connect to the gateway."),
  to: required(name("name of a zone"), "Zone of the broker."),
  protocol: required(choice(["mqtt"]), "What is spoken on it."),
  "upstream-identity": optional(
    choice(["strip", "subject"]),
    "strip",
    "User name that the broker sees: none, or the subject's name.",
    "strip",
  ),
  "on-deny": optional(choice(["ack", "close"]), "ack", "Answer to a denied QoS 1 or 2 message in MQTT 3.1.1.", "ack"),
})

const actions = oneOrMore(choice(["publish", "subscribe", "receive"]), 3)
const topic = text({ expected: "a topic filter", maxLength: MAX_FILTER_BYTES, check: complainAboutFilter })

const ruleId = required(name("id of the rule"), "Names the rule in verdicts and in the audit log.")
const ruleConduits = optional(
  references("conduit", POLICY_BOUNDS.conduits),
  null,
  "Conduits it applies to; default all.",
)
const ruleRoles = required(references("role", POLICY_BOUNDS.roles), "Roles it applies to.")
const ruleTopics = required(list(topic, { min: 1, max: POLICY_BOUNDS.topicsPerRule }), "Topic filters.")

const denyTakesNone = "a deny speaks of topics alone"

const rule = variants("a rule", {
  allow: object("a rule", {
    id: ruleId,
    allow: required(actions, "What it allows."),
    conduits: ruleConduits,
    roles: ruleRoles,
    topics: ruleTopics,
    qos: optional(integer(0, 2), 1, "Highest quality of service.", 1),
    retain: optional(flag(), false, "Whether a publisher may set the retain flag.", false),
    payload: optional(size(0, MAX_PAYLOAD_BYTES), null, "Longest payload; default 64KiB.", "64KiB"),
    rate: optional(rate(), null, "Messages per subject; default unbounded."),
    essential: optional(flag(), false, "Stays open in postures that close normal flows.", false),
  }),
  deny: object(
    "a deny rule",
    {
      id: ruleId,
      deny: required(actions, "What it denies."),
      conduits: ruleConduits,
      roles: ruleRoles,
      topics: ruleTopics,
    },
    {
      refused: {
        qos: denyTakesNone,
        retain: denyTakesNone,
        payload: denyTakesNone,
        rate: denyTakesNone,
        essential: "it holds in every posture",
      },
    },
  ),
})

/** The policy document. Every key, default and bound: `README.md`. */
export const policyShape = object("a policy", {
  "lockgate-policy": required(withStandIn(version(1), 1), "Version of this format."),
  name: required(withStandIn(text({ expected: "a title", maxLength: 128 }), ""), "Title of the policy."),
  zones: required(placedMap(zone, { max: POLICY_BOUNDS.zones }), "Zones by name."),
  roles: required(placedMap(role, { max: POLICY_BOUNDS.roles }), "Roles by name: what each is for."),
  subjects: required(placedList(subject, { max: POLICY_BOUNDS.subjects }), "How a certificate becomes a subject."),
  conduits: required(placedMap(conduit, { max: POLICY_BOUNDS.conduits }), "Ways between zones, by name."),
  rules: required(placedList(rule, { max: POLICY_BOUNDS.rules }), "What may pass. All else is denied; a deny wins."),
})

type ReadBy<S> = S extends Shape<infer T> ? T : never
export type PolicyDocument = ReadBy<typeof policyShape>
export type SubjectEntry = ReadBy<typeof subject>
export type RuleEntry = ReadBy<typeof rule>

/** Where a subject entry looks for the name, and the pattern there. */
export function matchOf({ match }: SubjectEntry): { readonly source: NameSource; readonly pattern: string } {
  if ("cn" in match) return { source: "cn", pattern: match.cn }
  if ("san-dns" in match) return { source: "san-dns", pattern: match["san-dns"] }
  return { source: "san-uri", pattern: match["san-uri"] }
}

/** The id of a subject entry at a place in the document, 0-based: its own, or `subject-<n>` counted from 1. */
export function subjectId(entry: SubjectEntry, index: number): string {
  return entry.id ?? `subject-${index + 1}`
}

/** The JSON Schema of the policy document. */
export function policyJsonSchema(): JsonSchema {
  return toJsonSchema(policyShape, "Lockgate policy, format 1")
}
