import { sizeText } from "../language/quantity-shapes.ts"
import type { MqttRule, Policy, Rule } from "../language/policy.ts"
import type { ModbusRule } from "../language/modbus-rule.ts"
import { kindOf, READS, WRITES } from "../filter/modbus/functions.ts"
import type { Reason } from "../filter/verdict.ts"
import { termsOf, termsText } from "./terms.ts"
import { judge, matchesFor, tableOf, type Judgement, type Term } from "./judge.ts"
import { functionName, rangeText, requestText } from "./modbus-request.ts"
import { gapsOf, nearestRule, termGap } from "./nearest.ts"
import type { Question } from "./question.ts"

/** A verdict and why, for a person. */
export interface Explanation {
  readonly judgement: Judgement
  /** At most ten lines: what was asked, the verdict, the rule, what would have to change. */
  readonly lines: readonly string[]
}

/** What a reason means, to who reads it for the first time. */
const MEANING: Readonly<Partial<Record<Reason, string>>> = {
  "no-rule": "no rule allows it",
  "bad-topic": "it is not a well-formed topic, filter or request",
  reserved: "lockgate/... and $lockgate/... are the gateway's own; no rule opens them",
  "not-contained": "the rules do not allow every topic that the filter matches",
  "shared-subscription":
    "a message to the group could be dropped on its way here, and then the whole group would lose it",
  unit: "no rule is for this unit",
  function: "no rule allows this function",
  address: "no one rule holds all of its addresses",
  "part-of-point": "it writes a part of a point that has bounds",
  value: "a value is out of bounds",
  rate: "the rate of the rule was used up",
}

const TERMS: readonly (Term | "rate")[] = ["not-essential", "emergency", "hours", "when", "qos", "retain", "payload-size", "payload-form", "rate"] // prettier-ignore

/**
 * What the policy says to `question`, why, and what would have to be otherwise. `seen` is a verdict that the filter gave,
 * where it is known; else the question is judged with full token buckets.
 */
export function explain(policy: Policy, question: Question, seen: Judgement | null = null): Explanation {
  const judgement = seen ?? judge(policy, question)
  const rule = policy.rules[judgement.rule] ?? null
  return { judgement, lines: [...asked(policy, question), ...answer(policy, question, judgement, rule)].slice(0, 10) }
}

function asked(policy: Policy, question: Question): readonly string[] {
  const { who } = question
  const roles = who.roles.length === 0 ? "no roles" : who.roles.join(", ")
  const circumstances = [
    ...(question.at === null || !hasHours(policy, question)
      ? []
      : [`at ${new Date(question.at).toISOString().replace(/\.\d+Z$/, "Z")}`]),
    ...(question.essentialOnly ? ["normal flows closed"] : []),
    ...question.emergencies.map((name) => `emergency ${name} on`),
    ...[...(question.inputs ?? [])].map(([name, { state }]) => `${name} is ${state}`),
  ]
  return [
    `asked     ${[whatText(question), ...circumstances].join(", ")}`,
    `by        ${who.name} [${roles}] on conduit ${who.conduit}${who.clientId === who.name ? "" : `, client id ${who.clientId}`}`,
  ]
}

/** True if the answer may hang on the hour. */
function hasHours({ rules }: Policy, { kind }: Question): boolean {
  return rules.some(({ hours, protocol }) => hours !== null && (protocol === "modbus") === (kind === "modbus"))
}

function whatText(question: Question): string {
  switch (question.kind) {
    case "modbus":
      return requestText(question.request)
    case "subscribe":
      return [`subscribe ${question.filter}`, ...(question.qos === null ? [] : [`QoS ${question.qos}`])].join(", ")
    case "publish":
    case "receive":
      return [
        `${question.kind} ${question.topic}`,
        ...(question.qos === null ? [] : [`QoS ${question.qos}`]),
        ...(question.retain === true ? ["retained"] : []),
        ...(question.payloadBytes === null ? [] : [sizeText(question.payloadBytes)]),
      ].join(", ")
  }
}

