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

/** The totals of several threads as those of one; denials at most 64 rows a conduit and the rest, as in each of them. */
export function addUp(all: readonly (readonly ConduitCounters[])[]): readonly ConduitCounters[] {
  const sums = new Map<string, CounterSet>()
  for (const row of all.flat()) {
    const sum = sums.get(row.conduit) ?? newCounters()
    sums.set(row.conduit, sum)
    for (const name of NUMBERS) sum[name] += row[name]
    for (const denial of row.denials) {
      const own = `${denial.rule ?? ""} ${denial.reason}`
      const key = sum.denials.has(own) || sum.denials.size < MAX_DENIAL_ROWS ? own : "*"
      const known = sum.denials.get(key)
      if (known !== undefined) known.count += denial.count
      else sum.denials.set(key, key === "*" ? { rule: "*", reason: "other", count: denial.count } : { ...denial })
    }
  }
  return [...sums].map(([conduit, sum]) => snapshot(conduit, sum))
}

const NUMBERS = [
  "connections",
  "accepted",
  "refusedPeers",
  "allowedUp",
  "allowedDown",
  "deniedUp",
  "deniedDown",
  "bytesUp",
  "bytesDown",
] as const satisfies readonly (keyof CounterSet)[]
