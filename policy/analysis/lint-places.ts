/** Findings on zones, conduits, roles and subjects: what nobody can use, and ways that are weaker than what they join. */
import type { Conduit, Policy, Zone } from "../language/policy.ts"
import type { Finding, Place, Severity } from "./finding.ts"

/** From this target level on the standard wants what is sent to be authentic and confidential (IEC 62443-4-2 CR 3.1 RE(1), CR 4.1). */
const LEVEL_OF_CRYPTOGRAPHY = 2

/** Findings on everything but rules. */
export function lintPlaces(policy: Policy): readonly Finding[] {
  return [
    ...policy.zones.flatMap((zone) => [...onZone(policy, zone)]),
    ...policy.conduits.flatMap((conduit) => [...onConduit(policy, conduit)]),
    ...policy.roles.flatMap(({ name }) => [...onRole(policy, name)]),
    ...onSubjects(policy),
    ...(policy.rules.length > 0 ? [] : [say("warning", "no-rules", { kind: "policy", id: policy.name }, "it has no rules: nothing passes", "add rules for what is needed")]), // prettier-ignore
  ]
}

function say(severity: Severity, code: string, place: Place, message: string, advice: string): Finding {
  return { severity, code, place, message, advice }
}

function* onZone(policy: Policy, zone: Zone): Generator<Finding> {
  const place = { kind: "zone", id: zone.name } as const
  const joined = policy.conduits.filter(({ from, to }) => from === zone.name || to === zone.name)
  if (joined.length === 0) {
    yield say("note", "zone-without-conduit", place, "no conduit touches it", "add a conduit, or remove the zone")
  }
  const subjects = policy.subjects.filter((subject) => subject.zone === zone.name)
  if (subjects.length > 0 && zone.authorities.length === 0) {
    const message = `it has subjects (${subjects.map(({ id }) => id).join(", ")}), but no authority can vouch for them`
    yield say(
      "warning",
      "zone-without-authority",
      place,
      message,
      "name its certificate authorities, or remove the subjects",
    )
  }
  const listens = joined.some(({ from, transport }) => from === zone.name && transport.from === "tls")
  if (listens && subjects.length === 0) {
    yield say(
      "warning",
      "zone-without-subject",
      place,
      "its peers may connect, but none is a subject of the policy",
      "add a subject entry for them",
    )
  }
}

function* onConduit(policy: Policy, conduit: Conduit): Generator<Finding> {
  const place = { kind: "conduit", id: conduit.name } as const
  if (!policy.rules.some((rule) => rule.conduits.includes(conduit.name))) {
    yield say(
      "warning",
      "conduit-without-rule",
      place,
      "no rule applies to it: nothing passes",
      "add rules, or remove it",
    )
  }
  const outside = policy.zones.filter(({ kind }) => kind === "untrusted").map(({ name }) => name)
  const wayIn = outside.includes(conduit.from) || (outside.includes(conduit.to) && conduit.direction !== "out")
  if (wayIn && conduit.access === "always") {
    const message = "it is a way in from an untrusted zone that is open without anybody's approval (NDR 1.13 RE(1))"
    yield say("note", "access-always", place, message, "remove access: always, or write down why nobody can approve it")
  }
  if (conduit.transport.from !== "tls") {
    const message = `peers in zone ${conduit.from} connect without TLS and show no certificate: none is a subject, so no rule lets anything pass`
    yield say("warning", "conduit-without-subject", place, message, "set transport: { from: tls }, or remove it")
  }
  const zones = [conduit.from, conduit.to].flatMap((name) => policy.zones.find((zone) => zone.name === name) ?? [])
  const level = Math.max(0, ...zones.map((zone) => zone.level))
  for (const end of ["from", "to"] as const) {
    const zone = policy.zones.find(({ name }) => name === conduit[end])
    if (zone === undefined) continue
    yield* onEnd(place, conduit, end, zone, level)
  }
}

function* onEnd(place: Place, conduit: Conduit, end: "from" | "to", zone: Zone, level: number): Generator<Finding> {
  const transport = conduit.transport[end]
  const where = `its end in zone ${zone.name}`
  const joins = `it joins a zone of target level SL ${level}`
  if (transport === "tcp") {
    const weak = level >= LEVEL_OF_CRYPTOGRAPHY
    const clause = "from SL 2 on it is to be authentic and confidential (CR 3.1 RE(1), CR 4.1)"
    const message = weak ? `${where} is clear text, but ${joins}; ${clause}` : `${where} is clear text`
    const advice = "use TLS there, or write down which physical measure protects the wire"
    yield say("warning", weak ? "conduit-weaker-than-zone" : "clear-text", place, message, advice)
    if (zone.kind === "untrusted") {
      yield say("error", "untrusted-clear-text", place, `${where}, which is untrusted, is clear text`, "use TLS there")
    }
  }
  if (transport === "rtu" && level >= LEVEL_OF_CRYPTOGRAPHY) {
    const message = `${where} is a serial line, which cannot be encrypted, and ${joins}`
    yield say("note", "serial-line", place, message, "protect the wire physically and write it down")
  }
  if (transport === "tls" && zone.tlsMin === "1.2" && level >= LEVEL_OF_CRYPTOGRAPHY) {
    const message = `${where} admits TLS 1.2, but ${joins}`
    const advice = 'set tls-min: "1.3" if the peers can, else say in the assessment why not (CR 4.3)'
    yield say("warning", "conduit-weaker-than-zone", place, message, advice)
  }
}

function* onRole(policy: Policy, name: string): Generator<Finding> {
  const place = { kind: "role", id: name } as const
  if (!policy.subjects.some(({ roles }) => roles.includes(name))) {
    yield say("warning", "role-for-nobody", place, "no subject can get it", "add it to a subject entry, or remove it")
  }
  if (!policy.rules.some(({ roles }) => roles.includes(name))) {
    yield say("warning", "role-without-rule", place, "no rule names it: it grants nothing", "add a rule, or remove it")
  }
}

function* onSubjects(policy: Policy): Generator<Finding> {
  for (const { id, zone } of policy.subjects) {
    const place = { kind: "subject", id } as const
    if (!policy.conduits.some(({ from }) => from === zone)) {
      const message = `no conduit begins in its zone ${zone}`
      yield say("warning", "subject-without-conduit", place, message, "add a conduit from there, or remove the entry")
    }
  }
}
