import { untilNextBorder, withinHours } from "../time/hours.ts"
import type { TimeInterval } from "../time/interval.ts"
import { GATE_ON, GATE_OUTSIDE, GATE_WITHIN } from "./layout.ts"
import type { FilterTable, Gate } from "./table.ts"

/** What setting the gates came to. */
export interface GatesSet {
  /** Some gate is not what it was. */
  readonly changed: boolean
  /** Ask again after so many milliseconds of a clock, or when the time or an override says something new; Infinity: only then. */
  readonly againInMs: number
}

/** Tables with gates: those of MQTT and of Modbus alike. */
export type Gated = Pick<FilterTable, "gates" | "gateStates">

/**
 * Set every gate of `table` by what is known of the time and by the emergencies that an override has switched on.
 *
 * It takes effect on the next decision; whoever holds rights that were granted before must judge them again if anything
 * changed.
 */
export function setGates(table: Gated, now: TimeInterval, emergencies: ReadonlySet<string>): GatesSet {
  const { gates, gateStates } = table
  let changed = false
  let againInMs = Infinity
  gates.forEach((gate, k) => {
    const state = gateState(gate, now, emergencies)
    if (gateStates[k] !== state) changed = true
    gateStates[k] = state
    if (gate.hours !== null) againInMs = Math.min(againInMs, untilNextBorder(gate.hours, now))
  })
  return { changed, againInMs }
}

/** `GATE_...` of one gate. */
export function gateState({ hours, emergency }: Gate, now: TimeInterval, emergencies: ReadonlySet<string>): number {
  const on = emergency === null || emergencies.has(emergency) ? GATE_ON : 0
  if (hours === null) return on | GATE_WITHIN
  const certainty = withinHours(hours, now)
  return on | (certainty === "yes" ? GATE_WITHIN : certainty === "no" ? GATE_OUTSIDE : 0)
}
