import type { FilterState } from "../../hal/packet-filter.ts"
import type { GatewayEnds } from "../../policy/export/ends.ts"
import { writeFirewall, type FilteredPolicy } from "../../policy/export/firewall.ts"

/** What is written while no policy is in force: nothing comes in, only the gateway's own log goes out. */
const NONE: FilteredPolicy = { name: "none in force", conduits: [] }

/**
 * The ruleset for a policy on this board, or for none.
 *
 * @throws InputError as `writeFirewall`
 */
export function rulesetFor(
  policy: FilteredPolicy | null,
  ends: GatewayEnds,
  addresses: Readonly<Record<string, readonly string[]>>,
): { readonly text: string; readonly notes: readonly string[] } {
  const { ruleset, notes } = writeFirewall(policy ?? NONE, ends, { addresses })
  return { text: ruleset, notes: policy === null ? [] : notes }
}

/** Chains that nothing may pass. */
const SHUT: readonly (readonly [family: "inet" | "bridge", hook: string])[] = [
  ["inet", "forward"],
  ["bridge", "input"],
  ["bridge", "forward"],
  ["bridge", "output"],
]

/**
 * What is wrong with the rules in force, or null: every chain drops what no rule names, and in those that join two
 * interfaces no rule lets anything pass. Looks at what the kernel has, not at what it was told.
 */
export function faultOf(state: FilterState): string | null {
  if (state.rules === null) return "the gateway's tables are gone"
  for (const [family, hook] of [["inet", "input"], ["inet", "output"], ...SHUT] as const) {
    const chain = state.chains.find((one) => one.family === family && one.hook === hook)
    if (chain === undefined) return `${family} ${hook}: there is no such chain`
    if (chain.policy !== "drop") return `${family} ${hook}: what no rule names is let through`
  }
  for (const [family, hook] of SHUT) {
    const open = state.chains.find((one) => one.family === family && one.hook === hook && one.accepts > 0)
    if (open !== undefined) return `${family} ${hook}: ${open.accepts} rules let something through`
  }
  return state.beside.length > 0 ? `before every filter comes ${state.beside.join(", ")}` : null
}
