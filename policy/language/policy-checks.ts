import type { DocNode } from "./document.ts"
import type { Placed } from "./group-shapes.ts"
import type { PolicyDocument, SubjectEntry, ZoneEntry } from "./policy-shape.ts"
import type { Report } from "./report.ts"
import { parseAddressRange } from "../identity/address.ts"
import { checkAlarms } from "./alarm-shape.ts"
import { quote } from "./characters.ts"
import { checkConduits } from "./conduit-checks.ts"
import { declaredNames, faultAt } from "./locate.ts"
import { matchOf, subjectId } from "./policy-shape.ts"
import { once, refer } from "./references.ts"
import { checkRules } from "./rule-checks.ts"
import { checkSets } from "./set-checks.ts"

/** Adds what no single value shows: references to names that do not exist, names given twice, keys that contradict. */
export function checkPolicy(document: PolicyDocument, root: DocNode, report: Report): void {
  checkConduits(document, root, report)
  checkSubjects(document.subjects, declaredNames(root, ["zones"]), declaredNames(root, ["roles"]), report)
  for (const placed of document.subjects) checkAddress(placed, document.zones, report)
  checkRules(document, root, report)
  checkSets(document, root, report)
  checkAlarms(document.alarms ?? [], root, report)
}

function checkSubjects(
  subjects: readonly Placed<SubjectEntry>[],
  zones: ReadonlySet<string>,
  roles: ReadonlySet<string>,
  report: Report,
): void {
  const ids = new Map<string, Placed<unknown>>()
  const matches = new Map<string, Placed<unknown>>()
  for (const placed of subjects) {
    const { value } = placed
    refer(placed, "zone", value.zone, "zone", zones, report)
    for (const [i, role] of value.roles.entries()) refer(placed, "roles", role, "role", roles, report, i)
    once(ids, subjectId(value, placed.index), placed, ["id"], "subject", report)
    checkName(placed, report)
    const { source, pattern } = matchOf(value)
    const key = `${value.zone} ${source} ${sameRange(source, pattern)} ${JSON.stringify(value["modbus-role"])}`
    const earlier = matches.get(key)
    if (earlier === undefined) matches.set(key, placed)
    else {
      const { line } = report.position(earlier.node.at)
      const those = source === "address" ? "addresses" : "certificates"
      const message = `${earlier.path} matches the same ${those} of zone ${quote(value.zone)}`
      faultAt(report, placed, ["match", source], message, `see line ${line}: one entry may have several roles`)
    }
  }
}

/** Ranges are compared by what they hold, not by how they are written. */
function sameRange(source: string, pattern: string): string {
  const range = source === "address" ? parseAddressRange(pattern) : null
  return range === null ? pattern : `${range.bytes.join(".")}/${range.bits}`
}

/** A peer without a certificate is believed by its address alone: only where the zone says that this will do. */
function checkAddress(placed: Placed<SubjectEntry>, zones: readonly Placed<ZoneEntry>[], report: Report): void {
  const { value } = placed
  if (matchOf(value).source !== "address") return
  const zone = zones.find(({ name }) => name === value.zone)
  if (zone !== undefined && !zone.value["clear-text"]) {
    const message = `zone ${quote(value.zone)} has no clear text, so its peers show certificates and are known by these`
    faultAt(
      report,
      placed,
      ["match", "address"],
      message,
      "match a name in the certificate, or say clear-text: true there",
    )
  }
  if (value["modbus-role"] !== null) {
    faultAt(report, placed, ["modbus-role"], "a peer without a certificate bears no role", "remove the key")
  }
}

function checkName(placed: Placed<SubjectEntry>, report: Report): void {
  const { value } = placed
  const { source, pattern } = matchOf(value)
  const captures = pattern.includes("{name}")
  if (captures && value.name !== null) {
    faultAt(
      report,
      placed,
      ["name"],
      "the name is fixed here and taken from the certificate by {name}",
      "keep one of both",
    )
  }
  if (!captures && value.name === null) {
    faultAt(
      report,
      placed,
      ["match", source],
      `nothing says the subject's name in ${quote(pattern)}`,
      source === "address" ? 'add the key "name"' : 'write {name}, or add the key "name"',
    )
  }
  if (value.name?.startsWith("lockgate-") === true) {
    faultAt(report, placed, ["name"], "names that begin with lockgate- are the gateway's own")
  }
  if (value.name === null && !value["client-id"].includes("%u")) {
    const message = `every subject of this entry could take the client id of another with ${quote(value["client-id"])}`
    faultAt(report, placed, ["client-id"], message, "%u stands for the subject's name")
  }
}
