/**
 * What the filter means, written from the definition of the language over strings and arrays: slow, obvious, and the
 * judge of the fast one. The message path never uses it; a probe holds the live filter against it.
 */
import type { Action, MqttRule, Policy } from "../language/policy.ts"
import { MAX_INSPECTED_BYTES } from "../language/payload-form.ts"
import { withinHours } from "../time/hours.ts"
import type { Certainty, TimeInterval } from "../time/interval.ts"
import type { Inputs } from "./inputs.ts"
import { aliasScope, type AliasMemory } from "./payload/alias-memory.ts"
import { checkPayload } from "./payload/check-payload.ts"
import { REASON, verdict, type Reason, type Verdict } from "./verdict.ts"

/** Who asks for what, in which posture. */
export interface Asked {
  readonly policy: Policy
  readonly conduit: string
  readonly roles: readonly string[]
  readonly action: Action
  readonly name: string
  readonly clientId: string
  readonly essentialOnly: boolean
  /** What is known of the time; absent: nothing. */
  readonly time?: TimeInterval
  /** The emergencies that are switched on; absent: none. */
  readonly emergencies?: ReadonlySet<string>
  /** What is known of the inputs, by name their state; absent: nothing. */
  readonly inputs?: Inputs
  /** What Sparkplug births said on this connection; absent: nobody remembers. */
  readonly aliases?: AliasMemory
}

/** One message: flags as in the PUBLISH header. */
export interface Message {
  readonly topic: Uint8Array
  readonly qos: number
  readonly retain: boolean
  readonly payloadBytes: number
  readonly nowMs: number
  /** The payload itself, if all of it is in hand. */
  readonly payload?: Uint8Array
}

/** Tokens left per rule and when they were counted. */
export type ReferenceBuckets = Map<MqttRule, { tokens: number; atMs: number }>

/** True if `filter` matches `topic`, both as strings. @see MQTT 5.0 section 4.7 */
export function matches(filter: string, topic: string, who: { name: string; clientId: string }): boolean {
  const wanted = filter.split("/")
  const levels = topic.split("/")
  if (topic.startsWith("$") && (wanted[0] === "+" || wanted[0] === "#")) return false
  for (let k = 0; k < wanted.length; k++) {
    if (wanted[k] === "#") return true
    if (k >= levels.length) return false
    if (wanted[k] === "+") continue
    const word = wanted[k] === "%c" ? who.clientId : wanted[k] === "%u" ? who.name : wanted[k]
    if (word !== levels[k]) return false
    // `a/#` matches `a`.
    if (k === levels.length - 1 && k === wanted.length - 2 && wanted[k + 1] === "#") return true
  }
  return wanted.length === levels.length
}

/** True if some subject of the conduit's zone can have exactly these roles. */
function isKnown({ policy, conduit, roles }: Asked): boolean {
  const zone = policy.conduits.find((c) => c.name === conduit)?.from
  const same = (a: readonly string[], b: readonly string[]): boolean =>
    a.every((x) => b.includes(x)) && b.every((x) => a.includes(x))
  return policy.subjects.some((subject) => subject.zone === zone && same(subject.roles, roles))
}

/** The rules that bear on who asks, by index in the policy. */
function rulesFor({ policy, conduit, roles }: Asked): readonly (readonly [number, MqttRule])[] {
  return [...policy.rules.entries()]
    .flatMap(([index, rule]) => (rule.protocol === "mqtt" ? [[index, rule] as const] : []))
    .filter(([, rule]) => rule.conduits.includes(conduit) && rule.roles.some((role) => roles.includes(role)))
}

/** `$share/<group>/<filter>` taken apart; the group is null for a plain filter. */
function unshare(filter: string): { group: string | null; filter: string } {
  const [, group, own] = /^\$share\/([^/]*)\/(.*)$/s.exec(filter) ?? []
  return group === undefined || own === undefined ? { group: null, filter } : { group, filter: own }
}

/** Whether the conduit lets messages of this action pass, whatever the rules. */
function goes({ policy, conduit }: Asked, action: Action): boolean {
  const direction = policy.conduits.find((c) => c.name === conduit)?.direction
  return action === "publish" ? direction !== "in" : direction !== "out"
}

