import type { ConduitCounters } from "./messages.ts"

const MAX_DENIAL_ROWS = 64

/** Running totals of one conduit, kept by the engine and posted to the gateway once a second. */
export interface CounterSet {
  connections: number
  accepted: number
  refusedPeers: number
  allowedUp: number
  allowedDown: number
  deniedUp: number
  deniedDown: number
  bytesUp: number
  bytesDown: number
  readonly denials: Map<string, { readonly rule: string | null; readonly reason: string; count: number }>
}

/** All zero. */
export function newCounters(): CounterSet {
  return {
    connections: 0,
    accepted: 0,
    refusedPeers: 0,
    allowedUp: 0,
    allowedDown: 0,
    deniedUp: 0,
    deniedDown: 0,
    bytesUp: 0,
    bytesDown: 0,
    denials: new Map(),
  }
}

/** Count one denial by rule and reason; at most 64 rows are kept apart, the rest is added up under rule `*`. */
export function countDenial(set: CounterSet, direction: "up" | "down", rule: string | null, reason: string): void {
  if (direction === "up") set.deniedUp++
  else set.deniedDown++
  const key = `${rule ?? ""} ${reason}`
  const row = set.denials.get(key)
  if (row !== undefined) row.count++
  else if (set.denials.size < MAX_DENIAL_ROWS) set.denials.set(key, { rule, reason, count: 1 })
  else {
    const rest = set.denials.get("*") ?? { rule: "*", reason: "other", count: 0 }
    rest.count++
    set.denials.set("*", rest)
  }
}

/** The totals as they travel to the gateway. */
export function snapshot(conduit: string, set: CounterSet): ConduitCounters {
  return { conduit, ...set, denials: [...set.denials.values()].map((row) => ({ ...row })) }
}
