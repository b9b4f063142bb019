import { createBoundary } from "../../firmware/boundary/keeper.ts"
import type { BoundaryView } from "../../firmware/assess/probe-context.ts"
import { MemoryClock } from "../../hal/memory/clock.ts"
import { MemoryNetworkInterfaces } from "../../hal/memory/network-interfaces.ts"
import { MemoryPacketFilter } from "../../hal/memory/packet-filter.ts"

/** A packet filter in force, of a board that is taken for a real one; `change` breaks something of it afterwards. */
export async function keptBoundary(
  change: (filter: MemoryPacketFilter) => void = () => undefined,
): Promise<BoundaryView> {
  const filter = new MemoryPacketFilter()
  const ends = { gateway: "gw", conduits: {}, management: null }
  const keeper = createBoundary({ mode: "apply", filter, clock: new MemoryClock(), ends, note: () => undefined })
  await keeper.follow(null)
  keeper.stop()
  change(filter)
  return {
    mode: "apply",
    simulated: false,
    digest: keeper.digest,
    read: () => filter.read(),
    tryAround: () => filter.tryAround(),
    interfaces: { simulated: false, list: () => new MemoryNetworkInterfaces().list() },
  }
}
