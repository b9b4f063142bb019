import { MODBUS_FUNCTIONS, type ModbusFunction, type Range } from "../language/modbus-rule.ts"
import type { Conduit, Policy, SubjectRule, Zone } from "../language/policy.ts"
import type { Learnt, LearntRule } from "./learn.ts"
import type { Seen } from "./learn-gather.ts"
import type { LearntModbusRule } from "./learn-modbus.ts"
import { sizeText } from "../language/quantity-shapes.ts"

/** Lines of what is admitted beyond, at most; the rest is counted. */
const MAX_BEYOND = 2_000

/**
 * A proposal as a policy document, with counts as comments and, at its end, what it admits beyond the recordings. Parses
 * without fault. `time` writes a moment.
 */
export function writeLearnt(learnt: Learnt, time: (at: number) => string): string {
  const { base, sets, rules, modbus, beyond, notLearnt, missed } = learnt
  const lines = [
    "# Learnt from recordings: read it, above all its end, before it is signed.",
    "lockgate-policy: 1",
    `name: ${text(base.name)}`,
    ...section("sets", sets.map(([name, words]) => `${text(name)}: [${words.map(text).join(", ")}]`), true),
    ...section("zones", base.zones.map(zoneLine)),
    ...section("roles", base.roles.map(({ name, description }) => `${text(name)}: ${text(description)}`)),
    ...list("subjects", base.subjects.map((subject) => [subjectLine(subject)])),
    ...section("conduits", base.conduits.map(conduitLine)),
    ...list("rules", [...rules.map((rule) => ruleLines(rule, time)), ...modbus.map((rule) => modbusLines(rule, time))]),
    "",
    "# What it admits beyond the recordings. A filter that is not named here admits its one topic and no other.",
    ...(modbus.length > 0 ? ["# Of Modbus, any part of the addresses, and any value in those that are written."] : []),
    ...beyond.slice(0, MAX_BEYOND).map(({ rule, filter, admits }) => comment(`${rule}${filter === null ? "" : ` ${filter}`}: ${admits}`)), // prettier-ignore
    ...(beyond.length > MAX_BEYOND ? [comment(`and ${beyond.length - MAX_BEYOND} more of these`)] : []),
    ...(beyond.length === 0 ? ["# Nothing."] : []),
    ...[...notLearnt].map(([what, messages]) => comment(`NOT LEARNT: ${what}; ${messages} messages`)),
    ...(missed > 0 ? [comment(`NOT LEARNT: ${missed} messages that the recordings had no room for`)] : []),
  ] // prettier-ignore
  return `${lines.join("\n")}\n`
}

function section(name: string, rows: readonly string[], optional = false): readonly string[] {
  if (rows.length === 0) return optional ? [] : [`${name}: {}`]
  return [`${name}:`, ...rows.map((row) => `  ${row}`)]
}

function list(name: string, items: readonly (readonly string[])[]): readonly string[] {
  if (items.length === 0) return [`${name}: []`]
  return [`${name}:`, ...items.flat()]
}

function zoneLine({ name, level, kind, authorities, tlsMin, clearText }: Zone): string {
  const more = [
    ...(kind === "plant" ? [] : [`kind: ${kind}`]),
    `authorities: [${authorities.map(text).join(", ")}]`,
    ...(tlsMin === "1.3" ? [] : [`tls-min: "${tlsMin}"`]),
    ...(clearText ? ["clear-text: true"] : []),
  ]
  return `${text(name)}: { level: ${level}, ${more.join(", ")} }`
}

function subjectLine({ id, zone, source, prefix, suffix, fixedName, roles, clientId }: SubjectRule): string {
  const match = fixedName === null ? `${prefix}{name}${suffix}` : `${prefix}${suffix}`
  const fields = [
    `id: ${text(id)}`,
    `zone: ${text(zone)}`,
    `match: { ${source}: ${text(match)} }`,
    ...(fixedName === null ? [] : [`name: ${text(fixedName)}`]),
    `roles: [${roles.map(text).join(", ")}]`,
    ...(clientId === "%u" ? [] : [`client-id: ${text(clientId)}`]),
  ]
  return `  - { ${fields.join(", ")} }`
}

function conduitLine(conduit: Conduit): string {
  const { from, to } = conduit.transport
  const fields = [
    `from: ${text(conduit.from)}`,
    `to: ${text(conduit.to)}`,
    `protocol: ${conduit.protocol}`,
    ...(conduit.direction === "both" ? [] : [`direction: ${conduit.direction}`]),
    ...(from === "tls" && to === "tls" ? [] : [`transport: { from: ${from}, to: ${to} }`]),
  ]
  if (conduit.protocol === "modbus") fields.push(`refusal: ${conduit.refusal}`)
  else {
    if (conduit.upstreamIdentity !== "strip") fields.push(`upstream-identity: ${conduit.upstreamIdentity}`)
    if (conduit.onDeny !== "ack") fields.push(`on-deny: ${conduit.onDeny}`)
    if (conduit.enhancedAuth !== "refuse") fields.push(`enhanced-auth: ${conduit.enhancedAuth}`)
    const { buffer } = conduit
    if (buffer !== null) fields.push(`buffer: { size: ${sizeText(buffer.maxBytes)}, when-full: ${buffer.whenFull} }`)
  }
  return `${text(conduit.name)}: { ${fields.join(", ")} }`
}

