/** Who is who in two policies: the peers that a change can matter to. */
import type { Policy, SubjectRule } from "../language/policy.ts"
import type { ChangedClass } from "./change.ts"

/** Peers that have these roles on this conduit by either policy, and the subject entries that lead there. */
export interface Pair extends ChangedClass {
  readonly subjects: readonly SubjectRule[]
}

/** True if both entries take the same certificates for the same subjects. */
export function takesTheSame(a: SubjectRule, b: SubjectRule): boolean {
  return (
    a.zone === b.zone &&
    a.source === b.source &&
    a.prefix === b.prefix &&
    a.suffix === b.suffix &&
    a.fixedName === b.fixedName &&
    a.modbusRole === b.modbusRole
  )
}

/** Every pair of classes that some certificate has by the two policies. Entries are known by what they match, not by their ids. */
export function pairsOf(before: Policy, after: Policy): readonly Pair[] {
  const found = new Map<string, Pair & { subjects: SubjectRule[] }>()
  const add = (old: SubjectRule | null, now: SubjectRule | null): void => {
    const names = new Set([...conduitsOf(before, old), ...conduitsOf(after, now)])
    for (const conduit of names) {
      const pair = { conduit, before: rolesOn(before, conduit, old), after: rolesOn(after, conduit, now) }
      const key = JSON.stringify(pair)
      const known = found.get(key)
      const subjects = [old, now].flatMap((one) => one ?? [])
      if (known === undefined) found.set(key, { ...pair, subjects })
      else known.subjects.push(...subjects)
    }
  }
  const left = new Set(after.subjects)
  for (const old of before.subjects) {
    const now = after.subjects.find((other) => takesTheSame(old, other)) ?? null
    if (now !== null) left.delete(now)
    add(old, now)
  }
  for (const now of left) add(null, now)
  return [...found.values()]
}

function conduitsOf(policy: Policy, subject: SubjectRule | null): readonly string[] {
  return policy.conduits.flatMap(({ name, from }) => (from === subject?.zone ? [name] : []))
}

function rolesOn(policy: Policy, conduit: string, subject: SubjectRule | null): readonly string[] | null {
  if (subject === null || !conduitsOf(policy, subject).includes(conduit)) return null
  return [...new Set(subject.roles)].sort()
}
