import { dirname, resolve } from "node:path"
import type { ConduitEnds, GatewayEnds } from "../../policy/export/ends.ts"
import type { GatewayConfig } from "../config/gateway-config.ts"
import { GATEWAY_LIMITS, parseGatewayConfig } from "../config/parse-gateway-config.ts"
import { readText } from "../config/read-text.ts"
import type { CliIo } from "./handler.ts"
import { tellFaults } from "./policy-file.ts"

/**
 * The board file, or null after its faults were told. Unlike on a gateway the files that it names need not be here: at a
 * desk they are not.
 */
export async function readBoardFile(file: string | undefined, io: CliIo): Promise<GatewayConfig | null> {
  if (file === undefined) {
    io.err("for which gateway? give --config <gateway.yaml>\n")
    return null
  }
  const text = await readText(file, GATEWAY_LIMITS.maxJsonBytes)
  const parsed = text.ok ? parseGatewayConfig(text.value, file, dirname(resolve(file))) : text
  if (parsed.ok) return parsed.value
  tellFaults(parsed.faults, io)
  return null
}

/** Its ends, as `policy/export` knows them. */
export function endsOf({ gateway, conduits, management }: GatewayConfig): GatewayEnds {
  const ends = Object.entries(conduits).map(([name, { protocol, listen, upstream }]): [string, ConduitEnds] => [
    name,
    { protocol, listen, upstream: upstream.kind === "line" ? null : { credential: null, ...upstream } },
  ])
  return { gateway, conduits: Object.fromEntries(ends), management: management.mqtt }
}
