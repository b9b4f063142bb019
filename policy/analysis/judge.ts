/**
 * What a policy says, judged rule by rule from the definition of the language and in steps that can be told to a person.
 * The filter's verdict and this one agree (a test compares them); this one is for questions, never for traffic.
 */
import { splitFilter } from "../language/topic-filter.ts"
import { topicText } from "../filter/reference.ts"
import type { MqttRule, Policy, Rule } from "../language/policy.ts"
import type { Reason } from "../filter/verdict.ts"
import { RuleTables, type Table, type TableRule } from "./classes.ts"
import { obstacle, touches } from "./judge-modbus.ts"
import { fitsForm } from "./payload-fit.ts"
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
export type Term = "not-essential" | "emergency" | "hours" | "qos" | "retain" | "payload-size" | "payload-form"

/** From the first that is looked at to the last: a rule that fails later came nearer. */
const ORDER: readonly Reason[] = [
  "unit",
  "function",
  "address",
  "part-of-point",
  "value",
  "not-essential",
  "emergency",
  "hours",
  "qos",
  "retain",
  "payload-size",
  "payload-form",
]

/** The verdict on one question, every token bucket full. */
export function judge(policy: Policy, question: Question): Judgement {
  if (!isKnown(policy, question.who)) return denied("no-rule")
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

/** True if some subject of the conduit's zone can have exactly these roles. */
function isKnown(policy: Policy, who: Who): boolean {
  const zone = policy.conduits.find(({ name }) => name === who.conduit)?.from
  return policy.subjects.some((subject) => subject.zone === zone && sameSet(subject.roles, who.roles))
}

function denied(reason: Reason, rule = -1): Judgement {
  return { allowed: false, reason, rule }
}

function judgeMessage(policy: Policy, question: MessageQuestion): Judgement {
  const { topic } = question
  if (!isText(topic) || /[+#]/.test(topic)) return denied("bad-topic")
  if (isOwn(topic)) return denied("reserved")
  const rules = new RuleTables(policy).rulesFor(question.who, question.kind)
  const matching = rules.filter(({ filters }) => filters.some((filter) => matchesFor(filter, topic, question.who)))
  return choose(matching, question)
}

/** Of rules that speak of what is asked: the first deny in force, else the first allow that nothing holds back, else the nearest. */
function choose(matching: readonly TableRule<Rule>[], question: Question): Judgement {
  const denying = matching.find(({ rule }) => rule.effect === "deny" && mayBeInForce(rule, question.at))
  if (denying !== undefined) return denied("deny-rule", denying.index)
  const allowing = matching.filter(({ rule }) => rule.effect === "allow")
  const failed = allowing.map(({ index, rule }) => ({ index, rule, hurdle: hurdleOf(rule, question) }))
  const passing = failed.filter(({ hurdle }) => hurdle === null)
  const chosen = passing.find(({ rule }) => rule.rate === null) ?? passing[0]
  if (chosen !== undefined) return { allowed: true, reason: "allowed", rule: chosen.index }
  return furthest(failed)
}

function furthest(failed: readonly { readonly index: number; readonly hurdle: Reason | null }[]): Judgement {
  let nearest: { readonly index: number; readonly hurdle: Reason } | null = null
  for (const { index, hurdle } of failed) {
    if (hurdle === null) continue
    if (nearest === null || ORDER.indexOf(hurdle) > ORDER.indexOf(nearest.hurdle)) nearest = { index, hurdle }
  }
  return nearest === null ? denied("no-rule") : denied(nearest.hurdle, nearest.index)
}

/** The first condition of an allow rule, whose topics or addresses fit, that does not hold; null if all do. */
export function hurdleOf(rule: Rule, question: Question): Term | null {
  if (question.essentialOnly && !rule.essential) return "not-essential"
  if (rule.emergency !== null && !question.emergencies.includes(rule.emergency)) return "emergency"
  if (rule.hours !== null && (question.at === null || !isWithinHours(rule.hours, question.at))) return "hours"
  if (rule.protocol === "modbus" || question.kind === "modbus") return null
  if (question.kind === "subscribe") return question.qos > rule.maxQos ? "qos" : null
  if (question.kind === "publish") {
    if (question.qos > rule.maxQos) return "qos"
    if (question.retain && !rule.retain) return "retain"
  }
  if (question.payloadBytes > rule.maxPayloadBytes) return "payload-size"
  return question.payload === null || fitsForm(rule.payload, question.payload) ? null : "payload-form"
}

function mayBeInForce({ hours }: Rule, at: number | null): boolean {
  return hours === null || at === null || isWithinHours(hours, at)
}

/** True if `at` (UTC, milliseconds) lies in the hours. */
export function isWithinHours(hours: NonNullable<Rule["hours"]>, at: number): boolean {
  const minutes = Math.floor(at / 60_000) + hours.utcOffsetMinutes
  // 1970-01-01 was a Thursday, the fourth day.
  const day = Math.floor(minutes / 1440)
  const minute = minutes - day * 1440
  const weekday = (k: number): number => ((((day + k + 3) % 7) + 7) % 7) + 1
  const { days, fromMinute, toMinute } = hours
  if (toMinute > fromMinute) return days.includes(weekday(0)) && minute >= fromMinute && minute < toMinute
  return (days.includes(weekday(0)) && minute >= fromMinute) || (days.includes(weekday(-1)) && minute < toMinute)
}

function judgeSubscribe(policy: Policy, question: SubscribeQuestion): Judgement {
  const { who } = question
  const share = /^\$share(?:\/|$)/.test(question.filter)
  const [, group = "", own = ""] = /^\$share\/([^/+#]+)\/(.+)$/s.exec(question.filter) ?? []
  const filter = share ? own : question.filter
  if (!isFilter(filter) || (share && group === "")) return denied("bad-topic")
  if (isOwn(filter)) return denied("reserved")
  const tables = new RuleTables(policy)
  const rules = tables.rulesFor(who, share ? `share:${group}` : "subscribe")
  const denies = rules.filter(({ rule }) => rule.effect === "deny" && mayBeInForce(rule, question.at))
  const denying = holder(filter, denies, who)
  if (denying !== -1) return denied("deny-rule", denying)
  const allows = rules.filter(({ rule }) => rule.effect === "allow")
  const stages: readonly (Reason | null)[] = [null, "qos", "hours", "emergency", "not-essential"]
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
  space.add(literally(filter), REQUEST, true)
  for (const { index, filters } of rules) {
    for (const own of filters) {
      const bound = boundFilter(own, who)
      if (bound !== null) space.add(bound, index, false)
    }
  }
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
    rule.rate !== null || rule.maxPayloadBytes < 268_435_455 || rule.payload.kind !== "any" || rule.hours !== null
  const sure = rules.filter(({ rule }) => rule.effect === "allow" && !drops(rule) && hurdleOf(rule, question) === null)
  const space = new TopicSpace()
  space.add(literally(filter), REQUEST, true)
  for (const { index, rule, filters } of rules) {
    if (rule.effect === "allow") continue
    for (const own of filters) {
      const bound = boundFilter(own, question.who)
      if (bound !== null) space.add(bound, index, false)
    }
  }
  const untouched = space.walk((labels) => labels.length > 1) === "whole"
  return untouched && isContained(filter, sure, question.who)
}

function judgeModbus(policy: Policy, question: ModbusQuestion): Judgement {
  const rules = new RuleTables(policy).modbusFor(question.who)
  const { request } = question
  const denying = rules.find(
    ({ rule }) => rule.effect === "deny" && mayBeInForce(rule, question.at) && touches(rule, request),
  )
  if (denying !== undefined) return denied("deny-rule", denying.index)
  const allows = rules.filter(({ rule }) => rule.effect === "allow")
  const fitting = allows.filter(({ rule }) => obstacle(rule, request) === null)
  if (fitting.length > 0) return choose(fitting, question)
  return furthest(allows.map(({ index, rule }) => ({ index, hurdle: obstacle(rule, request) })))
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

function isText(topic: string): boolean {
  return topicText(new TextEncoder().encode(topic)) === topic
}

function isFilter(filter: string): boolean {
  const levels = filter.split("/")
  const good = (level: string, k: number): boolean =>
    level === "+" || (level === "#" && k === levels.length - 1) || !/[+#]/.test(level)
  return isText(filter) && levels.every(good)
}

/** The table that a question is answered from; null for Modbus. */
export function tableOf(question: Question): Table | null {
  if (question.kind === "modbus") return null
  if (question.kind !== "subscribe") return question.kind
  const { group } = splitFilter(question.filter)
  return group === null ? "subscribe" : `share:${group}`
}
