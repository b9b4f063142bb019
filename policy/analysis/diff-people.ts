/** What changed of the people: who may do what, and what still stands between them and doing it. */
import { ALL_PERMISSIONS, type Permission } from "../command/permission.ts"
import { conditionText } from "../language/input-condition.ts"
import type { Policy } from "../language/policy.ts"
import { peopleRulesOf, type PeopleRules } from "../people/rules.ts"
import type { Change } from "./change.ts"

/** Changes of the section `people`, defaults counted as if they were written; the order of names means nothing. */
export function diffPeople(before: Pick<Policy, "people">, after: Pick<Policy, "people">): readonly Change[] {
  const sides = [peopleRulesOf(before), peopleRulesOf(after)] as const
  const gates = [
    ...gate(sides, "twoPersons", "a second person"),
    ...gate(sides, "twoFactors", "a second factor"),
    ...gate(sides, "presence", "a person at the device"),
  ]
  return [...roles(sides), ...gates, ...settings(sides)].map((text) => ({ kind: "place", text, ...NOBODY }))
}

type Sides = readonly [PeopleRules, PeopleRules]

const NOBODY = { classes: [], action: null, example: null, before: [], after: [] } as const

function* roles([old, now]: Sides): Generator<string> {
  for (const role of new Set([...Object.keys(old.roles), ...Object.keys(now.roles)])) {
    const [had = [], has = []] = [old, now].map(({ roles: all }) => (Object.hasOwn(all, role) ? (all[role] ?? []) : []))
    const gained = missingFrom(had, has)
    const lost = missingFrom(has, had)
    if (gained.length > 0) yield `people: ${role} gains ${gained.join(", ")}`
    if (lost.length > 0) yield `people: ${role} loses ${lost.join(", ")}`
  }
}

function* gate([old, now]: Sides, key: "twoPersons" | "twoFactors" | "presence", what: string): Generator<string> {
  const more = missingFrom(old[key], now[key])
  const less = missingFrom(now[key], old[key])
  if (less.length > 0) yield `people: ${less.join(", ")} no longer asks for ${what}`
  if (more.length > 0) yield `people: ${more.join(", ")} asks for ${what}`
}

function* settings([old, now]: Sides): Generator<string> {
  const [before, after] = [factsOf(old), factsOf(now)]
  for (const [key, word] of Object.entries(before)) {
    if (word !== after[key]) yield `people: ${key} ${word} -> ${after[key] ?? ""}`
  }
}

function factsOf(rules: PeopleRules): Readonly<Record<string, string>> {
  const { sessions, passwords, attempts, presentWhen } = rules
  const groups = Object.entries({ sessions, passwords, attempts }).flatMap(([group, values]) =>
    Object.entries(values).map(([key, value]): [string, string] => [`${group} ${key}`, String(value ?? "never")]),
  )
  return {
    ...Object.fromEntries(groups),
    "approval-time": `${rules.approvalMs / 1000} s`,
    "presence when": presentWhen?.map(conditionText).toSorted().join(", ") ?? "none",
    "identity-provider": providerText(rules),
    notice: rules.notice ?? "none",
    diagnostics: rules.diagnostics.toSorted().join(", ") || "none",
  }
}

/** Whose word counts, and by how many keys: two that differ in anything are told apart. */
function providerText({ identityProvider: provider }: PeopleRules): string {
  if (provider === null) return "none"
  const keys = provider.keys.map(
    ({ kid, jwk }) => `${kid ?? "unnamed"} ${jwk.kty} ${jwk.kty === "RSA" ? jwk.n : jwk.x}`,
  )
  return `${provider.issuer} for ${provider.audience} by ${provider.claim}, keys ${keys
    .map((text) => text.slice(0, 64))
    .toSorted()
    .join(", ")}`
}

/** What of `all` is not among `some`, in the order in which permissions are explained. */
function missingFrom(some: readonly Permission[], all: readonly Permission[]): readonly Permission[] {
  return ALL_PERMISSIONS.filter((permission) => all.includes(permission) && !some.includes(permission))
}
