import type { Policy, Rule } from "../language/policy.ts"
import type { Table } from "./classes.ts"
import { denialKey, denialText, isAsWide, termsChange, termsKey, termsOf, termsText, type Terms } from "./terms.ts"

/**
 * What a set of rules that match the same thing says of it, in one form for all sets that mean the same: the terms on which
 * it is allowed (none of which makes another needless), and when it is denied after all.
 */
export interface Permission {
  /** Equal for permissions that mean the same. Empty: nothing is allowed. */
  readonly key: string
  readonly terms: readonly Terms[]
  /** Hours as JSON. */
  readonly denied: readonly string[]
  /** Indices of the rules that decide. */
  readonly rules: readonly number[]
}

const NOTHING = { key: "", terms: [], denied: [] }

/** The permission that the rules `indices` of `policy` make together, in this table. */
export function permissionOf(policy: Policy, indices: readonly number[], table: Table): Permission {
  const rules = indices.flatMap((index) => {
    const rule = policy.rules[index]
    return rule === undefined ? [] : [{ index, rule }]
  })
  const denying = rules.filter(({ rule }) => rule.effect === "deny")
  const always = denying.find(({ rule }) => denialKey(rule) === null)
  if (always !== undefined) return { ...NOTHING, rules: [always.index] }
  const allows = widest(rules.filter(({ rule }) => rule.effect === "allow").map((own) => ({ ...own, terms: termsOf(own.rule, table) }))) // prettier-ignore
  if (allows.length === 0) return { ...NOTHING, rules: [] }
  const denied = [...new Set(denying.map(({ rule }) => denialKey(rule) ?? ""))].sort()
  const keys = allows.map(({ terms }) => termsKey(terms)).sort()
  return {
    key: JSON.stringify([keys, denied]),
    terms: allows.map(({ terms }) => terms),
    denied,
    rules: [...denying, ...allows].map(({ index }) => index).sort((a, b) => a - b),
  }
}

/** Those that no other one makes needless; of several alike without a rate one, with a rate all: each is a bucket. */
function widest<T extends { readonly index: number; readonly rule: Rule; readonly terms: Terms }>(
  allows: readonly T[],
): readonly T[] {
  return allows.filter((own) =>
    allows.every((other) => {
      if (other === own || !isAsWide(other.terms, own.terms)) return true
      return isAsWide(own.terms, other.terms) && own.index < other.index
    }),
  )
}

/** What became of the terms, in words. */
export function permissionChange(before: Permission, after: Permission): string {
  const gone = before.terms.filter((terms) => !after.terms.some((other) => termsKey(other) === termsKey(terms)))
  const come = after.terms.filter((terms) => !before.terms.some((other) => termsKey(other) === termsKey(terms)))
  const [old, now] = [gone[0], come[0]]
  const words: string[] = []
  if (gone.length === 1 && come.length === 1 && old !== undefined && now !== undefined)
    words.push(termsChange(old, now))
  else {
    if (gone.length > 0) words.push(`no longer: ${gone.map(termsText).join("; or ")}`)
    if (come.length > 0) words.push(`now also: ${come.map(termsText).join("; or ")}`)
  }
  if (words.length === 0 && before.terms.length !== after.terms.length) {
    words.push(`${before.terms.length} token buckets -> ${after.terms.length}`)
  }
  for (const text of after.denied) if (!before.denied.includes(text)) words.push(`now denied ${denialText(text)}`)
  for (const text of before.denied) if (!after.denied.includes(text)) words.push(`no longer denied ${denialText(text)}`)
  return words.join("; ")
}
