import { compilePolicy } from "../../policy/compile/compile.ts"
import { decideSubscription } from "../../policy/filter/contain.ts"
import { classOf, createBuckets, createFilterState, decideTopic, type FilterState } from "../../policy/filter/decide.ts"
import type { Buckets, CompiledPolicy, FilterStateInput } from "../../policy/filter/table.ts"
import { reasonName, ruleOf, type Verdict } from "../../policy/filter/verdict.ts"
import type { Policy } from "../../policy/language/policy.ts"

const text = new TextEncoder()

/** Anything about a message or a peer that matters to a test; the rest is ordinary. */
export interface Circumstances {
  readonly conduit?: string
  readonly roles?: readonly string[]
  readonly action?: FilterStateInput["action"]
  readonly name?: string
  readonly clientId?: string
  readonly essentialOnly?: boolean
  readonly buckets?: Buckets
  readonly version?: 4 | 5
  readonly qos?: number
  readonly retain?: boolean
  readonly payloadBytes?: number
  readonly nowMs?: number
  readonly aliases?: FilterStateInput["aliases"]
}

/** A filter state for the compiled policy. */
export function stateFor(compiled: CompiledPolicy, of: Circumstances = {}): FilterState {
  return createFilterState(compiled.table, {
    classIndex: classOf(compiled, of.conduit ?? "field", of.roles ?? ["sensor"]),
    action: of.action ?? "publish",
    protocolVersion: of.version ?? 4,
    name: text.encode(of.name ?? "dev"),
    clientId: text.encode(of.clientId ?? "cid"),
    buckets: of.buckets ?? createBuckets(compiled.table),
    essentialOnly: of.essentialOnly ?? false,
    aliases: of.aliases ?? null,
  })
}

/** `reason` alone, or `reason rule-id` if the verdict names a rule. */
export function say(compiled: CompiledPolicy, verdict: Verdict): string {
  const rule = ruleOf(verdict)
  return rule === -1 ? reasonName(verdict) : `${reasonName(verdict)} ${compiled.ruleIds[rule] ?? "?"}`
}

/** Judges messages to topics, given as text or bytes, by one policy and peer; buckets last as long as the function. */
export function judgeBy(
  policy: Policy,
  of: Circumstances = {},
): (topic: string | Uint8Array, and?: Circumstances) => string {
  const compiled = compilePolicy(policy)
  const state = stateFor(compiled, of)
  return (topic, and = {}) => {
    const bytes = typeof topic === "string" ? text.encode(topic) : topic
    const { qos = 0, retain = false, payloadBytes = 0, nowMs = 0 } = { ...of, ...and }
    const flags = (qos << 1) | Number(retain)
    return say(compiled, decideTopic(compiled.table, state, bytes, 0, bytes.length, flags, payloadBytes, nowMs))
  }
}

/** Judges requests to subscribe by one policy and peer. */
export function subscribeBy(
  policy: Policy,
  of: Circumstances = {},
): (filter: string | Uint8Array, qos?: number) => string {
  const compiled = compilePolicy(policy)
  const state = stateFor(compiled, { ...of, action: "subscribe" })
  return (filter, qos = 0) => {
    const bytes = typeof filter === "string" ? text.encode(filter) : filter
    return say(compiled, decideSubscription(compiled.table, state, bytes, 0, bytes.length, qos))
  }
}