function* answer(policy: Policy, question: Question, judgement: Judgement, rule: Rule | null): Generator<string> {
  if (judgement.allowed && rule !== null) {
    yield `verdict   ALLOWED by rule ${rule.id}`
    yield `because   ${ruleText(rule)}; ${boundTo(rule, question)}`
    yield `terms     ${termsText(termsOf(rule, tableOf(question) ?? "modbus"))}`
    return
  }
  if (judgement.reason === "deny-rule" && rule !== null) {
    yield `verdict   DENIED by rule ${rule.id}`
    yield `because   ${ruleText(rule)}; a deny wins over every allow`
    const without: Policy = { ...policy, rules: policy.rules.map((own) => (own === rule ? disarmed(own) : own)) }
    const other = judge(without, question)
    const name = policy.rules[other.rule]?.id ?? "?"
    if (other.allowed) yield `else      rule ${name} would allow it`
    yield `change    narrow what ${rule.id} denies${other.allowed ? "" : "; no rule allows it either, so that alone would not help"}` // prettier-ignore
    return
  }
  if (judgement.reason === "incomplete") {
    const looking = policy.rules.filter((own) => own.protocol === "mqtt" && own.payload.kind !== "any")
    const near = looking.find((own) => gapsOf(policy, own, question)?.length === 0)
    yield "verdict   DEPENDS on the payload, of which only the length is known"
    if (near !== undefined) yield `because   rule ${near.id} looks into it: ${ruleText(near)}`
    yield "change    give the payload itself: --text or --hex, in a case text: or hex:"
    return
  }
  yield `verdict   DENIED: ${judgement.reason}${rule === null ? "" : `, nearest rule ${rule.id}`}`
  const against = againstDirection(policy, question)
  if (against !== null) {
    yield `because   ${against}`
    yield "change    if it is meant to pass: direction: both on the conduit, and a rule that allows it"
    return
  }
  const meaning = MEANING[judgement.reason] ?? termMeaning(rule, judgement.reason, question)
  if (meaning !== null) yield `because   ${meaning}`
  if (["bad-topic", "reserved"].includes(judgement.reason)) return
  const near = rule === null ? nearestRule(policy, question) : { rule, gaps: gapsOf(policy, rule, question) ?? [] }
  if (near === null) {
    yield "change    no rule is near: add one for it, if it is meant to pass"
    return
  }
  yield `nearest   rule ${near.rule.id}: ${ruleText(near.rule)}`
  for (const gap of near.gaps.slice(0, 3)) if (gap.what !== meaning) yield `differs   ${gap.what}`
  for (const gap of near.gaps.slice(0, 2)) yield `change    ${gap.change}`
  // What the log does not tell leaves no gap to see.
  const term = TERMS.find((own) => own === judgement.reason)
  if (near.gaps.length === 0 && term !== undefined) yield `change    ${termGap(near.rule, term, question).change}`
}

/** That the conduit lets nothing go this way, whatever the rules; null if it does. */
function againstDirection(policy: Policy, question: Question): string | null {
  const conduit = policy.conduits.find(({ name }) => name === question.who.conduit)
  if (conduit === undefined || conduit.direction === "both") return null
  const { direction, name } = conduit
  const say = (passes: string): string =>
    `conduit ${name} has direction: ${direction}, so ${passes}, whatever the rules`
  if (question.kind === "modbus") {
    const { code, sub } = question.request
    if (kindOf(code, sub ?? 0) === (direction === "in" ? READS : WRITES)) return null
    return say(direction === "in" ? "only requests that read pass" : "only requests that write pass")
  }
  if (direction !== (question.kind === "publish" ? "in" : "out")) return null
  return say(direction === "in" ? "its peers read and never publish" : "its peers publish and are sent nothing")
}

/** The same rule as one that speaks of nothing. */
function disarmed(rule: Rule): Rule {
  return { ...rule, conduits: [] }
}

function termMeaning(rule: Rule | null, reason: Reason, question: Question): string | null {
  const term = TERMS.find((own) => own === reason)
  return rule === null || term === undefined ? null : termGap(rule, term, question).what
}

/** What a rule says, in a clause: `allows publish to plant/%u/#`. */
export function ruleText(rule: Rule): string {
  const verb = rule.effect === "allow" ? "allows" : "denies"
  return rule.protocol === "mqtt" ? mqttText(rule, verb) : modbusText(rule, verb)
}

function mqttText({ actions, topics, roles }: MqttRule, verb: string): string {
  const shown = topics.length > 3 ? `${topics.slice(0, 3).join(", ")} and ${topics.length - 3} more` : topics.join(", ")
  return `it ${verb} ${actions.join(", ")} on ${shown} for ${roles.join(", ")}`
}

function modbusText(rule: ModbusRule, verb: string): string {
  const { units, functions, roles } = rule
  const ranges = [...rule.coils, ...rule.discreteInputs, ...rule.registers, ...rule.inputRegisters, ...rule.fifos]
  const where = ranges.length === 0 ? "" : ` on ${ranges.slice(0, 4).map(rangeText).join(", ")}${ranges.length > 4 ? ", ..." : ""}` // prettier-ignore
  const names = functions.map(({ code }) => functionName(code)).join(", ")
  return `it ${verb} ${names} of unit ${units.map(rangeText).join(", ")}${where} for ${roles.join(", ")}`
}

/** By which of its filters the rule matched. */
function boundTo(rule: Rule, question: Question): string {
  const { who } = question
  const role = rule.roles.find((own) => who.roles.includes(own)) ?? "?"
  if (rule.protocol === "modbus" || question.kind === "modbus") return `${who.name} is ${role}`
  const topic = question.kind === "subscribe" ? null : question.topic
  const filter = topic === null ? null : rule.topics.find((own) => matchesFor(own, topic, who))
  const named = filter?.includes("%u") === true ? `, %u is ${who.name}` : filter?.includes("%c") === true ? `, %c is ${who.clientId}` : "" // prettier-ignore
  return `${who.name} is ${role}${filter === null || filter === undefined ? "" : `; ${filter} matches${named}`}`
}
