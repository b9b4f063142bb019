import type { MqttEntry } from "./mqtt-rule-shape.ts"
import type { MqttRule } from "./policy.ts"
import type { Sets } from "./sets.ts"
import { hoursOf } from "./hours-shape.ts"
import { payloadForm } from "./payload-shape.ts"
import { DEFAULT_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES } from "./policy-bounds.ts"
import { writeOutAll } from "./sets.ts"

/** A deny speaks of topics, hours and inputs alone: everything else is as wide as can be. */
const WIDEST = {
  maxQos: 2,
  retain: true,
  maxPayloadBytes: MAX_PAYLOAD_BYTES,
  payload: { kind: "any" },
  rate: null,
  essential: false,
  record: "none",
  emergency: null,
} as const

/** The rule as the policy holds it. */
export function buildMqttRule(entry: MqttEntry, allConduits: readonly string[], sets: Sets | null): MqttRule {
  const { id, roles } = entry
  const base = {
    protocol: "mqtt",
    id,
    conduits: entry.conduits ?? allConduits,
    roles,
    topics: writeOutAll(entry.topics, sets),
    hours: entry.hours === null ? null : hoursOf(entry.hours),
    when: entry.when,
  } as const
  if ("deny" in entry) return { ...base, ...WIDEST, effect: "deny", actions: entry.deny }
  return {
    ...base,
    effect: "allow",
    actions: entry.allow,
    maxQos: entry.qos === 0 || entry.qos === 1 ? entry.qos : 2,
    retain: entry.retain,
    maxPayloadBytes: entry.payload ?? DEFAULT_PAYLOAD_BYTES,
    payload: payloadForm(entry.form, sets),
    rate: entry.rate,
    essential: entry.essential,
    record: entry.record,
    emergency: entry.emergency,
  }
}
