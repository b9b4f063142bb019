import cedar from "@cedar-policy/cedar-wasm/nodejs"
import { newEnforcer, newModelFromString } from "casbin"
import mqttMatch from "mqtt-match"
import { Qlobber } from "qlobber"
import type { FilterState } from "../policy/filter/state.ts"
import type { MqttRule, Policy } from "../policy/language/policy.ts"

/** Whether one packet passes, from its raw bytes; `client` is the number in the peer's name. */
export type PeerFilter = (client: number, bytes: Uint8Array, start: number, end: number) => boolean

/** Something else that could stand in the filter's place. */
export interface Peer {
  readonly name: string
  /** Made ready as well as its interface allows: what depends on rules and roles alone is not timed. */
  readonly prepare: (policy: Policy) => PeerFilter | Promise<PeerFilter>
}

/** The engines named in the design's peers, fastest first. */
export const PEERS: readonly Peer[] = [
  { name: "qlobber", prepare: prepareQlobber },
  { name: "array of regexes", prepare: prepareRegexes },
  { name: "the same, a list a role", prepare: prepareGroupedRegexes },
  { name: "linear mqtt-match", prepare: prepareLinear },
  { name: "casbin", prepare: prepareCasbin },
  { name: "Cedar", prepare: prepareCedar },
]

/** The number in the state's `dev<number>`. */
export function clientOf({ name }: FilterState): number {
  return Number(
    Buffer.from(name.buffer, name.byteOffset + 4, name[0])
      .toString("latin1")
      .slice("dev".length),
  )
}

/** The topic of a PUBLISH as a string: what each of these engines needs first. Timed with it. */
function topicOf(bytes: Uint8Array, start: number, end: number): string {
  let at = start + 1
  while (at < end && bytes[at]! >= 0x80) at++
  at++
  const length = (bytes[at]! << 8) | bytes[at + 1]!
  return Buffer.from(bytes.buffer, bytes.byteOffset + at + 2, length).toString("utf8")
}

/**
 * The topic with the client's name written as `%u`, or null if it does not stand in it: none of the engines knows `%u`, so
 * they are asked once more, instead of being given every rule once for each of a thousand clients.
 */
function withName(topic: string, client: number): string | null {
  const name = `/dev${client}/`
  const at = topic.indexOf(name)
  return at < 0 ? null : `${topic.slice(0, at)}/%u/${topic.slice(at + name.length)}`
}

const ROLES = 20

/** Rules by the number of the role, for `client % 20`. */
function byRole(policy: Policy): MqttRule[][] {
  const rules = policy.rules.filter((rule) => rule.protocol === "mqtt")
  return Array.from({ length: ROLES }, (_, k) => rules.filter(({ roles }) => roles.includes(`role-${k}`)))
}

/** Whoever has any of the roles. */
const ANYONE = "anyone"

/** Role, filter and effect, a line each; a rule that speaks of every role is one line. */
function subjects(policy: Policy): [role: string, topic: string, effect: string][] {
  const rules = policy.rules.filter((rule) => rule.protocol === "mqtt")
  return rules.flatMap(({ roles, topics, effect }) =>
    (roles.length === ROLES ? [ANYONE] : roles).flatMap((role) =>
      topics.map((topic): [string, string, string] => [role, topic, effect]),
    ),
  )
}

function prepareQlobber(policy: Policy): PeerFilter {
  const matchers = byRole(policy).map((rules) => {
    const matcher = new Qlobber<string>({
      wildcard_one: "+",
      wildcard_some: "#",
      separator: "/",
      match_empty_levels: true,
    })
    for (const { topics, effect } of rules) for (const topic of topics) matcher.add(topic, effect)
    return matcher
  })
  return (client, bytes, start, end) => {
    const topic = topicOf(bytes, start, end)
    const matcher = matchers[client % ROLES]!
    const found = matcher.match(topic)
    const named = withName(topic, client)
    const again = named === null ? [] : matcher.match(named)
    return !found.includes("deny") && !again.includes("deny") && (found.includes("allow") || again.includes("allow"))
  }
}

function regexOf(filter: string): RegExp {
  const literal = filter.replaceAll(/[.*?^${}()|[\]\\]/g, "\\$&")
  return new RegExp(`^${literal.replaceAll("+", "[^/]+").replace("/#", "(/.*)?")}$`)
}

