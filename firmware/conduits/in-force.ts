import { classOf } from "../../policy/filter/decide.ts"
import type { CertificateFacts } from "../../policy/identity/certificate.ts"
import type { Conduit, SubjectRule, Zone } from "../../policy/language/policy.ts"
import { InvariantError } from "../../policy/base/errors.ts"
import type { Revoked } from "../../policy/identity/path-faults.ts"
import { factsFromPem } from "../tls/pem.ts"
import type { EngineEpoch, FlowPosture, Held } from "./messages.ts"
import { TrustInForce } from "./trust-in-force.ts"

/** Nothing was approved, nothing has failed. */
export const NOT_HELD: Held = { granted: [], failed: [] }

/** What is in force for the whole engine, prepared once per change. Replaced whole, never altered. */
export interface InForce {
  readonly epoch: EngineEpoch
  readonly posture: FlowPosture
  /** Counts every change of policy or posture: a connection judged under another number is judged anew. */
  readonly generation: number
  readonly conduits: ReadonlyMap<string, ConduitInForce>
}

/** One conduit's part of it. */
export interface ConduitInForce {
  readonly settings: Conduit
  readonly zone: Zone
  readonly subjects: readonly SubjectRule[]
  readonly anchors: readonly CertificateFacts[]
  readonly revoked: Revoked
  /** Equal when the trust is equal, revocations included: a path judged under it needs no second look. */
  readonly anchorKey: string
  /** True when the posture lets at least some flow of this conduit pass. */
  readonly open: boolean
  readonly essentialOnly: boolean
  /** Whether some essential rule allows one of the roles something. */
  isEssential(roles: readonly string[]): boolean
  /** Whether some rule lets one of the roles subscribe or receive; who may not only publishes. */
  mayHear(roles: readonly string[]): boolean
  /** The class for a set of roles, or -1; -1 too for roles without essential rules while only those are open. */
  classFor(roles: readonly string[]): number
}

/**
 * Prepare a policy epoch and a posture for use; no work that grows with the number of rules, since traffic waits for it.
 * Pure but for parsing the authorities' certificates (`anchorsOf` may remember them).
 */
export function prepareInForce(
  epoch: EngineEpoch,
  posture: FlowPosture,
  generation: number,
  anchorsOf: (pem: string) => readonly CertificateFacts[] = factsFromPem,
  trust = new TrustInForce(),
  held: Held = NOT_HELD,
): InForce {
  const { policy } = epoch
  const authorities = trust.authorities(epoch.authorities)
  const conduits = new Map<string, ConduitInForce>()
  for (const settings of policy.conduits) {
    const zone = policy.zones.find((z) => z.name === settings.from)
    if (zone === undefined) throw new InvariantError("ERR_ZONE_MISSING", `conduit ${settings.name} names no zone`)
    const anchors = zone.authorities.flatMap((name) => {
      const pem = authorities[name]
      return pem === undefined ? [] : anchorsOf(pem)
    })
    const essentialRoles = policy.essentialRoles[settings.name] ?? []
    const essentialOnly = posture.normal === "closed"
    const barred = held.failed.includes(settings.name)
    const approved = settings.access === "always" || held.granted.includes(settings.name)
    const lets = posture.normal === "open" || (posture.essential === "open" && essentialRoles.length > 0)
    const open = !barred && approved && lets
    conduits.set(settings.name, {
      settings,
      zone,
      subjects: policy.subjects.filter((rule) => rule.zone === zone.name),
      anchors,
      revoked: trust.revoked(zone.authorities),
      anchorKey: `${anchors.map((anchor) => anchor.fingerprint).join(" ")} ${trust.revocationKey(zone.authorities)}`,
      open,
      essentialOnly,
      isEssential: (roles) => essentialRoles.some((role) => roles.includes(role)),
      mayHear: (roles) => (policy.hearingRoles[settings.name] ?? []).some((role) => roles.includes(role)),
      classFor: (roles) => {
        if (essentialOnly && !essentialRoles.some((role) => roles.includes(role))) return -1
        return classOf(policy.compiled, settings.name, roles)
      },
    })
  }
  return { epoch, posture, generation, conduits }
}
