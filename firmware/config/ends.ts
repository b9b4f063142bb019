import type { ConduitEnds, GatewayEnds } from "../../policy/export/ends.ts"
import type { GatewayConfig } from "./gateway-config.ts"

/** The ends of a board file, as `policy/export` knows them. */
export function endsOf({ gateway, conduits, management }: GatewayConfig): GatewayEnds {
  const ends = Object.entries(conduits).map(([name, { protocol, listen, upstream }]): [string, ConduitEnds] => [
    name,
    { protocol, listen, upstream: upstream.kind === "line" ? null : { credential: null, ...upstream } },
  ])
  return { gateway, conduits: Object.fromEntries(ends), management: management.mqtt }
}