/** Whether it is an hour of the rule; an hour that is uncertain closes an allow and keeps a deny in force. */
function hoursOf(rule: MqttRule, { time }: Asked): Certainty {
  if (rule.hours === null) return "yes"
  return withinHours(rule.hours, time ?? { earliestAt: -Infinity, latestAt: Infinity })
}

/** Whether every condition on an input holds; as with hours, what nobody knows closes an allow and keeps a deny in force. */
function inputsOf(rule: MqttRule, { inputs }: Asked): Certainty {
  const each = (rule.when ?? []).map(({ input, is, state }): Certainty => {
    const known = inputs?.get(input)
    if (known === undefined) return "uncertain"
    if (known.words !== undefined && !known.words.includes(state)) return "uncertain"
    if (is) return known.state === state ? "yes" : "no"
    return known.state === state ? "no" : "yes"
  })
  return each.includes("no") ? "no" : each.includes("uncertain") ? "uncertain" : "yes"
}

/** Whether a deny is in force: unless it surely is not. */
function mayDeny(rule: MqttRule, asked: Asked): boolean {
  return rule.effect === "deny" && hoursOf(rule, asked) !== "no" && inputsOf(rule, asked) !== "no"
}

function isOn(rule: MqttRule, { emergencies }: Asked): boolean {
  return rule.emergency === null || emergencies?.has(rule.emergency) === true
}

/** Longest payload that the rule takes; it looks into no more than so much. */
function longestPayload(rule: MqttRule): number {
  return rule.payload.kind === "any" ? rule.maxPayloadBytes : Math.min(rule.maxPayloadBytes, MAX_INSPECTED_BYTES)
}

/** Whether `payload` is of the rule's form. JSON and Sparkplug have references of their own. */
function fitsForm({ payload: form }: MqttRule, payload: Uint8Array, topic: Uint8Array, { aliases }: Asked): boolean {
  const scope = aliases === undefined ? null : aliasScope(aliases, topic, 0, topic.length)
  if (form.kind !== "utf8") return checkPayload(form, payload, 0, payload.length, scope)
  try {
    decoder.decode(payload)
    return true
  } catch {
    return false
  }
}

