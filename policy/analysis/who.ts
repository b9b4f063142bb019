import { didYouMean } from "../language/suggestion.ts"
import { quote } from "../language/characters.ts"
import type { Conduit, Policy, SubjectRule } from "../language/policy.ts"

/** A peer as the filter sees it. */
export interface Who {
  readonly conduit: string
  readonly name: string
  readonly clientId: string
  /** Sorted, each once. */
  readonly roles: readonly string[]
}

/** How a person names a peer: by its name, the rest where the policy leaves a choice. */
export interface Named {
  /** Name of the subject, or the id of a subject entry with a fixed name. */
  readonly as: string
  readonly roles: readonly string[] | null
  readonly conduit: string | null
  readonly clientId: string | null
}

/** A value, or why there is none and what to write. */
export type Found<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly why: string; readonly hint: string | null }

/**
 * The peer that a person means. What is not said is taken from the policy where it leaves no choice: the conduit if only
 * one of the protocol fits, the roles if all subject entries that can give this name agree, the client id if a name has one.
 */
export function findWho(policy: Policy, named: Named, protocol: Conduit["protocol"]): Found<Who> {
  const found = findWhos(policy, named, protocol)
  if (!found.ok) return found
  const [only, second] = found.value
  if (only === undefined) return fail("the policy knows nobody by this name", null)
  if (second === undefined) return { ok: true, value: only }
  if (only.conduit !== second.conduit) {
    return fail(`${only.name} can be on several conduits`, `say which: ${list(found.value.map((who) => who.conduit))}`)
  }
  const choices = list(found.value.map(({ roles }) => roles.join(",")))
  return fail(`the policy knows several kinds of subject that ${only.name} could be`, `say its roles: ${choices}`)
}

/** Every peer that a person may mean; at least one. */
export function findWhos(policy: Policy, named: Named, protocol: Conduit["protocol"]): Found<readonly Who[]> {
  const conduits = conduitsFor(policy, named, protocol)
  if (!conduits.ok) return conduits
  const entry = policy.subjects.find(({ id, fixedName }) => id === named.as && fixedName !== null)
  const name = entry?.fixedName ?? named.as
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(name)) {
    return fail(`${quote(name)} is no subject's name`, "a name is 1..64 of A-Z a-z 0-9 . _ -")
  }
  const elsewhere = fixedElsewhere(policy, named, conduits.value, name)
  if (elsewhere !== null) return fail(`no conduit for ${protocol} begins in zone ${elsewhere}, where ${name} is`, null)
  const found: Who[] = []
  for (const conduit of conduits.value) {
    for (const subject of candidates(policy, conduit.from, name)) {
      const roles = [...new Set(subject.roles)].sort()
      if (named.roles !== null && !sameSet(roles, named.roles)) continue
      if (found.some((who) => who.conduit === conduit.name && sameSet(who.roles, roles))) continue
      found.push({ conduit: conduit.name, name, roles, clientId: named.clientId ?? clientIdOf(subject, name) })
    }
  }
  return found.length > 0 ? { ok: true, value: found } : nobody(policy, named, conduits.value, name)
}

function conduitsFor(policy: Policy, named: Named, protocol: Conduit["protocol"]): Found<readonly Conduit[]> {
  const all = policy.conduits.filter((conduit) => conduit.protocol === protocol)
  if (named.conduit === null) {
    return all.length > 0 ? { ok: true, value: all } : fail(`the policy has no conduit for ${protocol}`, null)
  }
  const one = policy.conduits.find(({ name }) => name === named.conduit)
  if (one === undefined) {
    const hint = didYouMean(named.conduit, policy.conduits.map(({ name }) => name)) // prettier-ignore
    return fail(`there is no conduit ${quote(named.conduit)}`, hint)
  }
  return one.protocol === protocol
    ? { ok: true, value: [one] }
    : fail(`the conduit ${one.name} speaks ${one.protocol}, not ${protocol}`, null)
}

/** The zone in which the policy fixes this name, if none of the conduits begins there and nothing says that another is meant. */
function fixedElsewhere(policy: Policy, named: Named, conduits: readonly Conduit[], name: string): string | null {
  if (named.roles !== null || named.conduit !== null) return null
  const zones = policy.subjects.flatMap(({ fixedName, zone }) => (fixedName === name ? [zone] : []))
  return zones.some((zone) => conduits.some(({ from }) => from === zone)) ? null : (zones[0] ?? null)
}

/** Entries of the zone that can give this name; those that fix it go before those that take it from the certificate. */
function candidates(policy: Policy, zone: string, name: string): readonly SubjectRule[] {
  const here = policy.subjects.filter((subject) => subject.zone === zone)
  const fixed = here.filter(({ fixedName }) => fixedName === name)
  return fixed.length > 0 ? fixed : here.filter(({ fixedName }) => fixedName === null)
}

function nobody(policy: Policy, named: Named, conduits: readonly Conduit[], name: string): Found<never> {
  const sets = conduits.flatMap(({ from }) => candidates(policy, from, name).map(({ roles }) => roles.join(",")))
  if (named.roles !== null && sets.length > 0) {
    const what = `no subject entry gives ${name} exactly the roles ${named.roles.join(",")}`
    return fail(what, `it can have ${list(sets)}`)
  }
  const names = policy.subjects.flatMap(({ fixedName }) => fixedName ?? [])
  return fail(`no subject entry of the zone can be named ${quote(name)}`, didYouMean(name, names))
}

/** The id that the subject uses if it has no choice, else the plainest one. */
function clientIdOf({ clientId }: SubjectRule, name: string): string {
  return clientId.replaceAll("%u", name).replace(/\*$/, clientId === "*" ? name : "1")
}

/** True if both hold the same words, in any order. */
export function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.every((x) => b.includes(x)) && b.every((x) => a.includes(x))
}

function list(words: readonly string[]): string {
  return [...new Set(words)].join(" or ")
}

function fail(
  why: string,
  hint: string | null,
): { readonly ok: false; readonly why: string; readonly hint: string | null } {
  return { ok: false, why, hint }
}
