import type { DocNode } from "./document.ts"
import type { Placed } from "./group-shapes.ts"
import type { PolicyDocument, RuleEntry, SubjectEntry } from "./policy-shape.ts"
import type { Report } from "./report.ts"
import { matchOf, subjectId } from "./policy-shape.ts"
import { quote } from "./characters.ts"
import { declaredNames, faultAt } from "./locate.ts"
import { didYouMean } from "./suggestion.ts"

/** Adds what no single value shows: references to names that do not exist, names given twice, keys that contradict. */
export function checkPolicy(document: PolicyDocument, root: DocNode, report: Report): void {
  // From the tree, not from the values: a zone with a fault in it is still declared.
  const zones = declaredNames(root, ["zones"])
  const roles = declaredNames(root, ["roles"])
  const conduits = declaredNames(root, ["conduits"])
  for (const placed of document.conduits) {
    refer(placed, "from", placed.value.from, "zone", zones, report)
    refer(placed, "to", placed.value.to, "zone", zones, report)
    if (placed.value.from === placed.value.to) {
      faultAt(report, placed, ["to"], `a conduit joins two zones, found ${quote(placed.value.to)} at both ends`)
    }
  }
  checkSubjects(document.subjects, zones, roles, report)
  checkRules(document.rules, roles, conduits, report)
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
    const key = `${value.zone} ${source} ${pattern}`
    const earlier = matches.get(key)
    if (earlier === undefined) matches.set(key, placed)
    else {
      const { line } = report.position(earlier.node.at)
      const message = `${earlier.path} matches the same certificates of zone ${quote(value.zone)}`
      faultAt(report, placed, ["match", source], message, `see line ${line}: one entry may have several roles`)
    }
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
      'write {name}, or add the key "name"',
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

function checkRules(
  rules: readonly Placed<RuleEntry>[],
  roles: ReadonlySet<string>,
  conduits: ReadonlySet<string>,
  report: Report,
): void {
  const ids = new Map<string, Placed<unknown>>()
  for (const placed of rules) {
    if (report.full) return
    const { value } = placed
    once(ids, value.id, placed, ["id"], "rule", report)
    for (const [i, role] of value.roles.entries()) refer(placed, "roles", role, "role", roles, report, i)
    if (value.conduits === null && conduits.size === 0) {
      faultAt(report, placed, [], "a rule applies to all conduits unless it names some, but none is declared")
    }
    for (const [i, conduit] of (value.conduits ?? []).entries()) {
      refer(placed, "conduits", conduit, "conduit", conduits, report, i)
    }
    checkShared(placed, report)
    if ("allow" in value) checkSense(placed, value, report)
  }
}

function checkShared(placed: Placed<RuleEntry>, report: Report): void {
  const { value } = placed
  const actions = "allow" in value ? value.allow : []
  if (actions.length === 1 && actions[0] === "subscribe") return
  for (const [i, topic] of value.topics.entries()) {
    if (!topic.startsWith("$share/")) continue
    const hint = "deny" in value ? "what no rule allows is denied already" : "give it a rule of its own"
    faultAt(report, placed, ["topics", i], "$share stands only in rules that allow subscribe and nothing else", hint)
  }
}

/** A key that can have no effect misleads whoever reviews the policy. */
function checkSense(placed: Placed<RuleEntry>, value: Extract<RuleEntry, { allow: unknown }>, report: Report): void {
  if (value.retain && !value.allow.includes("publish")) {
    faultAt(report, placed, ["retain"], "retain bears on publish, which this rule does not allow", "remove the key")
  }
  if (value.payload !== null && value.allow.every((action) => action === "subscribe")) {
    faultAt(
      report,
      placed,
      ["payload"],
      "payload bears on publish and receive, which this rule does not allow",
      "remove the key",
    )
  }
}

function refer(
  placed: Placed<unknown>,
  key: string,
  name: string,
  what: string,
  known: ReadonlySet<string>,
  report: Report,
  index?: number,
): void {
  if (known.has(name)) return
  const message = `there is no ${what} ${quote(name)}`
  faultAt(report, placed, index === undefined ? [key] : [key, index], message, didYouMean(name, known))
}

function once(
  seen: Map<string, Placed<unknown>>,
  id: string,
  placed: Placed<unknown>,
  steps: readonly string[],
  what: string,
  report: Report,
): void {
  const earlier = seen.get(id)
  if (earlier === undefined) {
    seen.set(id, placed)
    return
  }
  const { line } = report.position(earlier.node.at)
  faultAt(report, placed, steps, `the ${what} id ${quote(id)} is taken`, `by ${earlier.path} on line ${line}`)
}
