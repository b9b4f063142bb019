import { policyJsonSchema } from "../../policy/language/policy-shape.ts"
import { gatewayJsonSchema } from "../config/gateway-shape.ts"
import type { CliIo } from "./handler.ts"

/**
 * `lockgate policy schema [policy|gateway]`: the JSON Schema of the policy document (default) or of the board file, for
 * editors. Resolves to the exit code: 0, or 2 for an unknown argument.
 */
export async function policySchema(args: readonly string[], io: CliIo): Promise<number> {
  const [which = "policy", ...rest] = args
  if (rest.length > 0 || (which !== "policy" && which !== "gateway")) {
    io.err("usage: lockgate policy schema [policy|gateway]\n")
    return 2
  }
  io.out(`${JSON.stringify(which === "policy" ? policyJsonSchema() : gatewayJsonSchema(), null, 2)}\n`)
  return 0
}
