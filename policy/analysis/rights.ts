import { hoursText } from "./terms.ts"
import { sizeText } from "../language/quantity-shapes.ts"
import { conditionsText } from "../language/input-condition.ts"
import type { Action, MqttRule, Policy } from "../language/policy.ts"
import type { Who } from "./who.ts"

/** A denial, as its subject is told of it. */
export interface OwnDenial {
  readonly action: string
  readonly topic: string
  readonly reason: string
  readonly rule: string | null
  /** How long ago, in whole seconds. */
  readonly secondsAgo: number
}

const ACTIONS: readonly Action[] = ["publish", "subscribe", "receive"]
/** Rules of one action that are written out. */
const MAX_RULES = 200

/**
 * What a subject may do on an MQTT conduit, for itself to read: JSON in one line, `%u` and `%c` written out. Its own rights
 * alone, and its own denials.
 */
export function rightsText(policy: Policy, who: Who, denials: readonly OwnDenial[]): string {
  const own = policy.rules.filter(
    (rule): rule is MqttRule =>
      rule.protocol === "mqtt" &&
      rule.conduits.includes(who.conduit) &&
      rule.roles.some((role) => who.roles.includes(role)),
  )
  const may = ACTIONS.map((action) => {
    const rules = own.filter(({ effect, actions }) => effect === "allow" && actions.includes(action))
    const rows = rules.slice(0, MAX_RULES).map((rule) => allowed(rule, action, who))
    return [action, rules.length > MAX_RULES ? [...rows, { more: rules.length - MAX_RULES }] : rows] as const
  })
  const never = own
    .filter(({ effect }) => effect === "deny")
    .slice(0, MAX_RULES)
    .map((rule) => ({ actions: rule.actions, topics: topicsOf(rule, who), rule: rule.id }))
  const { name, roles, conduit, clientId } = who
  return JSON.stringify({ subject: name, clientId, conduit, roles, may: Object.fromEntries(may), never, denials })
}

function allowed(rule: MqttRule, action: Action, who: Who): object {
  const { maxQos, retain, maxPayloadBytes, payload, rate, emergency, when, hours } = rule
  return {
    topics: topicsOf(rule, who),
    qos: maxQos,
    ...(action === "publish" ? { retain } : {}),
    ...(action === "subscribe" ? {} : { payload: sizeText(maxPayloadBytes) }),
    ...(payload.kind === "any" || action === "subscribe" ? {} : { form: payload.kind }),
    ...(rate === null ? {} : { perSecond: rate.perSecond, burst: rate.burst }),
    ...(hours === null ? {} : { hours: hoursText(hours) }),
    ...(emergency === null ? {} : { emergency }),
    ...(when === null ? {} : { when: conditionsText(when) }),
    rule: rule.id,
  }
}

function topicsOf(rule: MqttRule, { name, clientId }: Who): readonly string[] {
  const written = (level: string): string => (level === "%u" ? name : level === "%c" ? clientId : level)
  return rule.topics.map((topic) => topic.split("/").map(written).join("/"))
}
