/**
 * A pump that fills a tank: four numbers that move as a plant's do, so that the demo's messages look like messages.
 *
 * Pure: time and chance come in.
 */
export interface ProcessState {
  /** bar */
  readonly pressure: number
  /** bar, as last told */
  readonly setpoint: number
  /** m3/h */
  readonly flow: number
  /** percent of the tank */
  readonly level: number
  /** degrees Celsius */
  readonly temperature: number
}

export const AT_REST: ProcessState = { pressure: 4, setpoint: 4, flow: 12, level: 60, temperature: 21.5 }

/** The state `seconds` later. `chance` gives numbers in [0, 1). */
export function stepProcess(state: ProcessState, seconds: number, chance: () => number): ProcessState {
  const noise = (size: number): number => (chance() - 0.5) * size
  const pressure = clamp(
    state.pressure + (state.setpoint - state.pressure) * Math.min(1, seconds / 3) + noise(0.04),
    0,
    10,
  )
  const flow = clamp(6 * Math.sqrt(pressure) + noise(0.3), 0, 25)
  // What the plant draws grows with the level, so that the tank settles instead of running over.
  const level = clamp(state.level + (flow - state.level / 5) * 0.05 * seconds, 0, 100)
  const temperature = clamp(state.temperature + (21.5 - state.temperature) * 0.01 * seconds + noise(0.05), -20, 80)
  return { pressure, setpoint: state.setpoint, flow, level, temperature }
}

/** The setpoint in a command's payload (`{"bar": 4.2}`), or null if it is none that the pump could take (0.5..6 bar). */
export function readSetpoint(payload: Uint8Array): number | null {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder().decode(payload))
  } catch {
    return null
  }
  if (typeof value !== "object" || value === null || !("bar" in value)) return null
  return typeof value.bar === "number" && value.bar >= 0.5 && value.bar <= 6 ? value.bar : null
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value))
}
