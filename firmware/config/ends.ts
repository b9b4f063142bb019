import type { GatewayEnds } from "../../policy/export/ends.ts"
import type { GatewayConfig } from "./gateway-config.ts"

/** The ends that a board file names, as `policy/export` knows them. */
export function endsOf({ gateway, conduits, management }: GatewayConfig): GatewayEnds {
  return { gateway, conduits, management: management.mqtt }
}
