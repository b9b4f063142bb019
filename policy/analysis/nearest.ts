/** The allow rule that comes nearest to what was refused, and what keeps it from allowing it. */
import { editDistance } from "../language/suggestion.ts"
import { sizeText } from "../language/quantity-shapes.ts"
import { splitFilter } from "../language/topic-filter.ts"
import { quote } from "../language/characters.ts"
import type { MqttRule, Policy, Rule } from "../language/policy.ts"
import type { ModbusRule, Point } from "../language/modbus-rule.ts"
import type { Reason } from "../filter/verdict.ts"
import { explainPayload } from "../filter/payload/check-payload.ts"
import { hurdlesOf, isContained, longestPayload, matchesFor, type Term } from "./judge.ts"
import { isRanged, meet, obstacle, pointRange, rangesOf } from "./judge-modbus.ts"
import { functionName, rangeText } from "./modbus-request.ts"
import type { MessageQuestion, ModbusQuestion, Question, SubscribeQuestion } from "./question.ts"
import { conditionsText } from "../language/input-condition.ts"
import { NO_INPUTS } from "../filter/inputs.ts"
import { hoursText } from "./terms.ts"

/** One thing that would have to be otherwise. */
export interface Gap {
  /** What differs, in one clause. */
  readonly what: string
  /** What to change, on either side. */
  readonly change: string
  readonly cost: number
}

/** A rule that does not allow what was asked, and all that is between. */
export interface NearMiss {
  readonly index: number
  readonly rule: Rule
  readonly gaps: readonly Gap[]
  readonly cost: number
}

/** Who it is and where weighs more than what is said, and that more than how. */
const COST = { conduit: 6, role: 4, action: 4, level: 2, spelling: 1, term: 1, nothingAlike: 12 }
/** What is further off than this is no help to anybody. */
const MAX_COST = 12

/** The allow rule with the least between it and `question`; of several the first in the policy. Null if none is near. */
export function nearestRule(policy: Policy, question: Question): NearMiss | null {
  let nearest: NearMiss | null = null
  for (const [index, rule] of policy.rules.entries()) {
    if (rule.effect === "deny") continue
    const gaps = gapsOf(policy, rule, question)
    if (gaps === null) continue
    const cost = gaps.reduce((sum, gap) => sum + gap.cost, 0)
    if (cost <= MAX_COST && cost > 0 && cost < (nearest?.cost ?? Infinity)) nearest = { index, rule, gaps, cost }
  }
  return nearest
}

/** What is between an allow rule and the question; null if it is of another protocol. */
export function gapsOf(policy: Policy, rule: Rule, question: Question): readonly Gap[] | null {
  if ((rule.protocol === "modbus") !== (question.kind === "modbus")) return null
  const gaps: Gap[] = []
  const { who } = question
  if (!rule.conduits.includes(who.conduit)) {
    const change = `add ${who.conduit} to its conduits`
    gaps.push({ what: `it is for ${rule.conduits.join(", ")}, not for ${who.conduit}`, change, cost: COST.conduit })
  }
  if (!rule.roles.some((role) => who.roles.includes(role))) {
    const what = `it is for the role ${rule.roles.join(" or ")}; ${who.name} has ${who.roles.join(", ") || "none"}`
    const entry = policy.subjects.find(({ roles }) => roles.some((role) => rule.roles.includes(role)))
    const change = `give ${who.name} the role ${rule.roles[0] ?? "?"}${entry === undefined ? "" : ` as subject entry ${entry.id} does`}, or add one of its roles to the rule` // prettier-ignore
    gaps.push({ what, change, cost: COST.role })
  }
  if (rule.protocol === "modbus") {
    if (question.kind === "modbus") gaps.push(...modbusGaps(rule, question))
  } else if (question.kind !== "modbus") gaps.push(...mqttGaps(rule, question))
  for (const hurdle of hurdlesOf(rule, question)) gaps.push({ ...termGap(rule, hurdle, question), cost: COST.term })
  return gaps
}

function* mqttGaps(rule: MqttRule, question: MessageQuestion | SubscribeQuestion): Generator<Gap> {
  const acts = rule.actions.includes(question.kind)
  // Who may subscribe receives as well.
  if (!acts && !(question.kind === "receive" && rule.actions.includes("subscribe"))) {
    const change = `add ${question.kind} to its "allow"`
    yield { what: `it allows ${rule.actions.join(" and ")}, not ${question.kind}`, change, cost: COST.action }
  }
  const gap = question.kind === "subscribe" ? filterGap(rule, question) : topicGap(rule, question)
  if (gap !== null) yield gap
}

