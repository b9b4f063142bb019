import type { Complaint, Shape } from "./shape.ts"
import type { JsonSchema } from "./json-schema.ts"
import type { NameSource } from "./policy.ts"
import { alarmEntry } from "./alarm-shape.ts"
import { audit } from "./audit-shape.ts"
import { conduit } from "./conduit-shape.ts"
import { list, object, optional, placedList, placedMap, required, variants } from "./group-shapes.ts"
import { inputConditions } from "./input-condition.ts"
import { jsonFormSchema } from "./json-profile.ts"
import { people } from "./people-shape.ts"
import { toJsonSchema } from "./json-schema.ts"
import { POLICY_BOUNDS } from "./policy-bounds.ts"
import { quote } from "./characters.ts"
import { parseAddress, parseAddressRange } from "../identity/address.ts"
import { references } from "./rule-fields.ts"
import { rule } from "./rule-shape.ts"
import { choice, flag, integer, name, text, version, withStandIn } from "./shape.ts"

const zone = object("a zone", {
  level: required(integer(0, 4), "Target security level (IEC 62443-3-3)."),
  authorities: optional(
    list(name("name of an authority"), { max: POLICY_BOUNDS.authoritiesPerZone }),
    [],
    "Certificate authorities that may vouch for peers of this zone; names in the gateway's trust store.",
    [],
  ),
  kind: optional(
    choice(["plant", "untrusted"]),
    "plant",
    "`untrusted`: outside of the owner's control, so always encrypted.",
    "plant",
  ),
  "clear-text": optional(flag(), false, "Whether conduits may have an end without TLS in this zone.", false),
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
  address: object("a match", {
    address: required(
      text({
        expected: "an address or a range such as 192.0.2.0/24",
        pattern: /^[0-9A-Fa-f.:/]+$/,
        maxLength: 64,
        check: complainAboutRange,
      }),
      "Where it connects from, in a zone with clear text: an IPv4 or IPv6 address, or a range.",
    ),
  }),
})

function complainAboutRange(range: string): Complaint | null {
  if (parseAddressRange(range) !== null) return null
  const [, address = "", bits] = /^([^/]*)\/([0-9]+)$/.exec(range) ?? []
  const message = `expected an address or a range such as 192.0.2.0/24, found ${quote(range)}`
  if (parseAddress(address) === null) return { message, hint: null }
  return {
    message,
    hint: `behind the first ${bits ?? ""} bits every bit of the address is zero, and there are no more than it has`,
  }
}

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
  "modbus-role": optional(
    text({ expected: "the role as the certificate bears it", maxLength: 256 }),
    null,
    "The certificate must also bear this role of Modbus/TCP Security.",
  ),
  roles: required(references("role", POLICY_BOUNDS.roles), "Roles that the subject takes."),
  "client-id": optional(clientId, "%u", "MQTT client ids that the subject may use.", "%u"),
})

const setWord = text({
  expected: "a word: one level of a topic, none of / + # % { }",
  pattern: /^[^/+#%{}]+$/,
  maxLength: 256,
})
const wordsOfSet = list(setWord, { min: 1, max: POLICY_BOUNDS.wordsPerSet })

const island = object("island mode", {
  when: required(inputConditions, "Conditions on inputs; any one that holds, or may hold, closes all normal conduits."),
  restore: optional(
    choice(["command", "input"]),
    "command",
    "`command`: only a person opens again; `input`: opens by itself once none of them may hold.",
    "command",
  ),
})

/** The policy document. Every key, default and bound: `README.md`. */
export const policyShape = object("a policy", {
  "lockgate-policy": required(withStandIn(version(1), 1), "Version of this format."),
  name: required(withStandIn(text({ expected: "a title", maxLength: 128 }), ""), "Title of the policy."),
  sets: optional(
    withStandIn(placedMap(wordsOfSet, { max: POLICY_BOUNDS.sets }), []),
    null,
    "Words by the name of their set; {set} in a topic stands for each of them.",
  ),
  zones: required(placedMap(zone, { max: POLICY_BOUNDS.zones }), "Zones by name."),
  roles: required(placedMap(role, { max: POLICY_BOUNDS.roles }), "Roles by name: what each is for."),
  subjects: required(placedList(subject, { max: POLICY_BOUNDS.subjects }), "How a certificate becomes a subject."),
  conduits: required(placedMap(conduit, { max: POLICY_BOUNDS.conduits }), "Ways between zones, by name."),
  radios: optional(
    withStandIn(list(name("name of a radio interface"), { max: POLICY_BOUNDS.radios }), []),
    [],
    "Radio interfaces of the gateway that may be up, such as wlan0; every other is an alarm.",
    [],
  ),
  rules: required(placedList(rule, { max: POLICY_BOUNDS.rules }), "What may pass. All else is denied; a deny wins."),
  island: optional(withStandIn(island, null), null, "Inputs of the board that order island mode."),
  alarms: optional(
    placedList(alarmEntry, { max: POLICY_BOUNDS.alarms }),
    null,
    "Which entries of the log become alarms; absent: every event of severity alarm, under its own id.",
  ),
  audit: optional(
    withStandIn(audit, null),
    null,
    "The room that the audit log takes, and what is done when it is full.",
  ),
  people: optional(
    withStandIn(people, null),
    null,
    "The people who work at the gateway: roles, second persons, sessions, passwords.",
  ),
})

type ReadBy<S> = S extends Shape<infer T> ? T : never
export type PolicyDocument = ReadBy<typeof policyShape>
export type ZoneEntry = ReadBy<typeof zone>
export type SubjectEntry = ReadBy<typeof subject>

/** Where a subject entry looks for the name, and the pattern there. */
export function matchOf({ match }: SubjectEntry): { readonly source: NameSource; readonly pattern: string } {
  if ("cn" in match) return { source: "cn", pattern: match.cn }
  if ("address" in match) return { source: "address", pattern: match.address }
  if ("san-dns" in match) return { source: "san-dns", pattern: match["san-dns"] }
  return { source: "san-uri", pattern: match["san-uri"] }
}

/** The id of a subject entry at a place in the document, 0-based: its own, or `subject-<n>` counted from 1. */
export function subjectId(entry: SubjectEntry, index: number): string {
  return entry.id ?? `subject-${index + 1}`
}

/** The JSON Schema of the policy document. */
export function policyJsonSchema(): JsonSchema {
  return toJsonSchema(policyShape, "Lockgate policy, format 1", { "json-form": jsonFormSchema() })
}
