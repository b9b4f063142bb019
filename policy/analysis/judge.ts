/**
 * What a policy says to one question, without compiling it: by the references of the filter, and requests to subscribe by a
 * walk over all topics. Agrees with the filter (a test compares them); it is for questions, never for traffic.
 */
import { MAX_INSPECTED_BYTES } from "../language/payload-form.ts"
import { splitFilter } from "../language/topic-filter.ts"
import type { ModbusRule } from "../language/modbus-rule.ts"
import type { Hours, MqttRule, Policy, Rule } from "../language/policy.ts"
import { decideReference, topicText } from "../filter/reference.ts"
import { decideModbusReference } from "../filter/modbus/reference.ts"
import { checkPayload } from "../filter/payload/check-payload.ts"
import { isAllowed, reasonName, ruleOf, type Reason, type Verdict } from "../filter/verdict.ts"
import { allHold, NO_INPUTS } from "../filter/inputs.ts"
import { withinHours } from "../time/hours.ts"
import type { Certainty } from "../time/interval.ts"
import { RuleTables, type Table, type TableRule } from "./classes.ts"
import { encodeRequest } from "./modbus-request.ts"
import type { MessageQuestion, ModbusQuestion, Question, SubscribeQuestion } from "./question.ts"
import { TopicSpace } from "./topic-space.ts"
import { sameSet, type Who } from "./who.ts"

/** The answer, as the filter would give it; `rule` counts `Policy.rules`, -1 if none bears on it. */
export interface Judgement {
  readonly allowed: boolean
  readonly reason: Reason
  readonly rule: number
}

/** A condition of an allow rule beside what it speaks of. */
export type Term = "not-essential" | "emergency" | "hours" | "when" | "qos" | "retain" | "payload-size" | "payload-form"

/** From the first that is looked at to the last: a rule that fails later came nearer. */
const ORDER: readonly Term[] = ["not-essential", "emergency", "hours", "when", "qos", "retain", "payload-size", "payload-form"] // prettier-ignore

/** The verdict on one question, every token bucket full. `incomplete`: it hangs on a payload of which only the length is known. */
export function judge(policy: Policy, question: Question): Judgement {
  switch (question.kind) {
    case "publish":
    case "receive":
      return judgeMessage(policy, question)
    case "subscribe":
      return judgeSubscribe(policy, question)
    case "modbus":
      return judgeModbus(policy, question)
  }
}

function judgeMessage(policy: Policy, question: MessageQuestion): Judgement {
  const {
    who,
    kind,
    at,
    emergencies,
    inputs = NO_INPUTS,
    essentialOnly,
    topic,
    qos,
    retain,
    payload,
    payloadBytes,
  } = question
  const time = at === null ? {} : { time: { earliestAt: at, latestAt: at } }
  const asked = { policy, ...who, action: kind, essentialOnly, ...time, emergencies: new Set(emergencies), inputs }
  const name = new TextEncoder().encode(topic)
  const message = { topic: name, qos: qos ?? 0, retain: retain ?? false, payloadBytes: payloadBytes ?? 0, nowMs: 0 }
  return judgementOf(decideReference(asked, payload === null ? message : { ...message, payload }, new Map()))
}

function judgeModbus(
  policy: Policy,
  { who, at, emergencies, inputs = NO_INPUTS, essentialOnly, request }: ModbusQuestion,
): Judgement {
  const within = ({ hours }: ModbusRule): Certainty => (hours === null ? "yes" : certainty(hours, at))
  const isOn = (emergency: string): boolean => emergencies.includes(emergency)
  const holds = ({ when }: ModbusRule): Certainty => allHold(when ?? [], inputs)
  const asked = { policy, conduit: who.conduit, roles: who.roles, essentialOnly, within, isOn, holds }
  return judgementOf(decideModbusReference(asked, encodeRequest(request), 0, new Map()))
}

function certainty(hours: Hours, at: number | null): Certainty {
  return withinHours(hours, { earliestAt: at ?? -Infinity, latestAt: at ?? Infinity })
}

/** A verdict of the filter as a judgement. */
export function judgementOf(verdict: Verdict): Judgement {
  return { allowed: isAllowed(verdict), reason: reasonName(verdict), rule: ruleOf(verdict) }
}

function denied(reason: Reason, rule = -1): Judgement {
  return { allowed: false, reason, rule }
}

