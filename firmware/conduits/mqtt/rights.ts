import type { FlowCache, Flows } from "../../../policy/filter/cache/flow.ts"
import { KernelFlowCache } from "../../../policy/filter/cache/kernel-cache.ts"
import { createFilterState, decideMessage } from "../../../policy/filter/decide.ts"
import { forgetAliases } from "../../../policy/filter/payload/alias-memory.ts"
import { noteMessage } from "../../../policy/filter/payload/sparkplug.ts"
import { decideSubscription } from "../../../policy/filter/contain.ts"
import { RECORD_CHANGES, RECORD_NONE, type Buckets } from "../../../policy/filter/table.ts"
import { ruleOf } from "../../../policy/filter/verdict.ts"
import type { Action } from "../../../policy/language/policy.ts"
import { nameAt, type EngineTables } from "../engine-policy.ts"
import type { Ahead, ConnectFacts, Judge } from "./judge.ts"

/** One peer's rights under one policy: what every decision about it starts from. */
export interface Rights {
  readonly compiled: EngineTables
  /** -1: no rights at all. */
  readonly classIndex: number
  readonly name: string
  readonly buckets: Buckets
  readonly essentialOnly: boolean
}

/** Verdicts that the kernel remembers, for all packets of a chunk at a time. */
function aheadOf(cache: KernelFlowCache, up: Flows, down: Flows, records: Uint8Array): Ahead {
  const { input, results, landingAt } = cache
  return {
    room: landingAt,
    results,
    records,
    // By its offset first, which costs nothing: a buffer of another memory hardly ever begins so far behind.
    placeOf: (bytes) => {
      const place = bytes.byteOffset - input.byteOffset
      return place >= 0 && bytes.buffer === input.buffer ? place : -1
    },
    load: (bytes, start, end) => {
      input.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end))
    },
    look: (direction, start, end) => cache.lookChunk(direction === "up" ? up : down, start, end),
    pass: (direction, start, end, maxBytes) => cache.passChunk(direction === "up" ? up : down, start, end, maxBytes),
    passed: () => cache.passed,
    settle: (direction, found, start, end, nowMs) =>
      cache.settle(direction === "up" ? up : down, found, start, end, nowMs),
  }
}

/**
 * The filter for one connection: three states over one table, made once a connection and policy. Whole messages go through
 * `cache`, which gives each state a number of its own; nothing need be given back when the connection closes.
 *
 * What births said stays known from policy to policy: it is what the peers heard, and the new policy judges by the names. A
 * policy that does not look into Sparkplug payloads lets births pass unheard, so under it all is forgotten.
 */
export function createJudge(rights: Rights, facts: ConnectFacts, cache: FlowCache): Judge {
  const { table, records, ruleNames } = rights.compiled
  const encoder = new TextEncoder()
  const name = encoder.encode(rights.name)
  const clientId = encoder.encode(facts.clientId)
  const isHeard = table.forms.some(({ kind }) => kind === "sparkplug-b")
  const { metricAliases } = facts
  if (!isHeard) forgetAliases(metricAliases)
  const stateFor = (action: Action) =>
    createFilterState(table, {
      classIndex: rights.classIndex,
      action,
      protocolVersion: facts.version,
      name,
      clientId,
      buckets: rights.buckets,
      essentialOnly: rights.essentialOnly,
      aliases: isHeard ? metricAliases : null,
    })
  const publish = stateFor("publish")
  const receive = stateFor("receive")
  const subscribe = stateFor("subscribe")
  const up = cache.join(publish, records)
  const down = cache.join(receive, records)
  return {
    ...(cache instanceof KernelFlowCache ? { ahead: aheadOf(cache, up, down, records) } : {}),
    publish: (bytes, start, end, nowMs) => cache.decide(up, bytes, start, end, nowMs),
    receive: (bytes, start, end, nowMs) => cache.decide(down, bytes, start, end, nowMs),
    topic: (direction, bytes, start, end, flags, payloadBytes, nowMs, payload, payloadAt) => {
      const state = direction === "up" ? publish : receive
      return decideMessage(table, state, bytes, start, end, flags, payloadBytes, nowMs, payload, payloadAt)
    },
    subscribe: (bytes, start, end, qos) => decideSubscription(table, subscribe, bytes, start, end, qos),
    hear: isHeard ? (...message) => noteMessage(metricAliases, ...message) : null,
    record: (verdict) => {
      const record = records[ruleOf(verdict)] ?? RECORD_NONE
      if (record === RECORD_NONE) return null
      return { rule: nameAt(ruleNames, ruleOf(verdict)) ?? "?", changesOnly: record === RECORD_CHANGES }
    },
  }
}
