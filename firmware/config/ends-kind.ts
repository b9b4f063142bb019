import type { Conduit, Transport } from "../../policy/language/policy.ts"

/** What a conduit's ends on a board speak, and over what. */
export interface EndsKind {
  readonly protocol: "mqtt" | "modbus"
  readonly from: Transport
  readonly to: Transport
}

/** How a policy's conduit and ends on a board differ in kind, or null: protocol, and what carries it at each end. */
export function unlike(conduit: Pick<Conduit, "protocol" | "transport">, ends: EndsKind): string | null {
  if (conduit.protocol !== ends.protocol) {
    return `the policy says ${conduit.protocol}, its upstream here speaks ${ends.protocol}`
  }
  const { from, to } = conduit.transport
  if (from !== ends.from) {
    const mend = ends.from === "tcp" ? "its listener here needs a credential" : "its listener here has a credential"
    return `the policy says that peers connect by ${from}, ${mend}`
  }
  return to === ends.to ? null : `the policy says ${to} towards the other zone, its upstream here is ${ends.to}`
}
