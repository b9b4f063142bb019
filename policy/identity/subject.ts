import type { CertificateFacts } from "./certificate.ts"
import type { SubjectRule } from "../language/policy.ts"

/** Who a peer is, by the policy. */
export interface Subject {
  /** `[A-Za-z0-9._-]{1,64}`. */
  readonly name: string
  /** Sorted. */
  readonly roles: readonly string[]
  /** The first rule that gave this outcome. */
  readonly ruleId: string
  /** Allowed MQTT client ids: `%u` stands for the name, at most one trailing `*`. */
  readonly clientIdPattern: string
}

export type SubjectReason = "no-subject" | "ambiguous-subject" | "bad-name"

export type SubjectResult =
  ({ readonly ok: true } & Subject) | { readonly ok: false; readonly reason: SubjectReason; readonly detail: string }

/** What of a certificate names its bearer. */
type NamesOf = Pick<CertificateFacts, "sanUri" | "sanDns" | "commonName">

const NAME = /^[A-Za-z0-9._-]{1,64}$/

/**
 * Who the bearer of `leaf` is in `zone`, by the policy's subject rules; the certificate must already be trusted there.
 *
 * Every rule of the zone is held against every name in the certificate. All matches must agree in name, roles and
 * client id; a certificate that could be two subjects is none (`ambiguous-subject`), since else the order of names in
 * it, or of rules in the document, would decide about rights. Names are compared byte for byte: a certificate that
 * spells a DNS name in other case is not the one that the policy means.
 *
 * `bad-name`: a rule's pattern fits, but what stands in the place of the name is not a name.
 *
 * @see IEC 62443-4-2 CR 1.2, CR 1.9
 */
export function resolveSubject(rules: readonly SubjectRule[], zone: string, leaf: NamesOf): SubjectResult {
  const found = new Map<string, Subject>()
  let misnamed: string | null = null
  for (const rule of rules) {
    if (rule.zone !== zone) continue
    for (const value of namesAt(leaf, rule.source)) {
      const name = captured(rule, value)
      if (name === null) continue
      if (!NAME.test(name)) {
        misnamed ??= rule.id
        continue
      }
      const roles = [...new Set(rule.roles)].sort()
      const outcome = JSON.stringify([name, roles, rule.clientId])
      if (!found.has(outcome)) found.set(outcome, { name, roles, ruleId: rule.id, clientIdPattern: rule.clientId })
    }
  }
  const [first, second] = found.values()
  if (first !== undefined && second === undefined) return { ok: true, ...first }
  if (first !== undefined && second !== undefined) {
    const detail = `rules ${first.ruleId} and ${second.ruleId} say ${first.name} and ${second.name}`
    return { ok: false, reason: "ambiguous-subject", detail }
  }
  if (misnamed !== null) return { ok: false, reason: "bad-name", detail: `rule ${misnamed} fits, but not its name` }
  return { ok: false, reason: "no-subject", detail: `no rule of zone ${zone} fits` }
}

function namesAt(leaf: NamesOf, source: SubjectRule["source"]): readonly string[] {
  switch (source) {
    case "san-uri":
      return leaf.sanUri
    case "san-dns":
      return leaf.sanDns
    case "cn":
      return leaf.commonName === null ? [] : [leaf.commonName]
  }
}

/** What the rule takes for the name in `value`, or null if the pattern does not fit. */
function captured(rule: SubjectRule, value: string): string | null {
  if (rule.fixedName !== null) return value === rule.prefix + rule.suffix ? rule.fixedName : null
  if (value.length < rule.prefix.length + rule.suffix.length) return null
  if (!value.startsWith(rule.prefix) || !value.endsWith(rule.suffix)) return null
  return value.slice(rule.prefix.length, value.length - rule.suffix.length)
}
