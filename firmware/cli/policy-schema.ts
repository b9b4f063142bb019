import { casesJsonSchema } from "../../policy/analysis/cases-shape.ts"
import { policyJsonSchema } from "../../policy/language/policy-shape.ts"
import { gatewayJsonSchema } from "../config/gateway-shape.ts"
import type { CliIo } from "./handler.ts"

const SCHEMAS = { policy: policyJsonSchema, cases: casesJsonSchema, gateway: gatewayJsonSchema } as const

/**
 * `lockgate policy schema [policy|cases|gateway]`: the JSON Schema of the policy document (default), of the cases beside it or
 * of the board file, for editors. Resolves to the exit code: 0, or 2 for an unknown argument.
 */
export async function policySchema(args: readonly string[], io: CliIo): Promise<number> {
  const [which = "policy", ...rest] = args
  if (rest.length > 0 || !Object.hasOwn(SCHEMAS, which)) {
    io.err(`usage: lockgate policy schema [${Object.keys(SCHEMAS).join("|")}]\n`)
    return 2
  }
  io.out(`${JSON.stringify(SCHEMAS[which as keyof typeof SCHEMAS](), null, 2)}\n`)
  return 0
}
