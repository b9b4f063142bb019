import type { Action, Conduit, Policy } from "../language/policy.ts"
import {
  momentOf,
  type Flow,
  type ModbusFlow,
  type MqttFlow,
  type RecordedPeer,
  type Recording,
} from "../recording/recording.ts"
import { roleKey } from "./learn-roles.ts"
import { covers, filterFor } from "./learn-topics.ts"
import { passes } from "./modbus-space.ts"
import { modbusFlowText, requestOf } from "./replay-modbus.ts"
import { createReplay, type KnownPeer } from "./replay.ts"

/** Counts, for comments. */
export interface Seen {
  messages: number
  maxBytes: number
  lastAt: number
  readonly subjects: Set<string>
}

/** What a rule is made for. `receive`: without a request to subscribe in the recordings; `shared`: `$share/...`. */
export type Kind = "publish" | "subscribe" | "receive" | "shared"

/** One filter, with everybody who used it. */
export interface Entry {
  readonly conduit: string
  readonly kind: Kind
  readonly filter: string
  /** Sets of roles that used it, by their key. */
  readonly users: Map<string, readonly string[]>
  qos: 0 | 1 | 2
  retain: boolean
  readonly seen: Seen
}

/** One Modbus request, with everybody who made it. */
export interface ModbusEntry {
  readonly conduit: string
  /** Any of the flows: unit, function, sub-function and addresses are those of all. */
  readonly flow: ModbusFlow
  readonly users: Map<string, readonly string[]>
  readonly seen: Seen
}

/** The busiest second of one publish flow: what rates are made of. */
export interface Load {
  readonly known: Extract<KnownPeer, { ok: true }>
  readonly peer: RecordedPeer
  readonly recording: number
  readonly topic: string
  readonly busiest: number
}

/** All that was recorded, as filters. */
export interface Gathered {
  readonly entries: readonly Entry[]
  readonly modbus: readonly ModbusEntry[]
  readonly loads: readonly Load[]
  /** Every set of roles that was seen on a conduit, or that a subject there can have. */
  readonly roleSets: ReadonlyMap<string, readonly (readonly string[])[]>
  /** What cannot be learnt, to how many messages. */
  readonly notLearnt: ReadonlyMap<string, number>
}

type Known = Extract<KnownPeer, { ok: true }>

/** Live verdicts that no policy can turn into an allowance. */
const NEVER: ReadonlySet<string> = new Set(["bad-topic", "reserved", "too-complex", "bad-request"])

