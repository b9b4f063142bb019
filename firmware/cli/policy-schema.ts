import { policyJsonSchema } from "../../policy/language/policy-shape.ts"
import { gatewayJsonSchema } from "../config/gateway-shape.ts"
import type { LineOutput } from "./policy-check.ts"

/**
 * `lockgate policy schema [policy|gateway]`: the JSON Schema of the policy document (default) or of the board file, for
 * editors. Resolves to the exit code: 0, or 2 for an unknown argument.
 */
export async function policySchema(args: readonly string[], out: LineOutput): Promise<number> {
  const [which = "policy", ...rest] = args
  if (rest.length > 0 || (which !== "policy" && which !== "gateway")) {
    out.errorLine("usage: lockgate policy schema [policy|gateway]")
    return 2
  }
  out.line(JSON.stringify(which === "policy" ? policyJsonSchema() : gatewayJsonSchema(), null, 2))
  return 0
}