/** How the topic, level by level, differs from the filter of the rule that comes nearest; null if one matches. */
function topicGap(rule: MqttRule, question: MessageQuestion): Gap | null {
  const { topic, who } = question
  if (rule.topics.some((filter) => matchesFor(filter, topic, who))) return null
  let best: Gap | null = null
  for (const filter of rule.topics) {
    const gap = levelGap(splitFilter(filter).filter, topic, question)
    if (gap.cost < (best?.cost ?? Infinity)) best = gap
  }
  return best
}

function filterGap(rule: MqttRule, question: SubscribeQuestion): Gap | null {
  const asked = splitFilter(question.filter)
  const same = rule.topics.map(splitFilter).filter(({ group }) => group === asked.group)
  if (same.length === 0) {
    const group = asked.group === null ? "without a group" : `in group ${asked.group}`
    const change = `add ${quote(question.filter)} to its topics`
    return { what: `it does not speak of subscriptions ${group}`, change, cost: COST.level }
  }
  const filters = same.map(({ filter }) => filter)
  if (isContained(asked.filter, [{ index: 0, filters }], question.who)) return null
  let best: Gap | null = null
  for (const filter of filters) {
    const gap = levelGap(filter, asked.filter, question)
    if (gap.cost < (best?.cost ?? Infinity)) best = gap
  }
  return best
}