/** True if some subject of the conduit's zone can have exactly these roles. */
function isKnown(policy: Policy, who: Who): boolean {
  const zone = policy.conduits.find(({ name }) => name === who.conduit)?.from
  return policy.subjects.some((subject) => subject.zone === zone && sameSet(subject.roles, who.roles))
}

/** The first condition of an allow rule, whose topics or addresses fit, that does not hold; null if all do. */
export function hurdleOf(rule: Rule, question: Question): Term | null {
  return hurdlesOf(rule, question)[0] ?? null
}

/** All of them, in the order in which the filter looks at them. */
export function hurdlesOf(rule: Rule, question: Question): readonly Term[] {
  const fails: Readonly<Record<Term, boolean>> = {
    "not-essential": question.essentialOnly && !rule.essential,
    emergency: rule.emergency !== null && !question.emergencies.includes(rule.emergency),
    hours: rule.hours !== null && certainty(rule.hours, question.at) !== "yes",
    when: rule.when !== null && allHold(rule.when, question.inputs ?? NO_INPUTS) !== "yes",
    ...messageHurdles(rule, question),
  }
  return ORDER.filter((term) => fails[term])
}

type MessageTerm = "qos" | "retain" | "payload-size" | "payload-form"

function messageHurdles(rule: Rule, question: Question): Readonly<Record<MessageTerm, boolean>> {
  const none = { qos: false, retain: false, "payload-size": false, "payload-form": false }
  if (rule.protocol === "modbus" || question.kind === "modbus") return none
  const qos = (question.qos ?? 0) > rule.maxQos
  if (question.kind === "subscribe") return { ...none, qos }
  const up = question.kind === "publish"
  const payload = question.payloadBytes === 0 ? new Uint8Array() : question.payload
  return {
    qos: up && qos,
    retain: up && question.retain === true && !rule.retain,
    "payload-size": (question.payloadBytes ?? 0) > longestPayload(rule),
    "payload-form": payload !== null && !checkPayload(rule.payload, payload, 0, payload.length),
  }
}

function mayBeInForce({ hours, when }: Rule, { at, inputs = NO_INPUTS }: Question): boolean {
  return (hours === null || certainty(hours, at) !== "no") && (when === null || allHold(when, inputs) !== "no")
}

/** Longest payload that the rule takes: it looks into no more than so much. */
export function longestPayload(rule: MqttRule): number {
  return rule.payload.kind === "any" ? rule.maxPayloadBytes : Math.min(rule.maxPayloadBytes, MAX_INSPECTED_BYTES)
}

