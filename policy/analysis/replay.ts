/**
 * A candidate policy, ready to judge flows of a recording by the real filter.
 *
 * What a flow does not tell (the payload, the value, the hour, the inputs, how closely messages followed each other) is not guessed: the
 * flow is judged by the narrowest and by the widest reading of the policy, and where these differ the answer is `depends`.
 *
 * | reading | rules with a rate | with a payload form | points with bounds | with hours or inputs | with an emergency |
 * |---|---|---|---|---|---|
 * | surely | do not allow | do not allow | fit no value | do not allow; deny | do not allow |
 * | given the rate | allow | do not allow | fit no value | do not allow; deny | do not allow |
 * | at best | allow | allow | fit every value | allow; do not deny | do not allow |
 */
import { compilePolicy } from "../compile/compile.ts"
import { decideSubscription } from "../filter/contain.ts"
import { classOf, createBuckets, createFilterState, decideTopic } from "../filter/decide.ts"
import type { CompiledPolicy } from "../filter/table.ts"
import { isAllowed, reasonName, ruleOf, type Reason, type Verdict } from "../filter/verdict.ts"
import { fitsClientIdPattern } from "../identity/client-id.ts"
import { resolveSubject } from "../identity/subject.ts"
import type { Policy, Rule } from "../language/policy.ts"
import type { Flow, ModbusFlow, MqttFlow, PeerFacts } from "../recording/recording.ts"
import type { ModbusRequest } from "./modbus-request.ts"
import { askModbus, closedPoints, openPoints, requestOf } from "./replay-modbus.ts"

/** Why a peer is nobody to the candidate, or may not connect as it did. */
export type PeerRefusal = "no-conduit" | "no-zone" | "no-subject" | "ambiguous-subject" | "bad-name" | "no-rights" | "client-id" // prettier-ignore

/** A peer of a recording, as the candidate knows it. */
export type KnownPeer =
  | { readonly ok: true; readonly conduit: string; readonly name: string; readonly roles: readonly string[]; readonly clientId: string }
  | { readonly ok: false; readonly refusal: PeerRefusal } // prettier-ignore

/** What the candidate says of one flow. `rule`: the one that decides, or comes nearest; `depends` says what on. */
export type Judgement =
  | { readonly kind: "passes"; readonly rule: string | null }
  | { readonly kind: "rate"; readonly rule: string }
  | { readonly kind: "depends"; readonly rule: string | null }
  | { readonly kind: "denied"; readonly rule: string | null; readonly reason: Reason }

/** A candidate that flows are held against. */
export interface Replay {
  readonly policy: Policy
  /**
   * Who the peer is by the candidate: by the names in its certificate where the recording has any, else by the name and
   * roles of that time.
   */
  know(peer: PeerFacts): KnownPeer
  /** `essentialOnly` as while normal flows are closed. */
  judge(peer: Extract<KnownPeer, { ok: true }>, flow: Flow, essentialOnly: boolean): Judgement
}

type Reading = (rule: Rule) => Rule | null

const SURELY: Reading = (rule) => {
  if (rule.effect === "deny") return always(rule)
  if (rule.hours !== null || rule.when !== null || rule.emergency !== null) return null
  return rule
}
const AT_BEST: Reading = (rule) => {
  if (rule.emergency !== null || (rule.effect === "deny" && (rule.hours !== null || rule.when !== null))) return null
  return always(rule)
}

function always(rule: Rule): Rule {
  return { ...rule, hours: null, when: null }
}

/** Messages and Modbus requests also have what is inside and a rate; requests to subscribe have not. */
const MESSAGES: { readonly surely: Reading; readonly rated: Reading; readonly best: Reading } = {
  surely: (rule) => (rule.effect === "allow" && rule.rate !== null ? null : closed(SURELY(rule))),
  rated: (rule) => unrated(closed(SURELY(rule))),
  best: (rule) => {
    const best = unrated(AT_BEST(rule))
    if (best?.protocol === "mqtt") return { ...best, payload: { kind: "any" } }
    return best === null ? null : openPoints(best)
  },
}

/** The rule where nothing is known of what is inside. */
function closed(rule: Rule | null): Rule | null {
  if (rule?.protocol === "modbus") return closedPoints(rule)
  return rule?.effect === "allow" && looksInside(rule) ? null : rule
}

function looksInside(rule: Rule): boolean {
  return rule.protocol === "mqtt" && rule.payload.kind !== "any"
}

function unrated(rule: Rule | null): Rule | null {
  return rule === null ? null : { ...rule, rate: null }
}

const encoder = new TextEncoder()

/**
 * Make a candidate ready. The readings that it does not need are not compiled.
 *
 * @throws InputError `ERR_POLICY_TOO_COMPLEX`
 */
