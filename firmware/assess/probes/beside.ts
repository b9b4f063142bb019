/** Probes of what lies beside the conduits: the packet filter in force, and whether something gets past it. */
import { addressKind } from "../../../policy/export/ends.ts"
import type { ProbeResult } from "../../../policy/requirements/control.ts"
import { digestOf } from "../../boundary/keeper.ts"
import { faultOf } from "../../boundary/ruleset.ts"
import type { BoundaryView, GatewayProbe } from "../probe-context.ts"

/** Addresses that nobody has (RFC 5737, RFC 3849): tried where the board file names none. */
const NOBODY = ["192.0.2.1", "2001:db8::1"]

/** Why nothing can be said, or null. */
function notKept({ mode, simulated }: BoundaryView): ProbeResult | null {
  if (mode === "off") {
    return { outcome: "not-tested", why: "packet-filter: off in the board file: nothing keeps packets from going beside the gateway" } // prettier-ignore
  }
  return simulated ? { outcome: "not-tested", why: "on this board the packet filter is simulated" } : null
}

/** The kernel has the very rules that were set: every chain drops, none that joins interfaces lets anything through. */
export const packetFilterInForce: GatewayProbe = {
  id: "boundary.packet-filter-in-force",
  summary: "the live ruleset is read back: it drops by default, forwards nothing, and is the one that was set",
  safety: "passive",
  vantage: "inside",
  async run({ boundary }) {
    const nothing = notKept(boundary)
    if (nothing !== null) return nothing
    const state = await boundary.read()
    const fault = faultOf(state)
    if (fault !== null) return failed("rules that let nothing beside the conduits", fault)
    if (digestOf(state) !== boundary.digest) return failed("the rules that the gateway has set", "others")
    if (state.forwarding.length > 0) return failed("no forwarding by the kernel", state.forwarding.join(" "))
    const chains = state.chains.map(({ family, hook }) => `${family} ${hook}`).join(", ")
    const bridges = state.bridges.length === 0 ? "no bridge" : `bridges ${state.bridges.join(", ")}, which pass nothing`
    return { outcome: "passed", evidence: `${chains} drop what no rule names; no forwarding; ${bridges}` }
  },
}

/** A datagram to a port that nothing is open for does not leave the board. */
export const noWayAround: GatewayProbe = {
  id: "boundary.no-way-around",
  summary: "datagrams are sent to the upstreams at a port that policy does not name; the filter stops each",
  safety: "active-safe",
  vantage: "inside",
  async run({ boundary, interfaces }) {
    const nothing = notKept(boundary)
    if (nothing !== null) return nothing
    const dialled = interfaces
      .filter(({ direction }) => direction === "dials")
      .map(({ at }) => at.replace(/:\d+$/, "").replace(/^\[|\]$/g, ""))
      .filter((host) => addressKind(host) !== null && !host.startsWith("127.") && host !== "::1")
    let stopped = 0
    for (const address of new Set([...dialled, ...NOBODY])) {
      const outcome = await boundary.tryAround(address)
      if (outcome === "left") return failed(`a datagram to ${address} to be stopped`, "it left the board")
      if (outcome === "stopped") stopped++
    }
    if (stopped === 0) return { outcome: "not-tested", why: "no address is within reach of this board" }
    return { outcome: "passed", evidence: `${stopped} datagrams past the rules were stopped` }
  },
}

function failed(expected: string, seen: string): ProbeResult {
  return { outcome: "failed", expected, seen }
}