function judgeSubscribe(policy: Policy, question: SubscribeQuestion): Judgement {
  const { who } = question
  if (!isKnown(policy, who)) return denied("no-rule")
  const share = /^\$share(?:\/|$)/.test(question.filter)
  const [, group = "", own = ""] = /^\$share\/([^/+#]+)\/(.+)$/s.exec(question.filter) ?? []
  const filter = share ? own : question.filter
  if (!isFilter(filter) || (share && group === "")) return denied("bad-topic")
  if (isOwn(filter)) return denied("reserved")
  const tables = new RuleTables(policy)
  const rules = tables.rulesFor(who, share ? `share:${group}` : "subscribe")
  const denies = rules.filter(({ rule }) => rule.effect === "deny" && mayBeInForce(rule, question))
  const denying = holder(filter, denies, who)
  if (denying !== -1) return denied("deny-rule", denying)
  const allows = rules.filter(({ rule }) => rule.effect === "allow")
  const stages: readonly (Term | null)[] = [null, "qos", "when", "hours", "emergency", "not-essential"]
  for (const stage of stages) {
    const counted = allows.filter(({ rule }) => {
      const hurdle = hurdleOf(rule, question)
      return hurdle === null || (stage !== null && ORDER.indexOf(hurdle) >= ORDER.indexOf(stage))
    })
    const named = holder(filter, counted, who)
    if (named === -1) continue
    if (stage !== null) return denied(stage, named)
    if (share && !isReceivedWhole(tables, filter, question)) return denied("shared-subscription", named)
    return { allowed: true, reason: "allowed", rule: named }
  }
  return denied("not-contained")
}

/** The rule to name where `rules` hold every topic of `filter` together; -1 if they do not. */
function holder(filter: string, rules: readonly TableRule[], who: Who): number {
  if (rules.length === 0) return -1
  const alone = rules.find((one) => isContained(filter, [one], who))
  if (alone !== undefined) return alone.index
  if (!isContained(filter, rules, who)) return -1
  // Its shortest topics: those without what the closing `#` stands for.
  const shortest = filter === "#" ? "+" : filter === "/#" ? "/+" : filter.replace(/\/#$/, "")
  return (rules.find((one) => isContained(shortest, [one], who)) ?? rules[0])?.index ?? -1
}

const REQUEST = -1

/** True if every topic that `filter` matches is matched by a rule, for this peer. Exact. */
export function isContained(filter: string, rules: readonly Pick<TableRule, "index" | "filters">[], who: Who): boolean {
  const space = new TopicSpace()
  // In a request `%u` and `%c` are words like any other.
  space.add(literally(filter), REQUEST)
  for (const { index, filters } of rules) {
    for (const own of filters) {
      const bound = boundFilter(own, who)
      if (bound !== null) space.add(bound, index)
    }
  }
  space.want([REQUEST])
  return space.walk((labels) => labels.length === 1) === "whole"
}

function literally(filter: string): string {
  return filter.replace(/(^|\/)%([uc])(?=\/|$)/g, "$1%%$2")
}

/** `filter` with the names of who asks in it; null if such a name stands for no level, so that it matches nothing. */
function boundFilter(filter: string, { name, clientId }: Who): string | null {
  const levels = filter.split("/").map((level) => (level === "%u" ? name : level === "%c" ? clientId : level))
  const odd = (word: string): boolean => /[+#/]/.test(word)
  if ((filter.includes("%u") && odd(name)) || (filter.includes("%c") && odd(clientId))) return null
  return literally(levels.join("/"))
}

function isReceivedWhole(tables: RuleTables, filter: string, question: SubscribeQuestion): boolean {
  if (filter.startsWith("+") || filter.startsWith("#")) return false
  const rules = tables.rulesFor(question.who, "receive")
  const drops = (rule: MqttRule): boolean =>
    rule.rate !== null ||
    rule.hours !== null ||
    rule.emergency !== null ||
    rule.when !== null ||
    rule.payload.kind !== "any" ||
    rule.maxPayloadBytes < 268_435_455
  const sure = rules.filter(({ rule }) => rule.effect === "allow" && !drops(rule) && hurdleOf(rule, question) === null)
  const space = new TopicSpace()
  space.add(literally(filter), REQUEST)
  for (const { index, rule, filters } of rules) {
    if (rule.effect === "allow") continue
    for (const own of filters) {
      const bound = boundFilter(own, question.who)
      if (bound !== null) space.add(bound, index)
    }
  }
  space.want([REQUEST])
  const untouched = space.walk((labels) => labels.length > 1) === "whole"
  return untouched && isContained(filter, sure, question.who)
}

/** True if `filter` of a rule matches `topic` for this peer. @see MQTT 5.0 section 4.7 */
export function matchesFor(filter: string, topic: string, { name, clientId }: Pick<Who, "name" | "clientId">): boolean {
  const wanted = splitFilter(filter).filter.split("/")
  const levels = topic.split("/")
  if (topic.startsWith("$") && (wanted[0] === "+" || wanted[0] === "#")) return false
  for (const [k, level] of wanted.entries()) {
    if (level === "#") return true
    const word = level === "%c" ? clientId : level === "%u" ? name : level
    if (k >= levels.length) return false
    if (level !== "+" && word !== levels[k]) return false
    if (k === levels.length - 1 && k === wanted.length - 2 && wanted[k + 1] === "#") return true
  }
  return wanted.length === levels.length
}

/** Whether the topic is the gateway's own. */
export function isOwn(topic: string): boolean {
  return /^\$?lockgate(\/|$)/.test(topic)
}

function isFilter(filter: string): boolean {
  const levels = filter.split("/")
  const good = (level: string, k: number): boolean =>
    level === "+" || (level === "#" && k === levels.length - 1) || !/[+#]/.test(level)
  return topicText(new TextEncoder().encode(filter)) === filter && levels.every(good)
}

/** The table that a question is answered from; null for Modbus. */
export function tableOf(question: Question): Table | null {
  if (question.kind === "modbus") return null
  if (question.kind !== "subscribe") return question.kind
  const { group } = splitFilter(question.filter)
  return group === null ? "subscribe" : `share:${group}`
}
