import { untilNextBorder, withinHours } from "../time/hours.ts"
import type { TimeInterval } from "../time/interval.ts"
import { allHold, NO_INPUTS, type Inputs } from "./inputs.ts"
import { GATE_HOLDS, GATE_ON, GATE_OUTSIDE, GATE_WITHIN } from "./layout.ts"
import type { FilterTable, Gate } from "./table.ts"

/** What setting the gates came to. */
export interface GatesSet {
  /** Some gate is not what it was. */
  readonly changed: boolean
  /** Ask again after so many milliseconds of a clock, or when the time, an override or an input says something new; Infinity: only then. */
  readonly againInMs: number
}

/** Tables with gates: those of MQTT and of Modbus alike. */
export type Gated = Pick<FilterTable, "gates" | "gateStates">

/**
 * Set every gate of `table` by what is known of the time and the inputs, and by the emergencies that an override has
 * switched on.
 *
 * It takes effect on the next decision; whoever holds rights that were granted before must judge them again if anything
 * changed.
 */
export function setGates(
  table: Gated,
  now: TimeInterval,
  emergencies: ReadonlySet<string>,
  inputs: Inputs = NO_INPUTS,
): GatesSet {
  const { gates, gateStates } = table
  let changed = false
  let againInMs = Infinity
  gates.forEach((gate, k) => {
    const state = gateState(gate, now, emergencies, inputs)
    if (gateStates[k] !== state) changed = true
    gateStates[k] = state
    if (gate.hours !== null) againInMs = Math.min(againInMs, untilNextBorder(gate.hours, now))
  })
  return { changed, againInMs }
}

/** `GATE_...` of one gate. */
export function gateState(
  { hours, emergency, when }: Gate,
  now: TimeInterval,
  emergencies: ReadonlySet<string>,
  inputs: Inputs,
): number {
  const on = emergency === null || emergencies.has(emergency) ? GATE_ON : 0
  const within = hours === null ? "yes" : withinHours(hours, now)
  const holds = when === null ? "yes" : allHold(when, inputs)
  return (
    on |
    (within === "yes" ? GATE_WITHIN : 0) |
    (holds === "yes" ? GATE_HOLDS : 0) |
    (within === "no" || holds === "no" ? GATE_OUTSIDE : 0)
  )
}