/** The habit of an `authorizePublish` hook: one list, each entry asked for its role and then for the topic. */
function linear<T>(
  policy: Policy,
  compile: (filter: string) => T,
  matches: (filter: T, topic: string) => boolean,
): PeerFilter {
  const rules = policy.rules
    .filter((rule) => rule.protocol === "mqtt")
    .flatMap(({ roles, topics, effect }) =>
      topics.map((topic) => ({ roles: new Set(roles), filter: compile(topic), deny: effect === "deny" })),
    )
  return (client, bytes, start, end) => {
    const topic = topicOf(bytes, start, end)
    const named = withName(topic, client)
    const role = `role-${client % ROLES}`
    let allowed = false
    for (const { roles, filter, deny } of rules) {
      if (!roles.has(role) || (!matches(filter, topic) && (named === null || !matches(filter, named)))) continue
      if (deny) return false
      allowed = true
    }
    return allowed
  }
}

function prepareRegexes(policy: Policy): PeerFilter {
  return linear(policy, regexOf, (filter, topic) => filter.test(topic))
}

/** The same with more care: lists by role made beforehand, first the denies, then the allows until one matches. */
function prepareGroupedRegexes(policy: Policy): PeerFilter {
  const filters = (effect: string): RegExp[][] =>
    byRole(policy).map((rules) => rules.filter((r) => r.effect === effect).flatMap(({ topics }) => topics.map(regexOf)))
  const [deny, allow] = [filters("deny"), filters("allow")]
  return (client, bytes, start, end) => {
    const topic = topicOf(bytes, start, end)
    const named = withName(topic, client)
    const hits = (filter: RegExp): boolean => filter.test(topic) || (named !== null && filter.test(named))
    return !deny[client % ROLES]!.some(hits) && allow[client % ROLES]!.some(hits)
  }
}

function prepareLinear(policy: Policy): PeerFilter {
  return linear(policy, (filter) => filter, mqttMatch)
}

const MODEL = `
[request_definition]
r = sub, obj, named, act
[policy_definition]
p = sub, obj, act, eft
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = r.act == p.act && g(r.sub, p.sub) && matchTopic(r.obj, r.named, p.obj)
`

/** RBAC; in place of its keyMatch, which makes a regular expression a call, the quicker mqtt-match. */
async function prepareCasbin(policy: Policy): Promise<PeerFilter> {
  const enforcer = await newEnforcer(newModelFromString(MODEL))
  await enforcer.addFunction(
    "matchTopic",
    (topic: string, named: string, filter: string) =>
      mqttMatch(filter, topic) || (named !== "" && mqttMatch(filter, named)),
  )
  const lines = subjects(policy).map(([role, topic, effect]) => [role, topic, "publish", effect])
  for (let k = 0; k < lines.length; k += 1000) await enforcer.addPolicies(lines.slice(k, k + 1000))
  const clients = Array.from({ length: 1000 }, (_, k) => k)
  await enforcer.addGroupingPolicies(
    clients.flatMap((k) => [`role-${k % ROLES}`, ANYONE].map((role) => [`dev${k}`, role])),
  )
  return (client, bytes, start, end) => {
    const topic = topicOf(bytes, start, end)
    return enforcer.enforceSync(`dev${client}`, topic, withName(topic, client) ?? "", "publish")
  }
}

/**
 * Policies parsed beforehand; a request brings its one principal with its role. Cedar's `like` has a `*` that crosses
 * levels, so the number of levels is part of the request.
 */
function prepareCedar(policy: Policy): PeerFilter {
  const policies = subjects(policy).map(([role, topic, effect]) => {
    const what = topic.includes("%u") ? "context.named" : "context.topic"
    const levels = topic.endsWith("/#") ? "" : `context.levels == ${topic.split("/").length} && `
    const like = topic.endsWith("/#")
      ? `(${what} like "${topic.slice(0, -1)}*" || ${what} == "${topic.slice(0, -2)}")`
      : `${what} like "${topic.replaceAll("+", "*")}"`
    const who = role === ANYONE ? "principal" : `principal in Role::"${role}"`
    const head = `(${who}, action == Action::"publish", resource)`
    return `${effect === "deny" ? "forbid" : "permit"} ${head} when { ${levels}${like} };`
  })
  const id = `${policies.length} rules`
  const parsed = cedar.preparsePolicySet(id, { staticPolicies: policies.join("\n") })
  if (parsed.type === "failure") throw new Error(parsed.errors[0]?.message)
  const action = { type: "Action", id: "publish" }
  const resource = { type: "Broker", id: "plant" }
  return (client, bytes, start, end) => {
    const topic = topicOf(bytes, start, end)
    const principal = { type: "User", id: `dev${client}` }
    const answer = cedar.statefulIsAuthorized({
      principal,
      action,
      resource,
      context: { topic, named: withName(topic, client) ?? "", levels: topic.split("/").length },
      preparsedPolicySetId: id,
      entities: [{ uid: principal, attrs: {}, parents: [{ type: "Role", id: `role-${client % ROLES}` }] }],
    })
    if (answer.type === "failure") throw new Error(answer.errors[0]?.message)
    return answer.response.decision === "allow"
  }
}
