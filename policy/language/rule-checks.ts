import type { ConduitEntry } from "./conduit-shape.ts"
import { untrustedZones } from "./conduit-checks.ts"
import { accessOf } from "./conduit-shape.ts"
import type { DocNode } from "./document.ts"
import type { Placed } from "./group-shapes.ts"
import type { MqttEntry } from "./mqtt-rule-shape.ts"
import type { PolicyDocument } from "./policy-shape.ts"
import type { Report } from "./report.ts"
import type { RuleEntry } from "./rule-shape.ts"
import { MAX_FORMS, countForms } from "./json-profile.ts"
import { declaredNames, faultAt } from "./locate.ts"
import { checkModbusRule } from "./modbus-checks.ts"
import { functionsOf } from "./modbus-rule-build.ts"
import { mayWrite } from "./modbus-function.ts"
import { MAX_INSPECTED_BYTES } from "./payload-form.ts"
import { quote } from "./characters.ts"
import { sizeText } from "./quantity-shapes.ts"
import { once, refer } from "./references.ts"

/** Adds what is wrong with rules beyond the form of each: unknown names, contradictions, keys that can have no effect. */
export function checkRules(document: PolicyDocument, root: DocNode, report: Report): void {
  const roles = declaredNames(root, ["roles"])
  const declared = declaredNames(root, ["conduits"])
  const conduits = new Map(document.conduits.map(({ name, value }) => [name, value]))
  // Of a conduit with a fault nobody knows what it carries.
  const areAllKnown = conduits.size === declared.size
  const protocols = new Set(document.conduits.map(({ value }) => value.protocol))
  const untrusted = untrustedZones(document)
  const ids = new Map<string, Placed<unknown>>()
  let forms = 0
  for (const placed of document.rules) {
    if (report.full) return
    const { protocol, entry } = placed.value
    once(ids, entry.id, placed, ["id"], "rule", report)
    for (const [i, role] of entry.roles.entries()) refer(placed, "roles", role, "role", roles, report, i)
    if (entry.conduits === null && areAllKnown && !protocols.has(protocol)) {
      const message = `a rule applies to all conduits of its protocol unless it names some, but none is declared for ${protocol}`
      faultAt(report, placed, [], message)
    }
    for (const [i, name] of (entry.conduits ?? []).entries()) {
      refer(placed, "conduits", name, "conduit", declared, report, i)
      const conduit = conduits.get(name)
      if (conduit === undefined) continue
      checkDirection(placed, name, conduit, i, report)
      if ("allow" in entry && entry.essential && accessOf(conduit, untrusted) === "approved") {
        const message = `conduit ${quote(name)} waits for a person's approval, and an essential flow waits for nobody`
        faultAt(report, placed, ["conduits", i], message, "take it out of this rule, or say access: always there")
      }
    }
    if ("allow" in entry) checkGates(placed, entry, report)
    if (placed.value.protocol === "modbus") checkModbusRule(placed, placed.value.entry, report)
    else forms = checkMqttRule(placed, placed.value.entry, forms, report)
  }
}

/** A rule that names a conduit must be able to have an effect there. */
function checkDirection(
  placed: Placed<RuleEntry>,
  name: string,
  conduit: ConduitEntry,
  i: number,
  report: Report,
): void {
  const { protocol, entry } = placed.value
  const steps = ["conduits", i]
  if (conduit.protocol !== protocol) {
    const message = `conduit ${quote(name)} carries ${conduit.protocol}, and this rule speaks of ${protocol}`
    faultAt(report, placed, steps, message)
    return
  }
  if (conduit.direction === "both") return
  const contradicting =
    protocol === "modbus" ? (functionsOf(entry).some(mayWrite) ? "writes" : null) : against(entry, conduit.direction)
  if (contradicting === null) return
  const message = `conduit ${quote(name)} has direction: ${conduit.direction}, which never lets this rule's ${contradicting} pass`
  faultAt(report, placed, steps, message, "take it out of this rule")
}

function against(entry: MqttEntry, direction: "out" | "in"): string | null {
  const actions = "allow" in entry ? entry.allow : entry.deny
  const wrong = actions.find((action) => (action === "publish") === (direction === "in"))
  return wrong ?? null
}

const WHY_NEVER_ESSENTIAL = {
  hours: "a clock that is wrong would stop it",
  when: "an input that is lost would stop it",
  emergency: "it would wait for somebody's switch",
} as const

/** Nothing in our hands may stop an essential flow, so it has no hours and waits for no switch and no input. */
function checkGates(
  placed: Placed<RuleEntry>,
  entry: { readonly essential: boolean; readonly hours: unknown; readonly when: unknown; readonly emergency: unknown },
  report: Report,
): void {
  for (const key of ["hours", "when", "emergency"] as const) {
    if (!entry.essential || entry[key] === null) continue
    const why = WHY_NEVER_ESSENTIAL[key]
    faultAt(report, placed, [key], `an essential flow is never stopped by the gateway: ${why}`, "write two rules")
  }
}

/** The forms up to here. */
function checkMqttRule(placed: Placed<RuleEntry>, entry: MqttEntry, forms: number, report: Report): number {
  checkShared(placed, entry, report)
  if ("deny" in entry) return forms
  checkSense(placed, entry, report)
  if (typeof entry.form === "string" || !("json" in entry.form)) return forms
  const here = countForms(entry.form.json)
  const total = forms + here
  if (here > MAX_FORMS.rule) {
    const message = `the form holds ${here} forms, at most ${MAX_FORMS.rule} are accepted`
    faultAt(report, placed, ["form", "json"], message)
  } else if (total > MAX_FORMS.policy && forms <= MAX_FORMS.policy) {
    const message = `up to here the rules of this policy hold more than ${MAX_FORMS.policy} forms`
    faultAt(report, placed, ["form", "json"], message)
  }
  return total
}

function checkShared(placed: Placed<RuleEntry>, entry: MqttEntry, report: Report): void {
  const actions = "allow" in entry ? entry.allow : []
  if (actions.length === 1 && actions[0] === "subscribe") return
  for (const [i, topic] of entry.topics.entries()) {
    if (!topic.startsWith("$share/")) continue
    const hint = "deny" in entry ? "what no rule allows is denied already" : "give it a rule of its own"
    faultAt(report, placed, ["topics", i], "$share stands only in rules that allow subscribe and nothing else", hint)
  }
}

type AllowEntry = Extract<MqttEntry, { readonly allow: unknown }>

/** A key that can have no effect misleads whoever reviews the policy. */
function checkSense(placed: Placed<RuleEntry>, entry: AllowEntry, report: Report): void {
  const hint = "remove the key"
  if (entry.retain && !entry.allow.includes("publish")) {
    faultAt(report, placed, ["retain"], "retain bears on publish, which this rule does not allow", hint)
  }
  const carriesNothing = entry.allow.every((action) => action === "subscribe")
  for (const key of ["payload", "form"] as const) {
    if (!carriesNothing || entry[key] === null || entry[key] === "any") continue
    const message = `${key} bears on publish and receive, which this rule does not allow`
    faultAt(report, placed, [key], message, hint)
  }
  if (entry.form !== "any" && (entry.payload ?? 0) > MAX_INSPECTED_BYTES) {
    const most = sizeText(MAX_INSPECTED_BYTES)
    const message = `a rule with a form looks into payloads of at most ${most}`
    faultAt(report, placed, ["payload"], message, `write payload: ${most}, or form: any`)
  }
}
