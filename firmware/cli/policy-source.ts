import { areCases } from "../../policy/analysis/cases.ts"
import type { Policy } from "../../policy/language/policy.ts"
import { formatFault } from "../../policy/language/fault.ts"
import { POLICY_LIMITS, parsePolicy } from "../../policy/language/parse-policy.ts"
import { openReadOnlyStorage } from "../../hal/linux/storage.ts"
import { readStatement } from "../bundles/sign.ts"
import { parseState } from "../bundles/state-file.ts"
import { readGatewayConfig } from "../config/read-gateway-config.ts"
import { readText } from "../config/read-text.ts"
import type { CliIo } from "./handler.ts"
import { tellError, tellFaults } from "./policy-file.ts"

/** How a command is told whose policy in force is meant. */
export const STATE_OPTIONS = { state: { type: "string" }, config: { type: "string" } } as const
export const STATE_USAGE = "(--state <folder> | --config <gateway.yaml>)"

/** A policy and how to name it to a person. */
export interface NamedPolicy {
  readonly policy: Policy
  readonly label: string
}

/** The policy in a file, or null after its faults were told. */
export async function readPolicyFile(file: string, io: CliIo): Promise<Policy | null> {
  const text = await readText(file, POLICY_LIMITS.maxJsonBytes)
  if (text.ok && areCases(text.value)) {
    const beside = /\.cases\.(yaml|yml|json)$/.test(file) ? `, such as ${file.replace(/\.cases\./, ".")}` : ""
    io.err(`${file}: these are cases; name the policy that they are for${beside}\n`)
    return null
  }
  const parsed = text.ok ? parsePolicy(text.value, file) : text
  if (parsed.ok) return parsed.value
  tellFaults(parsed.faults, io)
  return null
}

/** The state folder that is meant; null after it was told that none, or none that can be read, was named. */
export async function stateFolder(
  options: { readonly state?: string | undefined; readonly config?: string | undefined },
  io: CliIo,
): Promise<string | null> {
  if (options.state !== undefined) return options.state
  if (options.config === undefined) {
    io.err(`which gateway? give ${STATE_USAGE}\n`)
    return null
  }
  const config = await readGatewayConfig(options.config)
  if (config.ok) return config.value.stateFolder
  for (const fault of config.faults) io.err(`${formatFault(fault)}\n`)
  return null
}

/**
 * The policy in force by a gateway's state folder, the one on trial first; null after it was told why there is none. Read
 * as it lies there: whether it is signed rightly is for the gateway to judge, which it does at each start.
 */
export async function readPolicyInForce(state: string, io: CliIo): Promise<NamedPolicy | null> {
  const storage = openReadOnlyStorage(state)
  try {
    const bytes = await storage.read("policy/state.json")
    if (bytes === null) return none(state, io)
    const { active, trial } = parseState(bytes)
    const path = trial !== null ? `policy/trial/${trial}.jws` : `policy/bundles/${active ?? 0}.jws`
    const bundle = active === null && trial === null ? null : await storage.read(path)
    if (bundle === null) return none(state, io)
    const statement = readStatement(new TextDecoder().decode(bundle))
    const label = `policy ${statement.version}${trial === null ? "" : " (on trial)"}`
    const parsed = parsePolicy(statement.policy, label)
    if (parsed.ok) return { policy: parsed.value, label }
    tellFaults(parsed.faults, io)
  } catch (error) {
    tellError(state, error, io)
  }
  return null
}

function none(state: string, io: CliIo): null {
  io.err(`no policy is in force by ${state}\n`)
  return null
}
