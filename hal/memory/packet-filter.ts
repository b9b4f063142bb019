import { HardwareError } from "../../policy/base/errors.ts"
import type { FilterChain, FilterState, PacketFilter } from "../packet-filter.ts"

/**
 * A packet filter that filters nothing, and remembers what it was told: for tests, and for the simulated board.
 * `rules` is the ruleset to the letter; whoever drives it may lose or alter it, switch forwarding on, or let it fail.
 */
export class MemoryPacketFilter implements PacketFilter {
  readonly simulated = true
  rules: string | null = null
  readonly forwarding = new Set<string>()
  readonly bridges: string[] = []
  readonly beside: string[] = []
  readonly names: Record<string, readonly string[]> = {}
  /** Times a ruleset was put in force. */
  applied = 0
  /** The next calls of `apply` that fail. */
  failing = 0
  /** Every `read` fails. */
  blind = false
  /** Settings that cannot be switched off. */
  readonly stuck = new Set<string>()

  async apply(ruleset: string): Promise<void> {
    if (this.failing > 0) {
      this.failing--
      throw new HardwareError("ERR_PACKET_FILTER", "the packet filter takes no rules")
    }
    this.rules = ruleset
    this.applied++
  }

  async read(): Promise<FilterState> {
    if (this.blind) throw new HardwareError("ERR_PACKET_FILTER", "the packet filter cannot be read")
    return {
      rules: this.rules,
      chains: this.rules === null ? [] : chainsOf(this.rules),
      forwarding: [...this.forwarding].sort(),
      bridges: this.bridges,
      beside: this.beside,
    }
  }

  async stopForwarding(): Promise<void> {
    for (const key of this.forwarding) if (!this.stuck.has(key)) this.forwarding.delete(key)
    if (this.forwarding.size > 0) throw new HardwareError("ERR_PACKET_FILTER", "forwarding stays on")
  }

  async hosts(): Promise<Readonly<Record<string, readonly string[]>>> {
    return this.names
  }

  async tryAround(): Promise<"stopped" | "left"> {
    const out = chainsOf(this.rules ?? "").find(({ family, hook }) => family === "inet" && hook === "output")
    return out?.policy === "drop" ? "stopped" : "left"
  }
}

/** The chains of a ruleset as `policy/export/firewall.ts` writes it, a rule a line. */
function chainsOf(ruleset: string): readonly FilterChain[] {
  const chains: { family: "inet" | "bridge"; hook: string; policy: string; accepts: number }[] = []
  let family: "inet" | "bridge" = "inet"
  for (const line of ruleset.split("\n")) {
    const table = /^table (inet|bridge) lockgate \{/.exec(line)
    if (table !== null) family = table[1] === "bridge" ? "bridge" : "inet"
    const base = /type filter hook (\w+) .*policy (\w+);/.exec(line)
    if (base !== null) chains.push({ family, hook: base[1] ?? "", policy: base[2] ?? "", accepts: 0 })
    const own = chains.at(-1)
    if (own !== undefined && /^ +[^#]*\b(accept|jump|goto|queue)\b/.test(line) && base === null) own.accepts++
  }
  return chains
}
