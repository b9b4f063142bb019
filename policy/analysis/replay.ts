/**
 * A candidate policy, ready to judge flows of a recording by the real filter.
 *
 * What a flow does not tell (the payload, the hour, how closely messages followed each other) is not guessed: the flow is
 * judged by the narrowest and by the widest reading of the policy, and where these differ the answer is `depends`.
 *
 * | reading | rules with a rate | with a payload form | with hours | with an emergency |
 * |---|---|---|---|---|
 * | surely | do not allow | do not allow | do not allow; deny | do not allow |
 * | given the rate | allow | do not allow | do not allow; deny | do not allow |
 * | at best | allow | allow | allow; do not deny | do not allow |
 */
import { compilePolicy } from "../compile/compile.ts"
import { decideSubscription } from "../filter/contain.ts"
import { classOf, createBuckets, createFilterState, decideTopic } from "../filter/decide.ts"
import type { CompiledPolicy } from "../filter/table.ts"
import { isAllowed, reasonName, ruleOf, type Reason, type Verdict } from "../filter/verdict.ts"
import { fitsClientIdPattern } from "../identity/client-id.ts"
import { resolveSubject } from "../identity/subject.ts"
import type { Policy, Rule } from "../language/policy.ts"
import type { MqttFlow, PeerFacts } from "../recording/recording.ts"

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
  judge(peer: Extract<KnownPeer, { ok: true }>, flow: MqttFlow, essentialOnly: boolean): Judgement
}

type Reading = (rule: Rule) => Rule | null

const SURELY: Reading = (rule) => {
  if (rule.effect === "deny") return always(rule)
  if (rule.hours !== null || rule.emergency !== null) return null
  return rule
}
const AT_BEST: Reading = (rule) => {
  if (rule.emergency !== null || (rule.effect === "deny" && rule.hours !== null)) return null
  return always(rule)
}

function always(rule: Rule): Rule {
  return { ...rule, hours: null }
}

/** Messages also have a payload and a rate; requests to subscribe have not. */
const MESSAGES: { readonly surely: Reading; readonly rated: Reading; readonly best: Reading } = {
  surely: (rule) => (rule.effect === "allow" && (rule.rate !== null || looksInside(rule)) ? null : SURELY(rule)),
  rated: (rule) => (rule.effect === "allow" && looksInside(rule) ? null : unrated(SURELY(rule))),
  best: (rule) => {
    const best = unrated(AT_BEST(rule))
    return best?.protocol === "mqtt" ? { ...best, payload: { kind: "any" } } : best
  },
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
    flow: MqttFlow,
    essentialOnly: boolean,
  ): Verdict {
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

  return {
    policy,
    know,
    judge: (peer, flow, essentialOnly) => {
      const ruleIn = (table: CompiledPolicy, v: Verdict): string | null => table.ruleIds[ruleOf(v)] ?? null
      const { surely, best } = flow.action === "subscribe" ? tables.subscribe : tables.message
      const sure = ask(surely, peer, flow, essentialOnly)
      if (isAllowed(sure)) return { kind: "passes", rule: ruleIn(surely, sure) }
      const widest = best === surely ? sure : ask(best, peer, flow, essentialOnly)
      if (!isAllowed(widest)) return { kind: "denied", rule: ruleIn(best, widest), reason: reasonName(widest) }
      if (flow.action === "subscribe") return { kind: "depends", rule: ruleIn(best, widest) }
      const rated = ask(tables.message.rated, peer, flow, essentialOnly)
      const rule = ruleIn(tables.message.rated, rated)
      if (isAllowed(rated) && rule !== null) return { kind: "rate", rule }
      return { kind: "depends", rule: ruleIn(best, widest) }
    },
  }
}

function same(rule: Rule, original: Rule | undefined): boolean {
  if (original === undefined) return false
  const form = rule.protocol === "mqtt" && original.protocol === "mqtt" ? rule.payload === original.payload : true
  return form && rule.hours === original.hours && rule.rate === original.rate
}

/** What a reading took off a rule: two readings with equal marks leave the same rules. */
function kindOf(rule: Rule): string {
  const form = rule.protocol === "mqtt" && rule.payload.kind !== "any" ? "f" : ""
  return `(${rule.rate === null ? "" : "r"}${form}${rule.hours === null ? "" : "h"})`
}