function levelGap(filter: string, topic: string, { who, kind }: MessageQuestion | SubscribeQuestion): Gap {
  const wanted = filter.split("/")
  const levels = topic.split("/")
  const differs: string[] = []
  let cost = 0
  let alike = 0
  let isOwnName = false
  let meant = [...levels]
  if (/^[$]/.test(topic) && /^[+#]/.test(filter)) {
    differs.push(`level 1: a wildcard does not match "${levels[0] ?? ""}", which begins with $`)
    cost += COST.level
  }
  for (const [k, level] of wanted.entries()) {
    if (level === "#") {
      if (levels.length < k) cost += COST.level * (k - levels.length)
      break
    }
    const own = level === "%u" ? who.name : level === "%c" ? who.clientId : level
    const found = levels[k]
    if (found === undefined) {
      differs.push(`level ${k + 1}: the topic ends, the rule goes on with ${quote(level)}`)
      meant = [...meant, level === "+" && kind !== "subscribe" ? "..." : own]
      cost += COST.level
      continue
    }
    if (level === "+" && found !== "#") continue
    if (own === found) {
      alike++
      continue
    }
    isOwnName ||= level !== own
    const near = editDistance(own, found) <= Math.max(1, Math.floor(own.length / 4))
    const stands = level === own ? quote(level) : `${level}, which is ${quote(own)} here`
    differs.push(`level ${k + 1} is ${quote(found)}, the rule wants ${stands}${near && level === own ? ": a slip of the pen?" : ""}`) // prettier-ignore
    meant[k] = own
    if (near) alike++
    cost += near ? COST.spelling : COST.level
  }
  const open = wanted.at(-1) === "#"
  if (!open && levels.length > wanted.length) {
    differs.push(
      `level ${wanted.length + 1}: the rule ends, the topic goes on with ${quote(levels[wanted.length] ?? "")}`,
    )
    meant = meant.slice(0, wanted.length)
    cost += COST.level * (levels.length - wanted.length)
  }
  if (alike === 0) cost += COST.nothingAlike
  const verb = kind === "publish" ? "publish to" : kind === "subscribe" ? "ask for" : "expect"
  // Added to a rule for all of a role, another's topic would be everybody's.
  const other = isOwnName ? "what is another's takes a rule of its own" : `or add ${quote(topic)} to its topics`
  const change = `${verb} ${meant.join("/")}${isOwnName ? ";" : ","} ${other}`
  return {
    what: differs.join("; ") || `${filter} does not hold all of it`,
    change,
    cost: Math.max(cost, COST.spelling),
  }
}

function* modbusGaps(rule: ModbusRule, question: ModbusQuestion): Generator<Gap> {
  const { request } = question
  const first = obstacle(rule, request)
  if (first === null) return
  // What is wrong first hides the rest: look at it with that out of the way.
  const own = rule.units.some(({ from, to }) => from <= request.unit && request.unit <= to)
  if (!own) {
    const units = rule.units.map(rangeText).join(", ")
    yield { what: `unit ${request.unit}, but it is for unit ${units}`, change: `add ${request.unit} to its units`, cost: COST.level } // prettier-ignore
  }
  const named = obstacle({ ...rule, units: [{ from: 0, to: 255 }] }, request)
  if (named === "function") {
    const names = rule.functions.map(({ code }) => functionName(code)).join(", ")
    const sub = request.sub === null ? "" : ` sub-function ${request.sub}`
    const name = `${functionName(request.code)}${sub}`
    yield { what: `it allows ${names}, not ${name}`, change: `add ${name} to its functions`, cost: COST.action }
  } else if (named === "address") {
    const ranges = rangesOf(rule, request) ?? []
    const spans = [request.reads, request.writes].flatMap((span) => span ?? [])
    const asked = spans.map(rangeText).join(" and ") || `file ${request.file?.file ?? 0}`
    const what = `${asked} is not whole in its ranges ${ranges.map(rangeText).join(", ") || "(none)"}`
    yield { what, change: "ask for less, or widen its ranges", cost: COST.level }
  } else if (named === "part-of-point" || named === "value") yield pointGap(rule, question, named)
}

function pointGap(rule: ModbusRule, { request }: ModbusQuestion, reason: Reason): Gap {
  const { writes } = request
  const touched = rule.points.filter((point) => isRanged(point) && writes !== null && meet(pointRange(point), writes))
  const names = touched.map((point) => `${point.name} (${point.type} at ${rangeText(pointRange(point))}, ${boundsText(point)})`).join(", ") // prettier-ignore
  if (reason === "value") {
    return { what: `the value does not fit ${names}`, change: "write a value in the bounds, or widen min and max", cost: COST.term } // prettier-ignore
  }
  const mask = request.code === 22
  return {
    what: mask ? `a mask changes single bits of ${names}` : `it writes a part of ${names} only`,
    change: mask
      ? "write the whole value with write-multiple-registers"
      : "write all registers of the point in one request",
    cost: COST.term,
  }
}

function boundsText({ min, max }: Point): string {
  return `${min === null ? "" : `from ${min} `}${max === null ? "" : `up to ${max}`}`.trim()
}

/** A condition of the rule that does not hold, in words. */
export function termGap(rule: Rule, hurdle: Term | "rate", question: Question): Pick<Gap, "what" | "change"> {
  const mqtt = rule.protocol === "mqtt" ? rule : null
  const message = question.kind === "publish" || question.kind === "receive" ? question : null
  const qos = question.kind === "modbus" ? null : question.qos
  switch (hurdle) {
    case "not-essential":
      return {
        what: "normal flows are closed now, and the rule is not essential",
        change:
          "end what closes them (lockgate status says it), or mark the rule essential: true if the process needs it",
      }
    case "emergency":
      return { what: `it waits for emergency ${rule.emergency ?? ""}`, change: "switch the emergency on by override" }
    case "hours":
      return {
        what: `it is in force only ${rule.hours === null ? "" : hoursText(rule.hours)}${question.at === null ? ", and the time is not known" : ""}`,
        change: "ask in these hours, or widen them",
      }
    case "when":
      return {
        what: `it waits for ${conditionsText(rule.when ?? [])}, and ${inputsText(rule, question)}`,
        change: "bring the input into that state, or ask with --input name=state",
      }
    case "qos": {
      const may = mqtt?.maxQos ?? 0
      const what =
        qos === null
          ? `its QoS is above ${may}, the most that the rule allows`
          : `QoS ${qos}, the rule allows up to ${may}`
      return { what, change: `use QoS ${may}${may === 0 ? "" : " or less"}, or set qos: ${qos ?? 2}` }
    }
    case "retain":
      return { what: "the retain flag is set, which the rule does not allow", change: "clear it, or set retain: true" }
    case "payload-size": {
      const may = mqtt === null ? "0B" : sizeText(longestPayload(mqtt))
      const has = message?.payloadBytes ?? null
      const what =
        has === null ? `its payload is longer than ${may}` : `a payload of ${sizeText(has)}, the rule allows ${may}`
      return { what, change: `send less, or set payload: ${has === null ? "to what is needed" : sizeText(has)}` }
    }
    case "payload-form": {
      const payload = message?.payloadBytes === 0 ? new Uint8Array() : (message?.payload ?? null)
      const why = mqtt === null || payload === null ? null : explainPayload(mqtt.payload, payload, 0, payload.length)
      const what = `the payload is not of the form ${mqtt?.payload.kind ?? ""} that the rule demands`
      return { what: `${what}${why === null ? "" : `: ${why}`}`, change: "send what the form says, or change the form" }
    }
    case "rate":
      return { what: "its rate was used up", change: "send less often, or raise rate and burst" }
  }
}

/** The inputs that a rule waits for, as they are: `key-switch is run`. */
function inputsText({ when }: Rule, { inputs = NO_INPUTS }: Question): string {
  const names = [...new Set((when ?? []).map(({ input }) => input))]
  return names
    .map((name) => {
      const known = inputs.get(name)
      return known === undefined ? `the state of ${name} is not known` : `${name} is ${known.state}`
    })
    .join(", ")
}