export function createReplay(policy: Policy): Replay {
  const made = new Map<string, CompiledPolicy>()

  /** Readings that leave the same rules share a table. */
  function compiled(reading: Reading): CompiledPolicy {
    const rules = policy.rules.map(reading)
    const key = rules
      .map((rule, i) => (rule === null ? "-" : same(rule, policy.rules[i]) ? "=" : kindOf(rule)))
      .join("")
    const known = made.get(key)
    if (known !== undefined) return known
    const table = compilePolicy({ ...policy, rules: rules.filter((rule) => rule !== null) })
    made.set(key, table)
    return table
  }

  const tables = {
    subscribe: { surely: compiled(SURELY), best: compiled(AT_BEST) },
    message: {
      surely: compiled(MESSAGES.surely),
      rated: compiled(MESSAGES.rated),
      best: compiled(MESSAGES.best),
    },
  }

  function know(peer: PeerFacts): KnownPeer {
    const conduit = policy.conduits.find((one) => one.name === peer.conduit)
    if (conduit === undefined) return { ok: false, refusal: "no-conduit" }
    const { sanUri, sanDns, commonName } = peer.names
    const nameless = sanUri.length === 0 && sanDns.length === 0 && commonName === null
    const subject = nameless ? null : resolveSubject(policy.subjects, conduit.from, peer.names)
    if (subject !== null && !subject.ok) return { ok: false, refusal: subject.reason }
    const { name, roles } = subject ?? { name: peer.subject, roles: peer.roles }
    if (classOf(tables.message.best, conduit.name, roles) < 0) return { ok: false, refusal: "no-rights" }
    const fits = subject === null || fitsClientIdPattern(peer.clientId, subject.clientIdPattern, name)
    if (conduit.protocol === "mqtt" && !fits) return { ok: false, refusal: "client-id" }
    return { ok: true, conduit: conduit.name, name, roles, clientId: peer.clientId }
  }

  function ask(
    table: CompiledPolicy,
    peer: Extract<KnownPeer, { ok: true }>,
    flow: Asked,
    essentialOnly: boolean,
  ): Verdict {
    if (flow.kind === "modbus") return askModbus(table, peer, flow.request, essentialOnly)
    const topic = encoder.encode(flow.topic)
    const state = createFilterState(table.table, {
      classIndex: classOf(table, peer.conduit, peer.roles),
      action: flow.action,
      protocolVersion: 5,
      name: encoder.encode(peer.name),
      clientId: encoder.encode(peer.clientId),
      buckets: createBuckets(table.table),
      essentialOnly,
    })
    if (flow.action === "subscribe") return decideSubscription(table.table, state, topic, 0, topic.length, flow.qos)
    const flags = (flow.qos << 1) | (flow.retain ? 1 : 0)
    return decideTopic(table.table, state, topic, 0, topic.length, flags, flow.maxBytes, 0)
  }

  function judge(peer: Extract<KnownPeer, { ok: true }>, flow: Asked, essentialOnly: boolean): Judgement {
    const ruleIn = (table: CompiledPolicy, v: Verdict): string | null => table.ruleIds[ruleOf(v)] ?? null
    const asks = flow.kind === "mqtt" && flow.action === "subscribe"
    const { surely, best } = asks ? tables.subscribe : tables.message
    const sure = ask(surely, peer, flow, essentialOnly)
    if (isAllowed(sure)) return { kind: "passes", rule: ruleIn(surely, sure) }
    const widest = best === surely ? sure : ask(best, peer, flow, essentialOnly)
    if (!isAllowed(widest)) return { kind: "denied", rule: ruleIn(best, widest), reason: reasonName(widest) }
    if (asks) return { kind: "depends", rule: ruleIn(best, widest) }
    const rated = ask(tables.message.rated, peer, flow, essentialOnly)
    const rule = ruleIn(tables.message.rated, rated)
    if (isAllowed(rated) && rule !== null) return { kind: "rate", rule }
    return { kind: "depends", rule: ruleIn(best, widest) }
  }

  /** Bytes that were no request are none to any policy, but for unit 0: a serial line takes only writes there. */
  function judgeModbus(peer: Extract<KnownPeer, { ok: true }>, flow: ModbusFlow, essentialOnly: boolean): Judgement {
    const request = requestOf(flow)
    const wasBad = flow.verdict === "bad-request"
    if (wasBad && (request === null || flow.unit !== 0)) return { kind: "denied", rule: null, reason: "bad-request" }
    if (request === null) return { kind: "depends", rule: null }
    const judgement = judge(peer, { kind: "modbus", request }, essentialOnly)
    return wasBad && judgement.kind !== "denied" ? { kind: "depends", rule: judgement.rule } : judgement
  }

  return {
    policy,
    know,
    judge: (peer, flow, essentialOnly) => {
      return flow.kind === "modbus" ? judgeModbus(peer, flow, essentialOnly) : judge(peer, flow, essentialOnly)
    },
  }
}

/** What the filter is asked: a flow of MQTT, or the request of one of Modbus. */
type Asked = MqttFlow | { readonly kind: "modbus"; readonly request: ModbusRequest }

function same(rule: Rule, original: Rule | undefined): boolean {
  if (original === undefined) return false
  const form = rule.protocol === "mqtt" && original.protocol === "mqtt" ? rule.payload === original.payload : true
  const points = rule.protocol === "modbus" && original.protocol === "modbus" ? rule.points === original.points : true
  return form && points && rule.hours === original.hours && rule.when === original.when && rule.rate === original.rate
}

/** What a reading made of a rule: two readings with equal marks leave the same rules. */
function kindOf(rule: Rule): string {
  const form = rule.protocol === "mqtt" && rule.payload.kind !== "any" ? "f" : ""
  const points = rule.protocol === "modbus" ? rule.points.map(({ max }) => max ?? "-").join() : ""
  return `(${rule.rate === null ? "" : "r"}${form}${rule.hours === null ? "" : "h"}${rule.when === null ? "" : "w"}${points})`
}
