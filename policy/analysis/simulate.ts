/**
 * A recorded time replayed against a candidate policy, offline: what would have been denied that passed, and the reverse.
 *
 * Every flow is judged by the real filter (`replay.ts`). Live traffic is never judged by two policies.
 */
import type { Reason } from "../filter/verdict.ts"
import { matches } from "../filter/reference.ts"
import type { MqttRule, Policy, Rule } from "../language/policy.ts"
import { momentOf, type Flow, type MqttFlow, type RecordedPeer, type Recording } from "../recording/recording.ts"
import { mayCover, requestOf } from "./replay-modbus.ts"
import { createReplay, type KnownPeer, type PeerRefusal } from "./replay.ts"

/**
 * What would be another. `denied`: it passed, and would not. `may-be-denied`: it passed, and would or would not, by what a
 * recording does not tell. `allowed`, `may-be-allowed`: it was denied.
 */
export type Outcome = "denied" | "may-be-denied" | "allowed" | "may-be-allowed"

/** Why: a reason of the filter, why the peer is nobody, or what it hangs on. */
export type Why = Reason | PeerRefusal | "depends" | "rate-exceeded" | "rate-near"

/** One flow that would fare otherwise than it did. */
export interface Change {
  readonly outcome: Outcome
  readonly why: Why
  /** The candidate's rule that decides, or comes nearest. */
  readonly rule: string | null
  readonly flow: Flow
  /** When it was seen last, by the gateway's clock. */
  readonly lastAt: number
}

/** One peer's changes, the latest seen first. */
export interface PeerChanges {
  readonly conduit: string
  readonly subject: string
  readonly clientId: string
  /** Its roles then, and by the candidate; null: it is nobody there. */
  readonly rolesBefore: readonly string[]
  readonly rolesNow: readonly string[] | null
  readonly changes: readonly Change[]
}

/** All of it. */
export interface Simulation {
  readonly peers: readonly PeerChanges[]
  readonly totals: {
    readonly flows: number
    readonly messages: number
    /** Flows that fare as they did. */
    readonly same: number
    /** Messages by outcome. */
    readonly changed: Readonly<Record<Outcome, { readonly flows: number; readonly messages: number }>>
  }
  /** Messages that the recordings had no room for: nothing can be said of them. */
  readonly missed: number
}

/**
 * Replay recordings against `candidate`. A subject whose roles or name the candidate changes is judged as what it becomes
 * there.
 *
 * @throws InputError `ERR_POLICY_TOO_COMPLEX` if the candidate does not compile.
 */
export function simulate(candidate: Policy, recordings: readonly Recording[]): Simulation {
  const replay = createReplay(candidate)
  const found = new Map<string, { peer: RecordedPeer; known: KnownPeer; changes: Map<string, Change> }>()
  const totals = { flows: 0, messages: 0, same: 0 }
  for (const recording of recordings) {
    const judged = recording.peers.map((peer) => ({ peer, known: replay.know(peer), flows: [] as Judged[] }))
    for (const { peer, known, flows } of judged) {
      for (const flow of peer.flows) {
        totals.flows++
        totals.messages += flow.count
        flows.push({ flow, ...judge(known, flow) })
      }
    }
    spend(candidate, judged)
    for (const { peer, known, flows } of judged) {
      const key = JSON.stringify([peer.conduit, peer.subject, peer.clientId, peer.roles])
      const own = found.get(key) ?? { peer, known, changes: new Map<string, Change>() }
      found.set(key, own)
      for (const one of flows) {
        const outcome = outcomeOf(one)
        if (outcome === null) totals.same++
        else
          add(own.changes, {
            outcome,
            why: one.why,
            rule: one.rule,
            flow: one.flow,
            lastAt: momentOf(recording, one.flow.lastMs),
          })
      }
    }
  }

  function judge(known: KnownPeer, flow: Flow): Omit<Judged, "flow"> {
    if (!known.ok) return { now: "denied", why: known.refusal, rule: null }
    const judgement = replay.judge(known, flow, flow.verdict === "not-essential")
    switch (judgement.kind) {
      case "passes":
        return { now: "allowed", why: "allowed", rule: judgement.rule }
      case "denied":
        return { now: "denied", why: judgement.reason, rule: judgement.rule }
      case "depends":
        return { now: "depends", why: "depends", rule: judgement.rule }
      case "rate":
        return { now: "rate", why: "rate-near", rule: judgement.rule }
    }
  }

  const peers = [...found.values()]
    .filter(({ changes }) => changes.size > 0)
    .map(({ peer, known, changes }) => ({
      conduit: peer.conduit,
      subject: peer.subject,
      clientId: peer.clientId,
      rolesBefore: peer.roles,
      rolesNow: known.ok ? known.roles : null,
      changes: [...changes.values()].sort((a, b) => b.lastAt - a.lastAt),
    }))
  const all = peers.flatMap((peer) => peer.changes)
  const sum = (outcome: Outcome) => {
    const own = all.filter((change) => change.outcome === outcome)
    return { flows: own.length, messages: own.reduce((n, { flow }) => n + flow.count, 0) }
  }
  const changed = { "denied": sum("denied"), "may-be-denied": sum("may-be-denied"), "allowed": sum("allowed"), "may-be-allowed": sum("may-be-allowed") } // prettier-ignore
  const missed = recordings.reduce((n, { end }) => n + end.missed.messages, 0)
  return { peers, totals: { ...totals, changed }, missed }
}

interface Judged {
  readonly flow: Flow
  /** `rate`: it passes if there is a token. */
  now: "allowed" | "denied" | "depends" | "rate"
  why: Why
  readonly rule: string | null
}

