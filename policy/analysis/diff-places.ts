/** What changed beside rules: zones, conduits, roles, and who becomes what. */
import type { Buffering, Conduit, Policy, SubjectRule, Zone } from "../language/policy.ts"
import { quote } from "../language/characters.ts"
import { sizeText } from "../language/quantity-shapes.ts"
import type { Change } from "./change.ts"
import { takesTheSame } from "./pairs.ts"
import { sameSet } from "./who.ts"

/** Changes of zones, conduits, roles and subjects, by name; the order in the documents means nothing. */
export function diffPlaces(before: Policy, after: Policy): readonly Change[] {
  const texts = [
    ...byName("zone", before.zones, after.zones, zoneFacts),
    ...byName("conduit", before.conduits, after.conduits, conduitFacts),
    ...byName("role", before.roles, after.roles, () => ({})),
    ...subjects(before, after),
  ]
  return texts.map((text) => ({ kind: "place", text, classes: [], action: null, example: null, before: [], after: [] }))
}

type Facts = Readonly<Record<string, string>>

function* byName<T extends { readonly name: string }>(
  what: string,
  before: readonly T[],
  after: readonly T[],
  factsOf: (one: T) => Facts,
): Generator<string> {
  for (const old of before) {
    const now = after.find(({ name }) => name === old.name)
    if (now === undefined) yield `${what} ${old.name} is gone`
    else yield* changed(`${what} ${old.name}`, factsOf(old), factsOf(now))
  }
  for (const now of after) if (!before.some(({ name }) => name === now.name)) yield `${what} ${now.name} is new`
}

function* changed(what: string, before: Facts, after: Facts): Generator<string> {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  const words = keys.flatMap((key) => {
    const [old, now] = [before[key] ?? "none", after[key] ?? "none"]
    return old === now ? [] : [`${key} ${old} -> ${now}`]
  })
  if (words.length > 0) yield `${what}: ${words.join(", ")}`
}

function zoneFacts({ level, kind, authorities, tlsMin, clearText }: Zone): Facts {
  return {
    level: String(level),
    kind,
    authorities: authorities.length === 0 ? "none" : authorities.toSorted().join("+"),
    "tls-min": tlsMin,
    "clear text": clearText ? "may be" : "no",
  }
}

function conduitFacts(conduit: Conduit): Facts {
  const { from, to, protocol, direction, transport } = conduit
  const base = { from, to, protocol, direction, transport: `${transport.from}/${transport.to}` }
  return conduit.protocol === "mqtt"
    ? {
        ...base,
        "upstream identity": conduit.upstreamIdentity,
        "on deny": conduit.onDeny,
        "enhanced auth": conduit.enhancedAuth,
        buffer: bufferText(conduit.buffer),
      }
    : { ...base, refusal: String(conduit.refusal) }
}

/** Entries are known by what they match in a certificate, not by their ids. */
function* subjects(before: Policy, after: Policy): Generator<string> {
  for (const old of before.subjects) {
    const now = after.subjects.find((other) => takesTheSame(old, other))
    if (now === undefined) {
      yield `${whoText(old)} is nobody any more; was ${old.roles.join("+")}`
      continue
    }
    if (!sameSet(old.roles, now.roles)) {
      const gains = now.roles.filter((role) => !old.roles.includes(role)).map((role) => `gets ${role}`)
      const loses = old.roles.filter((role) => !now.roles.includes(role)).map((role) => `loses ${role}`)
      yield `${whoText(now)} ${[...gains, ...loses].join(", ")}`
    }
    if (old.clientId !== now.clientId) yield `${whoText(now)}: client id ${old.clientId} -> ${now.clientId}`
  }
  for (const now of after.subjects) {
    if (!before.subjects.some((old) => takesTheSame(old, now))) yield `${whoText(now)} becomes ${now.roles.join("+")}`
  }
}

function whoText({ zone, source, prefix, suffix, fixedName }: SubjectRule): string {
  const pattern = quote(`${prefix}${fixedName === null ? "{name}" : ""}${suffix}`)
  const name = fixedName === null ? "" : ` named ${fixedName}`
  return `who has ${source} ${pattern} in zone ${zone}${name}`
}

function bufferText(buffer: Buffering | null): string {
  return buffer === null ? "none" : `${sizeText(buffer.maxBytes)}, when full ${buffer.whenFull}`
}