/** The filters by which `rule` speaks of messages of this action. */
function filtersOf(rule: MqttRule, action: "publish" | "receive"): readonly string[] {
  const shared = (topic: string): boolean => unshare(topic).group !== null
  if (action === "publish") return rule.actions.includes("publish") ? rule.topics.filter((t) => !shared(t)) : []
  if (!rule.actions.includes("receive") && !rule.actions.includes("subscribe")) return []
  if (rule.effect === "deny") return rule.topics.filter((topic) => !shared(topic))
  return rule.topics.map((topic) => unshare(topic).filter)
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** `bytes` as text, or null if it is not text of the kind that names topics. */
export function topicText(bytes: Uint8Array): string | null {
  if (bytes.length < 1 || bytes.length > 65_535) return null
  try {
    const text = decoder.decode(bytes)
    // eslint-disable-next-line no-control-regex -- control characters are what it looks for
    return /[\u0000-\u001f\u007f-\u009f]/.test(text) ? null : text
  } catch {
    return null
  }
}

function isOwn(topic: string): boolean {
  return /^\$?lockgate(\/|$)/.test(topic)
}

/** The verdict on a message, and its price taken from `buckets`. */
export function decideReference(asked: Asked, message: Message, buckets: ReferenceBuckets): Verdict {
  if (!isKnown(asked)) return verdict(REASON["no-rule"], -1)
  const topic = topicText(message.topic)
  if (topic === null || /[+#]/.test(topic) || message.qos > 2) return verdict(REASON["bad-topic"], -1)
  if (isOwn(topic)) return verdict(REASON.reserved, -1)
  const { action } = asked
  if (action === "subscribe") throw new RangeError("messages are published or received")
  if (!goes(asked, action)) return verdict(REASON["no-rule"], -1)
  const matching = rulesFor(asked).filter(([, rule]) => filtersOf(rule, action).some((f) => matches(f, topic, asked)))
  if (matching.length > 0 && isUnheardBirth(asked, message, topic)) return verdict(REASON.incomplete, -1)
  const denying = matching.find(([, rule]) => mayDeny(rule, asked))
  if (denying !== undefined) return verdict(REASON["deny-rule"], denying[0])

  const up = action === "publish"
  const payload = message.payloadBytes === 0 ? new Uint8Array(0) : message.payload
  const before: readonly Check[] = [
    ["not-essential", (rule) => rule.essential || !asked.essentialOnly],
    ["emergency", (rule) => isOn(rule, asked)],
    ["hours", (rule) => hoursOf(rule, asked) === "yes"],
    ["when", (rule) => inputsOf(rule, asked) === "yes"],
    ["qos", (rule) => !up || message.qos <= rule.maxQos],
    ["retain", (rule) => !up || !message.retain || rule.retain],
    ["payload-size", (rule) => message.payloadBytes <= longestPayload(rule)],
  ]
  const allows = matching.filter(([, rule]) => rule.effect === "allow")
  const holdSoFar = allows.filter(([, rule]) => before.every(([, holds]) => holds(rule)))
  const plain = holdSoFar.find(([, rule]) => rule.payload.kind === "any" && rule.rate === null)
  if (plain !== undefined) return verdict(REASON.allowed, plain[0])
  const looks = holdSoFar.some(([, rule]) => rule.payload.kind !== "any")
  if (looks && payload === undefined) return verdict(REASON.incomplete, -1)

  const checks: readonly Check[] = [
    ...before,
    [
      "payload-form",
      (rule) => rule.payload.kind === "any" || (payload !== undefined && fitsForm(rule, payload, message.topic, asked)),
    ],
    ["rate", (rule) => rule.rate === null || tokensOf(rule, buckets, message.nowMs) >= 1],
  ]
  const failing = allows.map(([index, rule]) => ({
    index,
    rule,
    failed: checks.findIndex(([, holds]) => !holds(rule)),
  }))
  const passing = failing.filter(({ failed }) => failed === -1)
  const chosen = passing.find(({ rule }) => rule.rate === null) ?? passing[0]
  if (chosen !== undefined) {
    if (chosen.rule.rate !== null) {
      buckets.set(chosen.rule, {
        tokens: tokensOf(chosen.rule, buckets, message.nowMs) - 1,
        atMs: Math.max(message.nowMs, buckets.get(chosen.rule)?.atMs ?? 0),
      })
    }
    return verdict(REASON.allowed, chosen.index)
  }
  const furthest = Math.max(...failing.map(({ failed }) => failed))
  const nearest = failing.find(({ failed }) => failed === furthest)
  const reason = checks[furthest]?.[0]
  if (nearest === undefined || reason === undefined) return verdict(REASON["no-rule"], -1)
  return verdict(REASON[reason], nearest.index)
}

/** Who remembers what births say looks into each one that it may let pass. */
function isUnheardBirth({ aliases }: Asked, { payload, payloadBytes }: Message, topic: string): boolean {
  if (aliases === undefined || payload !== undefined || payloadBytes === 0) return false
  return payloadBytes <= MAX_INSPECTED_BYTES && /^spBv1\.0\/[^/]*\/[ND]BIRTH\//.test(topic)
}

/** What a rule may demand, and why it denies what does not fulfil it. */
type Check = readonly [Reason, (rule: MqttRule) => boolean]

function tokensOf(rule: MqttRule, buckets: ReferenceBuckets, nowMs: number): number {
  if (rule.rate === null) return Infinity
  const { tokens, atMs } = buckets.get(rule) ?? { tokens: rule.rate.burst, atMs: 0 }
  return Math.min(rule.rate.burst, tokens + Math.max(0, nowMs - atMs) * (rule.rate.perSecond / 1000))
}

/**
 * The verdict on a request to subscribe, by looking at every topic of `universe`.
 *
 * It is right if the universe holds, at each level, every word of the rules and the request and one that is in neither,
 * and topics longer by one level than any of them.
 */
export function decideSubscriptionReference(
  asked: Asked,
  request: string,
  qos: number,
  universe: readonly string[],
): Verdict {
  if (!isKnown(asked)) return verdict(REASON["no-rule"], -1)
  const { group, filter } = unshare(request)
  if (!isWellFormed(filter) || group === "" || /[+#]/.test(group ?? "")) return verdict(REASON["bad-topic"], -1)
  if (/^\$share(\/|$)/.test(request) && group === null) return verdict(REASON["bad-topic"], -1)
  if (isOwn(filter)) return verdict(REASON.reserved, -1)
  // In a request, `%c` and `%u` are plain words.
  const literally = { name: "%u", clientId: "%c" }
  const topics = universe.filter((topic) => matches(filter, topic, literally))

  if (!goes(asked, "subscribe")) return verdict(REASON["not-contained"], -1)
  const candidates = rulesFor(asked)
    .filter(([, rule]) => rule.actions.includes("subscribe"))
    .map(([index, rule]) => ({
      index,
      rule,
      filters: rule.topics.map(unshare).flatMap((own) => (own.group === group ? [own.filter] : [])),
    }))
  const allows = (rule: MqttRule): boolean => rule.effect === "allow"
  const essential = (rule: MqttRule): boolean => allows(rule) && (rule.essential || !asked.essentialOnly)
  const on = (rule: MqttRule): boolean => essential(rule) && isOn(rule, asked)
  const within = (rule: MqttRule): boolean => on(rule) && hoursOf(rule, asked) === "yes"
  const inForce = (rule: MqttRule): boolean => within(rule) && inputsOf(rule, asked) === "yes"
  const stages: readonly Check[] = [
    ["deny-rule", (rule) => mayDeny(rule, asked)],
    ["allowed", (rule) => inForce(rule) && rule.maxQos >= qos],
    ["qos", inForce],
    ["when", within],
    ["hours", on],
    ["emergency", essential],
    ["not-essential", allows],
  ]
  for (const [reason, counts] of stages) {
    const named = namedRule(
      asked,
      topics,
      candidates.filter(({ rule }) => counts(rule)),
    )
    if (named === -1) continue
    const losable = reason === "allowed" && group !== null && !isReceivedWhole(asked, topics)
    return verdict(REASON[losable ? "shared-subscription" : reason], named)
  }
  return verdict(REASON["not-contained"], -1)
}

interface Candidate {
  readonly index: number
  readonly filters: readonly string[]
}

/** The rule to name if every topic is matched by some candidate: the first that matches all, or all of the shortest; else -1. */
function namedRule(asked: Asked, topics: readonly string[], candidates: readonly Candidate[]): number {
  const holds = (candidate: Candidate, topic: string): boolean =>
    candidate.filters.some((f) => matches(f, topic, asked))
  if (!topics.every((topic) => candidates.some((candidate) => holds(candidate, topic)))) return -1
  const levels = (topic: string): number => topic.split("/").length
  const least = Math.min(...topics.map(levels))
  const shortest = topics.filter((topic) => levels(topic) === least)
  const alone = candidates.find((candidate) => topics.every((topic) => holds(candidate, topic)))
  const first = candidates.find((candidate) => shortest.every((topic) => holds(candidate, topic)))
  return (alone ?? first)?.index ?? -1
}

/** Whether no message on these topics could be dropped on its way to who asks. */
function isReceivedWhole(asked: Asked, topics: readonly string[]): boolean {
  const rules = rulesFor(asked).map(([, rule]) => ({ rule, filters: filtersOf(rule, "receive") }))
  return topics.every((topic) => {
    const matching = rules.filter(({ filters }) => filters.some((filter) => matches(filter, topic, asked)))
    if (isOwn(topic) || matching.some(({ rule }) => rule.effect === "deny")) return false
    const drops = (rule: MqttRule): boolean =>
      rule.rate !== null ||
      rule.hours !== null ||
      rule.emergency !== null ||
      rule.when !== null ||
      rule.payload.kind !== "any" ||
      rule.maxPayloadBytes < 268_435_455
    return matching.some(({ rule }) => !drops(rule) && (rule.essential || !asked.essentialOnly))
  })
}

/** `+` and `#` only as whole levels, `#` only as the last. */
function isWellFormed(filter: string): boolean {
  const levels = filter.split("/")
  const good = (level: string, k: number): boolean =>
    level === "+" || (level === "#" && k === levels.length - 1) || !/[+#]/.test(level)
  return topicText(new TextEncoder().encode(filter)) !== null && levels.every(good)
}