/** Filters of all recordings, as subjects and roles are by `base`. @throws InputError `ERR_POLICY_TOO_COMPLEX` */
export function gather(recordings: readonly Recording[], base: Policy, includeDenied: boolean): Gathered {
  const replay = createReplay({ ...base, rules: [] })
  const entries = new Map<string, Entry>()
  const modbus = new Map<string, ModbusEntry>()
  const loads: Load[] = []
  const roleSets = new Map<string, (readonly string[])[]>()
  const notLearnt = new Map<string, number>()
  const miss = (what: string, count: number): void => void notLearnt.set(what, (notLearnt.get(what) ?? 0) + count)
  for (const { name, from } of base.conduits) {
    const sets = base.subjects.filter(({ zone }) => zone === from).map(({ roles }) => roles)
    roleSets.set(name, sets)
  }

  for (const [number, recording] of recordings.entries()) {
    for (const peer of recording.peers) {
      const known = replay.know(peer)
      if (known.ok) roleSets.get(known.conduit)?.push(known.roles)
      const { asked, received } = sortFlows(peer, includeDenied)
      if (!known.ok || known.roles.length === 0) {
        const messages = peer.flows.reduce((sum, { verdict, count }) => (verdict === "allowed" ? sum + count : sum), 0)
        const why = known.ok ? "it has no roles" : `it is nobody in the base policy (${known.refusal})`
        if (messages > 0) miss(`${peer.subject} on ${peer.conduit}: ${why}`, messages)
        continue
      }
      const filters = asked.map((flow) => take(recording, known, flow, flow.topic.startsWith("$share/") ? "shared" : "subscribe")) // prettier-ignore
      for (const flow of received) {
        const filter = filterFor(flow.topic, known)
        const within = filters.find(
          (entry) => entry !== null && filter !== null && covers(unshared(entry.filter), filter),
        )
        if (within !== undefined && within !== null) count(within, recording, known, flow)
        else take(recording, known, flow, "receive")
      }
      for (const flow of peer.flows) {
        if (!learnable(flow, includeDenied)) continue
        if (flow.kind === "modbus") takeModbus(recording, known, flow)
        if (flow.kind === "modbus" || flow.action !== "publish") continue
        take(recording, known, flow, "publish")
        loads.push({ known, peer, recording: number, topic: flow.topic, busiest: flow.busiest })
      }
    }
  }

  function take(recording: Recording, known: Known, flow: MqttFlow, kind: Kind): Entry | null {
    const conduit = base.conduits.find(({ name }) => name === known.conduit)
    if (conduit !== undefined && !mayPass(conduit, flow.action)) {
      miss(`${flow.action} on ${known.conduit}: the base policy lets it pass no such thing`, flow.count)
      return null
    }
    const filter = filterFor(flow.topic, known)
    if (filter === null) {
      miss(`${flow.action} ${flow.topic}: no rule can name this topic`, flow.count)
      return null
    }
    const key = JSON.stringify([known.conduit, kind, filter])
    const seen: Seen = { messages: 0, maxBytes: 0, lastAt: 0, subjects: new Set() }
    const entry = entries.get(key) ?? { conduit: known.conduit, kind, filter, users: new Map<string, readonly string[]>(), qos: 0, retain: false, seen } // prettier-ignore
    entries.set(key, entry)
    if (flow.qos > entry.qos) entry.qos = flow.qos
    if (flow.retain) entry.retain = true
    count(entry, recording, known, flow)
    return entry
  }

  function takeModbus(recording: Recording, known: Known, flow: ModbusFlow): void {
    const conduit = base.conduits.find(({ name }) => name === known.conduit)
    const { unit, function: code, sub, range, written } = flow
    if (requestOf(flow) === null) {
      return miss(`${modbusFlowText(flow)} on ${known.conduit}: no rule can name this request`, flow.count)
    }
    const cell = { units: { from: unit, to: unit }, code, sub: code === 8 || code === 43 ? sub : null, file: null }
    if (conduit?.protocol !== "modbus" || !passes(cell, conduit)) {
      return miss(`${modbusFlowText(flow)} on ${known.conduit}: the base policy lets it pass no such thing`, flow.count)
    }
    const key = JSON.stringify([known.conduit, unit, code, sub, range, written])
    const seen: Seen = { messages: 0, maxBytes: 0, lastAt: 0, subjects: new Set() }
    const entry = modbus.get(key) ?? { conduit: known.conduit, flow, users: new Map<string, readonly string[]>(), seen }
    modbus.set(key, entry)
    count(entry, recording, known, flow)
  }

  return { entries: [...entries.values()], modbus: [...modbus.values()], loads, roleSets, notLearnt }
}

function count({ users, seen }: Pick<Entry, "users" | "seen">, recording: Recording, known: Known, flow: Flow): void {
  users.set(roleKey(known.roles), known.roles)
  seen.messages += flow.count
  if (flow.kind === "mqtt") seen.maxBytes = Math.max(seen.maxBytes, flow.maxBytes)
  seen.lastAt = Math.max(seen.lastAt, momentOf(recording, flow.lastMs))
  seen.subjects.add(known.name)
}

/** A rule for what a conduit's protocol or direction never lets pass would be a fault. */
function mayPass({ protocol, direction }: Conduit, action: Action): boolean {
  return protocol === "mqtt" && (direction === "both" || (direction === "out") === (action === "publish"))
}

function learnable(flow: Flow, includeDenied: boolean): boolean {
  return flow.verdict === "allowed" || (includeDenied && !NEVER.has(flow.verdict))
}

function sortFlows(peer: RecordedPeer, includeDenied: boolean): { asked: MqttFlow[]; received: MqttFlow[] } {
  const flows = peer.flows.filter((flow): flow is MqttFlow => flow.kind === "mqtt" && learnable(flow, includeDenied))
  return {
    asked: flows.filter(({ action }) => action === "subscribe"),
    received: flows.filter(({ action }) => action === "receive"),
  }
}

/** `$share/<group>/` taken off. */
export function unshared(filter: string): string {
  return filter.replace(/^\$share\/[^/]*\//, "")
}