function ruleLines(rule: LearntRule, time: (at: number) => string): readonly string[] {
  const { seen } = rule
  const counts = `${seen.messages} times by ${namesOf(seen)}; largest ${seen.maxBytes} B; last ${time(seen.lastAt)}`
  const lines = [`  ${comment(counts)}`]
  if (rule.kind === "receive" && rule.payloadBytes !== null && !rule.id.endsWith("-members")) {
    lines.push(
      "  # Received without a request to subscribe in the recordings: subscribed before they began, with a filter that is",
      "  # not known. Record while these clients connect, or add `subscribe` with their filters.",
    )
  }
  if (rule.id.endsWith("-members")) lines.push("  # What a member of a shared subscription is not delivered, all lose.")
  lines.push(
    `  - id: ${text(rule.id)}`,
    `    allow: ${rule.allow.length === 1 ? (rule.allow[0] ?? "") : `[${rule.allow.join(", ")}]`}`,
    `    roles: [${rule.roles.map(text).join(", ")}]`,
    `    conduits: [${text(rule.conduit)}]`,
    "    topics:",
    ...rule.written.map((topic) => `      - ${JSON.stringify(topic)}`),
    `    qos: ${rule.qos}`,
  )
  if (rule.kind === "publish" && rule.retain) lines.push("    retain: true")
  if (rule.payloadBytes !== null) lines.push(`    payload: ${size(rule.payloadBytes)}`)
  if (rule.rate !== null) lines.push(`    rate: ${rule.rate.perSecond}/s burst ${rule.rate.burst}`)
  return lines
}

/** Who it was, four names at most. */
function namesOf({ subjects }: Seen): string {
  const names = [...subjects].sort()
  return names.length > 4 ? `${names.slice(0, 4).join(", ")} and ${names.length - 4} more` : names.join(", ")
}

function modbusLines({ rule, seen }: LearntModbusRule, time: (at: number) => string): readonly string[] {
  const writes = rule.record !== "none"
  const lines = [`  ${comment(`${seen.messages} times by ${namesOf(seen)}; last ${time(seen.lastAt)}`)}`]
  if (writes && rule.registers.length > 0) {
    lines.push(
      "  # Values were not recorded, so it writes any: add points with min and max by hand, see Modbus rule in the reference.",
    )
  } else if (writes) lines.push("  # Values were not recorded, so it writes any.")
  lines.push(
    `  - id: ${text(rule.id)}`,
    `    allow: [${rule.functions.map(functionText).join(", ")}]`,
    `    roles: [${rule.roles.map(text).join(", ")}]`,
    `    conduits: [${rule.conduits.map(text).join(", ")}]`,
    `    units: ${rangesText(rule.units)}`,
  )
  const tables = [["coils", rule.coils], ["discrete-inputs", rule.discreteInputs], ["registers", rule.registers], ["input-registers", rule.inputRegisters], ["fifos", rule.fifos]] as const // prettier-ignore
  for (const [key, ranges] of tables) if (ranges.length > 0) lines.push(`    ${key}: ${rangesText(ranges)}`)
  if (rule.files.length > 0) lines.push("    files:", ...rule.files.map(({ file, records }) => `      - { file: ${file}, records: ${rangesText([records])} }`)) // prettier-ignore
  if (writes) lines.push(`    record: ${rule.record}`)
  return lines
}

function functionText({ code, sub }: ModbusFunction): string {
  const name = Object.entries(MODBUS_FUNCTIONS).find(([, own]) => own === code)?.[0] ?? String(code)
  return sub === null ? name : `{ ${name}: [${sub.join(", ")}] }`
}

function rangesText(ranges: readonly Range[]): string {
  return `[${ranges.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`)).join(", ")}]`
}

function size(bytes: number): string {
  if (bytes >= 1024 * 1024) return `${bytes / 1024 / 1024}MiB`
  return bytes >= 1024 ? `${bytes / 1024}KiB` : String(bytes)
}

/** A word as it stands, anything else in quotes: JSON's are YAML's. */
function text(value: string): string {
  const plain = /^[A-Za-z][A-Za-z0-9._-]*$/.test(value) && !/^(true|false|null|nan|yes|no|on|off|y|n)$/i.test(value)
  return plain ? value : JSON.stringify(value)
}

/** On one line, without characters that could make more or less of it than is read. */
function comment(words: string): string {
  return `# ${words.replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, "?")}`
}

/** The policy of a proposal as values: what its text parses to. */
export function policyOf(learnt: Learnt): Policy {
  const rules = learnt.rules.map((rule) => ({
    protocol: "mqtt" as const,
    id: rule.id,
    effect: "allow" as const,
    actions: rule.allow,
    conduits: [rule.conduit],
    roles: rule.roles,
    topics: rule.topics,
    maxQos: rule.qos,
    retain: rule.retain && rule.kind === "publish",
    maxPayloadBytes: rule.payloadBytes ?? 64 * 1024,
    payload: { kind: "any" } as const,
    rate: rule.rate,
    essential: false,
    record: "none" as const,
    hours: null,
    emergency: null,
    when: null,
  }))
  return { ...learnt.base, rules: [...rules, ...learnt.modbus.map(({ rule }) => rule)] }
}
