import { dirname, resolve } from "node:path"
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