/** Null: as it was. */
function outcomeOf({ flow, now, why }: Judged): Outcome | null {
  const passed = flow.verdict === "allowed"
  switch (now) {
    case "allowed":
      return passed ? null : "allowed"
    case "denied":
      return passed ? "denied" : null
    case "rate":
      // What was denied for its rate hangs on the rate still.
      return passed ? (why === "rate-near" ? "may-be-denied" : null) : flow.verdict === "rate" ? null : "may-be-allowed"
    case "depends":
      return passed ? "may-be-denied" : HANGS.has(flow.verdict) ? null : "may-be-allowed"
  }
}

/** Live verdicts that hang on what a recording does not tell either. */
const HANGS: ReadonlySet<Reason> = new Set(["rate", "hours", "when", "emergency", "payload-form", "value"])

/**
 * Hold rates against the busiest seconds, of each subject and rule over all its connections.
 *
 * With at least as many tokens a second as the busiest one took, and room for twice as many, no message was ever too
 * much: a window of t seconds touches at most t + 2 of them. A flow whose own busiest second took more than all rules
 * for it have together was surely denied in part. Between the two it hangs on how messages fell in the seconds.
 *
 * A Modbus request loads every rule with a rate that may let it pass: whether its value fits the first is not known.
 */
function spend(candidate: Policy, judged: readonly { peer: RecordedPeer; known: KnownPeer; flows: Judged[] }[]): void {
  const loads = new Map<string, number>()
  const rated = candidate.rules.filter((rule) => rule.rate !== null)
  const loadKey = (name: string, rule: string | null): string => `${name} ${rule ?? ""}`
  for (const { peer, known, flows } of judged) {
    if (!known.ok) continue
    for (const up of [true, false]) {
      const own = new Map<string, number>()
      for (const { flow, now, rule } of flows) {
        if (goesUp(flow) !== up || flow.verdict !== "allowed" || (now !== "rate" && now !== "depends")) continue
        const paying = flow.kind === "modbus" ? payersOf(rated, known, flow).map(({ id }) => id) : now === "rate" ? [rule] : [] // prettier-ignore
        for (const id of paying) {
          const key = loadKey(known.name, id)
          own.set(key, (own.get(key) ?? 0) + flow.busiest)
        }
      }
      const most = up ? peer.busiestUp : peer.busiestDown
      for (const [key, load] of own) loads.set(key, (loads.get(key) ?? 0) + Math.min(load, Math.max(most, 1)))
    }
  }
  const rules = new Map(candidate.rules.map((rule) => [rule.id, rule]))
  for (const { known, flows } of judged) {
    if (!known.ok) continue
    for (const one of flows) {
      if (one.now !== "rate") continue
      const rate = rules.get(one.rule ?? "")?.rate
      const load = loads.get(loadKey(known.name, one.rule)) ?? 0
      if (rate !== null && rate !== undefined && rate.perSecond >= load && rate.burst >= 2 * load) {
        if (one.flow.verdict === "allowed") {
          one.now = "allowed"
          one.why = "allowed"
        }
      } else if (one.flow.verdict === "allowed" && one.flow.busiest > capacity(rated, known, one.flow)) {
        one.now = "denied"
        one.why = "rate-exceeded"
      }
    }
  }
}

/** To the broker or unit. */
function goesUp(flow: Flow): boolean {
  return flow.kind === "modbus" || flow.action === "publish"
}

/** Most messages of this flow that rules with a rate let through within one second, all their tokens used for it. */
function capacity(rated: readonly Rule[], known: Extract<KnownPeer, { ok: true }>, flow: Flow): number {
  return payersOf(rated, known, flow).reduce((sum, { rate }) => sum + (rate?.burst ?? 0) + (rate?.perSecond ?? 0), 0)
}

/** Those of the rules that may let the flow pass, by anything but its payload, value, hour and rate. */
function payersOf(rules: readonly Rule[], known: Extract<KnownPeer, { ok: true }>, flow: Flow): readonly Rule[] {
  const request = flow.kind === "modbus" ? requestOf(flow) : null
  return rules.filter((rule) => {
    if (rule.effect !== "allow" || !rule.conduits.includes(known.conduit)) return false
    if (!rule.roles.some((role) => known.roles.includes(role))) return false
    if (rule.protocol === "modbus") return request !== null && mayCover(rule, request)
    return flow.kind === "mqtt" && bears(rule, known, flow)
  })
}

function bears(rule: MqttRule, known: Extract<KnownPeer, { ok: true }>, { action, topic }: MqttFlow): boolean {
  const acts = rule.actions.includes(action) || (action === "receive" && rule.actions.includes("subscribe"))
  return acts && rule.topics.some((own) => matches(own.replace(/^\$share\/[^/]*\//, ""), topic, known))
}

/** The same flow of another recording: counted together, seen last at the later time. */
function add(changes: Map<string, Change>, change: Change): void {
  const { flow } = change
  const own = flow.kind === "mqtt" ? [flow.action, flow.topic, flow.qos, flow.retain, flow.will] : [flow.unit, flow.function, flow.sub, flow.range, flow.written] // prettier-ignore
  const key = JSON.stringify([change.outcome, change.why, flow.verdict, flow.kind, ...own])
  const known = changes.get(key)
  if (known === undefined) changes.set(key, change)
  else {
    const later = change.lastAt > known.lastAt ? change : known
    changes.set(key, { ...later, flow: { ...later.flow, count: known.flow.count + flow.count } })
  }
}
