import type { Limits } from "../../config/gateway-config.ts"
import { createLoadMemory, LoadControl } from "./load-control.ts"
import { shedFor, totalBytes } from "./memory-account.ts"

/** What the live limits and code made of a flood that never happened. */
export interface LoadRehearsal {
  /** Handshakes given to one network and to many, which each asked for `asked` within one second. */
  readonly asked: number
  readonly oneNetwork: number
  readonly manyNetworks: number
  /** Whether an address that was in before got a handshake after both floods. */
  readonly provenLetIn: boolean
  /** Connections that one subject got, of one more than it may have. */
  readonly ofOneSubject: number
  /** Of a full conduit: whether an essential peer took a place, and another did. */
  readonly essentialTookPlace: boolean
  readonly otherTookPlace: boolean
  /** What is left of three times the memory there may be, and whether anything essential had to go for it. */
  readonly heldAfterShedding: number
  readonly essentialShed: boolean
  /** What the connections of this moment hold, at the last look. */
  readonly heldNow: number
}

/** Connections of a flood, in one second of a clock of its own. */
const ASKED = 5_000

/** Run the live code under the live limits on accounts of its own: nobody's budget is touched. @see IEC 62443-4-2 CR 7.1, CR 7.2 */
export function rehearseLoad(limits: Limits, heldNow: number): LoadRehearsal {
  let nowMs = 0
  const fresh = (some: Partial<Limits> = {}): LoadControl => {
    const own = { ...limits, ...some }
    return new LoadControl(createLoadMemory(own, 1), 0, own, () => nowMs)
  }
  const flooded = fresh()
  flooded.keeper.proved("192.0.2.1")
  const flood = (address: (k: number) => string): number => {
    let passed = 0
    for (let k = 0; k < ASKED; k++) {
      nowMs += 1_000 / ASKED
      const source = flooded.keeper.arrive(address(k))
      if (typeof source === "string") continue
      passed++
      flooded.keeper.leave(source)
    }
    return passed
  }
  const oneNetwork = flood((k) => `198.51.100.${k % 256}`)
  const manyNetworks = flood((k) => `10.${k & 255}.${k >> 8}.1`)
  const provenLetIn = typeof flooded.keeper.arrive("192.0.2.1") !== "string"

  const places = fresh({ maxConnections: Math.max(limits.maxConnections, limits.maxSubjectConnections + 1) })
  let ofOneSubject = 0
  for (let k = 0; k <= limits.maxSubjectConnections; k++) {
    if (typeof places.take("rehearsal", "one", false, () => false) !== "string") ofOneSubject++
  }
  const full = fresh({ maxConnections: 1 })
  const normal = full.take("rehearsal", "normal", false, () => false)
  const otherTookPlace = typeof full.take("rehearsal", "other", false, () => true) !== "string"
  const room = (): boolean => {
    if (typeof normal !== "string") normal.free()
    return true
  }
  const essentialTookPlace = typeof full.take("rehearsal", "essential", true, room) !== "string"

  const bound = limits.maxMemoryBytes
  const holdings = Array.from({ length: 60 }, (_, k) => ({ heldBytes: bound / 20, essential: k % 6 === 0 }))
  const gone = new Set(shedFor(holdings, bound))
  return {
    asked: ASKED,
    oneNetwork,
    manyNetworks,
    provenLetIn,
    ofOneSubject,
    essentialTookPlace,
    otherTookPlace,
    heldAfterShedding: totalBytes(holdings.filter((holding) => !gone.has(holding))),
    essentialShed: [...gone].some(({ essential }) => essential),
    heldNow,
  }
}
