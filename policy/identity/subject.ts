import { parseAddress, parseAddressRange, rangeHolds } from "./address.ts"
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

/** What of a certificate names its bearer, and the Modbus role that it bears. */
type NamesOf = Pick<CertificateFacts, "sanUri" | "sanDns" | "commonName"> & { readonly modbusRole?: string | null }

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
    if (rule.zone !== zone || (rule.modbusRole !== undefined && rule.modbusRole !== leaf.modbusRole)) continue
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

/**
 * Who connects from `address` without a certificate, by the zone's rules for addresses: the narrowest range that holds it
 * counts, so that one device may have other rights than its network. Whether the zone has clear text the caller knows.
 *
 * An address proves nothing about who sends from it: whoever allows clear text trusts the network with that.
 *
 * @see IEC 62443-4-2 CR 1.2
 */
export function resolveByAddress(rules: readonly SubjectRule[], zone: string, address: string): SubjectResult {
  const bytes = parseAddress(address)
  let best: { readonly rule: SubjectRule; readonly bits: number } | null = null
  for (const rule of rules) {
    if (rule.zone !== zone || rule.source !== "address" || bytes === null) continue
    const range = parseAddressRange(rule.prefix)
    if (range === null || !rangeHolds(range, bytes) || (best !== null && best.bits >= range.bits)) continue
    best = { rule, bits: range.bits }
  }
  if (best === null) return { ok: false, reason: "no-subject", detail: `no rule of zone ${zone} is for this address` }
  const { fixedName, roles, id, clientId } = best.rule
  if (fixedName === null || !NAME.test(fixedName)) return { ok: false, reason: "bad-name", detail: `rule ${id}` }
  return { ok: true, name: fixedName, roles: [...new Set(roles)].sort(), ruleId: id, clientIdPattern: clientId }
}

function namesAt(leaf: NamesOf, source: SubjectRule["source"]): readonly string[] {
  switch (source) {
    case "san-uri":
      return leaf.sanUri
    case "san-dns":
      return leaf.sanDns
    case "cn":
      return leaf.commonName === null ? [] : [leaf.commonName]
    case "address":
      return []
  }
}

/** What the rule takes for the name in `value`, or null if the pattern does not fit. */
function captured(rule: SubjectRule, value: string): string | null {
  if (rule.fixedName !== null) return value === rule.prefix + rule.suffix ? rule.fixedName : null
  if (value.length < rule.prefix.length + rule.suffix.length) return null
  if (!value.startsWith(rule.prefix) || !value.endsWith(rule.suffix)) return null
  return value.slice(rule.prefix.length, value.length - rule.suffix.length)
}
